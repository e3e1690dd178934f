//! The main job, for real and to be looked at: a simulated J-Jobs of kind F boots under `jjobs-init` as PID 1
//! of fresh namespaces, jobs run, its probes are asked, it is drained by preStop while they run, stopped by SIGTERM, and what
//! took how long is shown.
//!
//! Nothing here sleeps for a fixed time: each row of the timeline is a moment at which something was seen, in
//! the container's log or by looking at its processes and ports every 10 ms.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "to be looked at is its purpose")]

mod fold;
mod scene;
mod timeline;
mod work;

use jjobs_harness::{Container, Vendor};
use scene::Scene;
use std::{env, fs, process::ExitCode, time::Instant};

/// Where the meta DB of the default `JDBC_URL` listens; a port that accepts is all that a boot asks for.
const DB_PORT: u16 = 7432;

/// How long the simulated components take: about what an empty Tomcat takes on two cores. Without these they
/// start and stop in milliseconds, and nothing could be seen coming up.
const PACE: [(&str, &str); 3] = [
    ("SIM_FAULTS_MANAGER", "start_delay=2.0;stop_seconds=0.8"),
    ("SIM_FAULTS_SERVER", "start_delay=2.5;stop_seconds=0.8"),
    ("SIM_FAULTS_AGENT", "stop_seconds=0.3"),
];

const USAGE: &str = "usage: jjobs-demo PATH_OF_JJOBS_INIT";

fn main() -> ExitCode {
    let Some(init) = env::args_os().nth(1) else {
        eprintln!("{USAGE}");
        return ExitCode::from(64);
    };
    // The container binds it from inside, where this folder is not.
    let init = match fs::canonicalize(&init) {
        Ok(path) => path,
        Err(error) => {
            eprintln!("error: cannot find {}: {error}", init.display());
            return ExitCode::FAILURE;
        }
    };
    let began = Instant::now();
    let container = Container::image(init)
        .installer(Vendor::A)
        .hostname("jjobs-0")
        .env("INSTALL_KIND", "F")
        .env("ON_BOOT", "yes")
        .env("API_PRIVATE_TOKEN", "a token of the demo")
        .envs(PACE)
        .env("CUSTOM_COMMAND", "echo \"custom command: user $(id -un), host $(uname -n)\"")
        .prepare();
    let Some(container) = container else {
        eprintln!("error: this machine allows no namespaces, so no container can be made");
        eprintln!("hint: run it as root, or in a container started with --privileged");
        return ExitCode::FAILURE;
    };
    let _database = match container.listen(DB_PORT) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!(
                "error: cannot listen on the meta DB's port {DB_PORT} in the container: {error}"
            );
            return ExitCode::FAILURE;
        }
    };
    println!(
        "A container was made in {:.0} ms: PID, mount, UTS, IPC and network namespaces of its own,",
        ms(began)
    );
    println!(
        "host name jjobs-0, a simulated vendor installer in /install, a meta DB port that answers."
    );
    match Scene::new(container).play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nerror: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

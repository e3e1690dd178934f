//! A runtime: one job, from its start to its end, whatever becomes of the agent that started it.

use super::{JavaCommand, life::Life, syslog::SysLog};
use crate::{http, ledger};
use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Where runtimes leave word for the agent: `<job>.run` while the job runs, `<job>.done` afterwards.
pub(crate) fn folder(base: &Path) -> PathBuf {
    base.join(".simulator/runtimes").join(super::syslog::agent_name())
}

pub(crate) fn start(java: &JavaCommand) -> i32 {
    let base = java.folder("jjobs.home");
    let job = java.property("sim.job").unwrap_or_default().to_owned();
    let seconds = java.property("sim.seconds").and_then(|text| text.parse().ok());
    let length = Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default();
    let life = Life::begin("runtime", &base);
    let log = SysLog::new(&base, "runtime", &job);
    let running = folder(&base).join(format!("{job}.run"));
    let _ = fs::create_dir_all(folder(&base));
    let _ = fs::write(&running, std::process::id().to_string());
    if ledger::record(&base, "start", &job).is_err() {
        return 1;
    }
    log.write(&format!("INFO job {job} has started on {}", env::consts::ARCH));

    let work = {
        let base = base.clone();
        move || {
            let started = Instant::now();
            while started.elapsed() < length {
                thread::sleep(length.saturating_sub(started.elapsed()).min(Duration::from_mins(1)));
            }
            log.write(&format!("INFO job {job} has ended"));
            let recorded = ledger::record(&base, "end", &job);
            let _ = fs::rename(&running, running.with_extension("done"));
            std::process::exit(i32::from(recorded.is_err()));
        }
    };
    http::spawn(work);
    life.live(|| ())
}

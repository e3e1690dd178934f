//! Liveness, the agent's health check, and readiness.

use crate::{
    ask::{A_MOMENT, TOKEN, side_by_side},
    support::{BASE, SOON, boot, kind, kind_f, manual, up},
};
use jjobs_harness::{Signal, Vendor};
use std::time::{Duration, Instant};

#[test]
fn liveness_is_green_whenever_a_kill_would_make_nothing_better() {
    side_by_side(&[
        green_while_booting_draining_and_stopped,
        green_in_maintenance_and_between_restarts,
        green_while_runtimes_of_an_agent_that_is_down_work,
        green_when_an_adopted_component_dies,
    ]);
}

#[test]
fn liveness_is_red_when_a_component_is_down_for_good() {
    side_by_side(&[
        red_when_stopped_by_hand,
        red_when_it_is_never_restarted,
        red_when_start_started_it,
        red_healthcheck_only_for_the_agent,
    ]);
}

#[test]
fn readiness_says_who_is_not_ready_and_why() {
    side_by_side(&[
        not_ready_in_each_phase,
        not_ready_by_what_the_server_says,
        not_ready_without_a_token,
        ready_by_what_runs_in_manual_mode,
        the_manager_alone_needs_no_token,
        one_deadline_for_all,
    ]);
}

fn green_while_booting_draining_and_stopped() {
    let image = kind_f(Vendor::B)
        .env("SIM_INSTALL_SECONDS", "3")
        .env("SIM_FAULTS_SERVER", "start_delay=2")
        .env("API_PRIVATE_TOKEN", TOKEN);
    let Some(mut life) = boot(image) else { return };
    life.soon("jjobs-init begins");
    life.is_alive("booting");
    life.is_not_ready("booting for ");
    let status = life.done("status");
    assert!(status.contains("phase        booting"), "{status}");
    let status = life.status();
    assert_eq!(status["phase"], "booting");
    assert!(status["last_life"].is_null(), "{status}");
    let told = life.init("stop server");
    assert_eq!(
        (told.code, told.stderr.trim_end()),
        (1, "the boot has not ended yet: see `jjobs-init status`")
    );
    life.state("server", "running");
    life.is_alive("starting");
    assert_eq!(life.status()["phase"], "starting");
    life.soon("all up");
    life.is_ready();
    let ours = life.exec(["/bin/bash", "-c", "/engn001/jjobs/agent/healthcheck.sh"]);
    assert_eq!(ours.code, 0, "{ours:?}");
    life.submit(1, 3.0);
    let hook = life.exec_spawn(["/pre-stop.sh"]);
    life.eventually("the drain begins", |life| life.status()["phase"] == "draining");
    life.is_alive("draining");
    life.is_not_ready("draining for ");
    for verb in ["start all", "stop server", "restart agent"] {
        let told = life.init(verb);
        assert_eq!(told.code, 1, "{told:?}");
        assert!(told.stderr.contains("a drain is under way"), "{told:?}");
    }
    assert_eq!(hook.wait(SOON).code, 0);
    life.is_alive("stopped");
    life.is_not_ready("stopped for ");
    let status = life.status();
    assert_eq!((&status["phase"], &status["drain"]["over"]), (&"stopped".into(), &true.into()));
    assert_eq!(status["holds"].as_array().unwrap().len(), 2, "{status}");
    assert_eq!(life.stop().0, 0);
}

fn green_in_maintenance_and_between_restarts() {
    let Some(life) = up(kind_f(Vendor::A).env("API_PRIVATE_TOKEN", TOKEN)) else { return };
    life.is_ready();
    let said = life.done("stop agent");
    assert_eq!(said, "stopped: agent\n");
    life.is_alive("in maintenance");
    life.is_not_ready("agent: stopped for ");
    assert_eq!(life.component("agent")["wanted"], false);
    life.done("start agent");
    life.is_ready();
    for _ in 0..2 {
        let from = life.now();
        life.kill_jvm("server", Signal::SIGKILL);
        life.state_from(from, "server", "waiting for restart");
        life.is_alive("waiting for its restart");
        if life.component("server")["state"] == "waiting for restart" {
            life.is_not_ready("server: ");
        }
        life.state_from(from, "server", "up");
    }
    assert_eq!(life.component("server")["restarts"], 2);
    life.is_ready();
    assert_eq!(life.count(&["script started", "component=agent"]), 3);
}

fn green_while_runtimes_of_an_agent_that_is_down_work() {
    let Some(life) = up(kind_f(Vendor::A).env("API_PRIVATE_TOKEN", TOKEN)) else { return };
    life.submit(2, 6.0);
    life.kill_jvm("agent", Signal::SIGTERM);
    life.state("agent", "stopped by hand");
    life.is_alive("its runtimes work");
    life.is_not_ready("agent: stopped by hand for ");
    life.is_not_ready("2 runtimes at work");
    life.no_job_is_lost(2);
    life.eventually("liveness turns red", |life| life.init("liveness").code == 1);
    let (code, said) = life.probe("healthcheck");
    assert_eq!(code, 1);
    assert!(
        said.starts_with("agent: stopped by hand for ") && said.ends_with("(exit code 143)"),
        "{said}"
    );
    assert!(!said.contains("at work"), "{said}");
}

fn green_when_an_adopted_component_dies() {
    let Some(life) = manual(kind_f(Vendor::A).env("API_PRIVATE_TOKEN", TOKEN)) else { return };
    life.is_alive("nothing was started");
    life.is_not_ready("no component runs");
    life.by_hand("start_server.sh");
    life.state("server", "up");
    life.is_ready();
    life.kill_jvm("server", Signal::SIGKILL);
    life.state("server", "ended");
    life.is_alive("an operator's own component died");
    assert_eq!(life.count(&["will restart"]), 0);
    // What `start` has started is another matter.
    life.done("start agent");
    life.kill_jvm("agent", Signal::SIGTERM);
    life.state("agent", "stopped by hand");
    assert_eq!(life.probe("liveness").0, 1);
}

fn red_when_stopped_by_hand() {
    let Some(life) = up(kind("S", Vendor::B)) else { return };
    let stopped = life.shell(&format!("{BASE}/stop_server.sh"));
    assert_eq!(stopped.code, 0, "{stopped:?}");
    life.state("server", "stopped by hand");
    let (code, said) = life.probe("liveness");
    assert_eq!(code, 1);
    assert!(
        said.starts_with("server: stopped by hand for ") && said.contains(" s (exit code "),
        "{said}"
    );
    assert_eq!(life.probe("healthcheck"), (0, String::new()));
    let told = life.done("start server");
    assert_eq!(told, "up: server\n");
    life.is_alive("it was started again");
    // By the verb first, then by hand: it is still meant to be down.
    life.done("stop server");
    life.by_hand("start_server.sh");
    life.eventually("it is up", |life| life.component("server")["state"] == "up");
    life.shell(&format!("{BASE}/stop_server.sh"));
    life.eventually("it is down", |life| life.component("server")["state"] == "stopped");
    life.is_alive("stopped by hand after a `stop`");
}

fn red_when_it_is_never_restarted() {
    let Some(life) = up(kind("S", Vendor::A).env("JJOBS_INIT_RESTART", "never")) else { return };
    life.kill_jvm("server", Signal::SIGKILL);
    life.state("server", "ended");
    let (code, said) = life.probe("liveness");
    assert_eq!(code, 1);
    assert!(said.starts_with("server: ended for "), "{said}");
}

fn red_when_start_started_it() {
    let image = kind_f(Vendor::A).env("ON_BOOT", "manager");
    let Some(life) = up(image.env("JJOBS_INIT_RESTART", "never")) else { return };
    life.done("start server");
    life.is_alive("all runs");
    life.kill_jvm("server", Signal::SIGKILL);
    life.state("server", "ended");
    let (code, said) = life.probe("liveness");
    assert_eq!(code, 1);
    assert!(said.starts_with("server: ended for "), "{said}");
    life.is_not_ready("server: ended for ");
}

fn red_healthcheck_only_for_the_agent() {
    let Some(life) = up(kind_f(Vendor::B).env("JJOBS_INIT_RESTART", "never")) else { return };
    life.kill_jvm("manager", Signal::SIGKILL);
    life.state("manager", "ended");
    assert_eq!((life.probe("liveness").0, life.probe("healthcheck").0), (1, 0));
    life.kill_jvm("agent", Signal::SIGKILL);
    life.state("agent", "ended");
    let (code, said) = life.probe("healthcheck");
    assert_eq!(code, 1);
    assert!(said.starts_with("agent: ended for ") && !said.contains(';'), "{said}");
    let (_, said) = life.probe("liveness");
    assert!(said.contains("manager: ended for ") && said.contains("; agent: ended for "), "{said}");
    let ours = life.exec(["/bin/bash", "-c", "/engn001/jjobs/agent/healthcheck.sh"]);
    assert_eq!(ours.code, 1, "{ours:?}");
}

fn not_ready_in_each_phase() {
    let image = kind("S", Vendor::A)
        .env("API_PRIVATE_TOKEN", TOKEN)
        .env("SIM_FAULTS_SERVER", "crash_at_start=1");
    let Some(life) = boot(image) else { return };
    life.is_not_ready("server: waiting for restart for ");
    life.is_ready();
    life.submit_requests(1, 4.0);
    let stop = life.exec_spawn(["/usr/local/bin/jjobs-init", "stop", "server"]);
    life.is_not_ready("server: being stopped by an operator");
    assert_eq!(stop.wait(SOON).code, 0);
    life.is_not_ready("server: stopped for ");
    let image = life.init("readiness --help");
    assert_eq!(image.code, 0);
}

fn not_ready_by_what_the_server_says() {
    let Some(life) = up(kind_f(Vendor::B).env("API_PRIVATE_TOKEN", TOKEN)) else { return };
    life.is_ready();
    for (fault, reason) in [
        ("status=H", "server: status H (not ready for "),
        ("agent_status=STOPPED", "agent: status STOPPED (not ready for "),
        ("answer:/jjob-server/api/v1/statusmonitor/list=401", "server: "),
        ("answer:/jjob-server/api/v1/statusmonitor/list=500", "500"),
        ("answer:/jjob-server/api/v1/agentmonitor=empty-json", "agent: "),
        ("answer:/jjob-server/api/v1/statusmonitor/list=login", "server: "),
    ] {
        life.fault("server", fault);
        life.is_not_ready(reason);
        let (_, said) = life.probe("readiness");
        assert!(said.contains("not ready for ") && !said.contains(TOKEN), "{said}");
    }
    // A web server whose application could not start does answer.
    life.fault("server", "answer:/jjob-server/test.jsp=404");
    life.kill_jvm("server", Signal::SIGKILL);
    life.is_not_ready("http://localhost:7075/jjob-server/test.jsp answers 404");
    life.fault("server", "");
    life.is_ready();
}

fn not_ready_without_a_token() {
    let Some(life) = up(kind_f(Vendor::A)) else { return };
    life.is_not_ready("no token: set API_PRIVATE_TOKEN");
    life.is_alive("without a token");
}

fn ready_by_what_runs_in_manual_mode() {
    let Some(life) = manual(kind_f(Vendor::B)) else { return };
    life.is_not_ready("no component runs");
    life.by_hand("start_manager.sh");
    life.state("manager", "up");
    life.is_ready();
    life.by_hand("start_server.sh");
    life.is_not_ready("no token");
}

fn the_manager_alone_needs_no_token() {
    let Some(life) = up(kind("M", Vendor::A)) else { return };
    life.is_ready();
    life.fault("manager", "answer=500");
    life.is_ready();
    life.fault("manager", "answer=hang");
    life.is_not_ready("manager: ");
}

fn one_deadline_for_all() {
    let image =
        kind_f(Vendor::A).env("API_PRIVATE_TOKEN", TOKEN).env("JJOBS_INIT_PROBE_TIMEOUT", "3s");
    let Some(life) = up(image) else { return };
    life.is_ready();
    life.fault("server", "answer=hang");
    life.fault("manager", "answer=hang");
    let told = life.init("readiness");
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.elapsed < Duration::from_secs(3) + A_MOMENT / 4, "{told:?}");
    for component in ["manager: ", "; server: ", "; agent: "] {
        assert!(told.stdout.contains(component), "{told:?}");
    }
    assert_eq!(told.stdout.matches("answer within ").count(), 3, "{told:?}");
    // Many who wait for that keep nobody from liveness.
    let crowd = "for i in $(seq 1000); do jjobs-init readiness & done; wait";
    let crowd = life.exec_spawn([
        "/bin/sh",
        "-c",
        &crowd.replace("jjobs-init", "/usr/local/bin/jjobs-init"),
    ]);
    let slowest = (0..20).map(|_| {
        let asked = Instant::now();
        assert_eq!(life.init("liveness").code, 0, "{}", life.transcript());
        asked.elapsed()
    });
    let slowest = slowest.max().unwrap();
    assert!(slowest < A_MOMENT, "{slowest:?}");
    crowd.wait(SOON);
    life.fault("server", "");
    life.fault("manager", "");
    life.is_ready();
}

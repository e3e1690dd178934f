//! `start`, `stop`, `restart`.

use crate::{
    ask::{TOKEN, side_by_side},
    support::{BASE, Life, SOON, boot, kind, kind_f, manual, up},
};
use jjobs_harness::{ContainerBuilder, Signal, Vendor};
use std::time::Duration;

#[test]
fn a_server_is_stopped_when_its_requests_are_done_and_is_released_again() {
    side_by_side(&[
        a_stop_waits_for_requests,
        a_stop_now_does_not_wait_and_says_what_is_lost,
        a_stop_without_a_token_says_that_it_does_not_wait,
        a_start_takes_the_place_of_a_stop,
        a_client_that_is_killed_changes_nothing,
    ]);
}

#[test]
fn an_agents_runtimes_outlive_its_stop_and_no_job_is_lost() {
    side_by_side(&[
        an_agent_is_restarted_beside_its_runtimes,
        all_are_stopped_and_started,
        all_are_stopped_and_started_where_all_is_contrary,
        a_drain_takes_the_place_of_a_stop,
    ]);
}

#[test]
fn verbs_say_what_they_cannot_do() {
    side_by_side(&[
        a_wrong_component_or_word_is_a_usage_error,
        what_no_boot_has_installed_cannot_be_started,
        a_stop_while_the_start_script_runs,
        what_runs_already_is_taken_over,
        an_operators_start_begins_to_count_anew,
        a_start_that_fails_says_why,
        after_a_drain_a_start_goes_back_to_work,
    ]);
}

fn with_token(kind_of: &str, vendor: Vendor) -> Option<Life> {
    let life = up(kind(kind_of, vendor).env("API_PRIVATE_TOKEN", TOKEN))?;
    life.is_ready();
    Some(life)
}

fn a_stop_waits_for_requests() {
    let Some(life) = with_token("S", Vendor::A) else { return };
    life.submit_requests(2, 7.0);
    let stop = life.exec_spawn(["/usr/local/bin/jjobs-init", "stop", "server"]);
    life.eventually("it is held", Life::server_is_held);
    life.is_not_ready("server: being stopped by an operator");
    stop.wait_for_line(
        "server: waiting for 2 requests; `jjobs-init stop server --now` does not wait",
        SOON,
    );
    let said = stop.wait(SOON);
    assert_eq!((said.code, said.stdout.lines().last()), (0, Some("stopped: server")), "{said:?}");
    life.no_job_is_lost(2);
    let status = life.status();
    assert_eq!(status["holds"][0]["component"], "server", "{status}");
    life.is_alive("in maintenance");
    assert_eq!(life.done("start server"), "up: server\n");
    life.eventually("it is released", |life| !life.server_is_held());
    life.is_ready();
    life.eventually("the hold is forgotten", |life| {
        life.status()["holds"] == serde_json::json!([])
    });
    life.submit_requests(1, 1.0);
    let said = life.done("restart server");
    assert!(said.contains("stopped: server\n") && said.ends_with("up: server\n"), "{said}");
    life.eventually("it is released again", |life| !life.server_is_held());
    life.no_job_is_lost(3);
    for _ in 0..2 {
        assert_eq!(life.done("stop server"), "stopped: server\n");
    }
}

fn a_stop_now_does_not_wait_and_says_what_is_lost() {
    let Some(life) = with_token("S", Vendor::B) else { return };
    life.submit_requests(2, 60.0);
    let said = life.init("stop server --now");
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (0, "stopped: server; 2 requests did not finish\n")
    );
    assert!(said.elapsed < Duration::from_secs(8), "{said:?}");
    assert!(!life.server_is_held());
    assert_eq!(life.done("start server"), "up: server\n");
    let mut life = life;
    // That was the operator's decision, and is no news at the end.
    assert_eq!(life.stop().0, 0, "{}", life.transcript());
}

fn a_stop_without_a_token_says_that_it_does_not_wait() {
    let Some(life) = up(kind("S", Vendor::A)) else { return };
    let said = life.done("stop server");
    assert_eq!(
        said,
        "no token: the server is stopped without waiting for its requests\nstopped: server\n"
    );
}

fn a_start_takes_the_place_of_a_stop() {
    let Some(mut life) = with_token("S", Vendor::A) else { return };
    life.submit_requests(1, 5.0);
    let stop = life.exec_spawn(["/usr/local/bin/jjobs-init", "stop", "server"]);
    life.eventually("it is held", Life::server_is_held);
    let pid = life.jvm("server").pid;
    let said = life.done("start server");
    assert_eq!(said, "server: already running\nup: server\n");
    let stop = stop.wait(SOON);
    assert_eq!(
        (stop.code, stop.stderr.as_str()),
        (1, "another command has taken its place\n"),
        "{stop:?}"
    );
    life.eventually("it is released", |life| !life.server_is_held());
    life.is_ready();
    assert_eq!(life.jvm("server").pid, pid);
    life.no_job_is_lost(1);
    assert_eq!(life.stop().0, 0);
}

fn a_client_that_is_killed_changes_nothing() {
    let Some(life) = with_token("S", Vendor::B) else { return };
    life.submit_requests(1, 3.0);
    let restart = life.exec_spawn(["/usr/local/bin/jjobs-init", "restart", "server"]);
    life.eventually("it is held", Life::server_is_held);
    let from = life.now();
    restart.signal(Signal::SIGKILL);
    life.state_from(from, "server", "up");
    life.eventually("it is released", |life| !life.server_is_held());
    life.no_job_is_lost(1);
    assert_eq!(life.component("server")["wanted"], true);
}

fn an_agent_is_restarted_beside_its_runtimes() {
    let Some(mut life) = with_token("F", Vendor::A) else { return };
    life.submit(2, 6.0);
    let said = life.done("stop agent");
    assert!(said.starts_with("stopped: agent; 2 runtimes of the agent's at work on: "), "{said}");
    for jvm in life.jvms("runtime") {
        assert!(said.contains(&jvm.pid.to_string()), "{said}");
    }
    life.is_alive("its runtimes work");
    life.is_not_ready("agent: stopped for ");
    life.done("start agent");
    life.submit(2, 0.5);
    life.no_job_is_lost(4);
    life.is_ready();
    life.submit(1, 3.0);
    let said = life.done("restart agent");
    assert!(said.contains("1 runtime of the agent's at work on: "), "{said}");
    assert_eq!(
        life.count(&["asked for by an operator verb=restart components=agent now=false"]),
        1
    );
    assert!(said.ends_with("up: agent\n"), "{said}");
    life.no_job_is_lost(5);
    // A server does not hear of the end of a job while the agent is down: nobody may wait for that without knowing.
    life.submit(1, 0.5);
    life.done("stop agent");
    life.eventually("the job has ended", |life| life.jobs("end") == 6);
    let stop = life.exec_spawn(["/usr/local/bin/jjobs-init", "stop", "server"]);
    // One, or two if the agent was stopped before it could report the one before.
    let said = stop.wait_for_line(" (while the agent is down", SOON);
    assert!(said.text.starts_with("server: waiting for "), "{said:?}");
    assert!(said.text.ends_with("; `jjobs-init stop server --now` does not wait"), "{said:?}");
    life.done("start agent");
    assert_eq!(stop.wait(SOON).code, 0);
    life.no_job_is_lost(6);
    life.done("start all");
    assert_eq!(life.stop().0, 0);
}

fn all_are_stopped_and_started() {
    all_stopped_and_started(kind_f(Vendor::B));
}

fn all_are_stopped_and_started_where_all_is_contrary() {
    all_stopped_and_started(kind_f(Vendor::A).env("SIM_CONTRARY", "yes"));
}

fn all_stopped_and_started(image: ContainerBuilder) {
    let Some(life) = up(image.env("API_PRIVATE_TOKEN", TOKEN)) else { return };
    life.is_ready();
    // The server hears of its end from the agent.
    life.submit(1, 3.0);
    let stopped = life.exec(["/bin/bash", "-c", "/working/stop-all.sh"]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    assert!(stopped.stdout.contains("stopped: manager, server, agent"), "{stopped:?}");
    for component in ["manager", "server", "agent"] {
        assert!(life.jvms(component).is_empty(), "{component}");
    }
    life.is_alive("all is stopped");
    let started = life.exec(["/bin/bash", "-c", "/working/start-all.sh"]);
    assert_eq!(
        (started.code, started.stdout.as_str()),
        (0, "up: manager, server, agent\n"),
        "{started:?}"
    );
    life.is_ready();
    life.no_job_is_lost(1);
    assert!(!life.server_is_held());
}

fn a_drain_takes_the_place_of_a_stop() {
    let Some(mut life) = with_token("S", Vendor::A) else { return };
    life.submit_requests(1, 4.0);
    let stop = life.exec_spawn(["/usr/local/bin/jjobs-init", "stop", "server"]);
    life.eventually("it is held", Life::server_is_held);
    life.signal(Signal::SIGTERM);
    let (code, _) = life.ended();
    assert_eq!(code, 0, "{}", life.transcript());
    life.no_job_is_lost(1);
    assert_eq!(stop.wait(SOON).code, 1);
}

fn a_wrong_component_or_word_is_a_usage_error() {
    let Some(life) = up(kind("M", Vendor::A)) else { return };
    for verb in ["start", "stop", "restart"] {
        let said = life.init(&format!("{verb} agent"));
        assert_eq!(said.code, 64, "{said:?}");
        assert_eq!(said.stderr, "no agent is installed here (INSTALL_KIND)\n");
        for words in ["", " banana", " manager server", " manager --force"] {
            let said = life.init(&format!("{verb}{words}"));
            assert_eq!(said.code, 64, "{words}: {said:?}");
        }
    }
    assert_eq!(life.done("stop manager"), "stopped: manager\n");
    assert_eq!(life.done("start all"), "up: manager\n");
}

fn what_no_boot_has_installed_cannot_be_started() {
    let Some(life) = boot(kind("M", Vendor::A).env("ON_BOOT", "no")) else { return };
    life.eventually("the boot ends", |life| life.status()["phase"] == "running");
    for verb in ["start manager", "start all", "restart manager"] {
        let said = life.init(verb);
        assert_eq!(said.code, 64, "{said:?}");
        let script = format!("{BASE}/start_manager.sh");
        let expected = format!("no manager is installed here (ON_BOOT): {script} is not there\n");
        assert_eq!(said.stderr, expected, "{verb}");
    }
    assert_eq!(life.count(&["start script started"]), 0);
    life.is_alive("where nothing is installed");
}

fn a_stop_while_the_start_script_runs() {
    let image = kind("S", Vendor::A).env("SIM_FAULTS_SERVER", "start_script=hang");
    let Some(life) = boot(image) else { return };
    life.soon("start script started component=server");
    let said = life.done("stop server");
    assert_eq!(said, "stopped: server\n");
    life.is_alive("in maintenance");
    life.eventually("the boot goes on", |life| life.status()["phase"] == "running");
    assert_eq!(life.component("server")["state"], "stopped");
    assert!(life.jvms("server").is_empty());
}

fn what_runs_already_is_taken_over() {
    let Some(life) = manual(kind_f(Vendor::A)) else { return };
    life.by_hand("start_manager.sh");
    life.state("manager", "up");
    assert_eq!(life.component("manager")["wanted"], false);
    assert_eq!(life.done("start manager"), "manager: already running\nup: manager\n");
    assert_eq!(life.component("manager")["wanted"], true);
    assert_eq!(life.count(&["start script started"]), 0);
    let from = life.now();
    life.kill_jvm("manager", Signal::SIGKILL);
    // Orphans are our children, so how it ended is known.
    life.state_from(from, "manager", "waiting for restart");
    life.state_from(from, "manager", "up");
}

fn an_operators_start_begins_to_count_anew() {
    let Some(mut life) = up(kind("S", Vendor::B)) else { return };
    let crash = |life: &Life, times: usize| {
        for _ in 0..times {
            let from = life.now();
            life.kill_jvm("server", Signal::SIGKILL);
            life.state_from(from, "server", "waiting for restart");
            if life.component("server")["state"] == "waiting for restart" {
                // It is not waited for.
                life.done("start server");
            } else {
                life.state_from(from, "server", "up");
            }
        }
    };
    crash(&life, 6);
    assert_eq!(life.component("server")["restarts"], 6);
    assert!(life.is_running());
}

fn a_start_that_fails_says_why() {
    let Some(life) = manual(kind("S", Vendor::A).env("SIM_FAULTS_SERVER", "start_script=fail"))
    else {
        return;
    };
    let said = life.init("start server");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.stderr.starts_with("not up: server: waiting for restart for ")
            && said.stderr.contains("(start script: exit code "),
        "{said:?}"
    );
    assert_eq!(life.done("stop server"), "stopped: server\n");
    life.shell(&format!("mv {BASE}/start_server.sh {BASE}/gone"));
    let said = life.init("start server");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.starts_with("not up: server: waiting for restart for "), "{said:?}");
}

fn after_a_drain_a_start_goes_back_to_work() {
    let Some(mut life) = with_token("F", Vendor::A) else { return };
    assert_eq!(life.done("drain").lines().last(), Some("drained and stopped"));
    assert_eq!(life.done("stop all"), "already drained and stopped\n");
    let said = life.done("start all");
    assert_eq!(said, "up: manager, server, agent\n");
    life.is_ready();
    life.eventually("all is released", |life| !life.server_is_held() && !life.agent_is_held());
    assert_eq!(life.status()["phase"], "running");
    life.submit(1, 0.5);
    life.no_job_is_lost(1);
    assert_eq!(life.stop().0, 0);
}

//! Who is released when, and by whom.

use crate::{
    ask::{A_MOMENT, TOKEN, side_by_side},
    support::{BASE, Life, SOON, boot, kind, kind_f, up},
};
use jjobs_harness::{ExecOutput, Vendor};
use std::time::Duration;

#[test]
fn holds_of_ours_are_released_on_start_and_others_only_by_post_start() {
    side_by_side(&[
        a_hold_of_an_earlier_life_is_released,
        a_hold_of_somebody_else_is_reported_and_left_until_post_start,
        without_a_ledger_it_is_released_and_said,
    ]);
}

#[test]
fn post_start_waits_until_all_is_released() {
    side_by_side(&[
        an_agent_is_released_once_it_runs,
        a_killed_and_repeated_hook_releases_once_it_can,
        it_hands_over_after_its_limit_and_pid_1_goes_on,
    ]);
}

#[test]
fn post_start_returns_at_once_where_there_is_nothing_to_wait_for() {
    side_by_side(&[without_a_token_or_anything_to_hold, when_a_stop_begins, when_the_boot_fails]);
}

fn post_start(life: &Life) -> ExecOutput {
    life.exec(["/bin/sh", "-c", "/post-start.sh"])
}

fn a_hold_of_an_earlier_life_is_released() {
    let Some(mut life) = up(kind_f(Vendor::A).env("API_PRIVATE_TOKEN", TOKEN)) else { return };
    life.is_ready();
    let hook = life.exec(["/pre-stop.sh"]);
    assert_eq!(hook.code, 0, "{hook:?}");
    assert!(life.server_is_held() && life.agent_is_held(), "{}", life.meta());
    let owner = life.status()["holds"][0]["owner"].as_str().unwrap().to_owned();
    assert!(!owner.is_empty());
    let said = life.done("status");
    assert!(
        said.contains("hold         server, not released; set ")
            && said.contains(&format!(" ago by {owner}")),
        "{said}"
    );
    assert_eq!(life.stop().0, 0);
    let from = life.now();
    life.restart();
    life.line(from, &["last life", "drained, no job had to be waited for"]);
    life.line(from, &["released", "component=server"]);
    life.line(from, &["released", "component=agent"]);
    life.eventually("nothing is held", |life| !life.server_is_held() && !life.agent_is_held());
    life.is_ready();
    let status = life.status();
    assert_eq!(status["holds"], serde_json::json!([]), "{status}");
    assert!(status["last_life"].as_str().unwrap().starts_with("drained"), "{status}");
    assert_eq!(
        life.lines().iter().skip(from).filter(|line| line.text.contains(" WARN ")).count(),
        0,
        "{}",
        life.transcript()
    );
}

fn a_hold_of_somebody_else_is_reported_and_left_until_post_start() {
    let Some(mut life) = up(kind("S", Vendor::B).env("API_PRIVATE_TOKEN", TOKEN)) else { return };
    life.is_ready();
    life.line(0, &["no ledger of an earlier life", "releasing it"]);
    life.line(0, &["released", "component=server"]);
    life.hold_server();
    assert_eq!(life.stop().0, 0);
    // Our own drain has held it too: an operator holds it once more when we have released it.
    let from = life.now();
    life.restart();
    life.line(from, &["released", "component=server"]);
    life.hold_server();
    life.fault("server", "status=H");
    let from = life.now();
    life.done("restart server --now");
    let reported = life.wait_for_line_from(from, "up but not working", Duration::from_secs(90));
    assert!(reported.text.contains("status=H") && reported.text.contains("hint="), "{reported:?}");
    assert!(life.server_is_held());
    assert_eq!(life.count(&["up but not working"]), 1);
    life.fault("server", "");
    let hook = post_start(&life);
    assert_eq!((hook.code, hook.stdout.as_str()), (0, "released\n"), "{hook:?}");
    assert!(!life.server_is_held());
}

fn without_a_ledger_it_is_released_and_said() {
    let image = kind("S", Vendor::A).env("API_PRIVATE_TOKEN", TOKEN).file(
        "/logs001/jjobs/init",
        "a file where a folder should be",
        0o644,
    );
    let Some(life) = up(image) else { return };
    life.line(0, &["cannot read the ledger", "hint="]);
    life.line(
        0,
        &["no ledger of an earlier life tells who holds it: releasing it", "component=server"],
    );
    life.line(0, &["released", "component=server"]);
    life.is_ready();
    assert_eq!(life.count(&["cannot read the ledger"]), 1);
}

fn an_agent_is_released_once_it_runs() {
    for contrary in ["no", "yes"] {
        released_once_it_runs(contrary);
    }
}

fn released_once_it_runs(contrary: &str) {
    let image = kind_f(Vendor::A)
        .env("API_PRIVATE_TOKEN", TOKEN)
        .env("SIM_CONTRARY", contrary)
        .env("SIM_FAULTS_SERVER", "start_delay=2")
        .env("SIM_FAULTS_AGENT", "start_delay=2");
    let Some(life) = boot(image) else { return };
    life.soon("jjobs-init begins");
    let hook = post_start(&life);
    assert_eq!((hook.code, hook.stdout.lines().last()), (0, Some("released")), "{hook:?}");
    let registered = life.line(0, &["GET /jjob-server/api/v1/agentmonitor/jjobs-0", " 200"]);
    let released = life.line(0, &["serversetting/agent/releaseAgent", " 200"]);
    assert!(registered <= released);
    assert_eq!(life.count(&["cannot release it"]), 0, "{}", life.transcript());
}

fn a_killed_and_repeated_hook_releases_once_it_can() {
    let path = "answer:/jjob-server/api/v1/serversetting/server/hold";
    let image = kind("S", Vendor::B).env("API_PRIVATE_TOKEN", TOKEN).file(
        format!("{BASE}/.simulator/faults/server"),
        format!("{path}=401"),
        0o644,
    );
    let Some(life) = up(image) else { return };
    let hook = life.exec_spawn(["/post-start.sh"]);
    life.line(0, &["cannot release it, will retry", "401", "hint="]);
    hook.signal(jjobs_harness::Signal::SIGKILL);
    let again = life.exec_spawn(["/post-start.sh"]);
    again.wait_for_line("waiting to release: server: up for ", SOON);
    life.fault("server", "");
    let again = again.wait(SOON);
    assert_eq!((again.code, again.stdout.lines().last()), (0, Some("released")), "{again:?}");
    assert!(!life.transcript().contains(TOKEN));
}

fn it_hands_over_after_its_limit_and_pid_1_goes_on() {
    let image = kind("S", Vendor::A)
        .env("API_PRIVATE_TOKEN", TOKEN)
        .env("JJOBS_INIT_POST_START_TIMEOUT", "2s")
        .env("SIM_FAULTS_SERVER", "start_delay=6");
    let Some(life) = boot(image) else { return };
    life.soon("jjobs-init begins");
    let hook = post_start(&life);
    assert_eq!(hook.code, 0, "{hook:?}");
    let said = hook.stdout.lines().last().unwrap();
    assert_eq!(said, "not released yet: PID 1 goes on trying, see the container's log", "{hook:?}");
    assert!(hook.elapsed < Duration::from_secs(2) + A_MOMENT, "{hook:?}");
    life.line(0, &["released", "component=server"]);
}

fn without_a_token_or_anything_to_hold() {
    let Some(life) = up(kind("M", Vendor::A).env("API_PRIVATE_TOKEN", TOKEN)) else { return };
    let hook = post_start(&life);
    assert_eq!((hook.code, hook.stdout.as_str()), (0, "nothing to release here\n"), "{hook:?}");
    let Some(life) = boot(kind("S", Vendor::A)) else { return };
    let hook = post_start(&life);
    assert_eq!(
        (hook.code, hook.stdout.as_str()),
        (0, "no token (API_PRIVATE_TOKEN): nothing is released\n"),
        "{hook:?}"
    );
}

fn when_a_stop_begins() {
    let image = kind("S", Vendor::B)
        .env("API_PRIVATE_TOKEN", TOKEN)
        .env("SIM_FAULTS_SERVER", "start_delay=60");
    let Some(mut life) = boot(image) else { return };
    life.state("server", "running");
    let hook = life.exec_spawn(["/post-start.sh"]);
    hook.wait_for_line("waiting to release: server: running for ", SOON);
    assert_eq!(life.stop().0, 0);
    let hook = hook.wait(SOON);
    assert_eq!(
        (hook.code, hook.stdout.lines().last()),
        (0, Some("a stop begins: nothing is released")),
        "{hook:?}"
    );
}

fn when_the_boot_fails() {
    let image = kind("S", Vendor::A)
        .env("API_PRIVATE_TOKEN", TOKEN)
        .env("SIM_INSTALL_SECONDS", "2")
        .env("SIM_INSTALLER_FAULT", "exit=3");
    let Some(mut life) = boot(image) else { return };
    let hook = life.exec_spawn(["/post-start.sh"]);
    assert_eq!(life.ended().0, 20, "{}", life.transcript());
    let hook = hook.wait(SOON);
    assert_eq!(
        (hook.code, hook.stdout.as_str()),
        (1, "the boot has failed: see the container's log\n"),
        "{hook:?}"
    );
}

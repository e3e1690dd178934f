//! The operator's commands.

use crate::support::{BINARY, SOON, bare, booted};
use jjobs_harness::Signal;

#[test]
fn status_is_for_people_or_for_programs() {
    let Some(container) = booted(bare()) else { return };
    let text = container.exec([BINARY, "status"]);
    assert_eq!(text.code, 0, "{text:?}");
    assert!(text.stdout.starts_with("phase        running\nhostname     jjobs-0\n"), "{text:?}");
    assert!(text.stdout.contains("COMPONENT  STATE"), "{text:?}");
    let json = container.exec(["/entrypoint.sh", "status", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["phase"], "running");
    assert_eq!(json["components"][0]["name"], "manager");
}

#[test]
fn a_watched_status_goes_on_until_it_is_interrupted_or_nobody_reads() {
    let Some(container) = booted(bare()) else { return };
    let watch = container.exec_spawn([BINARY, "status", "--watch", "--format", "json"]);
    container.eventually("it comes again", |_| watch.lines().len() >= 3);
    assert!(watch.lines().iter().all(|line| line.text.starts_with("{\"phase\"")));
    watch.signal(Signal::SIGINT);
    assert_eq!(watch.wait(SOON).code, 130);
    let script = "set -o pipefail; jjobs-init status --watch | head -1";
    let read_once = container.exec_spawn(["/bin/bash", "-c", script]).wait(SOON);
    assert_eq!(read_once.code, 0, "{read_once:?}");
}

#[test]
fn a_watched_status_ends_with_pid_1() {
    let image = bare().env("JJOBS_INIT_PROBE_TIMEOUT", "1");
    let Some(container) = booted(image.argv(["/bin/sh", "-c", "/entrypoint.sh; sleep 1000"]))
    else {
        return;
    };
    let watch = container.exec_spawn([BINARY, "status", "--watch"]);
    watch.wait_for_line("phase", SOON);
    let ours = container.processes_with("/entrypoint.sh").into_iter().find(|found| found.pid != 1);
    assert!(container.signal_process(ours.unwrap().pid, Signal::SIGTERM));
    let ended = watch.wait(SOON);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("no supervisor answers"), "{ended:?}");
}

#[test]
fn a_verb_that_is_not_understood_ends_with_64_and_a_hook_or_probe_with_1() {
    let Some(container) = booted(bare()) else { return };
    for words in [&["start", "web"][..], &["stop"], &["restart", "all", "--soon"], &["drain", "it"]]
    {
        let said = container.exec([&[BINARY], words].concat());
        assert_eq!((said.code, said.stdout.as_str()), (64, ""), "{said:?}");
    }
    for words in [&["liveness", "now"][..], &["pre-stop", "--now"]] {
        let said = container.exec([&[BINARY], words].concat());
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stderr.contains("unexpected argument"), "{said:?}");
    }
}

//! What the ledger costs while nothing is noted: nothing. In a process of its own, whose threads can be counted.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_harness::eventually;
use jjobs_init::ledger::{Event, Ledger, Life};
use std::{collections::BTreeMap, fs, path::PathBuf, thread, time::Duration};

/// How often each thread of a ledger has gone to sleep so far.
fn sleeps() -> BTreeMap<PathBuf, String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    tasks
        .filter(|task| {
            fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "ledger")
        })
        .map(|task| {
            let status = fs::read_to_string(task.join("status")).unwrap();
            let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
            let line = line.unwrap().to_owned();
            (task, line)
        })
        .collect()
}

#[test]
fn no_thread_wakes_up_while_nothing_is_noted_and_none_is_left_after_the_end() {
    let base = tempfile::tempdir().unwrap();
    let (ledger, _past) = Ledger::spawn(base.path().join("pod-0"), Life::new("pod-0")).unwrap();
    let note = || ledger.note(Event::Jobs { runtimes: 1, requests: None });
    note();
    let written = || fs::read(base.path().join("pod-0/ledger.jsonl")).map_or(0, |text| text.len());
    let first = eventually("it is written", || Some(written()).filter(|len| *len > 0));
    eventually("it sleeps", || {
        let before = sleeps();
        thread::sleep(Duration::from_millis(300));
        (before == sleeps()).then_some(())
    });
    let before = sleeps();
    assert_eq!(before.len(), 1, "{before:?}");
    // Longer than a call of the file system may take before it is worth a word.
    thread::sleep(Duration::from_secs(6));
    assert!(!ledger.is_stuck());
    assert_eq!(sleeps(), before);
    note();
    eventually("it is awake", || (written() > first).then_some(()));
    ledger.finish(Duration::from_secs(30));
    eventually("no thread is left", || sleeps().is_empty().then_some(()));
}

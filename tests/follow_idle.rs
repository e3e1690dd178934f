//! What the follower costs while nothing is logged: nothing. In a process of its own, whose threads can be counted.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod following;

use following::{Following, append, lines};
use std::{collections::BTreeMap, fs, thread, time::Duration};

/// How often each thread of ours has gone to sleep so far, by its name.
fn sleeps() -> BTreeMap<String, String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let ours = ["follow", "follow-watchdog", "stdout"];
    tasks
        .filter_map(|task| {
            Some((fs::read_to_string(task.join("comm")).ok()?.trim().to_owned(), task))
        })
        .filter(|(name, _)| ours.contains(&name.as_str()))
        .map(|(name, task)| {
            let status = fs::read_to_string(task.join("status")).unwrap();
            let line =
                status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
            (name, line.to_owned())
        })
        .collect()
}

#[test]
fn no_thread_wakes_up_while_nothing_is_logged() {
    let mut f = Following::new(false);
    for count in 0..200 {
        append(&f.agent(&format!("20260731/sys_{count}.log")), &lines(&format!("f{count}"), 0..2));
    }
    f.start();
    f.expect("f199 1\n");
    append(&f.agent("20260801/sys_new.log"), "next day\n");
    f.expect("next day\n");
    f.eventually("all sleep", |_| {
        let before = sleeps();
        thread::sleep(Duration::from_millis(500));
        before == sleeps()
    });
    let before = sleeps();
    assert_eq!(before.len(), 3, "{before:?}");
    // Longer than the watchdog's limit.
    thread::sleep(Duration::from_secs(12));
    assert_eq!(sleeps(), before);
    append(&f.agent("20260801/sys_new.log"), "awake\n");
    f.expect("awake\n");
}

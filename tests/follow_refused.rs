//! A system that refuses inotify. In a process of its own, whose limits can be changed.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod following;

use following::{Following, append, lines};
use jjobs_init::supervisor::follow::Notice;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::fd::AsRawFd;

#[test]
fn where_inotify_is_refused_folders_are_looked_at_and_that_is_said_once() {
    let mut f = Following::new(false);
    append(&f.agent("20260731/sys_a.log"), &lines("a", 0..3));
    f.hold_reading();
    let old = getrlimit(Resource::Nofile);
    // The eventfd of the handle takes the next number; then there is none left.
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    let limit = u64::try_from(next + 1).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: old.maximum }).unwrap();
    f.start();
    f.eventually("it is said", |f| {
        f.notices().iter().any(|notice| matches!(notice, Notice::Polling { .. }))
    });
    setrlimit(Resource::Nofile, old).unwrap();
    f.go_on_reading();

    f.expect("a 2\n");
    append(&f.agent("20260731/sys_b.log"), &lines("b", 0..300));
    append(&f.runtime("20260801/sys_c.log"), &lines("c", 0..300));
    f.expect("b 299\n");
    f.expect("c 299\n");
    for name in ["b", "c"] {
        assert_eq!(f.of(name), lines(name, 0..300));
    }
    let polling = f.notices().into_iter().filter(|notice| matches!(notice, Notice::Polling { .. }));
    assert_eq!(polling.count(), 1);
}

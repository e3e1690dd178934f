//! `catalina.out`: whatever a Tomcat writes is in the container's log, and nothing that happens there stops anybody.

use crate::support::{BASE, SOON, kind, manual, up};
use jjobs_harness::{Signal, Vendor};
use std::{os::unix::fs::FileTypeExt, time::Duration};

fn is_fifo(life: &crate::support::Life) -> bool {
    life.inside(|| {
        std::fs::symlink_metadata(format!("{BASE}/server/logs/catalina.out"))
            .is_ok_and(|meta| meta.file_type().is_fifo())
    })
}

#[test]
fn another_user_can_write_to_the_console() {
    let Some(life) = manual(kind("S", Vendor::A)) else { return };
    assert!(is_fifo(&life));
    let write = format!(
        "exec setpriv --reuid 1234 --regid 1234 --clear-groups sh -c 'echo from uid $(id -u) >> {BASE}/server/logs/catalina.out'"
    );
    let written = life.shell(&write);
    assert_eq!(written.code, 0, "{written:?}");
    life.wait_for_line("from uid 1234", SOON);
}

#[test]
fn a_console_that_was_removed_or_replaced_is_restored() {
    let Some(mut life) = manual(kind("S", Vendor::A)) else { return };
    for (what, then) in [("rm", "first"), ("mv -f $f /tmp/old; echo kept >", "second")] {
        life.shell(&format!("f={BASE}/server/logs/catalina.out; {what} $f"));
        life.eventually("it is a pipe again", is_fifo);
        life.shell(&format!("echo {then} line >> {BASE}/server/logs/catalina.out"));
        life.wait_for_line(&format!("{then} line"), SOON);
    }
    assert_eq!(life.read_text(format!("{BASE}/server/logs/catalina.out.before")), "kept\n");
    // And once more right before a start of ours.
    assert_eq!(life.stop().0, 0);
}

#[test]
fn the_file_of_an_earlier_life_is_kept_beside() {
    let text = format!("echo an earlier life > {BASE}/server/logs/catalina.out");
    let Some(mut life) = up(kind("S", Vendor::B).env("CUSTOM_COMMAND", text)) else { return };
    assert!(is_fifo(&life));
    assert_eq!(
        life.read_text(format!("{BASE}/server/logs/catalina.out.before")),
        "an earlier life\n"
    );
    // A second life on the same file system finds the pipe, and its custom command does not wait for a reader of it.
    let from = life.now();
    life.restart();
    life.line(from, &["all up"]);
    life.line(from, &["Server startup in"]);
    assert_eq!(life.stop().0, 0);
}

#[test]
fn nobody_waits_for_a_log_that_nobody_reads() {
    let image = kind("S", Vendor::A).env("SIM_FAULTS_SERVER", "flood=80000").held_output();
    let Some(mut life) = crate::support::boot(image) else { return };
    life.eventually("the server answers", |life| life.http_get(7075, "/").is_ok());
    // Signals are heard: the crash is followed by a restart, the stop by the end.
    let server = life.jvm("server").pid;
    life.kill_jvm("server", Signal::SIGKILL);
    life.eventually("another server", |life| {
        life.jvms("server").iter().any(|jvm| jvm.pid != server) && life.http_get(7075, "/").is_ok()
    });
    life.signal(Signal::SIGTERM);
    let code = life.exit_code(Duration::from_secs(10));
    assert_eq!(code, 0);
    assert_eq!(life.message()["exit_code"], 0);
}

#[test]
fn lines_that_found_no_room_are_counted() {
    let image = kind("S", Vendor::A).env("SIM_FAULTS_SERVER", "flood=80000").held_output();
    let Some(mut life) = crate::support::boot(image) else { return };
    life.eventually("the server answers", |life| life.http_get(7075, "/").is_ok());
    life.release_output();
    life.wait_for_line("dropped while the log was blocked", SOON);
    life.wait_for_line("all up", SOON);
    assert_eq!(life.stop().0, 0);
}

//! Verbs that get in each other's way, and in that of a hook.

use crate::{
    ask::{TOKEN, side_by_side},
    support::{Life, SOON, kind_f, manual, up},
};
use jjobs_harness::{ExecChild, Vendor};

#[test]
fn nothing_is_left_half_done_by_verbs_that_get_in_each_others_way() {
    side_by_side(&[
        a_post_start_does_not_undo_a_stop,
        what_a_cut_off_stop_leaves_running_is_released,
        a_component_that_is_slow_does_not_keep_the_next_one_from_being_started,
    ]);
}

/// A container whose server works on a request that an operator's stop of `what` waits for.
fn stopping(what: &str, seconds: f64) -> Option<(Life, ExecChild)> {
    let image =
        kind_f(Vendor::A).env("API_PRIVATE_TOKEN", TOKEN).env("JJOBS_INIT_POST_START_TIMEOUT", "2");
    let life = up(image)?;
    life.is_ready();
    life.submit_requests(1, seconds);
    let stop = life.exec_spawn(["/usr/local/bin/jjobs-init", "stop", what]);
    life.eventually("it is held", Life::server_is_held);
    Some((life, stop))
}

fn a_post_start_does_not_undo_a_stop() {
    let Some((life, stop)) = stopping("server", 6.0) else { return };
    let hook = life.init("post-start");
    assert_eq!(hook.code, 0, "{hook:?}");
    assert!(hook.stdout.contains("not released yet"), "{hook:?}");
    assert!(life.server_is_held());
    assert_eq!(stop.wait(SOON).code, 0);
    assert_eq!(life.done("start server"), "up: server\n");
    life.eventually("it is released", |life| !life.server_is_held());
}

fn what_a_cut_off_stop_leaves_running_is_released() {
    let Some((life, stop)) = stopping("all", 20.0) else { return };
    assert_eq!(life.done("start agent"), "agent: already running\nup: agent\n");
    let said = stop.wait(SOON);
    assert_eq!((said.code, said.stderr.as_str()), (1, "another command has taken its place\n"));
    life.eventually("it is released", |life| !life.server_is_held());
    life.is_ready();
}

fn a_component_that_is_slow_does_not_keep_the_next_one_from_being_started() {
    let image = kind_f(Vendor::B)
        .env("JJOBS_INIT_START_TIMEOUT", "3")
        .env("SIM_FAULTS_SERVER", "start_delay=60");
    let Some(life) = manual(image) else { return };
    let said = life.init("start all");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.starts_with("not up within "), "{said:?}");
    life.state("agent", "up");
}

//! `docker stop`, and the signals that `docker kill` sends.

use crate::support::{SOON, kind_f, up};
use jjobs_harness::Signal;
use std::time::Duration;

#[test]
fn docker_stop_drains_and_loses_no_job() {
    let Some(image) = kind_f() else { return };
    let life = up(image);
    life.submit(3, 4.0);
    let stop = life.stop_spawn(60);
    life.line(0, &["waiting for running jobs"]);
    // Nothing that is running is taken for dead meanwhile.
    assert_eq!(life.exec(["/working/liveness.sh"]).code, 0);
    assert_eq!(life.exec(["/working/readiness.sh"]).code, 1);
    let stop = stop.wait(SOON);
    assert!(stop.elapsed > Duration::from_secs(2), "it waited for the jobs: {stop:?}");
    assert_eq!(life.exit_code(SOON), 0, "{}", life.logs());
    life.line(0, &["drain ended outcome=finished", "jobs_finished=3", "jobs_left=0"]);
    life.lost_none_of(3);
    let state = life.state();
    assert_eq!((&state["ExitCode"], &state["OOMKilled"]), (&0.into(), &false.into()), "{state}");
}

#[test]
fn a_stop_with_too_little_time_names_the_jobs_that_were_left() {
    let Some(image) = kind_f() else { return };
    let life = up(image.env("JJOBS_INIT_GRACE_PERIOD", "8s").stop_timeout(8));
    life.submit(2, 60.0);
    let stop = life.stop(8);
    assert!(stop.elapsed < Duration::from_secs(8), "it ended by itself: {stop:?}");
    assert_eq!(life.exit_code(SOON), 27, "{}", life.logs());
    life.line(0, &["the container ends while jobs run", "jobs_left=2", "runtime "]);
    life.line(0, &["container ends", "exit_code=27"]);
    assert_eq!(life.jobs("end"), 0);
}

#[test]
fn docker_kill_with_a_signal_is_that_signal() {
    let Some(image) = kind_f() else { return };
    let life = up(image);
    life.kill(Signal::SIGHUP);
    life.kill(Signal::SIGUSR2);
    let from = life.now();
    life.kill(Signal::SIGUSR1);
    life.line(from, &["status", "component=server", "state=up"]);
    assert_eq!(life.exec(["/working/liveness.sh"]).code, 0);
    // A first TERM drains, a second one does not wait for the jobs.
    life.submit(1, 60.0);
    life.kill(Signal::SIGTERM);
    life.line(from, &["waiting for running jobs"]);
    life.kill(Signal::SIGTERM);
    assert_eq!(life.exit_code(SOON), 27, "{}", life.logs());
    life.line(from, &["the container ends while jobs run", "jobs_left=1"]);
}

#[test]
fn a_stop_ends_a_boot_that_waits_for_its_meta_db() {
    let Some(image) = kind_f() else { return };
    let container = image.start();
    container.wait_for_line("dependency does not answer; waiting for it", SOON);
    assert_eq!(container.exec(["/working/liveness.sh"]).code, 0);
    let stop = container.stop(30);
    assert!(stop.elapsed < Duration::from_secs(12), "{stop:?}");
    assert_eq!(container.exit_code(SOON), 0, "{}", container.logs());
}

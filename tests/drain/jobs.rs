//! Jobs that begin late, agents that do not end, and what happens in between.

use crate::{
    scene::{WAITS_FOR_JOBS, at_work, side_by_side, with_token},
    support::{Life, SOON, kind_f, up},
};
use jjobs_harness::{Signal, Vendor};
use std::time::Duration;

/// An agent that stays up is stopped by its script once its time is over.
fn stays_up_after_its_last_job() {
    let image = with_token(Vendor::B)
        .env("SIM_FAULTS_AGENT", "contrary=yes")
        .env("JJOBS_INIT_STOP_TIMEOUT", "8s");
    let Some(mut life) = at_work(image) else { return };
    life.offer(2, 2.0);
    life.eventually("one runs, one is kept", |life| life.jobs("start") == 1);
    let hook = life.pre_stop();
    life.eventually("both have run", |life| life.jobs("end") == 2);
    let ended = std::time::Instant::now();
    let stopped = life.line(0, &["stop script started", "component=agent"]);
    let waited = stopped.saturating_duration_since(ended);
    assert!((6.5..11.0).contains(&waited.as_secs_f64()), "{waited:?}\n{}", life.transcript());
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    life.no_job_was_lost(2);
    life.one_stop_script_each(&["manager", "server", "agent"]);
    life.line(0, &["no job runs, waiting for the agent to end"]);
    life.ends_with(0);
}

/// A job that was handed out before the hold has its runtime only seconds later.
fn begins_a_job_late() {
    let image = with_token(Vendor::A).env("SIM_FAULTS_AGENT", "contrary=yes;late_start=4");
    let image = image.env("JJOBS_INIT_STOP_TIMEOUT", "8s");
    let Some(mut life) = at_work(image) else { return };
    life.offer(1, 8.0);
    life.eventually("it is handed out", |life| life.jobs("hand") == 1);
    let hook = life.pre_stop();
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    life.no_job_was_lost(1);
    life.line(0, &[WAITS_FOR_JOBS, "runtimes=1"]);
    life.ends_with(0);
}

/// The time of a held agent begins with its hold, not with the drain.
fn is_held_late() {
    let path = "/jjob-server/api/v1/serversetting/agent/holdAndStopAgent";
    let image = with_token(Vendor::B)
        .env("SIM_FAULTS_AGENT", "contrary=yes")
        .env("JJOBS_INIT_LOG", "debug")
        .env("JJOBS_INIT_STOP_TIMEOUT", "6s");
    let Some(mut life) = at_work(image) else { return };
    life.fault("server", &format!("answer:{path}=503\n"));
    let hook = life.pre_stop();
    life.line(0, &["cannot hold it, will retry", "component=agent"]);
    // Three and a half seconds, and four more until the next one.
    life.eventually("it was tried four times", |life| {
        life.count(&["cannot hold it", "component=agent"]) >= 4
    });
    life.fault("server", "");
    let held = life.line(0, &["held: no new jobs", "component=agent"]);
    let stopped = life.line(0, &["stop script started", "component=agent"]);
    assert!((stopped - held).as_secs_f64() > 4.5, "{}", life.transcript());
    assert_eq!(hook.wait(SOON).code, 0);
    life.ends_with(0);
}

#[test]
fn no_job_is_lost_whatever_the_agent_does() {
    side_by_side([
        stays_up_after_its_last_job,
        begins_a_job_late,
        is_held_late,
        everything_that_can_be_contrary_at_once_loses_no_job,
        no_job_begins_after_the_hold_and_each_that_began_ends_once,
        nothing_is_restarted_during_a_drain_and_jobs_outlive_an_agent_that_is_killed,
        the_log_of_a_busy_drain_is_not_flooded,
    ]);
}

fn everything_that_can_be_contrary_at_once_loses_no_job() {
    let image =
        with_token(Vendor::A).env("SIM_CONTRARY", "yes").env("JJOBS_INIT_STOP_TIMEOUT", "6s");
    let Some(mut life) = at_work(image) else { return };
    life.offer(4, 2.0);
    life.submit_requests(2, 7.0);
    life.eventually("three run", |life| life.jobs("start") >= 3);
    assert_eq!(life.pre_stop().wait(SOON).code, 0, "{}", life.transcript());
    life.no_job_was_lost(6);
    life.ends_with(0);
}

fn no_job_begins_after_the_hold_and_each_that_began_ends_once() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    life.offer(30, 0.7);
    life.eventually("some run", |life| life.jobs("start") >= 10);
    let hook = life.pre_stop();
    life.eventually("the agent is held", |life| life.is_agent_held("jjobs-0"));
    let from = life.jobs("hand");
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    // One answer to the agent may have been under way.
    let began = life.jobs("start");
    assert!((from..=from + 1).contains(&began) && began < 30, "{from} {began}");
    life.no_job_was_lost(began);
    life.ends_with(0);
}

fn nothing_is_restarted_during_a_drain_and_jobs_outlive_an_agent_that_is_killed() {
    // Without a token: a server would wait for word of what its agent has left behind.
    let Some(mut life) = up(kind_f(Vendor::A)) else { return };
    life.submit(2, 5.0);
    let hook = life.pre_stop();
    life.line(0, &[WAITS_FOR_JOBS]);
    life.kill_jvm("manager", Signal::SIGKILL);
    life.state("manager", "ended");
    assert_eq!(life.command("liveness").code, 0);
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    assert_eq!((life.jobs("start"), life.jobs("end")), (2, 2));
    assert_eq!(life.count(&["start script started"]), 3);
    assert_eq!(life.count(&["will restart"]), 0);
    life.ends_with(0);
}

fn the_log_of_a_busy_drain_is_not_flooded() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    for seconds in 1..=12 {
        life.offer(1, f64::from(seconds));
    }
    life.eventually("ten run", |life| life.jobs("start") >= 10);
    assert_eq!(life.pre_stop().wait(SOON).code, 0);
    let told: Vec<_> =
        life.lines().into_iter().filter(|line| line.text.contains(WAITS_FOR_JOBS)).collect();
    assert!(told.len() >= 2, "the number changes: {}", life.transcript());
    let gaps = told.windows(2).map(|pair| pair[1].at - pair[0].at);
    assert!(
        gaps.clone().all(|gap| gap > Duration::from_millis(4500)),
        "{:?}",
        gaps.collect::<Vec<_>>()
    );
    assert!(Life::count(&life, &["held: no new jobs"]) == 2);
    life.ends_with(0);
}

//! A drain that is cut short: by an operator, by more signals, by the end of the grace period.

use crate::{
    scene::{WAITS_FOR_JOBS, at_work, kind_with_token, side_by_side, with_token},
    support::{Life, SOON, kind_f, up},
};
use jjobs_harness::{Signal, Vendor};
use std::time::Instant;

/// What is told everywhere of a life that ended while `left` jobs ran.
#[track_caller]
fn told_everywhere(life: &Life, left: usize, words: &str) {
    let message = life.message();
    assert_eq!(message["jobs_left"], left, "{message}\n{}", life.transcript());
    assert_eq!(message["exit_code"], 27);
    assert!(message["reason"].as_str().unwrap().contains(words), "{message}");
    life.line(0, &["the container ends while jobs run", &format!("jobs_left={left}"), words]);
    let noted = life.noted("end");
    assert_eq!((noted.len(), &noted[0]["jobs_left"]), (1, &left.into()), "{noted:?}");
    assert!(noted[0]["left"].to_string().contains(words), "{noted:?}");
}

#[test]
fn whoever_hurries_what_is_left_is_named_everywhere() {
    side_by_side([forced, hurried_by_a_second_term, requests_without_a_runtime, killed]);
}

fn forced() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    life.submit(3, 60.0);
    let hook = life.pre_stop();
    life.line(0, &[WAITS_FOR_JOBS]);
    let force = life.command("drain force");
    assert_eq!(force.code, 1, "{force:?}");
    assert!((force.stdout + &force.stderr).contains("runtime"));
    assert_eq!(hook.wait(SOON).code, 1);
    assert_eq!(life.told_phase(), "stopped");
    let again = life.pre_stop().wait(SOON);
    assert_eq!(again.code, 1, "as the first one was told: {again:?}");
    let status = life.command("drain status");
    assert!(status.stdout.contains("still running: runtime"), "{status:?}");
    assert_eq!(life.noted("drain_ended")[0]["outcome"], "forced");
    assert_eq!(life.noted("drain_ended")[0]["jobs_left"], 3);
    // They go on as long as the container does.
    assert_eq!(life.jvms("runtime").len(), 3);
    assert_eq!(life.message()["jobs_left"], 3);
    life.ends_with(27);
    told_everywhere(&life, 3, "runtime ");
}

fn hurried_by_a_second_term() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    life.submit(2, 60.0);
    life.submit_requests(1, 60.0);
    let hook = life.pre_stop();
    life.line(0, &[WAITS_FOR_JOBS]);
    life.signal(Signal::SIGTERM);
    life.line(0, &["asked to stop", "phase=draining"]);
    life.signal(Signal::SIGTERM);
    assert_eq!(hook.wait(SOON).code, 1);
    assert_eq!(life.ended().0, 27, "{}", life.transcript());
    // The server's list has the agent's jobs too.
    told_everywhere(&life, 3, "3 requests of the server");
    life.one_stop_script_each(&["manager", "server", "agent"]);
}

fn requests_without_a_runtime() {
    let image = kind_with_token("S", Vendor::A).env("JJOBS_INIT_GRACE_PERIOD", "14s");
    let Some(mut life) = at_work(image) else { return };
    life.submit_requests(2, 60.0);
    let began = Instant::now();
    let hook = life.pre_stop();
    life.line(0, &["waiting for the server's requests", "requests=2", "left_ms="]);
    assert_eq!(hook.wait(SOON).code, 1);
    life.ends_with(27);
    assert!(began.elapsed().as_secs_f64() < 14.0, "{:?}", began.elapsed());
    told_everywhere(&life, 2, "2 requests of the server");
    assert_eq!(life.noted("drain_ended")[0]["outcome"], "time_over");
}

fn killed() {
    let image = with_token(Vendor::A)
        .env("SIM_FAULTS_SERVER", "refuse_stop=yes;refuse_term=yes")
        .env("SIM_FAULTS_RUNTIME", "refuse_term=yes");
    let Some(mut life) = at_work(image) else { return };
    life.submit(1, 60.0);
    let hook = life.pre_stop();
    life.line(0, &[WAITS_FOR_JOBS]);
    life.signal(Signal::SIGTERM);
    life.line(0, &["asked to stop"]);
    life.signal(Signal::SIGTERM);
    life.state("server", "stopping");
    let (code, took) = life.stop();
    assert_eq!(code, 27, "{}", life.transcript());
    assert!(took.as_secs_f64() < 4.0, "{took:?}");
    assert_eq!(hook.wait(SOON).code, 1, "it was told");
    told_everywhere(&life, 1, "runtime ");
}

#[test]
fn jvms_end_by_themselves_before_the_grace_period_is_over() {
    side_by_side([
        with_the_pods_grace_period,
        with_the_probes_own_one,
        with_requests_done_meanwhile,
    ]);
}

fn with_the_pods_grace_period() {
    let image = with_token(Vendor::A)
        .env("JJOBS_INIT_GRACE_PERIOD", "16s")
        .env("SIM_FAULTS_SERVER", "stop_seconds=3")
        .env("SIM_FAULTS_MANAGER", "stop_seconds=3");
    let Some(mut life) = at_work(image) else { return };
    life.submit(1, 60.0);
    let began = Instant::now();
    let hook = life.pre_stop();
    life.line(0, &[WAITS_FOR_JOBS, "left_ms="]);
    assert_eq!(hook.wait(SOON).code, 1);
    life.ends_with(27);
    let took = began.elapsed().as_secs_f64();
    assert!((8.0..16.0).contains(&took), "{took}");
    assert_eq!(life.count(&["killing"]), 0, "{}", life.transcript());
    told_everywhere(&life, 1, "runtime ");
}

/// A kill for a red liveness answer may have less time than a pod's deletion.
fn with_the_probes_own_one() {
    let image = kind_f(Vendor::B)
        .env("JJOBS_INIT_RESTART", "never")
        .env("JJOBS_INIT_GRACE_PERIOD", "36000")
        .env("JJOBS_INIT_LIVENESS_GRACE_PERIOD", "12s");
    let Some(mut life) = up(image) else { return };
    life.submit(1, 60.0);
    life.kill_jvm("manager", Signal::SIGKILL);
    life.state("manager", "ended");
    assert_eq!(life.command("liveness").code, 1);
    let began = Instant::now();
    let hook = life.pre_stop();
    assert_eq!(hook.wait(SOON).code, 1, "{}", life.transcript());
    life.ends_with(27);
    let took = began.elapsed().as_secs_f64();
    assert!((5.9..12.0).contains(&took), "{took}");
}

/// What the server was working on some seconds before its stop may be done by then: it is asked again.
fn with_requests_done_meanwhile() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    life.submit(1, 60.0);
    life.submit_requests(1, 3.0);
    let hook = life.pre_stop();
    life.line(0, &[WAITS_FOR_JOBS]);
    life.eventually("the request is done", |life| life.jobs("end") == 1);
    assert_eq!(life.command("drain force").code, 1);
    assert_eq!(hook.wait(SOON).code, 1);
    life.ends_with(27);
    told_everywhere(&life, 1, "1 request of the server");
}

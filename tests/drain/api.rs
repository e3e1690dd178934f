//! What a drain does when the REST API does not answer as it should.

use crate::{
    kinds::{AGENT, Pair, pair},
    scene::{at_work, kind_with_token, side_by_side, with_token},
    support::SOON,
};
use jjobs_harness::{ContainerBuilder, Signal, Vendor};
use std::time::{Duration, Instant};

const HOLD_SERVER: &str = "answer:/jjob-server/api/v1/serversetting/server/hold";
const HOLD_AGENT: &str = "answer:/jjob-server/api/v1/serversetting/agent/holdAndStopAgent";
const LIST: &str = "answer:/jjob-server/api/v1/statusmonitor/selectWorkingRequestList";

#[test]
fn a_server_that_recovers_is_held_as_if_nothing_had_been() {
    side_by_side([
        ten_times_500,
        a_token_that_is_refused_for_a_while,
        hangs_for_a_while,
        a_hold_that_was_forgotten_is_said_again,
        an_agent_finds_out_whether_its_server_speaks_https,
    ]);
}

fn ten_times_500() {
    let image = with_token(Vendor::A).env("JJOBS_INIT_STOP_TIMEOUT", "30s");
    let Some(mut life) = at_work(image) else { return };
    life.submit(1, 1.0);
    // Four of each are some eight seconds.
    let times = "answer_times:/jjob-server/api/v1/serversetting";
    life.fault("server", &format!("{HOLD_SERVER}=500\n{HOLD_AGENT}=500\n{times}/server/hold=4\n{times}/agent/holdAndStopAgent=4\n"));
    let hook = life.pre_stop().wait(SOON);
    assert_eq!(hook.code, 0, "{hook:?}\n{}", life.transcript());
    life.no_job_was_lost(1);
    assert_eq!(life.count(&["cannot hold it, will retry"]), 2, "{}", life.transcript());
    assert_eq!(life.count(&["held: no new jobs"]), 2);
    life.one_stop_script_each(&["manager", "server"]);
    life.ends_with(0);
}

fn a_token_that_is_refused_for_a_while() {
    let image = with_token(Vendor::B).env("JJOBS_INIT_HOLD_TIMEOUT", "20s");
    let Some(mut life) = at_work(image) else { return };
    life.submit(1, 2.0);
    life.write("/engn001/jjobs/.simulator/token", "another");
    let hook = life.pre_stop();
    for component in ["agent", "server"] {
        let component = format!("component={component}");
        life.line(0, &["cannot hold it, will retry", &component, "401", "hint="]);
    }
    life.write("/engn001/jjobs/.simulator/token", "");
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    life.no_job_was_lost(1);
    assert_eq!(life.count(&["cannot hold it, will retry"]), 2, "{}", life.transcript());
    assert_eq!(life.count(&["held: no new jobs"]), 2);
    life.ends_with(0);
}

fn hangs_for_a_while() {
    let Some(mut life) = at_work(kind_with_token("S", Vendor::B)) else { return };
    life.submit_requests(1, 3.0);
    life.fault("server", "answer=hang");
    let hook = life.pre_stop();
    life.line(0, &["cannot hold it, will retry", "component=server"]);
    life.fault("server", "");
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    life.no_job_was_lost(1);
    life.line(0, &["held: no new jobs", "component=server"]);
    life.ends_with(0);
}

#[test]
fn a_drain_goes_on_without_a_hold_that_cannot_be_had() {
    side_by_side([refused_for_good, unknown_agent, nobody_listens, its_own_server_is_down]);
}

fn refused_for_good() {
    let image = with_token(Vendor::A)
        .env("JJOBS_INIT_HOLD_TIMEOUT", "3s")
        .env("JJOBS_INIT_GRACE_PERIOD", "30s");
    let Some(mut life) = at_work(image) else { return };
    life.submit(2, 6.0);
    life.fault("server", "answer:/jjob-server/api=403");
    let began = Instant::now();
    let hook = life.pre_stop();
    let from = life.line(0, &["cannot hold it, will retry", "component=agent", "403", "hint="]);
    let given_up = life.line(0, &["not held in time", "component=agent", "hint="]);
    assert!((2.0..6.0).contains(&(given_up - from).as_secs_f64()));
    // Its runtimes live on.
    life.line(0, &["stop script started", "component=agent"]);
    let ended = hook.wait(SOON);
    // What it works on is not known, so it was waited for as long as there was time.
    assert!((19.0..28.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    // Nobody can say that no request was lost.
    assert_eq!(ended.code, 1, "{ended:?}\n{}", life.transcript());
    assert!(ended.stdout.contains("the server did not say"), "{ended:?}");
    life.no_job_was_lost(2);
    for component in ["agent", "server"] {
        let component = format!("component={component}");
        assert_eq!(life.count(&["cannot hold it, will retry", &component]), 1);
        assert_eq!(life.count(&["not held in time", &component]), 1);
    }
    assert_eq!(life.count(&["cannot ask for the server's requests"]), 1);
    life.line(0, &["waiting for the server's requests", "requests=unknown"]);
    life.line(0, &["the grace period is nearly over"]);
    life.ends_with(0);
}

fn unknown_agent() {
    let server = kind_with_token("S", Vendor::B);
    let timeout = |agent: ContainerBuilder| agent.env("JJOBS_INIT_HOLD_TIMEOUT", "2s");
    let Some(Pair { server, mut agent }) = pair(server, timeout) else { return };
    agent.submit(1, 5.0);
    server.fault("server", &format!("{HOLD_AGENT}=404"));
    let hook = agent.pre_stop();
    agent.line(0, &["cannot hold it, will retry", "component=agent", "404"]);
    // Its runtime lives on.
    agent.line(0, &["stop script started", "component=agent"]);
    assert_eq!(hook.wait(SOON).code, 0, "{}", agent.transcript());
    agent.no_job_was_lost(1);
    agent.one_stop_script_each(&["agent"]);
    agent.ends_with(0);
}

/// The server of an agent's is gone when the agent is to be held.
fn nobody_listens() {
    let server = kind_with_token("S", Vendor::A);
    let timeout = |agent: ContainerBuilder| agent.env("JJOBS_INIT_HOLD_TIMEOUT", "3s");
    let Some(Pair { server, mut agent }) = pair(server, timeout) else { return };
    agent.submit(1, 6.0);
    server.kill_jvm("server", Signal::SIGKILL);
    server.fault("server", "start_script=hang");
    let hook = agent.pre_stop();
    agent.line(0, &["cannot hold it, will retry", "component=agent", "hint="]);
    agent.line(0, &["stop script started", "component=agent"]);
    assert_eq!(hook.wait(SOON).code, 0, "{}", agent.transcript());
    agent.no_job_was_lost(1);
    agent.ends_with(0);
}

/// Nothing restarts the server during a drain, so the agent cannot be held any more.
fn its_own_server_is_down() {
    let image = with_token(Vendor::A).env("JJOBS_INIT_HOLD_TIMEOUT", "2s");
    let Some(mut life) = at_work(image) else { return };
    life.submit(2, 5.0);
    life.kill_jvm("server", Signal::SIGKILL);
    life.state("server", "waiting for restart");
    assert_eq!(life.pre_stop().wait(SOON).code, 0, "{}", life.transcript());
    assert_eq!((life.jobs("start"), life.jobs("end")), (2, 2));
    life.line(0, &["cannot hold it, will retry", "component=agent", "hint="]);
    life.one_stop_script_each(&["manager", "agent"]);
    life.ends_with(0);
}

fn a_hold_that_was_forgotten_is_said_again() {
    let Some(mut life) = at_work(kind_with_token("S", Vendor::A)) else { return };
    life.submit_requests(1, 34.0);
    life.fault("server", "forget_after=1");
    let hook = life.pre_stop();
    life.eventually("it is held", crate::support::Life::is_server_held);
    life.eventually("it has forgotten", |life| !life.is_server_held());
    life.fault("server", "");
    life.eventually("it is held again", crate::support::Life::is_server_held);
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    life.no_job_was_lost(1);
    assert_eq!(life.count(&["held: no new jobs"]), 1, "that is no news");
    life.ends_with(0);
}

fn an_agent_finds_out_whether_its_server_speaks_https() {
    let server = kind_with_token("S", Vendor::B);
    let Some(Pair { server, mut agent }) = pair(server, |agent| {
        agent.env("JJOBS_INIT_CA_FILE", "/run/ca.pem").env("JJOBS_SERVER_IP", "localhost")
    }) else {
        return;
    };
    // Its certificates are made when it first speaks TLS.
    server.fault("server", "scheme=https");
    server.kill_jvm("server", Signal::SIGKILL);
    server.eventually("the server speaks https", |server| {
        server.exists("/engn001/jjobs/.simulator/tls/ca.pem")
    });
    agent.write("/run/ca.pem", server.read("/engn001/jjobs/.simulator/tls/ca.pem").unwrap());
    agent.eventually("the agent asks again", |agent| {
        agent.http_get(7075, "/sim/jobs").is_ok_and(|answer| answer.body.contains(AGENT))
    });
    agent.submit(1, 2.0);
    let hook = agent.pre_stop();
    agent.line(0, &["held: no new jobs", "component=agent"]);
    assert_eq!(hook.wait(SOON).code, 0, "{}", agent.transcript());
    agent.no_job_was_lost(1);
    agent.ends_with(0);
}

#[test]
fn requests_are_never_taken_for_none() {
    side_by_side([a_list_that_is_null, a_list_that_is_empty_once, a_server_that_is_gone]);
}

fn a_list_that_is_null() {
    let image = kind_with_token("S", Vendor::A).env("JJOBS_INIT_GRACE_PERIOD", "20s");
    let Some(mut life) = at_work(image) else { return };
    life.fault("server", &format!("{LIST}=null-list"));
    let began = Instant::now();
    let hook = life.pre_stop().wait(SOON);
    assert_eq!(hook.code, 1, "{hook:?}\n{}", life.transcript());
    assert!((9.0..18.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    life.line(0, &["waiting for the server's requests", "requests=unknown", "left_ms="]);
    assert_eq!(life.count(&["cannot ask for the server's requests"]), 1);
    life.one_stop_script_each(&["server"]);
    life.ends_with(0);
}

fn a_list_that_is_empty_once() {
    let image = kind_with_token("S", Vendor::B).env("SIM_CONTRARY", "yes");
    let Some(mut life) = at_work(image) else { return };
    life.submit_requests(1, 6.0);
    assert_eq!(life.pre_stop().wait(SOON).code, 0);
    life.no_job_was_lost(1);
    assert_eq!(life.count(&["is stopped while it works"]), 0);
    life.ends_with(0);
}

fn a_server_that_is_gone() {
    let Some(mut life) = at_work(kind_with_token("S", Vendor::A)) else { return };
    life.submit_requests(1, 100.0);
    let hook = life.pre_stop();
    life.line(0, &["waiting for the server's requests", "requests=1"]);
    life.kill_jvm("server", Signal::SIGKILL);
    let killed = Instant::now();
    let hook = hook.wait(SOON);
    assert!(
        killed.elapsed() < Duration::from_secs(4),
        "nothing to wait for: {:?}",
        killed.elapsed()
    );
    assert_eq!(hook.code, 1, "{hook:?}");
    life.line(0, &["the server has ended while it was working on requests", "requests=1"]);
    life.one_stop_script_each(&[]);
    assert_eq!(life.count(&["start script started"]), 1, "nothing is restarted during a drain");
    life.ends_with(27);
}

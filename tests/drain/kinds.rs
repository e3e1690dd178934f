//! What a drain does with each kind of container, with a token and without one.

use crate::{
    scene::{TOKEN, WAITS_FOR_JOBS, at_work, kind_with_token, side_by_side, with_token},
    support::{Life, SOON, kind, kind_f, manual, up},
};
use jjobs_harness::{ContainerBuilder, Signal, Vendor};
use std::time::{Duration, Instant};

/// An agent and its server, which share a network as containers of one pod do.
pub(crate) struct Pair {
    pub(crate) server: Life,
    pub(crate) agent: Life,
}

pub(crate) const AGENT: &str = "jjobs-agent-0";

/// Boots both. `change` is what is particular about the agent.
pub(crate) fn pair(
    server: ContainerBuilder,
    change: impl FnOnce(ContainerBuilder) -> ContainerBuilder,
) -> Option<Pair> {
    let server = at_work(server)?;
    let agent = kind_with_token("A", Vendor::A).hostname(AGENT).network_of(&server);
    let mut agent = change(agent).prepare()?;
    agent.start();
    let agent = Life::alone(agent);
    agent.wait_for_line("all up", SOON);
    server.eventually("the agent is registered", |server| {
        server.http_get(7075, "/sim/jobs").is_ok_and(|answer| answer.body.contains(AGENT))
    });
    Some(Pair { server, agent })
}

#[test]
fn each_kind_is_drained_in_its_own_way() {
    side_by_side([
        a_server_alone,
        an_agent_alone,
        a_manager_alone,
        an_idle_agent,
        a_token_from_a_file_may_be_rotated_in_the_middle,
        what_an_operator_has_started_by_hand_is_held_and_drained_alike,
        everything_without_a_token,
        a_server_without_a_token,
    ]);
}

fn a_server_alone() {
    let Some(mut life) = at_work(kind_with_token("S", Vendor::B)) else { return };
    life.submit_requests(2, 3.0);
    let hook = life.pre_stop();
    life.line(0, &["waiting for the server's requests", "requests=2"]);
    life.eventually("it is held", Life::is_server_held);
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    life.no_job_was_lost(2);
    life.one_stop_script_each(&["server"]);
    life.ends_with(0);
}

fn an_agent_alone() {
    let server = kind_with_token("S", Vendor::A);
    let Some(Pair { server, mut agent }) = pair(server, |agent| agent) else { return };
    agent.line(0, &["released", "component=agent"]);
    agent.submit(2, 2.0);
    let hook = agent.pre_stop();
    server.eventually("the agent is held", |server| server.is_agent_held(AGENT));
    assert!(!server.is_server_held());
    server.offer(1, 0.1);
    assert_eq!(hook.wait(SOON).code, 0, "{}", agent.transcript());
    agent.no_job_was_lost(2);
    agent.one_stop_script_each(&[]);
    agent.ends_with(0);
}

fn a_manager_alone() {
    let Some(mut life) = up(kind_with_token("M", Vendor::A)) else { return };
    let hook = life.pre_stop().wait(SOON);
    assert_eq!(hook.code, 0, "{hook:?}");
    life.one_stop_script_each(&["manager"]);
    assert_eq!(life.count(&["held"]), 0);
    assert_eq!(life.count(&[" WARN "]), 0, "{}", life.transcript());
    life.ends_with(0);
}

fn an_idle_agent() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    let hook = life.pre_stop();
    // Today's image looks for a runtime first and then never holds.
    life.line(0, &["held: no new jobs", "component=agent", "name=jjobs-0"]);
    life.line(0, &["held: no new jobs", "component=server", "name=1"]);
    assert_eq!(hook.wait(SOON).code, 0);
    life.one_stop_script_each(&["manager", "server"]);
    assert_eq!(life.count(&[WAITS_FOR_JOBS]), 0, "there was none");
    life.ends_with(0);
}

/// Nothing is held, and jobs are waited for all the same.
fn everything_without_a_token() {
    let Some(mut life) = up(kind_f(Vendor::B)) else { return };
    life.submit(2, 3.0);
    let hook = life.pre_stop().wait(SOON);
    assert_eq!(hook.code, 0, "{hook:?}");
    life.no_job_was_lost(2);
    life.one_stop_script_each(&["manager", "server", "agent"]);
    assert_eq!(life.count(&["no token: nothing can be held"]), 1);
    assert_eq!(life.count(&[" WARN "]), 1, "{}", life.transcript());
    life.ends_with(0);
}

fn a_server_without_a_token() {
    let Some(mut life) = up(kind("S", Vendor::A)) else { return };
    let began = Instant::now();
    assert_eq!(life.pre_stop().wait(SOON).code, 0);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    life.one_stop_script_each(&["server"]);
    life.ends_with(0);
}

fn a_token_from_a_file_may_be_rotated_in_the_middle() {
    let image = with_token(Vendor::B)
        .env("API_PRIVATE_TOKEN", "")
        .env("API_PRIVATE_TOKEN_FILE", "/run/token")
        .file("/run/token", "first-token\n", 0o600)
        .env("SIM_TOKEN", "first-token");
    let Some(mut life) = at_work(image) else { return };
    life.submit(1, 3.0);
    life.submit_requests(1, 6.0);
    let hook = life.pre_stop();
    life.eventually("both are held", |life| life.is_server_held() && life.is_agent_held("jjobs-0"));
    life.write("/run/token", "second-token\n");
    life.write("/engn001/jjobs/.simulator/token", "second-token");
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    life.no_job_was_lost(2);
    let told = life.transcript();
    assert!(!told.contains("first-token") && !told.contains("second-token"));
    assert!(!told.contains(TOKEN));
    life.ends_with(0);
}

fn what_an_operator_has_started_by_hand_is_held_and_drained_alike() {
    let Some(mut life) = manual(with_token(Vendor::A)) else { return };
    for component in ["server", "agent"] {
        let _shell = life.exec_spawn([format!("/engn001/jjobs/start_{component}.sh")]);
        life.state(component, "up");
    }
    life.eventually("the agent asks for work", |life| {
        life.http_get(7075, "/sim/jobs").is_ok_and(|answer| answer.body.contains("jjobs-0"))
    });
    life.submit(1, 2.0);
    life.signal(Signal::SIGTERM);
    assert_eq!(life.ended().0, 0, "{}", life.transcript());
    life.no_job_was_lost(1);
    life.one_stop_script_each(&["server"]);
    assert_eq!(life.count(&["held: no new jobs"]), 2);
}

#[test]
fn what_an_operator_starts_by_hand_in_a_stopped_container_is_drained_by_term() {
    let Some(mut life) = manual(kind_with_token("S", Vendor::B)) else { return };
    assert_eq!(life.command("drain").code, 0, "{}", life.transcript());
    // Nobody has ever started it, so nothing of it was stopped by the drain.
    let _shell = life.exec_spawn(["/engn001/jjobs/start_server.sh"]);
    life.state("server", "up");
    life.submit_requests(1, 3.0);
    life.ends_with(0);
    life.no_job_was_lost(1);
    life.one_stop_script_each(&["server"]);
}

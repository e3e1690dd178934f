//! Cables are taken out and plugged in again while pods drain.

use crate::{
    load::{load, lost_at},
    pods::{Pods, SOON},
};
use jjobs_harness::within;
use std::{
    sync::PoisonError,
    thread,
    time::{Duration, Instant},
};

/// How long a cable stays out at least: longer than one attempt of a call.
const OUT: Duration = Duration::from_secs(6);

/// One agent is cut off when it is held and its jobs still run, one before it could be held.
pub(crate) fn cut_agents(pods: &Pods) {
    let network = pods.cluster.network();
    let [held, unheld, _] = &pods.agents;
    load(pods, held, 4.0);
    load(pods, unheld, 4.0);
    let from = [held, unheld].map(crate::pods::Pod::now);

    let hook_of_held = held.pre_stop();
    held.wait_for_line(from[0], &["waiting for running jobs"]);
    network.cut(held.name);
    network.cut(unheld.name);
    let cut = Instant::now();
    let hook_of_unheld = unheld.pre_stop();
    unheld.wait_for_line(from[1], &["cannot hold"]);
    held.eventually("its jobs have ended without a server", || held.jvms("cname=jjobs") == 0);
    thread::sleep(OUT.saturating_sub(cut.elapsed()));
    for (pod, hook) in [(held, &hook_of_held), (unheld, &hook_of_unheld)] {
        assert_eq!(
            hook.try_code(),
            None,
            "{} ends a drain without a word: {}",
            pod.name,
            pod.said(0)
        );
        assert_eq!(pod.probe("liveness"), 0, "{}: a drain is no reason to kill it", pod.name);
        network.restore(pod.name);
    }
    for (pod, hook) in [(held, &hook_of_held), (unheld, &hook_of_unheld)] {
        pod.assert_drained(hook);
        pod.end();
        assert_eq!(lost_at(pods, pod), [""; 0], "{} has lost jobs", pod.name);
        pods.bring_up(pod);
    }
}

/// A server that drains is cut off from its DB and from the agents that work for it: what it works on is unknown then, which is not
/// "nothing". The agents tell the other one.
pub(crate) fn cut_a_server(pods: &Pods) {
    let network = pods.cluster.network();
    let [other, server] = &pods.servers;
    load(pods, server, 4.0);
    for agent in &pods.agents {
        load(pods, agent, 4.0);
    }
    pods.retire(server);
    let _no_new_jobs = pods.feeding.lock().unwrap_or_else(PoisonError::into_inner);
    let from = server.now();
    let hook = server.pre_stop();
    server.wait_for_line(from, &["waiting for the server's requests"]);
    network.cut(server.name);
    let cut = Instant::now();
    server.wait_for_line(from, &["cannot ask for the server's requests"]);
    let are_done = within(SOON, || {
        let board = pods.board_of(other)?;
        board.agents.values().all(|agent| agent.running.is_empty()).then_some(())
    });
    assert!(are_done.is_some(), "the agents have told the other server: {:?}", pods.board());
    thread::sleep(OUT.saturating_sub(cut.elapsed()));
    assert_eq!(hook.try_code(), None, "unknown is not none: {}", server.said(from));
    network.restore(server.name);
    server.assert_drained(&hook);
    server.end();
    assert_eq!(lost_at(pods, server), [""; 0], "{} has lost requests", server.name);
    pods.bring_up(server);
}

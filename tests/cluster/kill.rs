//! A server dies without a word, its JVM or its whole host, while agents drain.

use crate::{
    load::{Whose, load, lost_at, submit},
    pods::{BASE, Pod, Pods},
};
use jjobs_harness::{ExecChild, Signal};

/// Only the JVM: PID 1 starts another one. Returns the requests that it worked on.
pub(crate) fn kill_the_jvm(pods: &Pods) -> Vec<String> {
    let server = &pods.servers[1];
    let agent = &pods.agents[0];
    let requests = give_requests(pods, server);
    let hook = drain_in_the_middle(pods, agent);
    let from = server.now();
    server.with(|pod| {
        let word = format!("-Dcatalina.home={BASE}/server");
        for process in pod.processes_with(&word) {
            assert!(pod.signal_process(process.pid, Signal::SIGKILL));
        }
    });
    finish_drain(pods, agent, &hook);
    server.wait_for_line(from, &["component=server", "to=up"]);
    server.eventually("it is at work again", || {
        pods.board_of(server).is_some_and(|board| board.lost == requests.len() as u64)
            && server.probe("readiness") == 0
    });
    requests
}

/// The pod and its cable: its address does not even refuse. One agent drains already, one begins only then. It is the first address
/// of the service's name.
pub(crate) fn kill_the_pod(pods: &Pods) -> Vec<String> {
    let server = &pods.servers[0];
    let [_, draining, late] = &pods.agents;
    let requests = give_requests(pods, server);
    load(pods, late, 2.5);
    let hook = drain_in_the_middle(pods, draining);
    pods.retire(server);
    pods.cluster.network().cut(server.name);
    *server.lock() = None;

    let from = late.now();
    let late_hook = late.pre_stop();
    finish_drain(pods, draining, &hook);
    late.assert_drained(&late_hook);
    let said = late.said(from);
    // A first try may meet a meta DB that still keeps the dead server's last transaction open.
    assert!(said.contains("held: no new jobs"), "the other address was not tried:\n{said}");
    finish_drain(pods, late, &late_hook);
    assert_eq!(lost_at(pods, server), requests, "nobody has run them again");
    pods.bring_up(server);
    requests
}

/// Requests that last longer than the test, which that server itself works on.
fn give_requests(pods: &Pods, server: &Pod) -> Vec<String> {
    submit(server, (300.0, 2), Whose::Server(server));
    let number = server.number().unwrap();
    let own = || pods.board_of(server).map(|board| board.servers[&number].own.clone());
    server.eventually("it works on them itself", || own().is_some_and(|own| own.len() == 2));
    own().unwrap()
}

fn drain_in_the_middle(pods: &Pods, agent: &Pod) -> ExecChild {
    load(pods, agent, 5.0);
    let from = agent.now();
    let hook = agent.pre_stop();
    agent.wait_for_line(from, &["waiting for running jobs"]);
    assert!(agent.jvms("cname=jjobs") > 0, "{} drains too quickly", agent.name);
    hook
}

/// It ends as if nothing had happened, and another pod takes its place.
fn finish_drain(pods: &Pods, agent: &Pod, hook: &ExecChild) {
    agent.assert_drained(hook);
    agent.end();
    assert_eq!(lost_at(pods, agent), [""; 0], "{} has lost jobs", agent.name);
    pods.bring_up(agent);
}

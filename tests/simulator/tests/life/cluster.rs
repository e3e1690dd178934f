//! Several containers, one ledger: what becomes of jobs when agents, runtimes, servers and cables go.

use super::support::{
    BASE, HOLD_AGENT, api, catalina_home, fault, host, jvms, kill_jvm, member, start, start_server,
};
use jjobs_harness::{Cluster, Container, Vendor};

/// A server and an agent that runs at most so many jobs at a time.
fn pair(slots: u32, contrary: &str) -> Option<(Cluster, Container, Container)> {
    let cluster = Cluster::new(&["server-0", "jjobs-0"])?;
    let plan = |vendor| host(vendor).env("SIM_CONTRARY", contrary);
    let server = member(&cluster, ("server-0", "S"), plan(Vendor::A));
    let agent = member(&cluster, ("jjobs-0", "A"), plan(Vendor::B));
    fault(&agent, "agent", &format!("slots={slots}\n"));
    start_server(&server);
    start(&agent, "agent");
    server.eventually("the agent asks for work", |server| {
        cluster.board(server).is_some_and(|board| board.agents.contains_key("jjobs-0"))
    });
    Some((cluster, server, agent))
}

fn status(server: &Container) -> String {
    api(server, "GET", "/agentmonitor/jjobs-0", "").1
}

fn list(server: &Container) -> String {
    api(server, "GET", "/statusmonitor/selectWorkingRequestList?groupId=1&serverId=1", "").1
}

#[test]
fn no_job_is_lost_by_restarts_of_agent_and_server_and_a_cut_cable() {
    let Some(cluster) = Cluster::new(&["server-0", "jjobs-0", "jjobs-1", "jjobs-2"]) else {
        return;
    };
    let server = member(&cluster, ("server-0", "S"), host(Vendor::B));
    start_server(&server);
    let agents = [("jjobs-0", Vendor::A), ("jjobs-1", Vendor::B), ("jjobs-2", Vendor::A)];
    let agents = agents.map(|(name, vendor)| {
        let agent = member(&cluster, (name, "A"), host(vendor));
        start(&agent, "agent");
        cluster.submit_to(&server, name, (3.0, 2));
        agent
    });
    cluster.submit(&server, 0.2, 150);
    server.eventually("each agent runs a short and a long job", |server| {
        let Some(board) = cluster.board(server) else { return false };
        ["jjobs-0", "jjobs-1", "jjobs-2"]
            .iter()
            .all(|name| board.running(name, 0.0..1.0) > 0 && board.running(name, 1.0..9.0) > 0)
    });

    agents[0].exec([format!("{BASE}/stop_agent.sh")]);
    agents[0].eventually("the agent has gone", |agent| jvms(agent, "cname=agent") == 0);
    assert!(jvms(&agents[0], "cname=jjobs") > 0, "its runtimes go on");
    start(&agents[0], "agent");
    cluster.network().cut("jjobs-1");
    kill_jvm(&server, &catalina_home("server"));
    start_server(&server);
    cluster.network().restore("jjobs-1");

    server.eventually("every job has been reported", |server| {
        cluster.board(server).is_some_and(|board| board.done == 156)
    });
    let ledger = cluster.ledger();
    assert!(ledger.is_complete() && ledger.submitted == 156, "{ledger:?}");
}

#[test]
fn jobs_not_begun_wait_at_the_server_for_another_agent_or_the_returning_one() {
    let Some((cluster, server, agent)) = pair(2, "no") else { return };
    cluster.submit(&server, 1.0, 6);
    server.eventually("two jobs run", |server| {
        cluster.board(server).is_some_and(|board| board.running("jjobs-0", 0.0..9.0) == 2)
    });
    agent.exec([format!("{BASE}/stop_agent.sh")]);
    agent.eventually("both runtimes have ended", |agent| {
        jvms(agent, "cname=agent") == 0 && jvms(agent, "cname=jjobs") == 0
    });
    let (ledger, board) = (cluster.ledger(), cluster.board(&server).unwrap());
    assert_eq!((ledger.started, ledger.ended, board.waiting), (2, 2, 4));
    start(&agent, "agent");
    server.eventually("the rest is done", |_| cluster.ledger().is_complete());
}

#[test]
fn a_contrary_agent_stays_after_its_hold_and_begins_what_it_had_been_given() {
    let Some((cluster, server, agent)) = pair(2, "yes") else { return };
    assert!(status(&server).contains("STARTING"), "{}", status(&server));
    server.eventually("the agent runs", |server| status(server).contains("RUNNING"));
    cluster.submit(&server, 4.0, 3);
    server.eventually("a job runs, and another one is in the agent's pocket", |server| {
        let Some(board) = cluster.board(server) else { return false };
        board.running("jjobs-0", 0.0..9.0) == 1 && board.agents["jjobs-0"].handed.len() == 1
    });
    server.eventually("the ledger has them so, too", |_| {
        cluster.ledger().handed_not_started.len() == 1
    });
    assert_eq!(api(&server, "POST", "/serversetting/agent/holdAndStopAgent", HOLD_AGENT).0, 200);
    assert_eq!(list(&server), r#"{"list":[]}"#, "once it says that there is nothing");
    assert!(list(&server).contains("requestId"), "and then the truth");

    server.eventually("the job from the pocket was begun", |_| cluster.ledger().started == 2);
    agent.eventually("no runtime is left", |agent| {
        cluster.ledger().ended == 2 && jvms(agent, "cname=jjobs") == 0
    });
    let board = cluster.board(&server).unwrap();
    assert_eq!((board.waiting, jvms(&agent, "cname=agent")), (1, 1), "it stays, and takes nothing");
    assert_eq!(api(&server, "POST", "/serversetting/agent/releaseAgent", HOLD_AGENT).0, 200);
    server.eventually("the released agent works", |_| cluster.ledger().is_complete());
}

#[test]
fn a_killed_runtime_is_a_lost_job_and_a_second_start_is_a_second_run() {
    let Some((cluster, server, agent)) = pair(9, "no") else { return };
    cluster.submit(&server, 60.0, 1);
    agent.eventually("its runtime works", |_| cluster.ledger().started == 1);
    assert!(cluster.ledger().lost.is_empty());
    kill_jvm(&agent, "cname=jjobs");
    server.eventually("the agent has noticed", |server| {
        cluster.board(server).is_some_and(|board| board.lost == 1)
    });
    assert_eq!(cluster.ledger().lost, ["server-0-1"]);

    cluster.submit(&server, 0.1, 1);
    agent.eventually("the job has ended", |_| cluster.ledger().ended == 1);
    assert!(cluster.ledger().twice.is_empty());
    let again = format!(
        "$(ls {BASE}/jdk*/bin/java) -Djjobs.home={BASE} -Dsim.job=server-0-2 -Dsim.seconds=0 jjob.runtime.RuntimeMain"
    );
    assert_eq!(agent.shell(&again).code, 0);
    let ledger = cluster.ledger();
    assert_eq!(ledger.twice, ["server-0-2"]);
    assert!(!ledger.is_complete());
}

#[test]
fn jobs_of_a_pod_that_was_killed_are_lost_and_not_run_again() {
    let Some((cluster, server, mut agent)) = pair(2, "no") else { return };
    cluster.submit(&server, 5.0, 2);
    cluster.submit(&server, 0.1, 5);
    server.eventually("the server knows that two jobs run", |server| {
        cluster.board(server).is_some_and(|board| board.running("jjobs-0", 0.0..9.0) == 2)
    });
    agent.eventually("their runtimes have begun", |_| cluster.ledger().started == 2);
    agent.restart();
    start(&agent, "agent");
    server.eventually("all is reported", |server| {
        cluster.board(server).is_some_and(|board| (board.done, board.lost) == (5, 2))
    });
    let ledger = cluster.ledger();
    assert_eq!((ledger.started, ledger.ended, ledger.lost.len()), (7, 5, 2), "{ledger:?}");
    assert!(ledger.twice.is_empty(), "{ledger:?}");
}

#[test]
fn what_the_server_itself_works_on_is_lost_with_its_jvm() {
    let Some((cluster, server, _agent)) = pair(2, "no") else { return };
    cluster.submit_to_server(&server, 60.0, 1);
    server.eventually("it is a working request", |server| list(server).contains("server-0-1"));
    kill_jvm(&server, &catalina_home("server"));
    start_server(&server);
    assert_eq!(list(&server), r#"{"list":[]}"#);
    assert_eq!(cluster.ledger().lost, ["server-0-1"]);
}

#[test]
fn an_unheld_agent_registers_again_with_a_server_that_was_restarted_and_a_held_one_stays_held() {
    let Some((cluster, server, agent)) = pair(2, "no") else { return };
    kill_jvm(&server, &catalina_home("server"));
    start_server(&server);
    server.eventually("the agent is back", |server| status(server).contains("RUNNING"));
    assert_eq!(api(&server, "POST", "/serversetting/agent/holdAndStopAgent", HOLD_AGENT).0, 200);
    agent.eventually("the idle agent ends by itself", |agent| jvms(agent, "cname=agent") == 0);
    let restart = || {
        kill_jvm(&server, &catalina_home("server"));
        start_server(&server);
        cluster.board(&server).unwrap().agents["jjobs-0"].is_held
    };
    assert!(restart(), "the hold survives the server");
    fault(&server, "server", "forget_holds=yes\n");
    assert!(!restart(), "unless it is told to forget");

    fault(&server, "server", "forget_after=0.5\n");
    assert_eq!(api(&server, "POST", "/serversetting/agent/holdAndStopAgent", HOLD_AGENT).0, 200);
    assert!(cluster.board(&server).unwrap().agents["jjobs-0"].is_held);
    server.eventually("the hold is forgotten while it runs", |server| {
        cluster.board(server).is_some_and(|board| !board.agents["jjobs-0"].is_held)
    });
}

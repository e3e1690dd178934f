//! Jobs: short ones for everybody all the time, longer ones for a pod that is to be stopped, and the question what became of all.

use crate::{
    pods::{Pod, Pods, SERVER_PORT, SOON},
    record::Record,
};
use jjobs_harness::within;
use serde_json::{Value, json};
use std::{
    sync::{
        PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// In seconds. What is longer than a second is a long job.
pub(crate) const LONG_JOB: f64 = 2.5;

/// Jobs that nobody has yet, at any time: every agent finds some.
const QUEUE: u64 = 12;

/// Whose a job is.
#[derive(Clone, Copy)]
pub(crate) enum Whose<'a> {
    Anybodys,
    Agents(&'a Pod),
    /// Of whichever server takes it first.
    Servers,
    /// Of this one alone.
    Server(&'a Pod),
}

/// Submits jobs through that server.
pub(crate) fn submit(server: &Pod, (seconds, count): (f64, u32), whose: Whose<'_>) {
    let mut body = json!({ "seconds": seconds, "count": count });
    match whose {
        Whose::Anybodys => {}
        Whose::Agents(agent) => body["agent"] = Value::from(agent.name),
        Whose::Servers => body["where"] = "server".into(),
        Whose::Server(only) => {
            body["where"] = "server".into();
            body["server"] = only.number().into();
        }
    }
    let call = ("POST", "/sim/jobs");
    let answer = server.with(|pod| pod.http_api(SERVER_PORT, call, "", &body.to_string()));
    let answer = answer.unwrap_or_else(|error| panic!("{} does not answer: {error}", server.name));
    assert_eq!(answer.status, 200, "{}: {answer:?}", server.name);
}

/// Keeps short jobs coming while `work` is done.
pub(crate) fn under_load(pods: &Pods, work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| feed(pods, &is_over));
        // Ends the feeding also where the work fails.
        let _over = Over(&is_over);
        work();
    });
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn feed(pods: &Pods, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let guard = pods.feeding.lock().unwrap_or_else(PoisonError::into_inner);
        for server in pods.servers.iter().filter(|server| !server.is_leaving()) {
            let Some(board) = pods.board_of(server) else { continue };
            if board.waiting < QUEUE {
                submit(server, (0.3, 1), Whose::Anybodys);
                submit(server, (0.7, 1), Whose::Anybodys);
                submit(server, (0.5, 1), Whose::Servers);
            }
        }
        drop(guard);
        thread::sleep(Duration::from_millis(300));
    }
}

/// Gives that pod jobs until a short and a long one run there.
pub(crate) fn load(pods: &Pods, pod: &Pod, seconds: f64) {
    let guard = pods.feeding.lock().unwrap_or_else(PoisonError::into_inner);
    let mut submitted: Option<Instant> = None;
    let is_loaded = within(SOON, || {
        if submitted.is_none_or(|at| at.elapsed() > Duration::from_secs(5)) {
            submitted = Some(Instant::now());
            let (server, whose) = if pod.is_server {
                (pod, Whose::Server(pod))
            } else {
                (pods.servers.iter().find(|server| !server.is_leaving())?, Whose::Agents(pod))
            };
            submit(server, (seconds, 1), whose);
            submit(server, (0.9, 2), whose);
        }
        let running = running_at(pods, pod)?;
        (running >= 2).then_some(())
    });
    drop(guard);
    assert!(is_loaded.is_some(), "{} never had jobs enough: {:?}", pod.name, pods.board());
}

/// How many jobs run at that pod: as its processes tell, or, for a server, as it tells itself.
pub(crate) fn running_at(pods: &Pods, pod: &Pod) -> Option<usize> {
    match pod.number() {
        Some(number) => Some(pods.board_of(pod)?.servers.get(&number)?.own.len()),
        None => Some(pod.jvms("cname=jjobs")),
    }
}

/// The jobs that began at that pod and have no end, though nothing runs there any more.
pub(crate) fn lost_at(pods: &Pods, pod: &Pod) -> Vec<String> {
    let record = Record::parse(&pods.ledger_text());
    record.unfinished_on(pod.name).into_iter().map(str::to_owned).collect()
}

/// No more jobs come: all that were submitted end, but for exactly those that are `lost`.
pub(crate) fn settle(pods: &Pods, lost: &[String]) {
    let is_settled = within(SOON, || {
        let board = pods.board()?;
        (board.waiting == 0 && board.working == 0).then_some(())
    });
    let text = pods.ledger_text();
    let submitted = Record::parse(&text).submitted();
    // What is known to be lost is taken out, and nothing else may be wrong.
    let is_lost = |line: &&str| lost.iter().any(|job| line.contains(&format!("\"{job}\"")));
    let rest: String =
        text.lines().filter(|line| !is_lost(line)).map(|line| line.to_owned() + "\n").collect();
    let complaints = Record::parse(&rest).complaints();
    let summary = pods.cluster.ledger();
    let mut found = summary.lost.clone();
    let mut wanted = lost.to_vec();
    found.sort();
    wanted.sort();
    println!("{submitted} jobs, {} of them lost, {} complaints", lost.len(), complaints.len());
    if !complaints.is_empty() || found != wanted || is_settled.is_none() {
        println!("{text}");
        for pod in pods.all().filter(|pod| pod.lock().is_some()) {
            println!("{} said:\n{}", pod.name, pod.said(0));
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert_eq!(found, wanted, "what was lost");
    assert_eq!(summary.ended, (submitted - lost.len()) as u64, "{summary:?}");
    assert!(is_settled.is_some(), "work goes on: {:?}", pods.board());
}

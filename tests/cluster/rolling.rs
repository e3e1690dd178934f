//! All pods are booted before their DB, and later replaced one after the other.

use crate::{
    load::{LONG_JOB, load, lost_at, running_at, under_load},
    pods::{Pod, Pods},
};
use std::{sync::PoisonError, time::Instant};

/// Everything boots, its postStart beside it, and waits; when the DB comes, all get to work.
pub(crate) fn the_database_starts_last(pods: &Pods) {
    let began = Instant::now();
    let hooks: Vec<_> = pods
        .all()
        .map(|pod| {
            pods.create(pod);
            pod.post_start()
        })
        .collect();
    for pod in pods.all() {
        let whom = if pod.is_server { "jjobs-db" } else { "jjobs.default.svc.cluster.local" };
        pod.wait_for_line(0, &["waiting", whom]);
        assert_eq!(pod.probe("liveness"), 0, "{} boots, which is no reason to kill it", pod.name);
        assert_eq!(pod.probe("readiness"), 1, "{} is not ready", pod.name);
        assert_eq!(pod.jvms(""), 0, "{} has started something", pod.name);
    }
    pods.db().start();
    for (pod, hook) in pods.all().zip(&hooks) {
        pods.wait_for_work(pod, hook);
    }
    let servers = pods.board().unwrap().servers;
    assert_eq!(servers.keys().copied().collect::<Vec<_>>(), [1, 2], "each its own number");
    println!("all at work {:.1} s after the first boot", began.elapsed().as_secs_f32());
}

/// As `kubectl rollout restart` does with both stateful sets, under load; in the end the DB, too.
pub(crate) fn restart_all_one_by_one(pods: &Pods) {
    under_load(pods, || {
        for pod in pods.agents.iter().rev().chain(pods.servers.iter().rev()) {
            replace(pods, pod);
        }
        load(pods, &pods.agents[0], LONG_JOB);
        // A job that a server takes in while its DB goes might be recorded and not kept.
        let _no_new_jobs = pods.feeding.lock().unwrap_or_else(PoisonError::into_inner);
        pods.db().stop();
        pods.db().start();
        pods.servers[0].eventually("the servers have found their DB again", || {
            let boards = pods.servers.iter().map(|server| pods.board_of(server));
            boards.flatten().filter(|board| board.servers.values().all(|s| s.is_alive)).count() == 2
        });
    });
}

fn replace(pods: &Pods, pod: &Pod) {
    load(pods, pod, LONG_JOB);
    let began = Instant::now();
    pods.retire(pod);
    let running = running_at(pods, pod).unwrap();
    assert!(running > 0, "{} is stopped while it works", pod.name);
    let hook = pod.pre_stop();
    pod.assert_drained(&hook);
    pod.end();
    let stopped = began.elapsed().as_secs_f32();
    assert_eq!(lost_at(pods, pod), [""; 0], "{} has lost jobs", pod.name);
    pods.bring_up(pod);
    let took = began.elapsed().as_secs_f32();
    println!("{}: {running} jobs ran; stopped in {stopped:.1} s, back after {took:.1} s", pod.name);
}

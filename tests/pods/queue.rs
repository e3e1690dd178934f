//! Workers that take items from a queue until it is empty.

use crate::support::{assert_all_was_run, patched, render, set_variable};
use jjobs_harness::{
    engine::Image,
    kubelet::{Kubelet, Outcome},
    within,
};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

pub(crate) const OVERLAYS: &[&str] = &["work-queue"];

const SOON: Duration = Duration::from_secs(90);

const ITEMS: [&str; 6] =
    ["order-0001", "order-0002", "order-0003", "order-0004", "order-0005", "order-0006"];

/// The names of what is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn fill(kubelet: &Kubelet) {
    let mut fill = kubelet.job("jjobs-work-queue-fill").unwrap();
    assert_eq!(fill.finish(SOON), Outcome::Complete, "{}", fill.logs());
}

#[test]
fn workers_take_every_item_once_and_end_when_the_queue_is_empty() {
    let Some(image) = Image::simulated() else { return };
    let Some(rendered) = render("work-queue") else { return };
    let kubelet = Kubelet::new(&image, rendered.clone());
    // Applied together: the workers wait for the queue to be filled.
    let mut workers = kubelet.job("jjobs-work-queue").unwrap();
    fill(&kubelet);
    assert_eq!(workers.finish(SOON), Outcome::Complete, "{}", workers.logs());
    let queue = kubelet.claim("jjobs-queue").join("orders-1");
    assert_eq!(names(&queue.join("done")), ITEMS);
    for empty in ["ready", "claimed", "failed"] {
        assert_eq!(names(&queue.join(empty)), [""; 0], "{empty}");
    }
    let logs = workers.logs();
    assert_eq!((logs.matches("SUCCESS").count(), workers.pods().len()), (6, 3), "{logs}");
    assert!(workers.codes().into_values().flatten().all(|code| code == 0));
    assert_all_was_run(&kubelet, &rendered);
}

#[test]
fn the_item_of_a_worker_that_was_killed_is_done_by_another_and_a_bad_one_fails_the_job() {
    let Some(image) = Image::simulated() else { return };
    let Some(rendered) = render("work-queue") else { return };
    // Another program, which notes who begins and ends what, and shorter times.
    let quick = patched(&rendered, ("Job", "jjobs-work-queue"), |job| {
        for (name, value) in [
            ("QUEUE_COMMAND", "/queue/program.sh"),
            ("QUEUE_LEASE", "4"),
            ("QUEUE_PAUSE", "1"),
            ("QUEUE_BACKOFF", "1"),
            ("QUEUE_TRIES", "3"),
        ] {
            set_variable(job, name, value);
        }
    });
    let kubelet = Kubelet::new(&image, quick);
    let claim = kubelet.claim("jjobs-queue");
    let program = claim.join("program.sh");
    // Whoever is the very first is slow at it, and does not come to its end.
    let script = "#!/bin/sh\nif mkdir /queue/first 2>/dev/null; then\necho \"$1 $POD_NAME\" >/queue/.victim\n\
        mv /queue/.victim /queue/victim\nsleep 100\nfi\n\
        case $1 in order-0004) exit 9 ;; esac\necho \"$1 $POD_NAME\" >>/queue/ended\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fill(&kubelet);

    let mut workers = kubelet.job("jjobs-work-queue").unwrap();
    let victim = within(SOON, || fs::read_to_string(claim.join("victim")).ok());
    let victim = victim.unwrap_or_else(|| panic!("nobody has begun: {}", workers.logs()));
    let (item, killed) = victim.trim_end().split_once(' ').unwrap();
    let pods = workers.pods();
    pods.iter().find(|pod| pod.name() == killed).unwrap().kill_container();

    // 3: the queue is empty, and order-0004 failed at each of its tries.
    assert_eq!(workers.finish(SOON), Outcome::Failed("PodFailurePolicy"), "{}", workers.logs());
    let queue = claim.join("orders-1");
    assert_eq!(names(&queue.join("failed")), ["order-0004"]);
    let done: Vec<&str> = ITEMS.into_iter().filter(|item| *item != "order-0004").collect();
    assert_eq!(names(&queue.join("done")), done, "{}", workers.logs());
    let ended = fs::read_to_string(claim.join("ended")).unwrap();
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for line in ended.lines() {
        let (item, worker) = line.split_once(' ').unwrap();
        assert_ne!(worker, killed, "{ended}");
        *times.entry(item).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "{ended}");
    assert!(item == "order-0004" || times.contains_key(item), "{item}: {ended}");
    assert!(workers.codes()[killed].contains(&137), "{:?}", workers.codes());
    assert!(workers.codes().into_values().flatten().any(|code| code == 3));
}

//! The overlays with agents: a `StatefulSet`, one per node, with other clusters' contexts, and for one occasion.

use crate::support::{
    BOOT, Door, STOP, TOKEN, assert_all_ran, assert_all_was_run, codes, node, patched, render,
    submit, wait_for_running,
};
use jjobs_harness::{
    engine::Image,
    kubelet::{Outcome, Pod},
    within,
};
use serde_json::json;
use std::time::Duration;

pub(crate) const OVERLAYS: &[&str] =
    &["agents", "agents-daemonset", "multi-cluster", "one-shot-agent"];

/// Deletes a pod whose agent has jobs: preStop waits for them.
fn drain(pod: &Pod) {
    let end = pod.delete_within(STOP);
    assert_eq!((end.code, pod.restarts()), (0, 0), "{end:?}");
}

#[test]
fn agents_of_every_kind_take_jobs_and_are_drained_by_their_pods_deletion() {
    let Some(image) = Image::simulated() else { return };
    let Some(rendered) = render("high-availability") else { return };
    let servers = node(&image, rendered, TOKEN);
    let _db = Door::open(&image, &servers);
    let agents = servers.applied(render("agents").unwrap());
    let nodes = servers.applied(render("agents-daemonset").unwrap());
    let clusters = servers.applied(render("multi-cluster").unwrap());

    let server = servers.pod_of("StatefulSet", "jjobs", 0).unwrap();
    // The agents wait for their server's name. Number 1 is of the overlay with other clusters, whose StatefulSet has the same name.
    let pods = [
        (&agents, agents.pod_of("StatefulSet", "jjobs-agent", 0).unwrap(), "jjobs-agent-0"),
        (&clusters, clusters.pod_of("StatefulSet", "jjobs-agent", 1).unwrap(), "jjobs-agent-1"),
        (&nodes, nodes.pod_of("DaemonSet", "jjobs-agent-node", 0).unwrap(), "node-0"),
        (&nodes, nodes.pod_of("DaemonSet", "jjobs-agent-node", 1).unwrap(), "node-1"),
    ];
    server.wait_until_ready(BOOT);
    for (_, pod, name) in &pods {
        pod.wait_until_ready(BOOT);
        submit(&server, Some(name), 0.1, 1);
    }
    // The contexts of what is there; eks is not, without an aws CLI, and stops nobody.
    let (_, pod, _) = &pods[1];
    let config = pod.container().read_text("/root/.kube/config");
    for alias in ["here", "on-premises", "partner"] {
        assert!(config.contains(&format!("{alias}-sa")), "{alias}: {config}");
    }
    assert!(!config.contains("seoul.prod"), "{config}");
    for (_, _, name) in &pods {
        submit(&server, Some(name), 6.0, 2);
    }
    for (kubelet, pod, name) in &pods {
        wait_for_running(&server, name, 2);
        pod.delete(None);
        assert_eq!(codes(kubelet, pod, "postStart"), [Some(0)], "{}", pod.story());
    }
    for (kubelet, pod, _) in &pods {
        drain(pod);
        assert_eq!(codes(kubelet, pod, "preStop"), [Some(0)], "{}", pod.story());
    }
    assert_all_ran(&servers, 12);
    for kubelet in [&agents, &nodes, &clusters] {
        assert_all_was_run(kubelet, kubelet.manifests());
    }
}

#[test]
fn an_agent_for_one_occasion_ends_with_success_after_its_last_job_and_is_tried_again_after_a_crash()
{
    let Some(image) = Image::simulated() else { return };
    let Some(rendered) = render("high-availability") else { return };
    let servers = node(&image, rendered, TOKEN);
    let _db = Door::open(&image, &servers);
    let once = servers.applied(render("one-shot-agent").unwrap());
    // Another environment that is wrong: no further try would change that.
    let wrong = patched(once.manifests(), ("Job", "jjobs-agent-once"), |job| {
        let container = &mut job["spec"]["template"]["spec"]["containers"][0];
        let variables = container["env"].as_array_mut().unwrap();
        variables.push(json!({ "name": "JJOBS_INIT_RESTART", "value": "sometimes" }));
    });
    let wrong = once.applied(wrong);

    let server = servers.pod_of("StatefulSet", "jjobs", 0).unwrap();
    let mut job = once.job("jjobs-agent-once").unwrap();
    let mut hopeless = wrong.job("jjobs-agent-once").unwrap();
    assert_eq!(hopeless.finish(BOOT), Outcome::Failed("PodFailurePolicy"));
    assert_eq!(hopeless.codes().into_values().next().unwrap(), [78]);

    // Its node dies before it has got anything: the Job makes another pod.
    let lost = job.pods()[0].name().to_owned();
    server.wait_until_ready(BOOT);
    job.pods()[0].wait_until_ready(BOOT);
    job.pods()[0].kill_container();
    let other = within(BOOT, || {
        let outcome = job.look();
        assert_eq!(outcome, None);
        job.pods().get(1).filter(|pod| pod.is_ready()).map(|pod| pod.name().to_owned())
    });
    let agent = other.expect("another pod");
    assert_ne!(agent, lost);

    // It is told to stop in J-Jobs while its jobs run, and the Job is complete with the last of them.
    submit(&server, Some(&agent), 4.0, 2);
    wait_for_running(&server, &agent, 2);
    let body = json!({ "groupId": 1, "agentGroupId": null, "agentName": agent }).to_string();
    let path = "/jjob-server/api/v1/serversetting/agent/holdAndStopAgent";
    let answer = server.container().http_api(7075, ("POST", path), TOKEN, &body).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(job.finish(BOOT), Outcome::Complete, "{}", job.logs());
    assert_eq!((job.pods().len(), job.failures()), (2, 1));
    assert_all_ran(&servers, 2);

    // What of it a complete Job does not run is run by one that is deleted.
    let second = once.job("jjobs-agent-once").unwrap();
    second.pods()[0].wait_until_ready(BOOT);
    let end = second.pods()[0].delete_within(Duration::from_secs(30));
    assert_eq!(end.code, 0, "{end:?}");
    assert_eq!(codes(&once, second.pods()[0], "preStop"), [Some(0)]);
    assert_all_was_run(&once, once.manifests());
}

//! The manual's manifests as somebody has them in his cluster, with our image in place of today's.

use crate::support::{
    BOOT, Door, STOP, assert_all_ran, assert_all_was_run, codes, manual, node, submit,
    submit_to_server, wait_for_running,
};
use jjobs_harness::{
    engine::Image,
    kubelet::{Kubelet, Pod},
    within,
};
use std::time::Duration;

/// The token in the manual's manifests.
const TOKEN: &str = "0123456789abcdef0123";

fn server(kubelet: &Kubelet, ordinal: u32) -> Pod {
    kubelet.pod_of("StatefulSet", "jjobs", ordinal).unwrap()
}

fn agent(kubelet: &Kubelet, ordinal: u32) -> Pod {
    kubelet.pod_of("StatefulSet", "jjobs-agent", ordinal).unwrap()
}

/// Waits until a probe has said yes; none may have said no.
fn wait_for_probe(kubelet: &Kubelet, pod: &Pod, role: &str) {
    let answered = within(BOOT, || (!codes(kubelet, pod, role).is_empty()).then_some(()));
    assert!(answered.is_some(), "{}", pod.story());
    let answers = codes(kubelet, pod, role);
    assert!(answers.iter().all(|code| *code == Some(0)), "{role} of {}: {answers:?}", pod.name());
}

#[test]
fn the_manuals_manifests_work_unchanged_from_the_first_installation_to_a_restart_of_all() {
    let Some(image) = Image::simulated() else { return };
    let first = node(&image, manual("first-installation"), TOKEN);
    let _db = Door::open(&image, &first);

    // The first installation: no token, no hooks, no readiness probe; the manager alone. The agent waits for its server, and its pod
    // can be deleted meanwhile, though its grace period is ten hours.
    let first_agents = first.applied(manual("agent-first"));
    let (manager, waiting) = (server(&first, 0), agent(&first_agents, 0));
    manager.container().wait_for_line("all up", BOOT);
    assert!(manager.container().http_get(7065, "/jjob-manager/").is_ok());
    assert!(manager.container().http_get(7075, "/jjob-server/test.jsp").is_err());
    for (kubelet, pod) in [(&first, &manager), (&first_agents, &waiting)] {
        wait_for_probe(kubelet, pod, "livenessProbe");
        pod.delete(None);
    }
    for pod in [manager, waiting] {
        let end = pod.wait_for_end(STOP);
        assert_eq!(end.code, 0, "{}: {end:?}", pod.name());
    }
    assert_all_was_run(&first, first.manifests());
    assert_all_was_run(&first, first_agents.manifests());

    // With the token: two servers, one after the other, and two agents at once, on the same volumes.
    let servers = first.applied(manual("high-availability"));
    let agents = first.applied(manual("agent"));
    let mut server_0 = server(&servers, 0);
    server_0.wait_until_ready(BOOT);
    let server_1 = server(&servers, 1);
    let (mut agent_0, agent_1) = (agent(&agents, 0), agent(&agents, 1));
    for pod in [&server_1, &agent_0, &agent_1] {
        pod.wait_until_ready(BOOT);
    }
    for pod in [&server_0, &server_1, &agent_0, &agent_1] {
        assert_eq!(codes(&agents, pod, "postStart"), [Some(0)], "{}", pod.story());
    }
    assert!(server_0.container().logs().contains("Hello from env!"));
    assert!(servers.claim("efs-pvc-jjobs").join("server/jjobs-1").exists());

    // Every pod is deleted while jobs run at it, the two that have them, and comes back.
    submit(&server_0, Some("jjobs-agent-0"), 4.0, 3);
    submit(&server_0, Some("jjobs-agent-1"), 8.0, 2);
    wait_for_running(&server_0, "jjobs-agent-0", 3);
    wait_for_running(&server_0, "jjobs-agent-1", 2);
    let end = agent_0.delete_within(STOP);
    assert_eq!(end.code, 0, "{end:?}");
    let hooks = agents.journal().of("jjobs-agent-0", "preStop");
    assert_eq!(hooks[0].code, Some(0), "{hooks:?}");
    assert!(hooks[0].elapsed > Duration::from_secs(1), "it waits for the jobs: {hooks:?}");
    agent_0 = agent(&agents, 0);

    submit_to_server(&server_0, 3.0, 2);
    let end = server_0.delete_within(STOP);
    assert_eq!(end.code, 0, "{end:?}");
    assert_eq!(codes(&servers, &server_0, "preStop"), [Some(0)]);
    server_0 = server(&servers, 0);
    server_0.wait_until_ready(BOOT);
    agent_0.wait_until_ready(BOOT);
    submit(&server_0, Some("jjobs-agent-0"), 0.2, 3);
    assert_all_ran(&servers, 10);

    for pod in [&agent_0, &agent_1, &server_1, &server_0] {
        pod.delete(None);
    }
    for pod in [&agent_0, &agent_1, &server_1, &server_0] {
        let end = pod.wait_for_end(STOP);
        assert_eq!((end.code, pod.restarts()), (0, 0), "{end:?}");
        let answers = codes(&agents, pod, "livenessProbe");
        assert!(answers.iter().all(|code| *code != Some(1)), "{}: {answers:?}", pod.name());
    }
    assert_all_was_run(&servers, servers.manifests());
    assert_all_was_run(&agents, agents.manifests());
}

/// Its kubectl is not in our image unless somebody asks for it, so the hook fails; even so no job may be lost by a deletion.
#[test]
fn the_bad_example_of_a_forced_delete_loses_no_job_where_its_kubectl_is_missing() {
    let Some(image) = Image::simulated() else { return };
    let servers = node(&image, manual("high-availability"), TOKEN);
    let agents = servers.applied(manual("agent-forced-delete"));
    let _db = Door::open(&image, &servers);
    let server = server(&servers, 0);
    let agent = agent(&agents, 0);
    server.wait_until_ready(BOOT);
    submit(&server, Some("jjobs-agent-0"), 5.0, 2);
    wait_for_running(&server, "jjobs-agent-0", 2);
    wait_for_probe(&agents, &agent, "livenessProbe");
    let end = agent.delete_within(STOP);
    assert_eq!(end.code, 0, "{end:?}");
    assert_eq!(codes(&agents, &agent, "preStop"), [Some(127)]);
    assert_all_ran(&servers, 2);
    assert_all_was_run(&agents, agents.manifests());
}

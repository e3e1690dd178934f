//! Grace periods, probes and hooks.

use super::{each_container, is_supervised, text, variable};
use jjobs_harness::manifests::Manifests;

/// PID 1 cannot see the pod's numbers, so each stands in a variable too.
pub(super) fn grace_periods_are_told_to_pid_1(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        let mut complaints = Vec::new();
        let Some(of_pod) = pod.spec()["terminationGracePeriodSeconds"].as_u64() else {
            return vec!["no terminationGracePeriodSeconds".to_owned()];
        };
        if !is_supervised(container) {
            return complaints;
        }
        let of_probes: Vec<Option<u64>> = ["startupProbe", "livenessProbe"]
            .map(|probe| container[probe]["terminationGracePeriodSeconds"].as_u64())
            .to_vec();
        for (name, expected) in [
            ("JJOBS_INIT_GRACE_PERIOD", Some(of_pod)),
            ("JJOBS_INIT_LIVENESS_GRACE_PERIOD", of_probes[0]),
            ("JJOBS_INIT_LIVENESS_GRACE_PERIOD", of_probes[1]),
        ] {
            let told = variable(pod, container, manifests, name).and_then(|told| told.parse().ok());
            if expected.is_none() || told != expected {
                complaints.push(format!("{name} is {told:?}, the manifest's number {expected:?}"));
            }
        }
        if of_probes.iter().flatten().any(|of_probe| *of_probe > of_pod) {
            complaints.push("a probe's grace period is longer than the pod's".to_owned());
        }
        // The API server refuses it: an unready pod is not stopped.
        if !container["readinessProbe"]["terminationGracePeriodSeconds"].is_null() {
            complaints.push("a readiness probe has no grace period".to_owned());
        }
        complaints
    })
}

/// A probe that the kubelet gives up before it answers says nothing.
pub(super) fn probes_outlast_what_they_ask(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        let given = variable(pod, container, manifests, "JJOBS_INIT_PROBE_TIMEOUT");
        let own: u64 = given.and_then(|given| given.parse().ok()).unwrap_or(4);
        ["startupProbe", "livenessProbe", "readinessProbe"]
            .iter()
            .filter(|probe| !container[**probe].is_null())
            .filter(|probe| container[**probe]["timeoutSeconds"].as_u64().unwrap_or(1) <= own)
            .map(|probe| format!("{probe} has a timeout of {own} s or less"))
            .collect()
    })
}

/// Where our supervisor is PID 1, the kubelet asks it; elsewhere there is nobody to ask.
pub(super) fn supervised_pods_are_probed(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |_, container| {
        let mut complaints = Vec::new();
        for (probe, path) in [
            ("startupProbe", "/working/liveness.sh"),
            ("livenessProbe", "/working/liveness.sh"),
            ("readinessProbe", "/working/readiness.sh"),
        ] {
            let asked = &container[probe]["exec"]["command"];
            if !is_supervised(container) {
                if !container[probe].is_null() {
                    complaints.push(format!("{probe} where no supervisor answers"));
                }
            } else if *asked != serde_json::json!([path])
                && (probe != "readinessProbe" || !asked.is_null())
            {
                complaints.push(format!("{probe} is not {path}, but {asked}"));
            }
        }
        complaints
    })
}

/// Without a token neither can work; with one, a pod that has none of them loses jobs or takes traffic too early.
pub(super) fn hooks_and_readiness_need_the_token(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        let has_token = variable(pod, container, manifests, "API_PRIVATE_TOKEN_FILE").is_some();
        let pre_stop = &container["lifecycle"]["preStop"]["exec"]["command"];
        let post_start = &container["lifecycle"]["postStart"]["exec"]["command"];
        let mut complaints = Vec::new();
        for (name, command, path) in
            [("preStop", pre_stop, "/pre-stop.sh"), ("postStart", post_start, "/post-start.sh")]
        {
            if !command.is_null() && (text(&command[0]) != path || !command[1].is_null()) {
                complaints.push(format!("{name} is {command}"));
            }
        }
        let wanted = is_supervised(container) && has_token;
        if wanted == pre_stop.is_null() {
            complaints.push(format!("token: {has_token}, preStop: {pre_stop}"));
        }
        if wanted == container["readinessProbe"].is_null() {
            complaints
                .push(format!("token: {has_token}, readiness: {}", container["readinessProbe"]));
        }
        // A Job's pod has a new name each time, so nobody can have held it.
        let is_held_by_name = matches!(pod.kind, "StatefulSet" | "DaemonSet");
        if (wanted && is_held_by_name) == post_start.is_null() {
            complaints.push(format!("token: {has_token}, postStart: {post_start}"));
        }
        complaints
    })
}

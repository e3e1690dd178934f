//! The kubelet's stand-in itself: that it does what hooks and probes are promised, or the other scenes would show little.

use jjobs_harness::{
    engine::Image,
    kubelet::{Kubelet, Outcome},
    manifests::Manifests,
    within,
};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn stateful_set(spec: &Value) -> Manifests {
    let documents = vec![json!({ "kind": "StatefulSet", "metadata": { "name": "x" }, "spec": {
        "serviceName": "x", "template": { "metadata": { "labels": { "app": "x" } }, "spec": spec },
    } })];
    Manifests { documents }
}

#[test]
fn a_red_probe_means_pre_stop_then_term_then_kill_after_the_probes_own_grace() {
    let Some(image) = Image::simulated() else { return };
    // PID 1 notes what comes to it, and does not go on TERM. Files: what this pod keeps, and what its container does.
    let program = "trap 'echo term >>/kept/story' TERM; touch /tmp/own; echo start >>/kept/story; echo why >/dev/termination-log; while :; do sleep 0.1; done";
    let kubelet = Kubelet::new(
        &image,
        stateful_set(&json!({
            "terminationGracePeriodSeconds": 3000,
            "automountServiceAccountToken": false,
            "volumes": [{ "name": "kept", "emptyDir": {} }, { "name": "memory", "emptyDir": { "medium": "Memory" } }],
            "initContainers": [{ "name": "first", "image": "jjobs", "command": ["/bin/sh", "-c", "echo init >/kept/story; echo memory >/memory/file"],
                "volumeMounts": [{ "name": "kept", "mountPath": "/kept" }, { "name": "memory", "mountPath": "/memory" }] }],
            "containers": [{ "name": "c", "image": "jjobs", "command": ["/bin/sh", "-c", program],
                "volumeMounts": [{ "name": "kept", "mountPath": "/kept" }, { "name": "memory", "mountPath": "/memory", "readOnly": true }],
                "lifecycle": {
                    "postStart": { "exec": { "command": ["/bin/sh", "-c", "sleep 1; echo post-start >>/kept/story"] } },
                    "preStop": { "exec": { "command": ["/bin/sh", "-c", "echo pre-stop >>/kept/story; rm -f /kept/red"] } },
                },
                "startupProbe": { "exec": { "command": ["/usr/bin/test", "-e", "/kept/go"] }, "periodSeconds": 1, "failureThreshold": 1000 },
                "livenessProbe": { "exec": { "command": ["/usr/bin/test", "!", "-e", "/kept/red"] }, "periodSeconds": 1, "failureThreshold": 2, "terminationGracePeriodSeconds": 3 },
                "readinessProbe": { "exec": { "command": ["/usr/bin/test", "-e", "/kept/ready"] }, "periodSeconds": 1 },
            }],
        })),
    );
    let pod = kubelet.pod_of("StatefulSet", "x", 0).unwrap();
    let first = pod.container();
    first.eventually("postStart has returned", |_| pod.status().is_running);
    assert!(!pod.status().is_started && kubelet.journal().of("x-0", "livenessProbe").is_empty());
    first.write("/kept/go", "");
    first.write("/kept/ready", "");
    pod.wait_until_ready(SOON);
    assert_eq!(first.read_text("/memory/file"), "memory\n");
    first.write("/kept/red", "");
    let restarted = within(SOON, || (pod.status().restarts == 1 && pod.is_ready()).then_some(()));
    assert!(restarted.is_some(), "{}", pod.story());
    let status = pod.status();
    let end = &status.ends[0];
    assert_eq!((end.code, end.message.as_str()), (137, "why\n"), "{end:?}");
    let second = pod.container();
    assert_ne!(first.name(), second.name());
    assert_eq!(
        second.read_text("/kept/story"),
        "init\nstart\npost-start\npre-stop\nterm\nstart\npost-start\n"
    );
    assert_eq!(second.read_text("/memory/file"), "memory\n", "it is kept while the pod is there");

    // Another grace period than the pod's, as in `kubectl delete --grace-period`.
    pod.delete(Some(Duration::from_secs(2)));
    let end = pod.wait_for_end(SOON);
    assert_eq!((end.code, pod.restarts()), (137, 1));
    assert_eq!(kubelet.journal().not_run(&kubelet.manifests().documents), []);
}

#[test]
fn ends_are_taken_as_the_restart_policy_and_the_job_say() {
    let Some(image) = Image::simulated() else { return };
    let job = |name: &str, spec: Value, policy: &str, script: &str| {
        let mut document = json!({ "kind": "Job", "metadata": { "name": name }, "spec": spec });
        document["spec"]["template"] = json!({ "spec": {
            "restartPolicy": policy, "terminationGracePeriodSeconds": 5,
            "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": name } }],
            "containers": [{ "name": "c", "image": "jjobs", "command": ["/bin/sh", "-c", script],
                "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }],
        } });
        document
    };
    let second_time = "if [ -e /v/tried ]; then exit 0; fi; touch /v/tried; exit 9";
    let documents = vec![
        job("again", json!({}), "Never", second_time),
        job("restarted", json!({}), "OnFailure", second_time),
        job("hopeless", json!({ "backoffLimit": 1 }), "Never", "exit 9"),
        job(
            "late",
            json!({ "activeDeadlineSeconds": 2 }),
            "Never",
            "trap 'touch /v/term; exit 1' TERM; while :; do sleep 0.1; done",
        ),
        json!({ "kind": "CronJob", "metadata": { "name": "nightly" }, "spec": {
            "concurrencyPolicy": "Forbid",
            "jobTemplate": { "spec": job("", json!({}), "Never", "exec sleep 3")["spec"].take() },
        } }),
    ];
    let kubelet = Kubelet::new(&image, Manifests { documents });
    let [mut again, mut restarted, mut hopeless, mut late] =
        ["again", "restarted", "hopeless", "late"].map(|name| kubelet.job(name).unwrap());
    let mut nightly = kubelet.cron_job_at_its_hour("nightly", &[]).unwrap().unwrap();
    assert!(kubelet.cron_job_at_its_hour("nightly", &[&nightly]).unwrap().is_none());

    let all = [&mut again, &mut restarted, &mut hopeless, &mut late, &mut nightly];
    let outcomes = all.map(|job| job.finish(Duration::from_mins(1)));
    let failed = Outcome::Failed;
    let expected = [
        Outcome::Complete,
        Outcome::Complete,
        failed("BackoffLimitExceeded"),
        failed("DeadlineExceeded"),
        Outcome::Complete,
    ];
    assert_eq!(outcomes, expected);
    assert_eq!((again.pods().len(), again.failures()), (2, 1));
    assert_eq!((restarted.pods().len(), restarted.pods()[0].restarts()), (1, 1));
    assert_eq!(hopeless.pods().len(), 2);
    assert!(kubelet.claim("late").join("term").exists());
    assert!(kubelet.cron_job_at_its_hour("nightly", &[&nightly]).unwrap().is_some());
}

#[test]
fn a_pod_with_a_field_that_would_be_passed_over_is_refused() {
    let Some(image) = Image::simulated() else { return };
    for (field, value) in [("hostNetwork", json!(true)), ("shareProcessNamespace", json!(true))] {
        let mut spec = json!({ "containers": [{ "name": "c", "image": "jjobs" }] });
        spec[field] = value;
        let kubelet = Kubelet::new(&image, stateful_set(&spec));
        let refusal = kubelet.pod_of("StatefulSet", "x", 0).err().expect("a refusal");
        assert!(refusal.contains(field), "{refusal}");
    }
    let spec = json!({ "containers": [{ "name": "c", "image": "busybox" }] });
    let refusal = Kubelet::new(&image, stateful_set(&spec)).pod_of("StatefulSet", "x", 0).err();
    assert!(refusal.expect("a refusal").contains("busybox"));
}

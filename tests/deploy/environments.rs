//! What our binary says of the environment that each pod would get.

use crate::{manual, overlays};
use jjobs_harness::manifests::{Identity, Manifests, Pod};
use serde_json::Value;
use std::{fs, process::Command};

/// `jjobs-init check` with the container's environment, its mounted files standing elsewhere.
fn check(pod: &Pod<'_>, container: &Value, manifests: &Manifests) -> (Option<i32>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let mut environment = pod.environment(container, manifests, &Identity::of(pod)).unwrap();
    for (number, file) in pod.files(container, manifests).unwrap().into_iter().enumerate() {
        let here = folder.path().join(number.to_string());
        fs::write(&here, file.content).unwrap();
        for (name, value) in &mut environment {
            if name.ends_with("_FILE") && file.path.as_os_str() == value.as_str() {
                *value = here.to_string_lossy().into_owned();
            }
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_jjobs-init"))
        .args(["check", "--format", "json"])
        .env_clear()
        .envs(environment)
        .output()
        .unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn check_has_nothing_to_say_about_any_pod() {
    let Some(overlays) = overlays() else { return };
    let mut count = 0;
    for (name, manifests) in overlays {
        for pod in manifests.pods() {
            for container in pod.init_containers().chain(pod.containers()) {
                let (code, report) = check(&pod, container, manifests);
                let place = format!("{name}: {} {}: {report}", pod.kind, pod.name);
                assert_eq!(
                    (code, &report["warnings"]),
                    (Some(0), &serde_json::json!([])),
                    "{place}"
                );
                count += 1;
            }
        }
    }
    assert!(count >= 14, "only {count} containers were looked at");
}

#[test]
fn check_passes_for_the_manuals_pods() {
    let mut count = 0;
    for (name, manifests) in manual() {
        for pod in manifests.pods() {
            for container in pod.containers() {
                let (code, report) = check(&pod, container, &manifests);
                assert_eq!(code, Some(0), "{name}: {report}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 5, "the manual's sets");
}

/// Which components the pods of an overlay run is what the overlay is for.
#[test]
fn pods_start_what_their_overlay_is_for() {
    let Some(overlays) = overlays() else { return };
    for (overlay, starts, number, token) in [
        ("first-installation", vec!["manager"], 1, Value::Null),
        ("high-availability", vec!["manager", "server"], 1, "file".into()),
        ("aws", vec!["manager", "server"], 1, "file".into()),
        ("agents", vec!["agent"], 0, "file".into()),
        ("agents-daemonset", vec!["agent"], 0, "file".into()),
        ("one-shot-agent", vec!["agent"], 0, "file".into()),
    ] {
        let manifests = &overlays[overlay];
        let pods = manifests.pods();
        let (_, report) = check(&pods[0], pods[0].containers().next().unwrap(), manifests);
        let plan = &report["plan"];
        assert_eq!(plan["starts"], serde_json::json!(starts), "{overlay}");
        assert_eq!(plan["server_number"].as_u64().unwrap_or(0), number, "{overlay}");
        assert_eq!(plan["token"], token, "{overlay}");
        let name = &report["values"]["HOSTNAME"]["value"];
        if overlay == "agents-daemonset" {
            assert_eq!(name, "ip-10-0-1-23.ap-northeast-2.compute.internal");
        }
    }
}

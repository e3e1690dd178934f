//! Secrets come as files.

use super::{each_container, list, text, variable};
use jjobs_harness::manifests::{Identity, Manifests};
use jjobs_init::contract::vars;
use serde_json::Value;

/// A variable is seen by everyone who may read the pod, by every process and by every job.
pub(super) fn secrets_are_files(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        let mut complaints: Vec<String> = list(&container["env"])
            .filter(|variable| !variable["valueFrom"]["secretKeyRef"].is_null())
            .chain(list(&container["envFrom"]).filter(|source| !source["secretRef"].is_null()))
            .map(|source| format!("a Secret as a variable: {source}"))
            .collect();
        match pod.environment(container, manifests, &Identity::of(pod)) {
            Err(reason) => complaints.push(reason),
            Ok(environment) => complaints.extend(
                environment
                    .into_iter()
                    .filter(|(name, value)| is_secret(name) && !value.is_empty())
                    .map(|(name, _)| format!("the value of {name} stands in the manifest")),
            ),
        }
        complaints
    })
}

fn is_secret(name: &str) -> bool {
    let sounds_so = ["PASSW", "SECRET", "TOKEN"].iter().any(|part| name.contains(part));
    vars::find(name).map_or(sounds_so, |variable| variable.secret) && !name.ends_with("_FILE")
}

/// A path below /run/secrets that nothing is mounted at would be found out at boot.
pub(super) fn named_files_are_mounted(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        let files = match pod.files(container, manifests) {
            Ok(files) => files,
            Err(reason) => return vec![reason],
        };
        let mut named: Vec<String> = Vec::new();
        for variable in list(&container["env"]) {
            if text(&variable["name"]).ends_with("_FILE") {
                named.push(text(&variable["value"]).to_owned());
            }
        }
        if let Some(contexts) = variable(pod, container, manifests, "KUBE_CONTEXTS") {
            let Ok(contexts) = serde_json::from_str::<Value>(&contexts) else {
                return vec!["KUBE_CONTEXTS is no JSON".to_owned()];
            };
            for context in list(&contexts) {
                named.extend(
                    ["caFile", "tokenFile"]
                        .iter()
                        .filter_map(|key| context[key].as_str().map(str::to_owned)),
                );
            }
        }
        named
            .into_iter()
            .filter(|path| !files.iter().any(|file| file.path.as_os_str() == path.as_str()))
            .map(|path| format!("nothing puts {path} there"))
            .collect()
    })
}

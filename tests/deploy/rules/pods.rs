//! What a pod refers to, runs, is told and may do.

use super::{each_container, is_supervised, list, text};
use jjobs_harness::manifests::{Identity, Manifests, expanded};
use jjobs_init::contract::vars;
use serde_json::{Value, json};

/// Volumes, claims, `ConfigMaps`, Secrets and service accounts: each is in the same overlay.
pub(super) fn what_a_pod_names_exists(manifests: &Manifests) -> Vec<String> {
    let mut complaints = Vec::new();
    for pod in manifests.pods() {
        let spec = pod.spec();
        let mut named: Vec<(&str, &Value)> = Vec::new();
        named.push(("ServiceAccount", &spec["serviceAccountName"]));
        for volume in list(&spec["volumes"]) {
            named.push(("PersistentVolumeClaim", &volume["persistentVolumeClaim"]["claimName"]));
            named.push(("Secret", &volume["secret"]["secretName"]));
            named.push(("ConfigMap", &volume["configMap"]["name"]));
            for source in list(&volume["projected"]["sources"]) {
                named.push(("Secret", &source["secret"]["name"]));
                named.push(("ConfigMap", &source["configMap"]["name"]));
            }
            let is_used = pod.init_containers().chain(pod.containers()).any(|container| {
                list(&container["volumeMounts"]).any(|mount| mount["name"] == volume["name"])
            });
            if !is_used {
                complaints.push(format!("{}: nobody mounts {}", pod.name, volume["name"]));
            }
        }
        for (kind, name) in named {
            if let Some(name) = name.as_str()
                && manifests.find(kind, name).is_none()
            {
                complaints.push(format!("{}: there is no {kind} {name}", pod.name));
            }
        }
    }
    complaints.extend(each_container(manifests, |pod, container| {
        let missing = |mount: &&Value| {
            !list(&pod.spec()["volumes"]).any(|volume| volume["name"] == mount["name"])
        };
        let mut complaints: Vec<String> = list(&container["volumeMounts"])
            .filter(missing)
            .map(|mount| format!("there is no volume {}", mount["name"]))
            .collect();
        complaints.extend(pod.environment(container, manifests, &Identity::of(pod)).err());
        complaints
    }));
    complaints
}

/// Bases have bare names, which the overlay's `images` replace: none may be left, and none may float.
pub(super) fn images_are_set(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |_, container| {
        let image = text(&container["image"]);
        let tag =
            image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
        match tag {
            None => vec![format!("no overlay sets the image {image}")],
            Some("latest") => vec![format!("{image} is another one each day")],
            Some(_) => Vec::new(),
        }
    })
}

/// The programs that manifests may call: those of the image, and what a volume brings.
const PROGRAMS: &[&str] = &["/bin/sh", "/bin/cp", "/working/sample-shell.sh"];

pub(super) fn commands_are_the_images(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        if is_supervised(container) {
            return Vec::new();
        }
        let environment =
            pod.environment(container, manifests, &Identity::of(pod)).unwrap_or_default();
        let mut words = expanded(&container["command"], &environment);
        words.extend(expanded(&container["args"], &environment));
        let mut complaints = Vec::new();
        if words.iter().any(|word| word.contains("$(")) {
            complaints.push(format!("something is not replaced: {words:?}"));
        }
        // With `run` before it, whatever the entrypoint.
        let program = words.iter().position(|word| word == "--").map_or(0, |at| at + 1);
        if container["command"].is_null() && !words.starts_with(&["run".into(), "--".into()]) {
            complaints.push(format!("arguments without `run`: {words:?}"));
        }
        if !words.get(program).is_some_and(|word| PROGRAMS.contains(&word.as_str())) {
            complaints.push(format!("not a program of the image: {words:?}"));
        }
        let is_shell = words.get(program).is_some_and(|word| word == "/bin/sh");
        if let Some(script) = words.get(program + 1).filter(|_| is_shell) {
            let files = pod.files(container, manifests).unwrap_or_default();
            if !files.iter().any(|file| file.path.as_os_str() == script.as_str()) {
                complaints.push(format!("nothing puts {script} there"));
            }
        }
        complaints
    })
}

/// Variables of the manifests' own, beside the contract's: what they give, and to whom.
const OTHERS: &[&str] = &[
    "POD_NAME",
    "POD_NAMESPACE",
    "JOB_COMPLETION_INDEX",
    "TMPDIR",
    "PASSWORD_FILE",
    "BACKUP_DIR",
    "BACKUP_KEEP",
    "PGHOST",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGCONNECT_TIMEOUT",
    "QUEUE_DIR",
    "QUEUE_COMMAND",
    "QUEUE_ITEM_TIMEOUT",
    "QUEUE_TRIES",
];

/// A misspelt name is a variable that nobody reads.
pub(super) fn variables_are_known(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        let environment =
            pod.environment(container, manifests, &Identity::of(pod)).unwrap_or_default();
        environment
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| vars::find(name).is_none() && !OTHERS.contains(name))
            .map(|name| format!("nobody reads {name}"))
            .collect()
    })
}

/// Root only where J-Jobs is installed; no way to more rights; no token of Kubernetes without need.
pub(super) fn pods_have_few_rights(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        let (spec, own) = (pod.spec(), &container["securityContext"]);
        let mut complaints = Vec::new();
        let mut ask = |is_so: bool, what: &str| {
            if !is_so {
                complaints.push(what.to_owned());
            }
        };
        ask(own["allowPrivilegeEscalation"] == false, "may gain rights");
        ask(own["capabilities"]["drop"] == json!(["ALL"]), "keeps capabilities");
        let adds = |name: &str| list(&own["capabilities"]["add"]).any(|added| added == name);
        ask(!adds("SETUID") || adds("AUDIT_WRITE"), "may switch users, but PAM may not note it");
        ask(
            spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
            "may make every system call",
        );
        ask(spec["enableServiceLinks"] == false, "gets JJOBS_PORT=tcp://… of services");
        ask(
            spec["serviceAccountName"].is_string() || spec["automountServiceAccountToken"] == false,
            "gets a token of the default account",
        );
        ask(
            is_supervised(container)
                || spec["securityContext"]["runAsNonRoot"] == true
                    && own["readOnlyRootFilesystem"] == true
                    && own["capabilities"]["add"].is_null(),
            "installs nothing, and is root or may write everywhere",
        );
        complaints
    })
}

//! Which fields of a pod are honoured here. Whatever is not in these tables is refused: a field that changes what a pod does
//! and is passed over would make a test say more than it saw.

use serde_json::Value;

/// What of a pod's `spec` is honoured, or means nothing on the only node there is (scheduling, accounts' rights).
const POD: &[&str] = &[
    "affinity",
    "automountServiceAccountToken",
    "containers",
    "enableServiceLinks",
    "hostname",
    "initContainers",
    "nodeSelector",
    "priorityClassName",
    "restartPolicy",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "subdomain",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
];

const POD_SECURITY: &[&str] = &[
    "fsGroup",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile.type",
    "supplementalGroups",
];

const CONTAINER: &[&str] = &[
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources.limits.cpu",
    "resources.limits.memory",
    "resources.requests",
    "securityContext.allowPrivilegeEscalation",
    "securityContext.capabilities.add",
    "securityContext.capabilities.drop",
    "securityContext.readOnlyRootFilesystem",
    "securityContext.runAsGroup",
    "securityContext.runAsNonRoot",
    "securityContext.runAsUser",
    "securityContext.seccompProfile.type",
    "startupProbe",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeMounts",
    "workingDir",
];

const PROBE: &[&str] = &[
    "exec.command",
    "failureThreshold",
    "httpGet.host",
    "httpGet.path",
    "httpGet.port",
    "initialDelaySeconds",
    "periodSeconds",
    "successThreshold",
    "tcpSocket.host",
    "tcpSocket.port",
    "terminationGracePeriodSeconds",
    "timeoutSeconds",
];

const LIFECYCLE: &[&str] = &["postStart.exec.command", "preStop.exec.command"];

const MOUNT: &[&str] = &["mountPath", "name", "readOnly", "subPath"];

const VARIABLE: &[&str] = &[
    "name",
    "value",
    "valueFrom.configMapKeyRef",
    "valueFrom.fieldRef.apiVersion",
    "valueFrom.fieldRef.fieldPath",
    "valueFrom.resourceFieldRef",
    "valueFrom.secretKeyRef",
];

const VARIABLES_FROM: &[&str] = &[
    "configMapRef.name",
    "configMapRef.optional",
    "prefix",
    "secretRef.name",
    "secretRef.optional",
];

const VOLUME: &[&str] = &[
    "configMap.defaultMode",
    "configMap.items",
    "configMap.name",
    "configMap.optional",
    "emptyDir.medium",
    "emptyDir.sizeLimit",
    "name",
    "persistentVolumeClaim.claimName",
    "persistentVolumeClaim.readOnly",
    "projected.defaultMode",
    "projected.sources",
    "secret.defaultMode",
    "secret.items",
    "secret.optional",
    "secret.secretName",
];

const SOURCE: &[&str] = &[
    "configMap.items",
    "configMap.name",
    "configMap.optional",
    "secret.items",
    "secret.name",
    "secret.optional",
    "serviceAccountToken",
];

/// What the controller of Jobs does here. `ttlSecondsAfterFinished` is about what comes after.
pub(super) const JOB: &[&str] = &[
    "activeDeadlineSeconds",
    "backoffLimit",
    "completionMode",
    "completions",
    "parallelism",
    "podFailurePolicy.rules",
    "template",
    "ttlSecondsAfterFinished",
];

/// Every field of a pod's `spec` that is not honoured, by its path.
pub(super) fn refused(spec: &Value) -> Vec<String> {
    let mut found = unknown(spec, POD, "");
    found.extend(unknown(&spec["securityContext"], POD_SECURITY, "securityContext."));
    found.extend(unknown_in(spec, "volumes", VOLUME));
    for volume in list(&spec["volumes"]) {
        found.extend(unknown_in(&volume["projected"], "sources", SOURCE));
    }
    for kind in ["initContainers", "containers"] {
        found.extend(unknown_in(spec, kind, CONTAINER));
        for container in list(&spec[kind]) {
            found.extend(refused_of_container(container));
        }
    }
    for profile in list(&spec["containers"]).chain([spec]) {
        let kind = &profile["securityContext"]["seccompProfile"]["type"];
        if !kind.is_null() && kind != "RuntimeDefault" && kind != "Unconfined" {
            found.push(format!("seccompProfile.type: {kind}"));
        }
    }
    found
}

fn refused_of_container(container: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        found.extend(unknown(&container[probe], PROBE, &format!("{probe}.")));
    }
    found.extend(unknown(&container["lifecycle"], LIFECYCLE, "lifecycle."));
    found.extend(unknown_in(container, "volumeMounts", MOUNT));
    found.extend(unknown_in(container, "env", VARIABLE));
    found.extend(unknown_in(container, "envFrom", VARIABLES_FROM));
    found
}

fn unknown_in(parent: &Value, field: &str, known: &[&str]) -> Vec<String> {
    let entries = list(&parent[field]).enumerate();
    entries.flat_map(|(n, entry)| unknown(entry, known, &format!("{field}[{n}]."))).collect()
}

/// The paths below `value` that are neither in the table nor begin with something that is. A null is no field.
pub(super) fn unknown(value: &Value, known: &[&str], prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, known, "", &mut found);
    found.iter().map(|path| format!("{prefix}{path}")).collect()
}

fn walk(value: &Value, known: &[&str], above: &str, found: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{above}{name}");
        let below = format!("{path}.");
        if value.is_null() || known.contains(&path.as_str()) {
            continue;
        }
        if value.is_object() && known.iter().any(|one| one.starts_with(&below)) {
            walk(value, known, &below, found);
        } else {
            found.push(path);
        }
    }
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> + use<'_> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::refused;
    use serde_json::json;

    #[test]
    fn what_would_change_a_pod_and_is_not_honoured_is_refused_by_its_path() {
        let spec = json!({
            "hostNetwork": true,
            "securityContext": { "runAsUser": 0, "sysctls": [] },
            "volumes": [{ "name": "a", "hostPath": { "path": "/" } }],
            "containers": [{
                "name": "c", "image": "i", "tty": true,
                "securityContext": { "privileged": true },
                "livenessProbe": { "grpc": { "port": 1 }, "periodSeconds": 5 },
                "lifecycle": { "preStop": { "sleep": { "seconds": 5 } } },
                "env": [{ "name": "A", "valueFrom": { "fileKeyRef": {} } }],
                "volumeMounts": [{ "name": "a", "mountPath": "/a", "subPathExpr": "$(A)" }],
            }],
        });
        let mut found = refused(&spec);
        found.sort();
        let expected = [
            "containers[0].securityContext.privileged",
            "containers[0].tty",
            "env[0].valueFrom.fileKeyRef",
            "hostNetwork",
            "lifecycle.preStop.sleep",
            "livenessProbe.grpc",
            "securityContext.sysctls",
            "volumeMounts[0].subPathExpr",
            "volumes[0].hostPath",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_only_the_scheduler_reads_is_accepted() {
        let spec = json!({
            "tolerations": [{ "operator": "Exists" }],
            "affinity": { "podAntiAffinity": {} },
            "containers": [{
                "name": "c", "image": "i", "resources": { "requests": { "cpu": "1" } },
                "lifecycle": null,
            }],
        });
        assert_eq!(refused(&spec), [""; 0]);
    }
}

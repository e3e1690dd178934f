//! Each rule finds what is wrong: an overlay is broken in one place, and the rule of that place complains.

use crate::{overlays, rules};
use jjobs_harness::manifests::Manifests;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The rule that has to complain, the overlay, and what is broken in it: of which document, where (a JSON pointer; `ENV/NAME` is that
/// variable of the first container), and by which value (null takes it away).
type Planted =
    (&'static str, &'static str, (&'static str, &'static str), &'static str, fn() -> Value);

const SERVER: (&str, &str) = ("StatefulSet", "jjobs");
const AGENT: (&str, &str) = ("StatefulSet", "jjobs-agent");
const NODE: (&str, &str) = ("DaemonSet", "jjobs-agent-node");
const ONCE: (&str, &str) = ("Job", "jjobs-agent-once");
const PROGRAM: (&str, &str) = ("Job", "jjobs-batch-program");
const QUEUE: (&str, &str) = ("Job", "jjobs-work-queue");
const BACKUP: (&str, &str) = ("CronJob", "jjobs-meta-db-backup");

#[rustfmt::skip] // A table.
const PLANTED: &[Planted] = &[
    ("grace periods are told to PID 1", "agents", AGENT, "/spec/template/spec/terminationGracePeriodSeconds", || json!(60)),
    ("grace periods are told to PID 1", "agents", AGENT, "/spec/template/spec/terminationGracePeriodSeconds", || Value::Null),
    ("grace periods are told to PID 1", "agents", AGENT, "ENV/JJOBS_INIT_GRACE_PERIOD", || json!("3600")),
    ("grace periods are told to PID 1", "agents", AGENT, "C/livenessProbe/terminationGracePeriodSeconds", || json!(30)),
    ("grace periods are told to PID 1", "agents", AGENT, "C/startupProbe/terminationGracePeriodSeconds", || Value::Null),
    ("grace periods are told to PID 1", "agents", AGENT, "C/readinessProbe/terminationGracePeriodSeconds", || json!(120)),
    ("probes outlast what they ask", "agents", AGENT, "C/livenessProbe/timeoutSeconds", || json!(4)),
    ("probes outlast what they ask", "agents", AGENT, "C/readinessProbe/timeoutSeconds", || Value::Null),
    ("probes outlast what they ask", "agents", AGENT, "ENV/JJOBS_INIT_PROBE_TIMEOUT", || json!("10")),
    ("supervised pods are probed", "first-installation", SERVER, "C/livenessProbe", || Value::Null),
    ("supervised pods are probed", "first-installation", SERVER, "C/startupProbe", || Value::Null),
    ("supervised pods are probed", "agents", AGENT, "C/readinessProbe/exec/command", || json!(["/bin/true"])),
    ("supervised pods are probed", "batch-program", PROGRAM, "C/livenessProbe", || json!({"exec": {"command": ["/working/liveness.sh"]}})),
    ("hooks and readiness need the token", "agents", AGENT, "ENV/API_PRIVATE_TOKEN_FILE", || Value::Null),
    ("hooks and readiness need the token", "agents", AGENT, "C/lifecycle/preStop", || Value::Null),
    ("hooks and readiness need the token", "agents", AGENT, "C/lifecycle/postStart", || Value::Null),
    ("hooks and readiness need the token", "agents", AGENT, "C/readinessProbe", || Value::Null),
    ("hooks and readiness need the token", "agents", AGENT, "C/lifecycle/preStop/exec/command", || json!(["/bin/sh", "-c", "kubectl delete pods $HOSTNAME --force"])),
    ("secrets are files", "agents", AGENT, "ENV/API_PRIVATE_TOKEN", || json!("0123456789")),
    ("secrets are files", "meta-db-backup", BACKUP, "ENV/PGPASSWORD", || json!("0123456789")),
    ("secrets are files", "high-availability", ("ConfigMap", "jjobs-site"), "/data/DB_PASSWD", || json!("0123456789")),
    ("secrets are files", "agents", AGENT, "C/envFrom", || json!([{"secretRef": {"name": "jjobs-api"}}])),
    ("named files are mounted", "high-availability", SERVER, "ENV/DB_PASSWD_FILE", || json!("/run/secrets/jjobs-meta-db/passwd")),
    ("named files are mounted", "multi-cluster", AGENT, "ENV/KUBE_CONTEXTS", || json!(r#"[{"alias": "a", "tokenFile": "/none"}]"#)),
    ("named files are mounted", "high-availability", ("Secret", "jjobs-api"), "/data/token", || Value::Null),
    ("what a pod names exists", "agents", AGENT, "/spec/template/spec/volumes/0/name", || json!("other")),
    ("what a pod names exists", "agents", AGENT, "/spec/template/spec/volumes/0/persistentVolumeClaim/claimName", || json!("other")),
    ("what a pod names exists", "agents", AGENT, "/spec/template/spec/serviceAccountName", || json!("other")),
    ("what a pod names exists", "work-queue", ("ConfigMap", "jjobs-work-queue"), "/metadata/name", || json!("other")),
    ("what a pod names exists", "meta-db-backup", ("ConfigMap", "jjobs-site"), "/data/DB_USER", || Value::Null),
    ("images are set", "agents", AGENT, "C/image", || json!("jjobs")),
    ("images are set", "agents", AGENT, "C/image", || json!("localhost:5000/jjobs")),
    ("images are set", "agents", AGENT, "C/image", || json!("registry.example.com/jjobs:latest")),
    ("commands are the image's", "batch-program", PROGRAM, "C/args/2", || json!("/working/no-such.sh")),
    ("commands are the image's", "batch-program", PROGRAM, "C/args/4", || json!("$(NO_SUCH_VARIABLE)")),
    ("commands are the image's", "batch-program", PROGRAM, "C/args/0", || json!("ruin")),
    ("commands are the image's", "work-queue", QUEUE, "C/args/3", || json!("/queue-scripts/other.sh")),
    ("variables are known", "agents", AGENT, "ENV/JJOBS_INIT_GRACE", || json!("36000")),
    ("variables are known", "agents", AGENT, "ENV/ONBOOT", || json!("yes")),
    ("pods have no more rights than they need", "agents", AGENT, "C/securityContext/allowPrivilegeEscalation", || json!(true)),
    ("pods have no more rights than they need", "agents", AGENT, "C/securityContext/capabilities", || Value::Null),
    ("pods have no more rights than they need", "agents", AGENT, "/spec/template/spec/enableServiceLinks", || Value::Null),
    ("pods have no more rights than they need", "high-availability", SERVER, "/spec/template/spec/automountServiceAccountToken", || Value::Null),
    ("pods have no more rights than they need", "agents", AGENT, "/spec/template/spec/securityContext/seccompProfile", || Value::Null),
    ("pods have no more rights than they need", "work-queue", QUEUE, "/spec/template/spec/securityContext/runAsNonRoot", || json!(false)),
    ("pods have no more rights than they need", "agents", AGENT, "C/securityContext/capabilities/add", || json!(["SETGID", "SETUID"])),
    ("autoscalers leave long work alone", "high-availability", SERVER, "/spec/template/metadata/annotations/karpenter.sh~1do-not-disrupt", || Value::Null),
    ("autoscalers leave long work alone", "one-shot-agent", ONCE, "/spec/template/metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict", || json!("true")),
    ("memory fits", "high-availability", SERVER, "ENV/CATALINA_OPTS", || json!("-XX:MaxRAMPercentage=40.0")),
    ("memory fits", "high-availability", SERVER, "ENV/ON_BOOT", || json!("yes")),
    ("memory fits", "agents", AGENT, "/spec/template/metadata/annotations/jjobs-init~1runtimes", || json!("3")),
    ("memory fits", "agents", AGENT, "/spec/template/metadata/annotations", || Value::Null),
    ("memory fits", "agents", AGENT, "C/resources/requests/memory", || json!("1024Mi")),
    ("memory fits", "batch-program", PROGRAM, "C/resources/limits", || Value::Null),
    ("services select pods", "high-availability", ("Service", "jjob-manager"), "/spec/selector", || json!({"app.kubernetes.io/name": "other"})),
    ("services select pods", "high-availability", ("Service", "jjob-manager"), "/spec/selector", || json!({})),
    ("services select pods", "high-availability", ("Service", "jjob-manager"), "/spec/ports/0/targetPort", || json!("other")),
    ("services select pods", "aws", ("Service", "jjobs-1-tcp"), "/spec/selector/statefulset.kubernetes.io~1pod-name", || json!("jjobs-2")),
    ("governing services name every pod", "first-installation", ("Service", "jjobs"), "/spec/publishNotReadyAddresses", || Value::Null),
    ("governing services name every pod", "first-installation", ("Service", "jjobs"), "/spec/clusterIP", || Value::Null),
    ("governing services name every pod", "agents", AGENT, "/spec/serviceName", || json!("other")),
    ("governing services name every pod", "high-availability", SERVER, "ENV/JJOB_SERVICE_NAME", || json!("other.default.svc.cluster.local")),
    ("disruption budgets select pods", "agents", ("PodDisruptionBudget", "jjobs-agent"), "/spec/selector/matchLabels/app", || json!("other")),
    ("disruption budgets select pods", "one-shot-agent", ("PodDisruptionBudget", "jjobs-agent-once"), "/spec/maxUnavailable", || json!(1)),
    ("disruption budgets select pods", "agents", ("PodDisruptionBudget", "jjobs-agent"), "/spec/maxUnavailable", || Value::Null),
    ("disruption budgets select pods", "batch-program", ("PodDisruptionBudget", "jjobs-batch-program"), "/kind", || json!("Other")),
    ("jobs end", "batch-program", PROGRAM, "/spec/activeDeadlineSeconds", || Value::Null),
    ("jobs end", "batch-program", PROGRAM, "/spec/ttlSecondsAfterFinished", || Value::Null),
    ("jobs end", "batch-program", PROGRAM, "/spec/template/spec/restartPolicy", || json!("OnFailure")),
    ("jobs end", "meta-db-backup", BACKUP, "/spec/jobTemplate/spec/backoffLimit", || Value::Null),
    ("jobs end", "one-shot-agent", ONCE, "/spec/podFailurePolicy/rules/0/onExitCodes/containerName", || json!("other")),
    ("jobs end", "work-queue", QUEUE, "ENV/QUEUE_ITEM_TIMEOUT", || json!("600")),
    ("cron jobs do not pile up", "meta-db-backup", BACKUP, "/spec/concurrencyPolicy", || json!("Allow")),
    ("cron jobs do not pile up", "meta-db-backup", BACKUP, "/spec/startingDeadlineSeconds", || Value::Null),
    ("cron jobs do not pile up", "meta-db-backup", BACKUP, "/spec/timeZone", || Value::Null),
    ("cron jobs do not pile up", "meta-db-backup", BACKUP, "/spec/suspend", || Value::Null),
    ("agents on nodes keep their name", "agents-daemonset", NODE, "ENV/HOSTNAME", || Value::Null),
    ("agents on nodes keep their name", "agents-daemonset", NODE, "/spec/updateStrategy/rollingUpdate/maxSurge", || json!(1)),
    ("agents on nodes keep their name", "agents-daemonset", NODE, "C/resources/limits/cpu", || json!("2")),
    ("a backup is of the DB in use", "meta-db-backup", BACKUP, "ENV/PGHOST", || json!("other.example.com")),
    ("a backup is of the DB in use", "meta-db-backup", ("ConfigMap", "jjobs-site"), "/data/JDBC_URL", || json!("jdbc:postgresql://meta-db.example.com:5432/other")),
    ("everything stands in one namespace", "agents", ("RoleBinding", "jjobs-agent-batch"), "/subjects/0/namespace", || json!("other")),
    ("everything stands in one namespace", "agents", AGENT, "/metadata/namespace", || Value::Null),
];

#[test]
fn every_rule_finds_what_is_planted() {
    let Some(overlays) = overlays() else { return };
    let mut tried = BTreeSet::new();
    for (rule, overlay, document, place, value) in PLANTED {
        let mut manifests = overlays[*overlay].clone();
        plant(&mut manifests, *document, place, value());
        let found = rules::complaints(&manifests);
        let case = format!("{rule}: {overlay} {document:?} {place} {}", value());
        assert!(found.iter().any(|complaint| complaint.starts_with(rule)), "{case}: {found:?}");
        tried.insert(*rule);
    }
    let untried: Vec<&str> =
        rules::RULES.iter().map(|(name, _)| *name).filter(|name| !tried.contains(name)).collect();
    assert!(untried.is_empty(), "never shown to find anything: {untried:?}");
}

fn plant(manifests: &mut Manifests, (kind, name): (&str, &str), place: &str, value: Value) {
    let document = manifests
        .documents
        .iter_mut()
        .find(|document| document["kind"] == kind && document["metadata"]["name"] == name)
        .unwrap();
    let spec = if kind == "CronJob" { "/spec/jobTemplate/spec" } else { "/spec" };
    let container = format!("{spec}/template/spec/containers/0");
    if let Some(variable) = place.strip_prefix("ENV/") {
        let container = document.pointer_mut(&container).unwrap().as_object_mut().unwrap();
        let list = container.entry("env").or_insert_with(|| json!([])).as_array_mut().unwrap();
        list.retain(|other| other["name"] != variable);
        if !value.is_null() {
            list.push(json!({"name": variable, "value": value}));
        }
        return;
    }
    let place = place.strip_prefix('C').map_or(place.to_owned(), |rest| container + rest);
    let (parent, key) = place.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("no {place}"));
    match parent {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        Value::Object(fields) if value.is_null() => {
            assert!(fields.remove(&key).is_some(), "nothing to take away at {place}");
        }
        Value::Object(fields) => {
            fields.insert(key, value);
        }
        other => panic!("{place} is in {other}"),
    }
}

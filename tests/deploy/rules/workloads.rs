//! What makes pods: sets, Jobs, `CronJobs`, and the budgets that limit evictions.

use super::{each_container, list, text, variable};
use jjobs_harness::manifests::{Manifests, Pod};
use jjobs_init::contract::jdbc::JdbcUrl;
use serde_json::{Value, json};

/// Pods that nobody need keep from being evicted: short, and repeated when cut off.
const SHORT: &[&str] = &["jjobs-work-queue-fill", "jjobs-scheduled-program"];

pub(super) fn disruption_budgets_select_pods(manifests: &Manifests) -> Vec<String> {
    let pods = manifests.pods();
    let mut complaints = Vec::new();
    let budgets: Vec<&Value> = manifests.of_kind("PodDisruptionBudget").collect();
    let selected = |budget: &Value, pod: &Pod<'_>| {
        pod.is_selected_by(&budget["spec"]["selector"]["matchLabels"])
    };
    for budget in &budgets {
        let name = text(&budget["metadata"]["name"]);
        let mut own = pods.iter().filter(|pod| selected(budget, pod)).peekable();
        if own.peek().is_none() {
            complaints.push(format!("{name} selects nothing"));
        }
        for pod in own {
            // Kubernetes knows how many pods are meant to be there only of things that can be scaled.
            let counts_absent = budget["spec"]["maxUnavailable"].is_number();
            if counts_absent != (pod.kind == "StatefulSet") {
                complaints
                    .push(format!("{name}: minAvailable or maxUnavailable of a {}", pod.kind));
            }
        }
    }
    for pod in &pods {
        let count = budgets.iter().filter(|budget| selected(budget, pod)).count();
        // With two, evictions fail altogether.
        if count != usize::from(!SHORT.contains(&pod.name)) {
            complaints.push(format!("{} has {count} budgets", pod.name));
        }
    }
    complaints
}

/// Cluster-autoscaler waits ten minutes for a pod, by default, and then takes its node away. A node's own agents go with it anyway.
pub(super) fn autoscalers_leave_long_work_alone(manifests: &Manifests) -> Vec<String> {
    const WAITED_FOR: u64 = 600;
    const ASKED: [(&str, &str); 2] = [
        ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
        ("karpenter.sh/do-not-disrupt", "true"),
    ];
    let mut complaints = Vec::new();
    for pod in manifests.pods().iter().filter(|pod| pod.kind != "DaemonSet") {
        let grace = pod.spec()["terminationGracePeriodSeconds"].as_u64().unwrap_or(0);
        for (name, value) in ASKED {
            if grace > WAITED_FOR && pod.template["metadata"]["annotations"][name] != value {
                complaints.push(format!("{} may be cut off: no {name}", pod.name));
            }
        }
    }
    complaints
}

/// Every Job ends at some time, and what cannot succeed is not tried for ever.
pub(super) fn jobs_end(manifests: &Manifests) -> Vec<String> {
    let mut complaints = Vec::new();
    for pod in manifests.pods().iter().filter(|pod| matches!(pod.kind, "Job" | "CronJob")) {
        let spec = pod.owner_spec;
        for limit in ["backoffLimit", "activeDeadlineSeconds"] {
            if !spec[limit].is_u64() {
                complaints.push(format!("{} has no {limit}", pod.name));
            }
        }
        // A CronJob's own history does that.
        if pod.kind == "Job" && !spec["ttlSecondsAfterFinished"].is_u64() {
            complaints.push(format!("{} stays for ever", pod.name));
        }
        if pod.spec()["restartPolicy"] != "Never" {
            complaints.push(format!("{}: each try keeps its own log only with Never", pod.name));
        }
        let grace = pod.spec()["terminationGracePeriodSeconds"].as_u64().unwrap_or(0);
        for rule in list(&spec["podFailurePolicy"]["rules"]) {
            let container = &rule["onExitCodes"]["containerName"];
            if !container.is_null() && !pod.containers().any(|one| one["name"] == *container) {
                complaints.push(format!("{}: there is no container {container}", pod.name));
            }
        }
        for container in pod.containers() {
            let limit = variable(pod, container, manifests, "QUEUE_ITEM_TIMEOUT");
            if limit.and_then(|limit| limit.parse().ok()).is_some_and(|limit: u64| limit >= grace) {
                complaints.push(format!("{}: items may take longer than the grace", pod.name));
            }
        }
    }
    complaints
}

pub(super) fn cron_jobs_do_not_pile_up(manifests: &Manifests) -> Vec<String> {
    let mut complaints = Vec::new();
    for cron in manifests.of_kind("CronJob") {
        let (name, spec) = (text(&cron["metadata"]["name"]), &cron["spec"]);
        if spec["concurrencyPolicy"] != "Forbid" {
            complaints.push(format!("{name} may run beside itself"));
        }
        for limit in
            ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"]
        {
            if !spec[limit].is_u64() {
                complaints.push(format!("{name} has no {limit}"));
            }
        }
        if !spec["timeZone"].is_string() || !spec["suspend"].is_boolean() {
            complaints.push(format!("{name} does not say in which time zone, or whether at all"));
        }
    }
    complaints
}

/// An agent is known by its name, and a `DaemonSet`'s pods are called anew each time.
pub(super) fn agents_on_nodes_keep_their_name(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        let mut complaints = Vec::new();
        if pod.kind != "DaemonSet" {
            return complaints;
        }
        let is_the_nodes = |variable: &Value| {
            variable["name"] == "HOSTNAME"
                && variable["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"
        };
        if !list(&container["env"]).any(is_the_nodes) {
            complaints.push("HOSTNAME is not the node's name".to_owned());
        }
        let update = &pod.owner_spec["updateStrategy"]["rollingUpdate"];
        if !update["maxSurge"].is_null() && update["maxSurge"] != 0 {
            complaints.push("maxSurge: two agents of one name".to_owned());
        }
        let resources = &container["resources"];
        if resources["requests"] != resources["limits"] || resources["limits"] == json!(null) {
            complaints.push("not Guaranteed".to_owned());
        }
        complaints
    })
}

/// The site's JDBC URL and libpq's variables say the same.
pub(super) fn a_backup_is_of_the_db_in_use(manifests: &Manifests) -> Vec<String> {
    let site = manifests.data("ConfigMap", "jjobs-site").unwrap_or_default();
    let url = site.get("JDBC_URL").map(|url| String::from_utf8_lossy(url).into_owned());
    each_container(manifests, |pod, container| {
        let value = |name| variable(pod, container, manifests, name);
        let (Some(host), Some(port)) = (value("PGHOST"), value("PGPORT")) else {
            return Vec::new();
        };
        let Ok(jdbc) = JdbcUrl::parse(url.as_deref().unwrap_or_default()) else {
            return vec![format!("no JDBC URL to compare with: {url:?}")];
        };
        let is_the_host =
            jdbc.hosts.iter().any(|one| one.host == host && one.port.to_string() == port);
        let database = format!("/{}", value("PGDATABASE").unwrap_or_default());
        if is_the_host && url.as_deref().is_some_and(|url| url.ends_with(&database)) {
            Vec::new()
        } else {
            vec![format!("{host}:{port}{database} is not the meta DB")]
        }
    })
}

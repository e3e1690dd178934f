//! What we ask of every pod that we tell people to run, beyond what a schema knows.
//!
//! A rule looks at the documents of one overlay and says what is wrong. `planted` shows that each one can.

mod memory;
mod network;
mod pods;
mod probes;
mod secrets;
mod workloads;

use jjobs_harness::manifests::{Identity, Manifests, Pod};
use serde_json::Value;

/// A rule's name and the rule.
pub(crate) type Rule = (&'static str, fn(&Manifests) -> Vec<String>);

pub(crate) const RULES: &[Rule] = &[
    ("grace periods are told to PID 1", probes::grace_periods_are_told_to_pid_1),
    ("probes outlast what they ask", probes::probes_outlast_what_they_ask),
    ("supervised pods are probed", probes::supervised_pods_are_probed),
    ("hooks and readiness need the token", probes::hooks_and_readiness_need_the_token),
    ("secrets are files", secrets::secrets_are_files),
    ("named files are mounted", secrets::named_files_are_mounted),
    ("what a pod names exists", pods::what_a_pod_names_exists),
    ("images are set", pods::images_are_set),
    ("commands are the image's", pods::commands_are_the_images),
    ("variables are known", pods::variables_are_known),
    ("pods have no more rights than they need", pods::pods_have_few_rights),
    ("memory fits", memory::memory_fits),
    ("services select pods", network::services_select_pods),
    ("governing services name every pod", network::governing_services_name_every_pod),
    ("disruption budgets select pods", workloads::disruption_budgets_select_pods),
    ("autoscalers leave long work alone", workloads::autoscalers_leave_long_work_alone),
    ("jobs end", workloads::jobs_end),
    ("cron jobs do not pile up", workloads::cron_jobs_do_not_pile_up),
    ("agents on nodes keep their name", workloads::agents_on_nodes_keep_their_name),
    ("a backup is of the DB in use", workloads::a_backup_is_of_the_db_in_use),
    ("everything stands in one namespace", network::everything_stands_in_one_namespace),
];

/// Everything that the rules find wrong.
pub(crate) fn complaints(manifests: &Manifests) -> Vec<String> {
    RULES
        .iter()
        .flat_map(|(name, rule)| {
            rule(manifests).into_iter().map(move |complaint| format!("{name}: {complaint}"))
        })
        .collect()
}

/// Applies a check to every container, and says in which one it complained.
fn each_container(
    manifests: &Manifests,
    check: impl Fn(&Pod<'_>, &Value) -> Vec<String>,
) -> Vec<String> {
    let mut complaints = Vec::new();
    for pod in manifests.pods() {
        for container in pod.init_containers().chain(pod.containers()) {
            let place = format!("{} {}", pod.kind, pod.name);
            complaints.extend(
                check(&pod, container).into_iter().map(|complaint| format!("{place}: {complaint}")),
            );
        }
    }
    complaints
}

/// Whether PID 1 is our supervisor, not `run` or somebody else.
fn is_supervised(container: &Value) -> bool {
    container["command"].is_null() && container["args"].is_null()
}

/// The value of a variable, as the container gets it.
fn variable(pod: &Pod<'_>, container: &Value, manifests: &Manifests, name: &str) -> Option<String> {
    let environment = pod.environment(container, manifests, &Identity::of(pod)).ok()?;
    environment.into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

//! What was run in the pods, with what came of it; and which commands a manifest has, to compare.

use super::fields::list;
use crate::manifests::Pod;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A command as a manifest has it: whose it is, what for, and its words before anything in them was replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Command {
    /// Kind and name of the document with the pod template.
    pub owner: String,
    /// The container's name.
    pub container: String,
    /// `container`, `initContainer`, `postStart`, `preStop`, `startupProbe`, `livenessProbe` or `readinessProbe`.
    pub role: &'static str,
    /// Its words; of a container `command` and `args`, none where the image says what is run.
    pub words: Vec<String>,
}

/// One run of one.
#[derive(Debug, Clone)]
pub struct Record {
    /// What was run.
    pub command: Command,
    /// In which pod.
    pub pod: String,
    /// Its exit code; none if it was cut off.
    pub code: Option<i32>,
    /// What it printed, both streams. Of a container, its termination message.
    pub output: String,
    /// How long it took.
    pub elapsed: Duration,
}

/// All records of a kubelet; clones mean the same one.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<Record>>>);

pub(super) const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];
const HOOKS: [&str; 2] = ["postStart", "preStop"];

impl Journal {
    pub(super) fn write(&self, record: Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }

    /// What has been run and has ended so far, in the order of the ends.
    pub fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The runs of that role in that pod.
    pub fn of(&self, pod: &str, role: &str) -> Vec<Record> {
        let mut records = self.records();
        records.retain(|record| record.pod == pod && record.command.role == role);
        records
    }

    /// The commands of these documents that were never run to their end.
    pub fn not_run(&self, documents: &[Value]) -> Vec<Command> {
        let ran: BTreeSet<Command> =
            self.records().into_iter().map(|record| record.command).collect();
        documents.iter().flat_map(commands).filter(|command| !ran.contains(command)).collect()
    }
}

/// Every command that a document with a pod template holds.
pub fn commands(document: &Value) -> Vec<Command> {
    let Some(pod) = Pod::of(document) else { return Vec::new() };
    let owner = format!("{}/{}", pod.kind, pod.name);
    let first = pod.init_containers().map(|container| (container, "initContainer"));
    let others = pod.containers().map(|container| (container, "container"));
    first
        .chain(others)
        .flat_map(|(container, role)| of_container(&owner, container, role))
        .collect()
}

fn of_container(owner: &str, container: &Value, role: &'static str) -> Vec<Command> {
    let main = words(&container["command"]).chain(words(&container["args"])).collect();
    let hooks = HOOKS.map(|hook| (hook, &container["lifecycle"][hook]));
    let probes = PROBES.map(|probe| (probe, &container[probe]));
    let found = hooks.into_iter().chain(probes).filter(|(_, handler)| handler["exec"].is_object());
    let executed =
        found.map(|(role, handler)| (role, words(&handler["exec"]["command"]).collect()));
    [(role, main)]
        .into_iter()
        .chain(executed)
        .map(|(role, words)| Command {
            owner: owner.to_owned(),
            container: container["name"].as_str().unwrap_or_default().to_owned(),
            role,
            words,
        })
        .collect()
}

pub(super) fn words(value: &Value) -> impl Iterator<Item = String> + use<'_> {
    list(value).filter_map(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Journal, Record, commands};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn every_command_of_a_manifest_counts_until_it_was_run() {
        let document = json!({ "kind": "CronJob", "metadata": { "name": "x" }, "spec": {
            "jobTemplate": { "spec": { "template": { "spec": {
                "initContainers": [{ "name": "i", "command": ["cp", "a"] }],
                "containers": [{ "name": "c", "args": ["$(N)"],
                    "lifecycle": { "preStop": { "exec": { "command": ["/pre-stop.sh"] } } },
                    "livenessProbe": { "tcpSocket": { "port": 1 } },
                    "startupProbe": { "exec": { "command": ["/live"] } } }],
            } } } },
        } });
        let all = commands(&document);
        let roles: Vec<&str> = all.iter().map(|command| command.role).collect();
        assert_eq!(roles, ["initContainer", "container", "preStop", "startupProbe"]);
        assert_eq!((all[1].owner.as_str(), &all[1].words), ("CronJob/x", &vec!["$(N)".to_owned()]));

        let journal = Journal::default();
        assert_eq!(journal.not_run(std::slice::from_ref(&document)), all);
        for command in all {
            let (pod, code, elapsed) = ("x-1".to_owned(), Some(0), Duration::ZERO);
            journal.write(Record { command, pod, code, output: String::new(), elapsed });
        }
        assert_eq!(journal.not_run(&[document]), []);
    }
}

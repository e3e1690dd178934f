//! What the ledger on the members' volume says, job by job: the summary of the simulator counts, this one accuses.

use serde_json::Value;
use std::collections::BTreeMap;

/// What was recorded of one job.
#[derive(Debug, Default)]
struct Job {
    submitted: u32,
    /// Where each of its runs began.
    starts: Vec<String>,
    ends: u32,
    handed: u32,
    given_back: u32,
}

/// All jobs of a cluster so far.
#[derive(Debug, Default)]
pub(crate) struct Record(BTreeMap<String, Job>);

impl Record {
    pub(crate) fn parse(text: &str) -> Self {
        let mut jobs = BTreeMap::<String, Job>::new();
        let word = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let job = jobs.entry(word(&line, "job")).or_default();
            match line["event"].as_str() {
                Some("submit") => job.submitted += 1,
                Some("start") => job.starts.push(word(&line, "host")),
                Some("end") => job.ends += 1,
                Some("hand") => job.handed += 1,
                Some("back") => job.given_back += 1,
                _ => {}
            }
        }
        Self(jobs)
    }

    /// How many jobs were submitted.
    pub(crate) fn submitted(&self) -> usize {
        self.0.values().filter(|job| job.submitted > 0).count()
    }

    /// The jobs that began on that host and have not ended: lost, where nothing runs there any more.
    pub(crate) fn unfinished_on(&self, host: &str) -> Vec<&str> {
        self.named(|job| job.starts.iter().any(|start| start == host) && job.ends == 0)
    }

    /// What is wrong with the jobs of a cluster in which all should be done.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let complaint = |what: &str, jobs: Vec<&str>| {
            (!jobs.is_empty()).then(|| format!("{what}: {}", jobs.join(" ")))
        };
        [
            complaint("never submitted", self.named(|job| job.submitted != 1)),
            complaint(
                "handed out and never begun",
                self.named(|job| job.starts.is_empty() && job.handed > job.given_back),
            ),
            complaint("never begun", self.named(|job| job.starts.is_empty())),
            complaint(
                "begun and never ended",
                self.named(|job| !job.starts.is_empty() && job.ends == 0),
            ),
            complaint("begun more than once", self.named(|job| job.starts.len() > 1)),
            complaint("ended more than once", self.named(|job| job.ends > 1)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn named(&self, holds: impl Fn(&Job) -> bool) -> Vec<&str> {
        self.0.iter().filter(|(_, job)| holds(job)).map(|(name, _)| name.as_str()).collect()
    }
}

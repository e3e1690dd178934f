//! Jobs and `CronJobs`: which pods are made, when another try is made, and what the whole comes to.

use super::{Identity, Kubelet, Pod, fields};
use crate::{manifests::Pod as Template, within};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// The controller's first pause before another try; each further one is twice as long, up to six minutes.
const FIRST_BACKOFF: Duration = Duration::from_secs(10);
const LONGEST_BACKOFF: Duration = Duration::from_mins(6);

/// Where a manifest says nothing.
const DEFAULT_BACKOFF_LIMIT: u64 = 6;

/// What has become of a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Condition `Complete`.
    Complete,
    /// Condition `Failed`, with its reason.
    Failed(&'static str),
}

/// A Job that the stand-in plays the controller of; dropping it kills its pods.
pub struct Job {
    kubelet: Kubelet,
    document: Value,
    spec: Value,
    name: String,
    began: Instant,
    pods: Vec<Try>,
    failures: u32,
    not_before: Instant,
    succeeded: u64,
    done_indexes: BTreeSet<u32>,
    ending: Option<&'static str>,
    outcome: Option<Outcome>,
}

struct Try {
    pod: Pod,
    index: Option<u32>,
    is_counted: bool,
}

/// What `podFailurePolicy` says to a failed pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Count,
    Ignore,
    FailJob,
}

impl Kubelet {
    /// Begins the Job of that name.
    ///
    /// # Errors
    /// There is none, or it holds a field that is not honoured here.
    pub fn job(&self, name: &str) -> Result<Job, String> {
        self.begin_job("Job", name)
    }

    /// Begins a Job of the `CronJob` of that name now, whatever its schedule, as `kubectl create job --from` does.
    ///
    /// # Errors
    /// There is none, or it holds a field that is not honoured here.
    pub fn cron_job(&self, name: &str) -> Result<Job, String> {
        self.begin_job("CronJob", name)
    }

    /// Begins one as at its hour: nothing (`None`) where it is suspended, or where runs may not overlap and one of `runs` is not over.
    ///
    /// # Errors
    /// There is none, or it holds a field that is not honoured here.
    pub fn cron_job_at_its_hour(&self, name: &str, runs: &[&Job]) -> Result<Option<Job>, String> {
        let document = self.manifests().find("CronJob", name);
        let spec = &document.ok_or_else(|| format!("there is no CronJob {name}"))?["spec"];
        let is_active = runs.iter().any(|run| run.outcome.is_none());
        match spec["concurrencyPolicy"].as_str().unwrap_or("Allow") {
            _ if spec["suspend"] == true => Ok(None),
            "Forbid" if is_active => Ok(None),
            "Replace" if is_active => Err("concurrencyPolicy Replace is not known here".to_owned()),
            _ => self.cron_job(name).map(Some),
        }
    }

    fn begin_job(&self, kind: &str, name: &str) -> Result<Job, String> {
        let document = self.manifests().find(kind, name);
        let document = document.ok_or_else(|| format!("there is no {kind} {name}"))?.clone();
        let template = Template::of(&document).ok_or("it makes no pods")?;
        let spec = template.owner_spec.clone();
        let refused = fields::unknown(&spec, fields::JOB, "");
        if !refused.is_empty() {
            return Err(format!("not honoured here: {}", refused.join(", ")));
        }
        if !matches!(template.spec()["restartPolicy"].as_str(), Some("Never" | "OnFailure")) {
            return Err("a Job's restartPolicy is Never or OnFailure".to_owned());
        }
        let name =
            if kind == "CronJob" { format!("{name}-{}", self.suffix()) } else { name.to_owned() };
        let now = Instant::now();
        let mut job = Job {
            kubelet: self.clone(),
            document,
            spec,
            name,
            began: now,
            pods: Vec::new(),
            failures: 0,
            not_before: now,
            succeeded: 0,
            done_indexes: BTreeSet::new(),
            ending: None,
            outcome: None,
        };
        job.make_pods()?;
        Ok(job)
    }
}

impl Job {
    fn number(&self, field: &str) -> Option<u64> {
        self.spec[field].as_u64()
    }

    fn is_indexed(&self) -> bool {
        self.spec["completionMode"] == "Indexed"
    }

    /// Its pods, in the order in which they were made.
    pub fn pods(&self) -> Vec<&Pod> {
        self.pods.iter().map(|one| &one.pod).collect()
    }

    /// Its pods that run.
    pub fn active(&self) -> Vec<&Pod> {
        self.pods.iter().filter(|one| !one.pod.has_ended()).map(|one| &one.pod).collect()
    }

    /// How many of its pods have failed and count.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The exit codes of its pods' containers, by pod.
    pub fn codes(&self) -> BTreeMap<String, Vec<i32>> {
        let codes = |one: &Try| one.pod.ends().iter().map(|end| end.code).collect();
        self.pods.iter().map(|one| (one.pod.name().to_owned(), codes(one))).collect()
    }

    /// Everything that its pods have said.
    pub fn logs(&self) -> String {
        let ends = self.pods.iter().flat_map(|one| one.pod.ends());
        ends.map(|end| end.logs).collect()
    }

    /// Does what the controller would do now; what has become of the Job once that is known.
    ///
    /// # Panics
    /// A further pod cannot be made.
    pub fn look(&mut self) -> Option<Outcome> {
        if self.outcome.is_some() {
            return self.outcome.clone();
        }
        self.count();
        let deadline = self.number("activeDeadlineSeconds").map(Duration::from_secs);
        let active = self.pods.iter().filter(|one| !one.is_counted).count();
        if let Some(reason) = self.ending {
            if active == 0 {
                self.outcome = Some(Outcome::Failed(reason));
            }
        } else if self.is_complete(active) {
            self.outcome = Some(Outcome::Complete);
        } else if u64::from(self.failures)
            > self.number("backoffLimit").unwrap_or(DEFAULT_BACKOFF_LIMIT)
        {
            self.fail("BackoffLimitExceeded");
        } else if deadline.is_some_and(|deadline| self.began.elapsed() >= deadline) {
            self.fail("DeadlineExceeded");
        } else {
            self.make_pods().expect("another pod of the same template");
        }
        self.outcome.clone()
    }

    /// Looks until it is over.
    #[track_caller]
    pub fn finish(&mut self, limit: Duration) -> Outcome {
        let outcome = within(limit, || self.look());
        outcome.unwrap_or_else(|| {
            let pods: Vec<String> = self.pods.iter().map(|one| one.pod.story()).collect();
            panic!("{} is not over within {limit:?}: {pods:#?}", self.name)
        })
    }

    fn fail(&mut self, reason: &'static str) {
        self.ending = Some(reason);
        for pod in self.active() {
            pod.delete(None);
        }
    }

    /// Takes in what has ended since the last look.
    fn count(&mut self) {
        let rules = self.spec["podFailurePolicy"]["rules"].clone();
        let mut fails = false;
        for one in self.pods.iter_mut().filter(|one| !one.is_counted && one.pod.has_ended()) {
            one.is_counted = true;
            if one.pod.has_succeeded() {
                self.succeeded += 1;
                self.done_indexes.extend(one.index);
                continue;
            }
            match judge(&rules, &one.pod) {
                Verdict::Ignore => continue,
                Verdict::FailJob => fails = true,
                Verdict::Count => {}
            }
            self.failures += 1;
            let pause = FIRST_BACKOFF * 2u32.saturating_pow(self.failures - 1);
            let pause = pause.min(LONGEST_BACKOFF).mul_f64(self.kubelet.pace().period);
            self.not_before = Instant::now() + pause;
        }
        if fails && self.ending.is_none() {
            self.fail("PodFailurePolicy");
        }
        // Restarts within a pod count as tries, too.
        let restarts: u32 = self.active().iter().map(|pod| pod.restarts()).sum();
        let limit = self.number("backoffLimit").unwrap_or(DEFAULT_BACKOFF_LIMIT);
        if restarts > 0 && u64::from(self.failures + restarts) > limit && self.ending.is_none() {
            self.fail("BackoffLimitExceeded");
        }
    }

    fn is_complete(&self, active: usize) -> bool {
        match self.number("completions") {
            Some(wanted) if self.is_indexed() => self.done_indexes.len() as u64 >= wanted,
            Some(wanted) => self.succeeded >= wanted,
            None => self.succeeded > 0 && active == 0,
        }
    }

    fn make_pods(&mut self) -> Result<(), String> {
        let parallelism = self.number("parallelism").unwrap_or(1);
        loop {
            // One that has ended since the last count is as good as running: what comes of it is not known yet.
            let active = self.pods.iter().filter(|one| !one.is_counted).count() as u64;
            if Instant::now() < self.not_before || active >= parallelism {
                return Ok(());
            }
            let wanted = match self.number("completions") {
                Some(completions) => completions.saturating_sub(self.succeeded),
                // One that has found the queue empty is enough: nobody is replaced from then on.
                None if self.succeeded > 0 => 0,
                None => parallelism,
            };
            if active >= wanted {
                return Ok(());
            }
            let index = self.is_indexed().then(|| self.next_index()).flatten();
            if self.is_indexed() && index.is_none() {
                return Ok(());
            }
            let template = Template::of(&self.document).ok_or("it makes no pods")?;
            let base = index.map_or(self.name.clone(), |index| format!("{}-{index}", self.name));
            let mut identity =
                Identity::new(&format!("{base}-{}", self.kubelet.suffix()), "default");
            identity.index = index;
            if index.is_some() {
                identity.hostname = base;
            }
            let pod = self.kubelet.take(&template, identity)?;
            self.pods.push(Try { pod, index, is_counted: false });
        }
    }

    /// The lowest index that is neither done nor being done.
    fn next_index(&self) -> Option<u32> {
        let running =
            |index: &u32| self.pods.iter().any(|one| one.index == Some(*index) && !one.is_counted);
        let completions = u32::try_from(self.number("completions")?).ok()?;
        (0..completions).find(|index| !self.done_indexes.contains(index) && !running(index))
    }
}

/// The first rule that fits; rules about disruptions fit none, since there are none here.
fn judge(rules: &Value, pod: &Pod) -> Verdict {
    let ends: Vec<(String, i32)> =
        pod.ends().into_iter().map(|end| (end.container, end.code)).collect();
    judge_codes(rules, &ends)
}

fn judge_codes(rules: &Value, ends: &[(String, i32)]) -> Verdict {
    for rule in fields::list(rules) {
        let codes = &rule["onExitCodes"];
        if codes.is_null() {
            continue;
        }
        let listed = |code: i32| fields::list(&codes["values"]).any(|value| *value == code);
        let wanted = codes["operator"] == "In";
        let fits = ends.iter().any(|(container, code)| {
            let is_meant =
                codes["containerName"].is_null() || codes["containerName"] == **container;
            is_meant && *code != 0 && listed(*code) == wanted
        });
        if fits {
            return match rule["action"].as_str() {
                Some("FailJob") => Verdict::FailJob,
                Some("Ignore") => Verdict::Ignore,
                _ => Verdict::Count,
            };
        }
    }
    Verdict::Count
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge_codes};
    use serde_json::json;

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = json!([
            { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget" }] },
            { "action": "FailJob", "onExitCodes": { "containerName": "c", "operator": "In", "values": [3, 78] } },
            { "action": "Ignore", "onExitCodes": { "operator": "NotIn", "values": [1] } },
        ]);
        let judged = |container: &str, code| judge_codes(&rules, &[(container.to_owned(), code)]);
        assert_eq!(judged("c", 78), Verdict::FailJob);
        assert_eq!(judged("other", 78), Verdict::Ignore);
        assert_eq!(judged("c", 1), Verdict::Count);
        assert_eq!(judge_codes(&json!(null), &[("c".to_owned(), 78)]), Verdict::Count);
    }
}

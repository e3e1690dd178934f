//! What a drain says while it waits: to the log, to the hook, to `drain status`.

use super::{DrainEnd, Record, Stage};
use crate::{
    control::report::DrainStatus,
    ledger::{DrainOutcome, Event as LedgerEvent},
    plan::Component,
    process::procfs::Jvm,
    supervisor::{core::Core, outcome::Urgency},
};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How often the log says what is waited for, if nothing changes …
const PROGRESS: Duration = Duration::from_mins(1);
/// … and at most so often if it does.
const CHANGES: Duration = Duration::from_secs(5);

impl Core {
    /// Somebody wants everything to be stopped, jobs finished; returns the number of the drain that does it.
    pub(in crate::supervisor) fn ask_for_drain(&self, asked_by: &str) -> u64 {
        let mut record = self.drain_record.borrow_mut();
        let number = match record.as_ref() {
            // Over, and not taken back: the container is stopped or about to end, and there is nothing more to drain.
            Some(record) if record.end.is_none() || self.urgency() != Urgency::None => {
                return record.number;
            }
            Some(record) => record.number + 1,
            None => 1,
        };
        let mut new = Record::new(number, asked_by);
        new.interrupted = self.interrupted_by_a_stop();
        new.note_runtimes(&self.runtimes.borrow());
        *record = Some(new);
        drop(record);
        let runtimes = self.runtime_count();
        self.ledger.note(LedgerEvent::DrainBegan { asked_by: asked_by.to_owned(), runtimes });
        self.hurry(Urgency::Drain);
        number
    }

    /// What runs or is about to: an abort starts it again.
    fn interrupted_by_a_stop(&self) -> Vec<Component> {
        let mut interrupted = Vec::new();
        self.all_units(|component, unit| {
            let not_started_yet = self.settings.plan.starts(component) && unit.is_not_started();
            if !unit.is_down() || (not_started_yet && self.is_booted.get()) {
                interrupted.push(component);
            }
            true
        });
        interrupted
    }

    /// Notes what is waited for.
    pub(in crate::supervisor) fn enter_stage(&self, stage: Stage) {
        if let Some(record) = self.drain_record.borrow_mut().as_mut() {
            record.stage = stage;
        }
        self.notify();
    }

    /// The drain is over.
    pub(in crate::supervisor) fn drain_is_over(&self, end: DrainEnd) {
        let mut record = self.drain_record.borrow_mut();
        let Some(record) = record.as_mut() else { return };
        let (outcome, left) = match &end {
            DrainEnd::Finished { .. } => (DrainOutcome::Finished, 0),
            DrainEnd::JobsLeft(left) if self.urgency() > Urgency::Drain => {
                (DrainOutcome::Forced, left.jobs)
            }
            DrainEnd::JobsLeft(left) => (DrainOutcome::TimeOver, left.jobs),
            DrainEnd::Aborted => (DrainOutcome::Aborted, 0),
        };
        let elapsed = record.began.elapsed();
        let jobs_finished = record.finished(left.max(self.jobs_left()));
        tracing::info!(
            outcome = outcome.name(),
            jobs_finished,
            jobs_left = left,
            elapsed_ms = elapsed.as_millis(),
            "drain ended"
        );
        self.ledger.note(LedgerEvent::DrainEnded {
            outcome,
            jobs_finished,
            jobs_left: left,
            elapsed_ms: millis(elapsed),
        });
        record.end = Some(end);
        self.notify();
    }

    /// Jobs and requests that are known to run.
    pub(in crate::supervisor) fn jobs_left(&self) -> usize {
        let requests = self.lost_requests.get().or(self.requests.get().count);
        self.runtime_count().max(requests.unwrap_or_default())
    }

    /// Says in the log what is waited for, until dropped.
    pub(in crate::supervisor) async fn tell_progress(&self) {
        let mut said: Option<(Instant, Waiting)> = None;
        loop {
            let waiting = self.waiting();
            let is_due = said.as_ref().is_none_or(|(at, before)| {
                at.elapsed() >= PROGRESS || (*before != waiting && at.elapsed() >= CHANGES)
            });
            if waiting.is_worth_a_word() && is_due {
                self.log_waiting(&waiting);
                said = Some((Instant::now(), waiting.clone()));
            }
            let changed = self.until(|core| core.waiting() != waiting);
            let Some((at, _)) = &said else {
                let _ = timeout(CHANGES, changed).await;
                continue;
            };
            let next = PROGRESS.saturating_sub(at.elapsed()).max(CHANGES);
            if timeout(next, changed).await.is_ok() {
                sleep(CHANGES.saturating_sub(at.elapsed())).await;
            }
        }
    }

    fn waiting(&self) -> Waiting {
        let stage = self.drain_record.borrow().as_ref().map(|record| record.stage);
        let requests = self.requests.get();
        Waiting {
            stage,
            runtimes: self.runtime_count(),
            requests: requests.count.filter(|_| requests.answered.is_some()),
            lingers: self.is_running(Component::Agent) && self.had_no_runtime_for(CHANGES),
            are_unknown: stage == Some(Stage::Requests) && requests.is_unknown,
        }
    }

    fn had_no_runtime_for(&self, time: Duration) -> bool {
        let record = self.drain_record.borrow();
        record.as_ref().is_some_and(|record| record.had_runtimes.elapsed() >= time)
    }

    fn log_waiting(&self, waiting: &Waiting) {
        let record = self.drain_record.borrow();
        let Some(record) = record.as_ref() else { return };
        let elapsed_ms = record.began.elapsed().as_millis();
        let left_ms = self.time_to_reserve().map(|left| left.as_millis());
        match waiting.stage {
            Some(Stage::Jobs) if waiting.runtimes == 0 => {
                tracing::info!(elapsed_ms, left_ms, "no job runs, waiting for the agent to end");
            }
            Some(Stage::Jobs) => tracing::info!(
                runtimes = waiting.runtimes,
                pids = pids(&self.runtimes.borrow()),
                requests = waiting.requests,
                elapsed_ms,
                left_ms,
                "waiting for running jobs"
            ),
            Some(Stage::Requests) => tracing::info!(
                requests = waiting.requests.map_or_else(|| "unknown".to_owned(), |n| n.to_string()),
                elapsed_ms,
                left_ms,
                "waiting for the server's requests"
            ),
            _ => {}
        }
    }

    /// How the last drain ended, in a few words.
    pub(in crate::supervisor) fn drain_end_text(&self) -> String {
        let record = self.drain_record.borrow();
        match record.as_ref().and_then(|record| record.end.as_ref()) {
            None => "is under way".to_owned(),
            Some(DrainEnd::Finished { jobs }) => {
                format!("is over, {} finished", counted(*jobs, "job"))
            }
            Some(DrainEnd::JobsLeft(left)) => {
                format!("is over, still running: {}", left.names.join(", "))
            }
            Some(DrainEnd::Aborted) => "was taken back".to_owned(),
        }
    }

    /// What the drain that is under way waits for, in one line for people.
    pub(in crate::supervisor) fn drain_text(&self) -> String {
        let Some(status) = self.drain_status() else { return "no drain".to_owned() };
        let mut text = vec![format!("waiting for {}", status.waiting_for)];
        if status.runtimes > 0 {
            text.push(counted(status.runtimes, "runtime"));
        }
        if let Some(requests) = status.requests.filter(|requests| *requests > 0) {
            text.push(counted(requests, "request"));
        }
        if self.waiting().are_unknown && self.requests.get().is_unknown {
            text.push("which it does not tell (see the container's log)".to_owned());
        }
        text.push(format!("{} so far", seconds(status.since_ms)));
        if let Some(left) = status.left_ms {
            text.push(format!("{} of the grace period left", seconds(left)));
        }
        text.join(", ")
    }

    /// The drain as `status` shows it.
    pub(in crate::supervisor) fn drain_status(&self) -> Option<DrainStatus> {
        let record = self.drain_record.borrow();
        let record = record.as_ref()?;
        Some(DrainStatus {
            asked_by: record.asked_by.clone(),
            since_ms: millis(record.began.elapsed()),
            waiting_for: match &record.end {
                None if record.stage == Stage::Jobs && self.runtime_count() == 0 => {
                    "the agent to end".to_owned()
                }
                None => record.stage.to_string(),
                Some(_) => "nothing".to_owned(),
            },
            runtimes: self.runtime_count(),
            requests: self.requests.get().count,
            left_ms: self.time_left().map(millis),
            over: record.end.is_some(),
        })
    }
}

/// What is worth a line when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    stage: Option<Stage>,
    runtimes: usize,
    requests: Option<usize>,
    are_unknown: bool,
    /// The agent is still there, longer than one without jobs needs.
    lingers: bool,
}

impl Waiting {
    fn is_worth_a_word(&self) -> bool {
        match self.stage {
            Some(Stage::Jobs) => self.runtimes > 0 || self.lingers,
            Some(Stage::Requests) => self.are_unknown || self.requests.is_some_and(|n| n > 0),
            _ => false,
        }
    }
}

/// `1 runtime`, `2 runtimes`.
pub(in crate::supervisor) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Whole seconds, for people.
pub(in crate::supervisor) fn seconds(millis: u64) -> String {
    format!("{} s", millis / 1000)
}

pub(in crate::supervisor) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(in crate::supervisor) fn pids(jvms: &[Jvm]) -> String {
    jvms.iter().map(|jvm| jvm.pid.as_raw_pid().to_string()).collect::<Vec<_>>().join(",")
}

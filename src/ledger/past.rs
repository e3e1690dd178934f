//! What is known of the lives before this one, and the one line that tells it.

use super::{
    event::{DrainOutcome, plain},
    story::{Hold, Life, Story},
};
use std::fmt::Write;
use tokio::sync::watch;

/// The longest reason that is told again, in bytes.
const LONGEST_REASON: usize = 300;

/// What the past was, as soon as it has been read.
#[derive(Clone, Debug)]
pub struct Past(watch::Receiver<Option<LastLife>>);

impl Past {
    /// A past that is known already.
    #[must_use]
    pub fn already(last: LastLife) -> Self {
        // A value stays readable when its sender is gone.
        Self(watch::channel(Some(last)).1)
    }

    pub(super) fn awaited() -> (watch::Sender<Option<LastLife>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }

    /// Waits until it has been read. There is no limit: a volume that hangs makes it wait for ever.
    pub async fn read(&mut self) -> LastLife {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(last)) => last.clone(),
            _ => LastLife::Unreadable { why: "the ledger's thread has ended".to_owned() },
        }
    }

    /// The same without waiting; `None` while it has not been read.
    #[must_use]
    pub fn now(&self) -> Option<LastLife> {
        self.0.borrow().clone()
    }
}

/// The life before this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastLife {
    /// There is no ledger, or only our own entries are in it.
    First,
    /// There may be a ledger, but nothing can be learnt from it.
    Unreadable {
        /// Why, for people.
        why: String,
    },
    /// There was one.
    Known(Known),
}

/// What the ledger says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Not yet released, whatever life set them, in the order in which they were set.
    pub holds: Vec<Hold>,
    /// The last life's id.
    pub life: String,
    /// When it wrote last, in seconds since 1970 (UTC), by its own clock.
    pub at: u64,
    /// How it ended.
    pub end: LastEnd,
    /// The component that the kernel killed last for want of memory in that life.
    pub oom: Option<String>,
    /// Lines that were not understood: torn, of a newer version, or not ours.
    pub skipped: usize,
}

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastEnd {
    /// It said so itself.
    Ended {
        /// What it exited with.
        exit_code: u8,
        /// Why, for people.
        reason: String,
        /// So many jobs still ran.
        jobs_left: usize,
        /// Some of them, by name.
        left: Vec<String>,
        /// So many jobs finished in its drain, if one was seen through.
        drained: Option<usize>,
    },
    /// It wrote nothing more: PID 1 was killed (by hand, by the kubelet, for want of memory), or the node went down, or the
    /// ledger could not be written.
    Vanished {
        /// What it was doing.
        during: During,
        /// Processes in which jobs ran, as seen last; `None` if it was not seen.
        runtimes: Option<usize>,
        /// Requests that the server was working on, as seen last; `None` if that was not known.
        requests: Option<usize>,
    },
}

/// What a life did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// It had just begun.
    Boot,
    /// Work as usual.
    Work,
    /// It waited for jobs to finish.
    Drain,
    /// A drain was over, and it waited for its own end.
    AfterDrain {
        /// So many jobs had finished in it.
        finished: usize,
    },
}

impl LastLife {
    /// What `story` means for the life `own`.
    pub(super) fn of(story: &Story, own: &str) -> Self {
        let Some(life) = story.last_but(own) else {
            return match story.skipped {
                0 => Self::First,
                count => Self::Unreadable { why: format!("none of its {count} lines is an entry") },
            };
        };
        Self::Known(Known {
            holds: story.holds().cloned().collect(),
            life: life.id.clone(),
            at: life.at,
            end: LastEnd::of(life),
            oom: life.oom.clone(),
            skipped: story.skipped,
        })
    }

    /// One line for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::First => "first life here".to_owned(),
            Self::Unreadable { why } => {
                format!("not known, the ledger cannot be read: {}", plain(why, LONGEST_REASON))
            }
            Self::Known(known) => known.sentence(),
        }
    }
}

impl LastEnd {
    fn of(life: &Life) -> Self {
        let drain = life.drain.as_ref();
        let outcome = drain.and_then(|drain| drain.ended);
        if let Some(end) = life.end.clone() {
            let drained = outcome.filter(|(outcome, _)| *outcome == DrainOutcome::Finished);
            return Self::Ended {
                exit_code: end.exit_code,
                reason: end.reason,
                jobs_left: end.jobs_left,
                left: end.left,
                drained: drained.map(|(_, finished)| finished),
            };
        }
        let during = match (drain, outcome) {
            (Some(_), None) => During::Drain,
            (Some(_), Some((DrainOutcome::Aborted, _))) => During::Work,
            (Some(_), Some((_, finished))) => During::AfterDrain { finished },
            (None, _) if life.is_past_boot => During::Work,
            (None, _) => During::Boot,
        };
        let (runtimes, requests) = match life.jobs {
            Some((runtimes, requests)) => (Some(runtimes), requests),
            None => (drain.map(|drain| drain.runtimes), None),
        };
        Self::Vanished { during, runtimes, requests }
    }
}

impl Known {
    /// One line for people: how the last life ended.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut text = match &self.end {
            LastEnd::Ended { exit_code, reason, jobs_left, left, drained } => {
                let reason = plain(reason, LONGEST_REASON);
                let mut text = match (*exit_code, *drained) {
                    (0, Some(0)) => "drained, no job had to be waited for".to_owned(),
                    (0, Some(count)) => format!("drained, {} finished", counted(count, "job")),
                    // No drain saw everything to its end, and nothing failed.
                    (0 | 27, _) => with_reason("stopped", &reason),
                    (code, _) => with_reason(&format!("ended with exit code {code}"), &reason),
                };
                if *jobs_left > 0 || !left.is_empty() {
                    let _ = write!(text, "; {} left", counted(*jobs_left, "job"));
                    if !left.is_empty() {
                        let _ = write!(text, ": {}", plain(&left.join(", "), LONGEST_REASON));
                    }
                }
                text
            }
            LastEnd::Vanished { during, runtimes, requests } => {
                vanished(*during, *runtimes, *requests)
            }
        };
        if let Some(component) = &self.oom {
            let component = plain(component, LONGEST_REASON);
            let _ = write!(text, "; before that, the {component} was killed for want of memory");
        }
        text
    }
}

fn vanished(during: During, runtimes: Option<usize>, requests: Option<usize>) -> String {
    const SO: &str = "killed or out of memory without a word";
    let seen = jobs(runtimes, requests);
    match (during, seen) {
        (During::Boot, _) => format!("{SO} during its boot"),
        (During::Work, Some(seen)) => format!("{SO} while {seen} ran"),
        (During::Work, None) => SO.to_owned(),
        (During::Drain, Some(seen)) => format!("{SO} while it was draining, {seen} left"),
        (During::Drain, None) => format!("{SO} while it was draining"),
        (During::AfterDrain { finished }, seen) => {
            let seen = seen.filter(|_| runtimes.max(requests).is_some_and(|count| count > 0));
            let left = seen.map_or_else(String::new, |seen| format!(", {seen} left"));
            format!("drained, {} finished{left}; then {SO}", counted(finished, "job"))
        }
    }
}

/// `2 jobs`, `1 job and 3 requests`, `no job`.
fn jobs(runtimes: Option<usize>, requests: Option<usize>) -> Option<String> {
    match (runtimes, requests.filter(|count| *count > 0)) {
        (None | Some(0), Some(requests)) => Some(counted(requests, "request")),
        (Some(runtimes), Some(requests)) => {
            Some(format!("{} and {}", counted(runtimes, "job"), counted(requests, "request")))
        }
        (Some(runtimes), None) => Some(counted(runtimes, "job")),
        (None, None) => None,
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn with_reason(what: &str, reason: &str) -> String {
    if reason.is_empty() { what.to_owned() } else { format!("{what}: {reason}") }
}

//! One drain: who asked for it, what it waits for, how it ended.

use crate::{plan::Component, process::procfs::Jvm};
use std::{collections::HashSet, fmt, time::Instant};

/// A drain that is under way, or the last one.
#[derive(Clone, Debug)]
pub(in crate::supervisor) struct Record {
    /// Counts the drains of this life.
    pub(in crate::supervisor) number: u64,
    /// `pre-stop`, `SIGTERM`, `drain` …
    pub(in crate::supervisor) asked_by: String,
    /// When it began.
    pub(in crate::supervisor) began: Instant,
    /// What it is waiting for.
    pub(in crate::supervisor) stage: Stage,
    /// How it ended; `None` while it is under way.
    pub(in crate::supervisor) end: Option<DrainEnd>,
    /// What an abort starts again.
    pub(in crate::supervisor) interrupted: Vec<Component>,
    /// When it last had runtimes; its beginning, if never.
    pub(in crate::supervisor) had_runtimes: Instant,
    /// Every runtime seen since it began.
    runtimes: HashSet<(i32, u64)>,
    /// How many of them were killed.
    killed: usize,
    /// The most requests seen at once since it began.
    pub(in crate::supervisor) most_requests: usize,
    /// The server was stopped while nobody could say what it was working on.
    pub(in crate::supervisor) are_requests_unknown: bool,
}

/// What a drain is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::supervisor) enum Stage {
    /// The boot step that is running.
    Boot,
    /// The answer to a hold.
    Hold(Component),
    /// The agent and its runtimes.
    Jobs,
    /// The server's requests.
    Requests,
    /// A component's end.
    Stop(Component),
    /// Everything at once: the time is over, or somebody hurried.
    StopAll,
}

/// How a drain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::supervisor) enum DrainEnd {
    /// Nothing was running any more.
    Finished {
        /// Jobs and requests that ended meanwhile.
        jobs: usize,
    },
    /// Components were stopped while this still ran.
    JobsLeft(Left),
    /// It was taken back.
    Aborted,
}

/// What runs, or is being worked on, though its component was stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::supervisor) struct Left {
    /// How many jobs that is at least.
    pub(in crate::supervisor) jobs: usize,
    /// All of it in words.
    pub(in crate::supervisor) names: Vec<String>,
}

impl Record {
    pub(in crate::supervisor) fn new(number: u64, asked_by: &str) -> Self {
        let now = Instant::now();
        Self {
            number,
            asked_by: asked_by.to_owned(),
            began: now,
            had_runtimes: now,
            stage: Stage::Boot,
            end: None,
            interrupted: Vec::new(),
            runtimes: HashSet::new(),
            killed: 0,
            most_requests: 0,
            are_requests_unknown: false,
        }
    }

    /// Remembers runtimes while it is under way, to tell at the end how many jobs have finished.
    pub(in crate::supervisor) fn note_runtimes(&mut self, runtimes: &[Jvm]) {
        let seen = runtimes.iter().map(|runtime| (runtime.pid.as_raw_pid(), runtime.started));
        if !runtimes.is_empty() {
            self.had_runtimes = Instant::now();
        }
        if self.end.is_none() {
            self.runtimes.extend(seen);
        }
    }

    /// A runtime was killed: its job has not finished.
    pub(in crate::supervisor) fn note_killed(&mut self) {
        self.killed += 1;
    }

    /// These are started again too, if it is taken back.
    pub(in crate::supervisor) fn interrupt(&mut self, components: &[Component]) {
        self.interrupted.extend_from_slice(components);
        self.interrupted.sort_unstable();
        self.interrupted.dedup();
    }

    /// How many jobs have ended while it waited, where `left` are still running. A server's requests are counted where
    /// no runtime was seen: in a container that has both, a job is one of each.
    pub(in crate::supervisor) fn finished(&self, left: usize) -> usize {
        let all = if self.runtimes.is_empty() { self.most_requests } else { self.runtimes.len() };
        all.saturating_sub(left + self.killed)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boot => f.write_str("the boot to end"),
            Self::Hold(component) => write!(f, "the answer to holding the {component}"),
            Self::Jobs => f.write_str("running jobs"),
            Self::Requests => f.write_str("the server's requests"),
            Self::Stop(component) => write!(f, "the {component} to stop"),
            Self::StopAll => f.write_str("everything to stop"),
        }
    }
}

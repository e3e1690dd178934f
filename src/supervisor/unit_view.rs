//! What others ask a component.

use super::{Down, State, Unit};
use rustix::process::Pid;
use std::time::Instant;

impl Unit {
    /// Its JVM, if one is known.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } | State::Stopping { pid: Some(pid), .. } => Some(pid),
            _ => None,
        }
    }

    /// Whether nothing of it runs and nothing of ours is about to start it.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.state, State::Down(_) | State::Failed)
    }

    /// Why it is down, in words, as far as that is known: a start script that brought no JVM, or how the JVM ended.
    #[must_use]
    pub fn why_down(&self) -> Option<String> {
        let script = self.script_end.map(|end| format!("start script: {end}"));
        script.or_else(|| self.last_end.map(|end| end.to_string()))
    }

    /// Whether anything of it was ever seen to end.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.last_end.is_some() || self.script_end.is_some()
    }

    /// Whether nobody has started it yet.
    #[must_use]
    pub fn is_not_started(&self) -> bool {
        matches!(self.state, State::Down(Down::NotStarted))
    }

    /// Whether it answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Running { up: Some(_), .. })
    }

    /// Since when its state has the name that it has now.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The state's name in logs and status. Part of our interface.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Down(Down::NotStarted) => "not started",
            State::Down(Down::Asked) => "stopped",
            State::Down(Down::ByHand) => "stopped by hand",
            State::Down(Down::Ended) => "ended",
            State::Starting { .. } => "starting",
            State::Running { up: None, .. } => "running",
            State::Running { up: Some(_), .. } => "up",
            State::Backoff { .. } => "waiting for restart",
            State::Stopping { .. } => "stopping",
            State::Failed => "failed",
        }
    }
}

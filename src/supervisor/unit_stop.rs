//! How a component is stopped: script, TERM, KILL, each for a while.

use super::{Action, Down, Stage, State, StopMode, Unit};
use crate::process::ProcessEnd;
use rustix::process::Pid;
use std::time::{Duration, Instant};

/// A stop script that has ended may leave its JVM this long to follow.
pub(super) const AFTER_STOP_SCRIPT: Duration = Duration::from_secs(5);
/// From TERM to KILL in an orderly stop.
pub(super) const TERM_TO_KILL: Duration = Duration::from_secs(10);
/// From TERM to KILL for a component that was never up.
pub(super) const NEVER_UP_TERM_TO_KILL: Duration = Duration::from_secs(5);
/// A script that has just ended may have left a JVM that is not one yet: a shell between its fork and its exec.
pub(super) const SCRIPT_LEAVES: Duration = Duration::from_secs(2);
/// How long a killed process may take to vanish before we stop waiting (uninterruptible I/O).
pub(super) const AFTER_KILL: Duration = Duration::from_secs(10);

impl Unit {
    pub(super) fn stop(&mut self, mode: StopMode, now: Instant) -> Vec<Action> {
        match self.state {
            State::Running { pid, up: None, .. } if mode != StopMode::Kill => {
                self.term(pid, NEVER_UP_TERM_TO_KILL, now)
            }
            State::Running { pid, .. } => self.begin_stop(pid, mode, now),
            State::Starting { script_ended: Some(ended), .. } => {
                let until = ended + SCRIPT_LEAVES;
                self.state = if until <= now || mode == StopMode::Kill {
                    State::Down(Down::Asked)
                } else {
                    State::Stopping { pid: None, stage: Stage::Term { until } }
                };
                vec![Action::Look]
            }
            State::Starting { script_ended: None, .. } => {
                let until = now + NEVER_UP_TERM_TO_KILL + AFTER_KILL;
                self.state = State::Stopping { pid: None, stage: Stage::Term { until } };
                vec![Action::EndStartScript]
            }
            State::Backoff { .. } => {
                self.state = State::Down(Down::Asked);
                Vec::new()
            }
            State::Stopping { pid: Some(pid), stage } => self.hurry(pid, stage, mode, now),
            State::Stopping { pid: None, .. } | State::Down(_) | State::Failed => Vec::new(),
        }
    }

    pub(super) fn begin_stop(&mut self, pid: Pid, mode: StopMode, now: Instant) -> Vec<Action> {
        let (stage, action) = match mode {
            StopMode::Script(patience) => {
                (Stage::Script { until: now + patience }, Action::RunStopScript)
            }
            StopMode::Term => return self.term(pid, TERM_TO_KILL, now),
            StopMode::Kill => (Stage::Kill { until: now + AFTER_KILL }, Action::Kill(pid)),
        };
        self.state = State::Stopping { pid: Some(pid), stage };
        vec![action]
    }

    /// KILL follows after `patience`, or earlier where the container's time is over.
    pub(super) fn term(&mut self, pid: Pid, patience: Duration, now: Instant) -> Vec<Action> {
        let until = self.deadline.map_or(now + patience, |deadline| deadline.min(now + patience));
        self.state = State::Stopping { pid: Some(pid), stage: Stage::Term { until } };
        vec![Action::Term(pid)]
    }

    /// A stop that is under way can only become harder.
    fn hurry(&mut self, pid: Pid, stage: Stage, mode: StopMode, now: Instant) -> Vec<Action> {
        match (stage, mode) {
            (Stage::Script { until }, StopMode::Script(patience)) if now + patience < until => {
                self.state = State::Stopping {
                    pid: Some(pid),
                    stage: Stage::Script { until: now + patience },
                };
                Vec::new()
            }
            (Stage::Script { .. } | Stage::AfterScript { .. }, StopMode::Term)
            | (
                Stage::Script { .. } | Stage::AfterScript { .. } | Stage::Term { .. },
                StopMode::Kill,
            ) => self.begin_stop(pid, mode, now),
            _ => Vec::new(),
        }
    }

    pub(super) fn stop_script_ended(&mut self, end: ProcessEnd, now: Instant) -> Vec<Action> {
        match self.state {
            State::Stopping { pid: Some(pid), stage: Stage::Script { until } }
                if end.is_success() =>
            {
                let until = until.min(now + AFTER_STOP_SCRIPT);
                self.state =
                    State::Stopping { pid: Some(pid), stage: Stage::AfterScript { until } };
                Vec::new()
            }
            State::Stopping { pid: Some(pid), stage: Stage::Script { .. } } => {
                self.begin_stop(pid, StopMode::Term, now)
            }
            _ => Vec::new(),
        }
    }
}

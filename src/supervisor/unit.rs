//! What a component may be doing, and what each event makes it do next.
//!
//! [`Unit::on`] is the whole policy of design.md §6 (start, restart, stop) and touches nothing: time comes in with the
//! event, effects go out as [`Action`]s. The loop that owns clocks and processes carries them out.
//!
//! ```text
//!  Down ──Start──▶ Starting ──Found──▶ Running ──Ended──▶ Backoff ──▶ Starting
//!   ▲                  │ no JVM in time    │                 │
//!   │                  └───────────────────┼───▶ Backoff     └─ fifth in ten minutes ─▶ Failed
//!   └──────Ended────── Stopping ◀──Stop────┘
//! ```

pub use super::state::{Action, Down, Event, Stage, State, StopMode};

use super::restart::{Restarts, Verdict};
use crate::{contract::RestartPolicy, process::ProcessEnd};
use rustix::process::Pid;
use std::time::{Duration, Instant};

/// After its start script has ended, a JVM must show up within this time.
pub const JVM_APPEARS: Duration = Duration::from_secs(10);
/// A stop script that has ended may leave its JVM this long to follow.
const AFTER_STOP_SCRIPT: Duration = Duration::from_secs(5);
/// From TERM to KILL in an orderly stop.
const TERM_TO_KILL: Duration = Duration::from_secs(10);
/// From TERM to KILL for a component that was never up.
const NEVER_UP_TERM_TO_KILL: Duration = Duration::from_secs(5);
/// A script that has just ended may have left a JVM that is not one yet: a shell between its fork and its exec.
const SCRIPT_LEAVES: Duration = Duration::from_secs(2);
/// How long a killed process may take to vanish before we stop waiting (uninterruptible I/O).
const AFTER_KILL: Duration = Duration::from_secs(10);

/// What a unit must know of the contract.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// `JJOBS_INIT_RESTART`.
    pub restart: RestartPolicy,
    /// `JJOBS_INIT_START_TIMEOUT`.
    pub start_timeout: Duration,
}

/// A component's state with what decides its next one.
#[derive(Clone, Debug)]
pub struct Unit {
    /// What it is doing.
    pub state: State,
    /// Whether boot or `start` started it: only then it is ours to restart.
    pub wanted: bool,
    /// How it ended last.
    pub last_end: Option<ProcessEnd>,
    /// Its unasked ends.
    pub restarts: Restarts,
    /// No new start: the container is being drained or stopped.
    pub closing: bool,
    /// After this nothing may be waited for any more: the kubelet's patience ends.
    pub deadline: Option<Instant>,
    /// A process that did not even end by KILL: it is not taken for the component again.
    pub given_up: Option<Pid>,
    policy: Policy,
}

impl Unit {
    /// A component that nobody has started.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            state: State::Down(Down::NotStarted),
            wanted: false,
            last_end: None,
            restarts: Restarts::default(),
            closing: false,
            deadline: None,
            given_up: None,
            policy,
        }
    }

    /// From here on it is not started any more, not even if it was waiting for that.
    pub fn close(&mut self) {
        self.closing = true;
        if matches!(self.state, State::Backoff { .. }) {
            self.state = State::Down(Down::Asked);
        }
    }

    /// Takes an event that happens at `now`; returns what is to be done.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Start => self.start(now),
            Event::ScriptStarted => self.script_started(),
            Event::ScriptEnded(end) => self.script_ended(end, now),
            Event::Found(pid) => self.found(pid, now),
            Event::Up => self.up(now),
            Event::Ended(end) => self.ended(end, now),
            Event::Stop(mode) => self.stop(mode, now),
            Event::StopScriptEnded(end) => self.stop_script_ended(end, now),
            Event::Tick => self.tick(now),
        }
    }

    fn start(&mut self, now: Instant) -> Vec<Action> {
        if self.closing {
            return Vec::new();
        }
        match self.state {
            State::Down(_) | State::Backoff { .. } | State::Failed => {
                self.wanted = true;
                self.state = State::Starting { since: now, scripted: false, script_ended: None };
                vec![Action::RunStartScript]
            }
            State::Running { .. } => {
                // Found before boot came to it: from now on it is ours to keep.
                self.wanted = true;
                Vec::new()
            }
            State::Starting { .. } | State::Stopping { .. } => Vec::new(),
        }
    }

    fn script_started(&mut self) -> Vec<Action> {
        if let State::Starting { scripted, .. } = &mut self.state {
            *scripted = true;
        }
        Vec::new()
    }

    fn script_ended(&mut self, end: ProcessEnd, now: Instant) -> Vec<Action> {
        match &mut self.state {
            State::Starting { script_ended, .. } if script_ended.is_none() => {
                *script_ended = Some(now);
                self.last_end = Some(end);
                vec![Action::Look]
            }
            State::Stopping { pid: None, .. } => {
                self.state = State::Down(Down::Asked);
                vec![Action::Look]
            }
            _ => Vec::new(),
        }
    }

    fn found(&mut self, pid: Pid, now: Instant) -> Vec<Action> {
        if self.given_up == Some(pid) {
            return Vec::new();
        }
        let running = |ours| State::Running { pid, since: now, up: None, ours };
        match self.state {
            State::Starting { scripted, .. } => self.state = running(scripted),
            // A second JVM of a component that we have just stopped, or one started in the middle of the end.
            State::Down(Down::Asked) if self.closing => return self.term(pid, TERM_TO_KILL, now),
            State::Down(_) | State::Backoff { .. } | State::Failed => self.state = running(false),
            State::Stopping { pid: None, .. } => {
                return self.term(pid, NEVER_UP_TERM_TO_KILL, now);
            }
            State::Running { .. } | State::Stopping { .. } => {}
        }
        Vec::new()
    }

    fn up(&mut self, now: Instant) -> Vec<Action> {
        if let State::Running { up: up @ None, .. } = &mut self.state {
            *up = Some(now);
        }
        Vec::new()
    }

    fn ended(&mut self, end: ProcessEnd, now: Instant) -> Vec<Action> {
        self.last_end = Some(end);
        match self.state {
            State::Running { up, ours, .. } => self.ended_unasked(end, now, Lived { up, ours }),
            State::Stopping { .. } => {
                self.state = State::Down(Down::Asked);
                vec![Action::Look]
            }
            State::Down(_) | State::Starting { .. } | State::Backoff { .. } | State::Failed => {
                Vec::new()
            }
        }
    }

    fn ended_unasked(&mut self, end: ProcessEnd, now: Instant, lived: Lived) -> Vec<Action> {
        let by_hand = lived.up.is_some() && matches!(end.shell_code(), Some(0 | 143));
        let not_ours = end == ProcessEnd::Unknown && !lived.ours;
        if !self.wanted || self.closing || not_ours {
            self.state = State::Down(Down::Ended);
            return Vec::new();
        }
        match self.policy.restart {
            RestartPolicy::Exit => {
                self.state = State::Down(Down::Ended);
                vec![Action::EndContainer(end)]
            }
            RestartPolicy::Never => {
                self.state = State::Down(if by_hand { Down::ByHand } else { Down::Ended });
                Vec::new()
            }
            RestartPolicy::OnFailure if by_hand => {
                self.state = State::Down(Down::ByHand);
                Vec::new()
            }
            RestartPolicy::OnFailure => self.restart(now, lived.up),
        }
    }

    fn restart(&mut self, now: Instant, up: Option<Instant>) -> Vec<Action> {
        match self.restarts.ended(now, up) {
            Verdict::Again { delay } => {
                self.state = State::Backoff { until: now + delay };
                vec![Action::WillRestart { delay }]
            }
            Verdict::ForGood => {
                self.state = State::Failed;
                vec![Action::FailedForGood]
            }
        }
    }

    /// A start without a JVM in time.
    fn failed_start(&mut self, now: Instant) -> Vec<Action> {
        if self.closing {
            self.state = State::Down(Down::Asked);
            return Vec::new();
        }
        let mut actions = vec![Action::TellNoJvm];
        match self.policy.restart {
            RestartPolicy::OnFailure => actions.extend(self.restart(now, None)),
            RestartPolicy::Never => self.state = State::Down(Down::Ended),
            RestartPolicy::Exit => {
                self.state = State::Down(Down::Ended);
                actions.push(Action::EndContainer(match self.last_end {
                    // A script that succeeds without a JVM is no success.
                    None | Some(ProcessEnd::Exited(0)) => ProcessEnd::Exited(1),
                    Some(end) => end,
                }));
            }
        }
        actions
    }

    fn stop(&mut self, mode: StopMode, now: Instant) -> Vec<Action> {
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

    fn begin_stop(&mut self, pid: Pid, mode: StopMode, now: Instant) -> Vec<Action> {
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
    fn term(&mut self, pid: Pid, patience: Duration, now: Instant) -> Vec<Action> {
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

    fn stop_script_ended(&mut self, end: ProcessEnd, now: Instant) -> Vec<Action> {
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

    fn tick(&mut self, now: Instant) -> Vec<Action> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        match self.state {
            State::Starting { script_ended: Some(_), .. } => self.failed_start(now),
            State::Starting { script_ended: None, .. } => {
                let mut actions = vec![Action::EndStartScript];
                actions.extend(self.failed_start(now));
                actions
            }
            State::Backoff { .. } => self.start(now),
            State::Stopping { pid: Some(pid), stage } => match stage {
                Stage::Script { .. } | Stage::AfterScript { .. } => {
                    self.begin_stop(pid, StopMode::Term, now)
                }
                Stage::Term { .. } => self.begin_stop(pid, StopMode::Kill, now),
                Stage::Kill { .. } => {
                    self.given_up = Some(pid);
                    self.state = State::Down(Down::Asked);
                    vec![Action::GiveUp(pid)]
                }
            },
            State::Stopping { pid: None, .. } => {
                self.state = State::Down(Down::Asked);
                Vec::new()
            }
            State::Down(_) | State::Running { .. } | State::Failed => Vec::new(),
        }
    }

    /// When this unit needs an [`Event::Tick`], if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Starting { script_ended: Some(at), .. } => Some(at + JVM_APPEARS),
            State::Starting { since, script_ended: None, .. } => {
                Some(since + self.policy.start_timeout)
            }
            State::Backoff { until } => Some(until),
            State::Stopping { stage, .. } => Some(stage.until()),
            State::Down(_) | State::Running { .. } | State::Failed => None,
        }
    }

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

    /// Whether it answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Running { up: Some(_), .. })
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

/// What decides how an end is read.
#[derive(Clone, Copy)]
struct Lived {
    up: Option<Instant>,
    ours: bool,
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;

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

pub use super::state::{Action, Down, Event, Intent, Stage, State, StopMode};

#[path = "unit_stop.rs"]
mod stop;
#[path = "unit_view.rs"]
mod view;

use self::stop::{NEVER_UP_TERM_TO_KILL, SCRIPT_LEAVES, TERM_TO_KILL};
use super::restart::{Restarts, Verdict};
use crate::{contract::RestartPolicy, process::ProcessEnd};
use rustix::process::Pid;
use std::time::{Duration, Instant};

/// After its start script has ended, a JVM must show up within this time.
pub const JVM_APPEARS: Duration = Duration::from_secs(10);

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
    /// Whether it is meant to run.
    pub intent: Intent,
    /// Its JVM was told to end by itself when its jobs are done (a held agent).
    pub told_to_end: bool,
    /// How its JVM ended last.
    pub last_end: Option<ProcessEnd>,
    /// How its start script ended, as long as that has brought no JVM.
    pub script_end: Option<ProcessEnd>,
    /// An operator's `stop` waits for its last requests: it runs, and soon will not.
    pub leaving: bool,
    /// Its unasked ends.
    pub restarts: Restarts,
    /// No new start: the container is being drained or stopped.
    pub closing: bool,
    /// After this nothing may be waited for any more: the kubelet's patience ends.
    pub deadline: Option<Instant>,
    /// A process that did not even end by KILL: it is not taken for the component again.
    pub given_up: Option<Pid>,
    /// When the state's name last changed.
    since: Instant,
    policy: Policy,
}

impl Unit {
    /// A component that nobody has started by `now`.
    #[must_use]
    pub fn new(policy: Policy, now: Instant) -> Self {
        Self {
            state: State::Down(Down::NotStarted),
            intent: Intent::None,
            told_to_end: false,
            last_end: None,
            script_end: None,
            leaving: false,
            restarts: Restarts::default(),
            closing: false,
            deadline: None,
            given_up: None,
            since: now,
            policy,
        }
    }

    /// From here on it is not started any more, not even if it was waiting for that.
    pub fn close(&mut self, now: Instant) {
        self.closing = true;
        if matches!(self.state, State::Backoff { .. }) {
            self.state = State::Down(Down::Asked);
            self.since = now;
        }
    }

    /// Takes an event that happens at `now`; returns what is to be done.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let before = self.state_name();
        let actions = self.take(event, now);
        if self.state_name() != before {
            self.since = now;
        }
        actions
    }

    fn take(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Start if self.intent == Intent::SetAside => Vec::new(),
            Event::Start => self.start(now),
            Event::StartByHand => self.start_by_hand(now),
            Event::SetAside => self.set_aside(),
            Event::StillWanted => self.still_wanted(),
            Event::ToldToEnd => self.told_to_end(),
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
                self.intent = Intent::Run;
                self.script_end = None;
                self.state = State::Starting { since: now, scripted: false, script_ended: None };
                vec![Action::RunStartScript]
            }
            State::Running { .. } => {
                // Found before boot came to it: from now on it is ours to keep.
                self.intent = Intent::Run;
                Vec::new()
            }
            State::Starting { .. } | State::Stopping { .. } => Vec::new(),
        }
    }

    /// An operator's `start`: what happened before does not count any more.
    fn start_by_hand(&mut self, now: Instant) -> Vec<Action> {
        self.intent = Intent::Run;
        self.leaving = false;
        self.restarts.forget();
        self.start(now)
    }

    /// An operator's `stop` begins.
    fn set_aside(&mut self) -> Vec<Action> {
        self.intent = Intent::SetAside;
        self.leaving = matches!(self.state, State::Running { .. });
        if matches!(self.state, State::Down(_) | State::Backoff { .. }) {
            self.state = State::Down(Down::Asked);
        }
        Vec::new()
    }

    fn still_wanted(&mut self) -> Vec<Action> {
        if self.intent == Intent::SetAside {
            self.intent = Intent::Run;
            self.leaving = false;
        }
        Vec::new()
    }

    fn told_to_end(&mut self) -> Vec<Action> {
        self.told_to_end |= matches!(self.state, State::Running { .. });
        Vec::new()
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
                self.script_end = Some(end);
                vec![Action::Look]
            }
            State::Stopping { pid: None, .. } => {
                // However it ended: it may have started a JVM before the signal came to it.
                let until = now + SCRIPT_LEAVES;
                self.state = State::Stopping { pid: None, stage: Stage::Term { until } };
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
        self.told_to_end &= self.pid().is_some();
        self.script_end = None;
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
        self.leaving = false;
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
        if self.intent == Intent::SetAside {
            self.state = State::Down(Down::Asked);
            return Vec::new();
        }
        if self.intent != Intent::Run || self.closing || not_ours {
            self.state = State::Down(Down::Ended);
            return Vec::new();
        }
        if by_hand && self.told_to_end && self.policy.restart != RestartPolicy::Exit {
            // A drain told it to, and was taken back since.
            self.state = State::Down(Down::Asked);
            return self.start(now);
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
                actions.push(Action::EndContainer(match self.script_end {
                    // A script that succeeds without a JVM is no success.
                    None | Some(ProcessEnd::Exited(0)) => ProcessEnd::Exited(1),
                    Some(end) => end,
                }));
            }
        }
        actions
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

//! The words in which a component's life is told: states, events, and what is to be done. What follows from what is in
//! [`super::unit`].

use crate::process::ProcessEnd;
use rustix::process::Pid;
use std::time::{Duration, Instant};

/// What a component is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Down(Down),
    /// Its start script was run and no JVM was seen yet.
    Starting {
        /// When the start began.
        since: Instant,
        /// Whether the script was really run: a JVM that was there before it is not our doing.
        scripted: bool,
        /// When the script ended, if it has.
        script_ended: Option<Instant>,
    },
    /// Its JVM is there.
    Running {
        /// The JVM.
        pid: Pid,
        /// Since when we know it.
        since: Instant,
        /// Since when it answers.
        up: Option<Instant>,
        /// Whether our start script brought it.
        ours: bool,
    },
    /// It ended and is started again at `until`.
    Backoff {
        /// When.
        until: Instant,
    },
    /// It was asked to end.
    Stopping {
        /// Its JVM; `None` if only the start script runs.
        pid: Option<Pid>,
        /// How far that has come.
        stage: Stage,
    },
    /// It failed for good.
    Failed,
}

/// Whether a component is meant to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Nobody here said so: if it runs, somebody started it by hand.
    None,
    /// Boot or `start` wants it to run: only then it is ours to restart.
    Run,
    /// An operator has stopped it: boot does not start it, and that it is down is as it should be.
    SetAside,
}

/// Why a component is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// Nobody has started it yet.
    NotStarted,
    /// We stopped it: an operator's verb, a drain, the container's end.
    Asked,
    /// It ended with 0 or 143 though we did not ask: somebody stopped it by hand.
    ByHand,
    /// It ended, and nothing of ours restarts it.
    Ended,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The stop script runs; TERM follows at `until`.
    Script {
        /// When patience ends.
        until: Instant,
    },
    /// The stop script is done, the JVM may still be ending.
    AfterScript {
        /// When patience ends.
        until: Instant,
    },
    /// TERM was sent; KILL follows at `until`.
    Term {
        /// When patience ends.
        until: Instant,
    },
    /// KILL was sent.
    Kill {
        /// When we stop waiting.
        until: Instant,
    },
}

impl Stage {
    /// When patience ends.
    #[must_use]
    pub fn until(self) -> Instant {
        match self {
            Self::Script { until }
            | Self::AfterScript { until }
            | Self::Term { until }
            | Self::Kill { until } => until,
        }
    }
}

/// How a stop is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopMode {
    /// By its stop script, TERM after this time.
    Script(Duration),
    /// TERM at once.
    Term,
    /// KILL at once.
    Kill,
}

/// What happens to a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Boot or the end of a back-off wants it to run.
    Start,
    /// An operator wants it to run.
    StartByHand,
    /// An operator wants it to be down; its stop follows.
    SetAside,
    /// A drain has cut off an operator's restart: it is meant to run after all.
    StillWanted,
    /// Its JVM was told to end when its jobs are done.
    ToldToEnd,
    /// Its start script runs.
    ScriptStarted,
    /// Its start script ended (or could not be started).
    ScriptEnded(ProcessEnd),
    /// Its JVM was seen.
    Found(Pid),
    /// It answers.
    Up,
    /// Its JVM ended.
    Ended(ProcessEnd),
    /// It is to end.
    Stop(StopMode),
    /// Its stop script ended.
    StopScriptEnded(ProcessEnd),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look at the processes; run the start script unless the JVM is there already.
    RunStartScript,
    /// End the start script and what it started.
    EndStartScript,
    /// Run the stop script.
    RunStopScript,
    /// Send TERM to the JVM.
    Term(Pid),
    /// Send KILL to the JVM.
    Kill(Pid),
    /// Look whether another JVM bears the component's mark.
    Look,
    /// Tell that its start script brought no JVM in time.
    TellNoJvm,
    /// Tell that it will be started again.
    WillRestart {
        /// After this time.
        delay: Duration,
    },
    /// It failed for good: the others are drained and the container ends.
    FailedForGood,
    /// `JJOBS_INIT_RESTART=exit`: the container ends with this code.
    EndContainer(ProcessEnd),
    /// It did not even vanish after KILL.
    GiveUp(Pid),
}

//! What is said over the control socket.

use super::report::Status;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of everything in here. A change that an older client or PID 1 would misread raises it.
pub const VERSION: u32 = 1;

/// A client's one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// [`VERSION`].
    pub version: u32,
    /// What is wanted.
    #[serde(flatten)]
    pub request: Request,
}

/// What a client may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Does everything run that should?
    Liveness,
    /// The same for the agent alone.
    Healthcheck,
    /// Does everything answer as ready?
    Readiness {
        /// The client waits no longer than this.
        within_ms: u64,
    },
    /// All that is known.
    Status,
    /// The kubelet's preStop: drain and stop, and answer when that is done.
    PreStop,
    /// The kubelet's postStart: answer when everything is released.
    PostStart,
    /// Start a component.
    Start {
        /// Which.
        target: Target,
    },
    /// Stop a component; what runs on it may finish.
    Stop {
        /// Which.
        target: Target,
        /// Do not wait for a server's requests.
        #[serde(default)]
        now: bool,
    },
    /// Stop and start a component.
    Restart {
        /// Which.
        target: Target,
        /// Do not wait for a server's requests.
        #[serde(default)]
        now: bool,
    },
    /// Drain and stop everything; the container stays.
    Drain,
    /// How far the drain has come.
    DrainStatus,
    /// Take the drain back.
    DrainAbort,
    /// Let nothing finish any more: stop now.
    DrainForce,
}

/// What an operator's verb is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Everything that is installed.
    All,
    /// The manager.
    Manager,
    /// The server.
    Server,
    /// The agent.
    Agent,
}

impl Target {
    /// All of them, as an operator types them.
    pub const ALL: [Self; 4] = [Self::All, Self::Manager, Self::Server, Self::Agent];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Manager => "manager",
            Self::Server => "server",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One line of PID 1's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// [`VERSION`].
    pub version: u32,
    /// What it says.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What PID 1 says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It is under way; more follows.
    Progress {
        /// For people.
        text: String,
    },
    /// All that is known; [`Done`](Self::Done) follows.
    Status {
        /// It.
        status: Box<Status>,
    },
    /// The last line.
    Done(Done),
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What the client exits with: 0 yes or done, 1 no, 64 not understood.
    pub exit_code: u8,
    /// For people, one line; may be empty.
    pub text: String,
}

//! All that PID 1 knows, as `status --format json` prints it. Part of our interface: fields are added, never changed.

use serde::{Deserialize, Serialize};

/// All that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `booting`, `starting`, `running`, `draining`, `stopping`, `stopped` or `ended`.
    pub phase: String,
    /// The pod's name.
    pub hostname: String,
    /// Milliseconds since PID 1 began.
    pub uptime_ms: u64,
    /// The components of this kind, in start order.
    pub components: Vec<ComponentStatus>,
    /// The processes in which jobs run.
    pub runtimes: Vec<i32>,
    /// The drain that is under way or has ended, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainStatus>,
    /// Holds of ours that were not released.
    #[serde(default)]
    pub holds: Vec<HoldStatus>,
    /// How the container's last life ended, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_life: Option<String>,
}

/// A component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentStatus {
    /// `manager`, `server` or `agent`.
    pub name: String,
    /// What it is doing, as the log says it.
    pub state: String,
    /// Milliseconds since it does that.
    pub since_ms: u64,
    /// Its JVM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Whether boot or `start` wants it to run.
    pub wanted: bool,
    /// How often it was started again after an unasked end.
    pub restarts: u32,
    /// How it ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<String>,
}

/// A drain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainStatus {
    /// Who asked for it: `pre-stop`, `SIGTERM`, `drain` …
    pub asked_by: String,
    /// Milliseconds since it began.
    pub since_ms: u64,
    /// What is waited for, for people.
    pub waiting_for: String,
    /// Runtimes that still run.
    pub runtimes: usize,
    /// Requests that the server is working on; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<usize>,
    /// Milliseconds until the grace period is over; absent where there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
    /// Whether it is over.
    pub over: bool,
}

/// A hold of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldStatus {
    /// `server` or `agent`.
    pub component: String,
    /// Which life of which container set it.
    pub owner: String,
    /// Seconds since 1970 (UTC) when it was set.
    pub since: u64,
}

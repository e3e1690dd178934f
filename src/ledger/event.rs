//! What is noted, and the line that it becomes. Part of our interface: fields are added, never changed.

use serde::{Deserialize, Serialize};

/// The version of every line. A reader takes from a newer line what it understands.
pub(super) const VERSION: u32 = 1;

/// The longest text that is kept of anything, in bytes.
const LONGEST_TEXT: usize = 1000;

/// The longest name that is kept, in bytes.
const LONGEST_NAME: usize = 128;

/// So many of those that were left are named.
const MOST_NAMES: usize = 20;

/// Something that the next life, or an operator, may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A life begins. Noted before anything else.
    Boot {
        /// Ours.
        version: String,
        /// `INSTALL_KIND`.
        kind: String,
        /// `ON_BOOT`.
        on_boot: String,
    },
    /// A server or an agent takes no new jobs from now on, because we asked for it.
    Held {
        /// `server` or `agent`.
        component: String,
        /// The server's number or the agent's name.
        name: String,
    },
    /// It takes jobs again.
    Released {
        /// `server` or `agent`.
        component: String,
        /// The server's number or the agent's name.
        name: String,
    },
    /// A drain begins.
    DrainBegan {
        /// `pre-stop`, `SIGTERM`, `drain` …
        asked_by: String,
        /// Processes in which jobs run.
        runtimes: usize,
    },
    /// A drain is over.
    DrainEnded {
        /// How.
        outcome: DrainOutcome,
        /// So many jobs ended while it was waited for them.
        #[serde(default)]
        jobs_finished: usize,
        /// So many did not.
        #[serde(default)]
        jobs_left: usize,
        /// How long it took, in milliseconds.
        #[serde(default)]
        elapsed_ms: u64,
    },
    /// What was seen to run, noted when the boot is over and whenever it changes.
    Jobs {
        /// Processes in which jobs run.
        runtimes: usize,
        /// Requests that the server is working on; absent where that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requests: Option<usize>,
    },
    /// A component was started again after an end that nobody asked for.
    Restarted {
        /// `manager`, `server` or `agent`.
        component: String,
    },
    /// A component ended and nobody had asked for it.
    ComponentEnded {
        /// `manager`, `server` or `agent`.
        component: String,
        /// How, for people.
        end: String,
        /// Whether the kernel killed it for want of memory.
        #[serde(default)]
        oom: bool,
    },
    /// The life ends. Noted last.
    End {
        /// What PID 1 exits with.
        exit_code: u8,
        /// Why, for people.
        #[serde(default)]
        reason: String,
        /// So many jobs still ran.
        #[serde(default)]
        jobs_left: usize,
        /// What still ran, by name.
        #[serde(default)]
        left: Vec<String>,
    },
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainOutcome {
    /// Nothing was left to wait for.
    Finished,
    /// Somebody took it back.
    Aborted,
    /// Somebody did not want to wait.
    Forced,
    /// The grace period was over.
    TimeOver,
}

impl DrainOutcome {
    /// As the ledger and the log write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Aborted => "aborted",
            Self::Forced => "forced",
            Self::TimeOver => "time_over",
        }
    }
}

impl Event {
    /// Rewrites every text by `hide`, then cuts it, so that a line has a length that a reader accepts.
    pub(super) fn tidy(&mut self, hide: impl Fn(&str) -> String) {
        let rewrite = |text: &mut String, longest: usize| *text = plain(&hide(text), longest);
        let name = |text: &mut String| rewrite(text, LONGEST_NAME);
        match self {
            Self::Boot { version, kind, on_boot } => {
                [version, kind, on_boot].into_iter().for_each(name);
            }
            Self::Held { component, name: of } | Self::Released { component, name: of } => {
                [component, of].into_iter().for_each(name);
            }
            Self::DrainBegan { asked_by: text, .. } | Self::Restarted { component: text } => {
                name(text);
            }
            Self::ComponentEnded { component, end, .. } => {
                name(component);
                rewrite(end, LONGEST_TEXT);
            }
            Self::End { reason, left, .. } => {
                rewrite(reason, LONGEST_TEXT);
                left.truncate(MOST_NAMES);
                left.iter_mut().for_each(name);
            }
            Self::DrainEnded { .. } | Self::Jobs { .. } => {}
        }
    }
}

/// One line's worth of `text`: no control characters, at most `longest` bytes. What others wrote is shown so too: it may
/// be anything.
pub(super) fn plain(text: &str, longest: usize) -> String {
    let text = &text[..text.floor_char_boundary(longest)];
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// A line as it is written.
#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    at: u64,
    life: &'a str,
    n: u64,
    #[serde(flatten)]
    event: &'a Event,
}

/// A line as it is read; what is not known yet in this version is left out.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    /// Seconds since 1970 (UTC), by the clock of the life that wrote it.
    #[serde(default)]
    pub(super) at: u64,
    /// Whose it is.
    pub(super) life: String,
    /// Which of that life's lines it is. A line that comes a second time, or late, is known by it.
    #[serde(default)]
    pub(super) n: Option<u64>,
    /// `None` if this version does not know it.
    #[serde(flatten)]
    pub(super) event: Option<Event>,
}

/// The line of an event, with its end.
pub(super) fn render(life: &str, at: u64, n: u64, event: &Event) -> Vec<u8> {
    let written = Written { v: VERSION, at, life, n, event };
    // Texts and numbers: there is nothing in it that JSON refuses.
    let mut text = serde_json::to_vec(&written).unwrap_or_default();
    text.push(b'\n');
    text
}

//! Following the agents' and runtimes' log files, so that `kubectl logs` shows them (contract.md §6).
//!
//! One worker thread does all that touches the shared volume, because that volume may hang; PID 1's loop never does. The worker
//! sleeps in poll(2) on inotify and on its handle: while nothing is logged nothing wakes up. A second thread sleeps until the
//! worker is inside a call of the file system, and says once if that call does not come back.
//!
//! # Theory of operation
//!
//! An event is a hint, the file system is the truth. Whatever inotify says about a name only makes that name be looked at
//! ([`files::Files::settle`]); whatever it says about folders makes everything be looked at ([`survey`]). A lost event, an
//! overflow or a system without inotify are therefore the same case: look at everything, once or every second.
//!
//! A file is known by device and inode, so renaming never shows a line twice. The place in it is a byte count and the bytes
//! just before it: if those are no longer there, the file was begun anew.

mod disk;
mod file;
mod files;
mod pulse;
mod survey;
mod watch;
mod worker;

use self::{pulse::Pulse, worker::Worker};
use crate::log::Output;
use rustix::{
    event::{EventfdFlags, eventfd},
    fd::OwnedFd,
};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A call of the file system that takes longer is worth a word.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// What to follow, and how.
pub struct Settings {
    /// `LOGS_BASE`: what happens above it is of interest only while it does not exist.
    pub base: PathBuf,
    /// The folders that hold day folders, below `base`. None needs to exist yet.
    pub roots: Vec<Root>,
    /// Where the lines go.
    pub output: Output,
    /// Look every second, as where inotify is refused.
    pub polling: bool,
    /// How long one call of the file system may take before [`Notice::Stuck`].
    pub stuck_after: Duration,
    /// Is told what PID 1 may want to say or know; called on the follower's threads, so it must not block.
    pub notify: Arc<dyn Fn(Notice) + Send + Sync>,
}

/// A folder `…/<yyyymmdd>/sys_*.log` is below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The folder.
    pub path: PathBuf,
    /// What its lines begin with where prefixes are asked for.
    pub label: String,
}

impl Settings {
    /// The logs of the agent called `hostname` and of its runtimes, where contract.md §6 has them.
    #[must_use]
    pub fn of_agent(logs_base: &Path, hostname: &str, output: Output) -> Self {
        let logs = logs_base.join("agent").join(hostname).join("logs");
        let root = |name: &str| Root { path: logs.join(name), label: name.to_owned() };
        Self {
            base: logs_base.to_owned(),
            roots: vec![root("agent"), root("runtime")],
            output,
            polling: false,
            stuck_after: STUCK_AFTER,
            notify: Arc::new(|notice| notice.log()),
        }
    }
}

/// What the follower tells PID 1; each thing once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// inotify is refused: folders are looked at every second.
    Polling {
        /// Why.
        error: String,
    },
    /// The volume does not answer; lines are late until [`Notice::Recovered`].
    Stuck {
        /// What was being looked at.
        path: PathBuf,
        /// For how long so far.
        elapsed: Duration,
    },
    /// The volume answers again.
    Recovered {
        /// How long it did not.
        elapsed: Duration,
    },
    /// A folder or file cannot be read; it is tried again.
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// A log file that was not there before: a job may have begun. May be told for one that is not new.
    Appeared,
    /// The follower has ended: all that it could read is queued.
    Finished,
}

impl Notice {
    /// Writes it to the log.
    pub fn log(&self) {
        match self {
            Self::Polling { error } => {
                tracing::warn!(
                    error,
                    hint = "raise fs.inotify.max_user_instances and max_user_watches on the node",
                    "cannot watch log folders, will look every second"
                );
            }
            Self::Stuck { path, elapsed } => {
                let elapsed_ms = elapsed.as_millis();
                tracing::warn!(path = %path.display(), elapsed_ms, hint = "check the volume at LOGS_BASE", "log volume does not answer");
            }
            Self::Recovered { elapsed } => {
                tracing::info!(elapsed_ms = elapsed.as_millis(), "log volume answers again");
            }
            Self::Unreadable { path, error } => {
                tracing::warn!(path = %path.display(), error, "cannot read log, will try again");
            }
            Self::Appeared => tracing::trace!("a log file has appeared"),
            Self::Finished => tracing::debug!("log following finished"),
        }
    }
}

/// Follows the files; see [`spawn`](Self::spawn).
#[derive(Debug)]
pub struct Follower;

impl Follower {
    /// Starts following: the last 100 lines of each `sys_*.log` in each root's newest day folder, and from then on everything.
    ///
    /// # Errors
    /// The system refused a thread or an eventfd.
    pub fn spawn(settings: Settings) -> io::Result<FollowerHandle> {
        let control = Arc::new(Control::new()?);
        let pulse = Arc::new(Pulse::default());
        let watchdog = {
            let (pulse, limit, notify) =
                (Arc::clone(&pulse), settings.stuck_after, Arc::clone(&settings.notify));
            move || pulse.watch(limit, &*notify)
        };
        let worker = {
            let (control, pulse) = (Arc::clone(&control), Arc::clone(&pulse));
            move || {
                let _end = End {
                    control: Arc::clone(&control),
                    pulse: Arc::clone(&pulse),
                    notify: Arc::clone(&settings.notify),
                };
                Worker::new(settings, control, pulse).run();
            }
        };
        thread::Builder::new().name("follow-watchdog".to_owned()).spawn(watchdog)?;
        if let Err(error) = thread::Builder::new().name("follow".to_owned()).spawn(worker) {
            pulse.close();
            return Err(error);
        }
        Ok(FollowerHandle { control })
    }
}

/// Ends the follower; dropping it does so without waiting.
#[derive(Debug)]
pub struct FollowerHandle {
    control: Arc<Control>,
}

impl FollowerHandle {
    /// Asks for a last look at all files and the end, and returns at once; [`Notice::Finished`] follows, but for a volume that
    /// hangs.
    pub fn begin_finish(&self, limit: Duration) {
        self.control.finish_by(Instant::now() + limit);
    }

    /// The same, and waits at most `limit`. True if all that stood in the files is queued: flush the [`Output`] next.
    #[must_use]
    pub fn finish(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        self.control.finish_by(deadline);
        self.control.wait_done(deadline)
    }
}

impl Drop for FollowerHandle {
    fn drop(&mut self) {
        self.control.finish_by(Instant::now());
    }
}

/// What the handle tells the worker, and the other way round.
struct Control {
    state: Mutex<ControlState>,
    done: Condvar,
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct ControlState {
    finish_by: Option<Instant>,
    is_done: bool,
}

impl Control {
    fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { state: Mutex::default(), done: Condvar::new(), wake })
    }

    /// The first deadline counts, unless a later call is in more of a hurry.
    fn finish_by(&self, deadline: Instant) {
        let mut state = self.lock();
        state.finish_by = Some(state.finish_by.map_or(deadline, |known| known.min(deadline)));
        drop(state);
        // It fails only when 2⁶⁴ calls are unread: the worker is awake then.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// When the worker must have ended, once that is wanted.
    fn deadline(&self) -> Option<Instant> {
        self.lock().finish_by
    }

    /// Whether waiting for something is still worth it.
    fn is_patient(&self) -> bool {
        self.deadline().is_none_or(|deadline| Instant::now() < deadline)
    }

    fn set_done(&self) {
        self.lock().is_done = true;
        self.done.notify_all();
    }

    fn wait_done(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let state = self.lock();
        let (state, _) = self
            .done
            .wait_timeout_while(state, left, |state| !state.is_done)
            .unwrap_or_else(PoisonError::into_inner);
        state.is_done
    }

    fn lock(&self) -> MutexGuard<'_, ControlState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

/// Says that the worker has ended, however it did.
struct End {
    control: Arc<Control>,
    pulse: Arc<Pulse>,
    notify: Arc<dyn Fn(Notice) + Send + Sync>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.pulse.close();
        self.control.set_done();
        (self.notify)(Notice::Finished);
    }
}

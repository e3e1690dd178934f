//! Starting, signalling, adopting and reaping processes: the only place that waits for children.
//!
//! PID 1 inherits every orphan of the container, so it must wait for *any* child; a second waiter anywhere would race
//! this one for exit statuses. Everything here runs on one thread: a child is registered before anything else can reap
//! it, so no lock is needed. Whoever wants to know how a process ended holds its [`Ending`].

pub mod cgroup;
mod drain;
pub mod exec;
pub mod procfs;
pub mod run;
pub mod signals;
mod spawn;
mod terminal;
mod watch;

pub use self::drain::{Drain, Sink, drain, drain_receiver};
pub use self::spawn::{Child, Input, OutputTo, Spawn, SpawnError, Surroundings};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, WaitStatus},
};
use std::{cell::RefCell, collections::HashMap, fmt, path::PathBuf, rc::Rc};
use tokio::sync::oneshot;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEnd {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal (a raw number: real-time signals have no name of their own).
    Killed(i32),
    /// It was not our child, so its status went to another parent.
    Unknown,
}

impl ProcessEnd {
    /// The code that a shell would report: the exit code, or 128 plus the signal number; `None` if unknown.
    #[must_use]
    pub fn shell_code(self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(code),
            Self::Killed(signal) => Some(128 + signal),
            Self::Unknown => None,
        }
    }

    /// Whether it ended by itself with code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }

    fn from_status(status: WaitStatus) -> Option<Self> {
        // Not nix's `waitpid`: it fails on a death by a real-time signal, when the status is already gone.
        if let Some(code) = status.exit_status() {
            return Some(Self::Exited(code));
        }
        status.terminating_signal().map(Self::Killed)
    }
}

impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Killed(signal) => write!(f, "killed by {}", signals::name(*signal)),
            Self::Unknown => f.write_str("unknown, not our child"),
        }
    }
}

/// Tells once how a process ended.
#[derive(Debug)]
pub struct Ending(oneshot::Receiver<ProcessEnd>);

impl Ending {
    /// Waits until the process has ended. May be dropped and called again.
    pub async fn wait(&mut self) -> ProcessEnd {
        // An error means that the registry was dropped, which happens only when everything ends.
        (&mut self.0).await.unwrap_or(ProcessEnd::Unknown)
    }
}

/// The registry of processes that somebody waits for. Cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct Children(Rc<Registry>);

#[derive(Debug)]
struct Registry {
    /// Several may wait for one pid: a start script that `exec`s its JVM is both script and component.
    waiting: RefCell<HashMap<Pid, Vec<oneshot::Sender<ProcessEnd>>>>,
    /// The binary that children are started through, see [`exec`].
    trampoline: PathBuf,
}

impl Children {
    /// `trampoline`: our own binary, normally `/proc/self/exe`.
    #[must_use]
    pub fn new(trampoline: PathBuf) -> Self {
        Self(Rc::new(Registry { waiting: RefCell::default(), trampoline }))
    }

    /// Collects everything that has ended; tells those who wait. Returns how many processes it collected.
    ///
    /// SIGCHLD does not queue: one delivery may stand for many ends, so this goes on until nothing is left.
    #[must_use]
    pub fn reap(&self) -> usize {
        let mut collected = 0;
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let Some(end) = ProcessEnd::from_status(status) else { continue };
                    collected += 1;
                    self.tell(pid, end);
                }
                Ok(None) | Err(Errno::CHILD) => return collected,
                Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot wait for children");
                    return collected;
                }
            }
        }
    }

    /// Sends `signal` to a process that somebody waits for; anything else may be another process by now.
    pub fn signal(&self, pid: Pid, signal: Signal) {
        if !self.0.waiting.borrow().contains_key(&pid) {
            return;
        }
        match rustix::process::kill_process(pid, signal) {
            // ESRCH: it ended between our decision and the call. The reaper will tell.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => tracing::warn!(pid = pid.as_raw_pid(), ?signal, %error, "cannot signal"),
        }
    }

    /// As [`signal`](Self::signal), to every process of the group that `leader` leads.
    pub fn signal_group(&self, leader: Pid, signal: Signal) {
        match rustix::process::kill_process_group(leader, signal) {
            Ok(()) => {}
            // A child makes its group itself: one that was spawned a moment ago has none yet, and a signal that is lost
            // there lets a start go on that nobody waits for.
            Err(Errno::SRCH) => self.signal(leader, signal),
            Err(error) => {
                tracing::warn!(pid = leader.as_raw_pid(), ?signal, %error, "cannot signal the group");
            }
        }
    }

    fn register(&self, pid: Pid) -> Ending {
        let (tell, ending) = oneshot::channel();
        self.0.waiting.borrow_mut().entry(pid).or_default().push(tell);
        Ending(ending)
    }

    fn tell(&self, pid: Pid, end: ProcessEnd) {
        let waiting = self.0.waiting.borrow_mut().remove(&pid);
        let Some(waiting) = waiting else {
            tracing::debug!(pid = pid.as_raw_pid(), %end, "orphan reaped");
            return;
        };
        for tell in waiting {
            // Nobody waits any more: that is fine.
            let _ = tell.send(end);
        }
    }
}

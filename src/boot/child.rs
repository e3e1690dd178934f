//! Running a step's child to its end: within its limit, stoppable, its output emptied all the while.
//!
//! The child leads its process group, so what it started goes with it when it is stopped. When it ends by itself, what it
//! left in the background lives on and may hold its output open: nobody waits for that.

use super::step::{StepOutput, StopSignal};
use crate::process::{Child, Children, Drain, Ending, ProcessEnd, Sink, Spawn, SpawnError, drain};
use rustix::process::{Pid, Signal, test_kill_process_group};
use std::{cell::RefCell, future::pending, io, rc::Rc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// From TERM to KILL (design.md §6: a stop ends a boot within 10 s).
const GRACE: Duration = Duration::from_secs(5);
/// After KILL: a process in an uninterruptible wait must not hold the boot.
const AFTER_KILL: Duration = Duration::from_secs(1);
/// How long the last output of an ended child is waited for. All of it is in the pipe already; only a background process
/// that keeps the pipe open uses this time up.
const LAST_OUTPUT: Duration = Duration::from_millis(250);
/// How often a group whose leader has ended is looked at: only while a step is being stopped.
const GROUP_POLL: Duration = Duration::from_millis(50);

/// When a child has run for too long.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// Never.
    None,
    /// So long after it last wrote something.
    Silence(Duration),
    /// So long after its start.
    Total(Duration),
}

/// How a child's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// By itself.
    Ended(ProcessEnd),
    /// It was stopped because its limit was over.
    Overdue,
    /// It was stopped because the boot is to end.
    Stopped,
}

/// A child could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The operating system refused the process.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The runtime refused its output.
    #[error("cannot read its output")]
    Output(#[source] io::Error),
}

/// Runs `spawn` to its end, its output going to `output`.
///
/// # Errors
/// When the operating system refuses the process or its pipe.
pub(super) async fn run<S: Sink + 'static>(
    (children, spawn): (&Children, &Spawn),
    output: &Rc<RefCell<S>>,
    limit: Limit,
    stop: &mut StopSignal,
) -> Result<Outcome, RunError> {
    if stop.is_requested() {
        return Ok(Outcome::Stopped);
    }
    let started = Instant::now();
    let Child { pid, mut ending, output: pipe } = children.spawn(spawn)?;
    let mut emptied = match pipe.map(|pipe| drain(pipe, Rc::clone(output))).transpose() {
        Ok(emptied) => emptied,
        Err(error) => {
            stop_group(children, pid, ending).await;
            return Err(RunError::Output(error));
        }
    };
    let outcome = tokio::select! {
        biased;
        end = ending.wait() => Outcome::Ended(end),
        () = stop.requested() => Outcome::Stopped,
        () = overdue(limit, started, emptied.as_ref()) => Outcome::Overdue,
    };
    if !matches!(outcome, Outcome::Ended(_)) {
        stop_group(children, pid, ending).await;
    }
    if let Some(emptied) = &mut emptied {
        emptied.finish(LAST_OUTPUT).await;
    }
    Ok(outcome)
}

async fn overdue(limit: Limit, started: Instant, emptied: Option<&Drain>) {
    match limit {
        Limit::None => pending().await,
        Limit::Total(time) => sleep_until(started + time).await,
        Limit::Silence(time) => loop {
            let last = emptied.map_or(started, |drain| Instant::from_std(drain.last_output()));
            if last + time <= Instant::now() {
                return;
            }
            sleep_until(last + time).await;
        },
    }
}

/// TERM, then KILL, to all that the child started and that did not leave its group.
async fn stop_group(children: &Children, leader: Pid, mut ending: Ending) {
    let mut ended = false;
    children.signal_group(leader, Signal::TERM);
    // A process that is halted (SIGSTOP, SIGTTIN) gets its TERM only when it goes on.
    children.signal_group(leader, Signal::CONT);
    let gone = async {
        ending.wait().await;
        ended = true;
        // Again: a shell's child that is between its fork and its exec forgets a signal that the shell catches.
        children.signal_group(leader, Signal::TERM);
        while test_kill_process_group(leader).is_ok() {
            sleep(GROUP_POLL).await;
        }
    };
    if timeout(GRACE, gone).await.is_ok() {
        return;
    }
    tracing::warn!(pid = leader.as_raw_pid(), "still running after SIGTERM, killed");
    children.signal_group(leader, Signal::KILL);
    if !ended {
        let _ = timeout(AFTER_KILL, ending.wait()).await;
    }
}

/// Keeps what a program answers, up to a limit; the rest is dropped.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// What was written.
    pub(super) bytes: Vec<u8>,
    limit: usize,
}

impl Answer {
    /// Keeps at most `limit` bytes.
    pub(super) fn up_to(limit: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self { bytes: Vec::new(), limit }))
    }
}

impl Sink for Answer {
    fn write(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn has_partial(&self) -> bool {
        false
    }

    fn flush_partial(&mut self) {}
}

/// The last lines that `output` remembers.
pub(super) fn last_lines<S: StepOutput>(output: &Rc<RefCell<S>>) -> Vec<String> {
    output.borrow().tail()
}

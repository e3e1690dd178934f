//! The ledger: what this container's lives leave for the next one, and for an operator.
//!
//! PID 1 notes what it does ([`Event`]): its begin, each hold and release, drains, the jobs that it sees, its end. The next
//! life reads how the last one ended and which holds are still open. It is one file of JSON lines in the state folder, which
//! mostly lies on a volume that others share, that may be full, read-only, gone, or hang. That costs the ledger and nothing
//! else: one thread of its own does all that touches the volume, and none of the caller's methods waits for it, but for
//! [`finish`](Ledger::finish), which has a limit. While nothing is noted nothing wakes up.
//!
//! Entries that cannot be written are kept, up to 512 of them, and tried again: for some minutes by themselves, later when
//! something new is noted. That it cannot be written is said once, and so is that it can be again, and what was lost.
//!
//! No secret may get here; [`masked`](Ledger::masked) makes sure of those that are known.

mod event;
mod file;
mod past;
mod queue;
mod story;
mod worker;

pub use self::{
    event::{DrainOutcome, Event},
    past::{During, Known, LastEnd, LastLife, Past},
    story::Hold,
};

use self::{queue::Queue, worker::Worker};
use crate::log::Mask;
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// No other life of any container has it: `<hostname>/<seconds since 1970>-<random>`.
    pub id: String,
    /// The pod's name.
    pub hostname: String,
}

impl Life {
    /// A new life.
    #[must_use]
    pub fn new(hostname: &str) -> Self {
        // Two that start in the same second of a clock that jumped still differ.
        let random = RandomState::new().hash_one(std::process::id());
        let id = format!("{hostname}/{}-{random:016x}", now());
        Self { id, hostname: hostname.to_owned() }
    }
}

/// Notes what happens; see the [module](self). A clone notes in the same ledger; when the last one is dropped, what was
/// noted is still written, if the process lives long enough.
#[derive(Clone, Debug)]
pub struct Ledger {
    handle: Option<Arc<Handle>>,
    mask: Option<Mask>,
}

impl Ledger {
    /// Starts the ledger in `folder`, which is made if it is not there (mode 0700), and begins to read what earlier lives
    /// left. Never waits for the volume.
    ///
    /// # Errors
    /// The system refused a thread.
    pub fn spawn(folder: PathBuf, life: Life) -> io::Result<(Self, Past)> {
        let queue = Arc::new(Queue::default());
        let (read, past) = Past::awaited();
        let handle = Handle { queue: Arc::clone(&queue) };
        thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            let _end = End(&queue);
            let mut worker = Worker::new(&queue, &folder, &life.id);
            // Whoever wanted to know may have gone.
            let _ = read.send(Some(worker.read_past()));
            worker.write_all();
        })?;
        Ok((Self { handle: Some(Arc::new(handle)), mask: None }, past))
    }

    /// One that writes nothing.
    #[must_use]
    pub fn disabled() -> Self {
        Self { handle: None, mask: None }
    }

    /// The same ledger; what is noted by way of this handle and its clones does not contain what `mask` hides.
    #[must_use]
    pub fn masked(self, mask: Mask) -> Self {
        Self { mask: Some(mask), ..self }
    }

    /// Queues `event`. Never waits; where there is no room the least important entry is dropped and counted.
    pub fn note(&self, mut event: Event) {
        let Some(handle) = &self.handle else { return };
        event.tidy(|text| match &self.mask {
            Some(mask) => mask.hide(text).into_owned(),
            None => text.to_owned(),
        });
        handle.queue.push(now(), event);
        handle.tell_stuck();
    }

    /// Lets the thread write what is queued, for at most `within`; a thread that hangs is left behind. Nothing that is noted
    /// later is written.
    pub fn finish(&self, within: Duration) {
        let Some(handle) = &self.handle else { return };
        handle.queue.close();
        let leaving = handle.queue.wait_over(within);
        handle.tell_stuck();
        if leaving.lost > 0 {
            tracing::warn!(lost = leaving.lost, "ledger is not complete");
        } else if !leaving.is_over {
            tracing::debug!("ledger did not end in time");
        }
    }

    /// Whether the thread has been in one call of the file system for more than 5 s. The first to find that says so in the
    /// log: this, [`note`](Self::note) or [`finish`](Self::finish).
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.handle.as_ref().is_some_and(|handle| handle.tell_stuck())
    }
}

/// The callers' end of the queue.
struct Handle {
    queue: Arc<Queue>,
}

impl Handle {
    fn tell_stuck(&self) -> bool {
        let Some((elapsed, is_news)) = self.queue.stuck_for() else { return false };
        if is_news {
            let elapsed_ms = elapsed.as_millis();
            tracing::warn!(
                elapsed_ms,
                hint = "check the volume of JJOBS_INIT_STATE_DIR",
                "ledger's volume does not answer"
            );
        }
        true
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.queue.fmt(f)
    }
}

/// Says that the thread has ended, however it did.
struct End<'a>(&'a Queue);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;

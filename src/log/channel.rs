//! The bounded queue before one descriptor, and the thread that empties it.
//!
//! # Theory of operation
//!
//! Callers append to `pending` under a lock that is only ever held for a copy in memory. The thread swaps `pending` for an
//! empty buffer, writes it piece by piece with blocking writes, and counts down `in_flight`; the two together never exceed
//! [`LIMIT`]. A full queue drops whole lines and goes on dropping until it is half empty, so that a reader that is merely slow
//! is told of few large gaps, not of many small ones. Sources that can wait (files are durable) may fill only [`WAITING_LIMIT`]
//! of it, so that they never make others lose lines.
//!
//! `open` remembers whose line the queue ends within. Another source's line is then put on a line of its own, while the same
//! source goes on without a break: bytes pass through untouched wherever that is possible.

use super::{
    render,
    sink::{Refusal, Sink},
};
use crate::contract::LogFormat;
use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Bytes kept while nobody reads.
const LIMIT: usize = 4 << 20;

/// How much of it sources that can wait may use.
const WAITING_LIMIT: usize = LIMIT / 2;

/// The largest single write: small enough that room is noticed early.
const WRITE_SIZE: usize = 64 << 10;

/// How often somebody who waits for room is asked whether to go on waiting.
const PATIENCE_CHECK: Duration = Duration::from_millis(250);

/// An idle queue keeps no more memory than this.
const IDLE_CAPACITY: usize = 16 << 10;

/// Who wrote a piece: a stream's number, or [`OURSELVES`].
pub(super) type Source = u64;

/// Our own events and notices, always whole lines.
pub(super) const OURSELVES: Source = 0;

/// What one source adds: any number of whole lines, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) source: Source,
    /// Put before each line.
    pub(super) prefix: &'a [u8],
    pub(super) bytes: &'a [u8],
}

/// The queue of one descriptor. Dropping it lets the thread write what is left and end.
#[derive(Debug)]
pub(super) struct Channel {
    name: &'static str,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sink: Sink,
    state: Mutex<State>,
    /// There is something to write.
    work: Condvar,
    /// Something was written.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    in_flight: usize,
    open: Option<Source>,
    /// Lines dropped since that was last said.
    unsaid: u64,
    /// Lines that never reached the descriptor.
    lost: u64,
    format: LogFormat,
    has_thread: bool,
    is_dead: bool,
    is_closed: bool,
}

impl Channel {
    pub(super) fn new(name: &'static str, sink: Sink) -> Self {
        let shared = Shared {
            sink,
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        };
        Self { name, shared: Arc::new(shared) }
    }

    /// Queues `piece`, or drops what does not fit. Never waits for the descriptor.
    pub(super) fn push(&self, piece: Piece<'_>) {
        let mut state = self.shared.lock();
        state.offer(piece);
        self.wake(&mut state);
    }

    /// Waits for room as long as `is_patient` says so, then queues `piece`; false if there was none.
    pub(super) fn push_waiting(&self, piece: Piece<'_>, is_patient: &dyn Fn() -> bool) -> bool {
        let mut state = self.shared.lock();
        while !state.is_dead && state.held() > 0 && state.held() + piece.bytes.len() > WAITING_LIMIT
        {
            if !is_patient() {
                return false;
            }
            state = wait(&self.shared.progress, state, PATIENCE_CHECK);
        }
        state.offer(piece);
        self.wake(&mut state);
        true
    }

    /// Waits until everything was written (or never can be) or `deadline` has passed; false if something is left.
    pub(super) fn flush(&self, deadline: Instant) -> bool {
        let mut state = self.shared.lock();
        while !state.is_dead && !state.is_idle() {
            self.wake(&mut state);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = wait(&self.shared.progress, state, left);
        }
        true
    }

    pub(super) fn set_format(&self, format: LogFormat) {
        self.shared.lock().format = format;
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.shared.sink.is_terminal()
    }

    /// Lines that were dropped or given up on, ever.
    pub(super) fn lost_lines(&self) -> u64 {
        self.shared.lock().lost
    }

    /// The thread starts with the first line. Where the system refuses one, the next line tries again.
    fn wake(&self, state: &mut State) {
        if state.is_idle() {
            return;
        }
        if state.has_thread {
            self.shared.work.notify_one();
        } else {
            let shared = Arc::clone(&self.shared);
            let started: io::Result<_> = thread::Builder::new()
                .name(self.name.to_owned())
                .spawn(move || shared.write_for_ever());
            state.has_thread = started.is_ok();
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.work.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements, so a panic elsewhere does not matter here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self) {
        let mut batch = Vec::new();
        while self.next_batch(&mut batch) {
            self.write_batch(&batch);
            batch.clear();
            batch.shrink_to(IDLE_CAPACITY);
        }
    }

    /// Waits for something to write; false when there never will be.
    fn next_batch(&self, batch: &mut Vec<u8>) -> bool {
        let mut state = self.lock();
        while state.is_idle() {
            if state.is_closed {
                return false;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.pending.is_empty() {
            state.say_what_was_dropped();
        }
        std::mem::swap(batch, &mut state.pending);
        state.in_flight = batch.len();
        true
    }

    fn write_batch(&self, batch: &[u8]) {
        let mut rest = batch;
        while !rest.is_empty() {
            let result = self.sink.write(&rest[..rest.len().min(WRITE_SIZE)]);
            let mut state = self.lock();
            match result {
                Ok(written) => rest = &rest[written..],
                Err(refusal) => {
                    state.give_up_on(rest, refusal);
                    rest = &[];
                }
            }
            state.in_flight = rest.len();
            self.progress.notify_all();
        }
    }
}

impl State {
    fn held(&self) -> usize {
        self.pending.len() + self.in_flight
    }

    fn is_idle(&self) -> bool {
        self.held() == 0 && self.unsaid == 0
    }

    fn offer(&mut self, piece: Piece<'_>) {
        if self.is_dead {
            self.lost += count_lines(piece.bytes);
            return;
        }
        // The common case in one copy: nothing to put between the lines, and room for all of them.
        if piece.prefix.is_empty() && self.unsaid == 0 && self.fits(piece.bytes.len()) {
            self.append(piece.source, &[], piece.bytes);
            return;
        }
        for line in piece.bytes.split_inclusive(|byte| *byte == b'\n') {
            self.offer_line(piece.source, piece.prefix, line);
        }
    }

    fn offer_line(&mut self, source: Source, prefix: &[u8], line: &[u8]) {
        let has_room = if self.unsaid > 0 { self.held() <= LIMIT / 2 } else { true };
        if !has_room || !self.fits(prefix.len() + line.len()) {
            self.unsaid += 1;
            self.lost += 1;
            return;
        }
        self.say_what_was_dropped();
        self.append(source, prefix, line);
    }

    /// Leaves room for a notice.
    fn fits(&self, bytes: usize) -> bool {
        self.held() + bytes + 256 <= LIMIT
    }

    fn say_what_was_dropped(&mut self) {
        if self.unsaid > 0 {
            let notice = render::dropped_notice(self.format, self.unsaid);
            self.unsaid = 0;
            self.append(OURSELVES, &[], notice.as_bytes());
        }
    }

    fn append(&mut self, source: Source, prefix: &[u8], bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        if self.open != Some(source) {
            if self.open.is_some() {
                self.pending.push(b'\n');
            }
            self.pending.extend_from_slice(prefix);
        }
        self.pending.extend_from_slice(bytes);
        self.open = (*last != b'\n').then_some(source);
    }

    fn give_up_on(&mut self, bytes: &[u8], refusal: Refusal) {
        self.lost += count_lines(bytes);
        if refusal == Refusal::ForEver {
            self.is_dead = true;
            self.lost += count_lines(&self.pending);
            self.pending = Vec::new();
            self.unsaid = 0;
        }
    }
}

fn wait<'a>(
    condvar: &Condvar,
    state: MutexGuard<'a, State>,
    limit: Duration,
) -> MutexGuard<'a, State> {
    condvar.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
}

/// Lines in `bytes`, a part of one counting as one.
fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split_inclusive(|byte| *byte == b'\n').count() as u64
}

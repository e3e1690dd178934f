//! What lies between those who note something and the thread that writes it.
//!
//! The lock is only ever held for a few steps in memory. Entries stay queued until they are written, so that a full or dead
//! volume costs memory up to [`CAPACITY`] entries and no more.

use super::event::Event;
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So many entries wait. A life notes a few dozen; more come only from jobs that start and end while nothing can be written.
const CAPACITY: usize = 512;

/// So many are written at once.
const BATCH: usize = 64;

/// A file operation that takes longer is worth a word.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// Something that was noted.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Seconds since 1970 (UTC).
    pub(super) at: u64,
    /// How many were noted before it.
    pub(super) n: u64,
    pub(super) event: Event,
}

/// When to try to write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// As soon as there is something.
    Ready,
    /// Not before this moment: it has just failed.
    Until(Instant),
    /// When something new is noted: it has failed often.
    News {
        /// How many had been noted.
        noted: u64,
    },
}

/// How a wait for the thread's end went.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    /// Whether the thread has ended.
    pub(super) is_over: bool,
    /// Entries that were noted and never written.
    pub(super) lost: u64,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// For the thread: there is something to do.
    wake: Condvar,
    /// For who waits: the thread has ended.
    over: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    /// The thread has a copy of so many of the first ones.
    in_flight: usize,
    noted: u64,
    lost: u64,
    is_closing: bool,
    is_over: bool,
    busy_since: Option<Instant>,
    was_stuck: bool,
}

impl Queue {
    pub(super) fn push(&self, at: u64, event: Event) {
        let mut state = self.lock();
        if state.is_closing || state.is_over {
            state.lost += 1;
            return;
        }
        if state.entries.len() >= CAPACITY {
            state.make_room();
        }
        let n = state.noted;
        state.noted += 1;
        state.entries.push_back(Entry { at, n, event });
        drop(state);
        self.wake.notify_all();
    }

    /// Copies of the next entries to be written, which stay queued until they are [settled](Self::settle); `None` if there
    /// is nothing left and nothing will come.
    pub(super) fn next(&self, patience: Patience) -> Option<Vec<Entry>> {
        let mut state = self.lock();
        loop {
            let is_empty = state.entries.is_empty();
            let wait_until = match patience {
                // The last chance.
                _ if state.is_closing => {
                    return (!is_empty).then(|| state.batch());
                }
                _ if is_empty => None,
                Patience::Ready => return Some(state.batch()),
                Patience::News { noted } if state.noted > noted => return Some(state.batch()),
                Patience::News { .. } => None,
                Patience::Until(moment) if Instant::now() >= moment => return Some(state.batch()),
                Patience::Until(moment) => Some(moment),
            };
            state = match wait_until {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(moment) => {
                    let left = moment.saturating_duration_since(Instant::now());
                    let waited = self.wake.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// So many of the batch were written.
    pub(super) fn settle(&self, written: usize) {
        let mut state = self.lock();
        let written = written.min(state.in_flight);
        state.entries.drain(..written);
        state.in_flight = 0;
    }

    /// How many were noted so far.
    pub(super) fn noted(&self) -> u64 {
        self.lock().noted
    }

    /// How many there was no room for.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().is_closing
    }

    /// Nothing more will be noted.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.wake.notify_all();
    }

    /// The thread has ended.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.busy_since = None;
        drop(state);
        self.over.notify_all();
    }

    /// Waits for [`end`](Self::end).
    pub(super) fn wait_over(&self, within: Duration) -> Leaving {
        let state = self.lock();
        let (state, _) = self
            .over
            .wait_timeout_while(state, within, |state| !state.is_over)
            .unwrap_or_else(PoisonError::into_inner);
        let unwritten = u64::try_from(state.entries.len()).unwrap_or(u64::MAX);
        Leaving { is_over: state.is_over, lost: state.lost.saturating_add(unwritten) }
    }

    /// Runs `work`, one call of the file system. Only for the thread.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.lock().busy_since = Some(Instant::now());
        let result = work();
        let mut state = self.lock();
        let since = state.busy_since.take();
        let was_stuck = std::mem::take(&mut state.was_stuck);
        drop(state);
        if was_stuck {
            let elapsed_ms = since.map_or(0, |since| since.elapsed().as_millis());
            tracing::info!(elapsed_ms, "ledger's volume answers again");
        }
        result
    }

    /// For how long the thread has been in one call of the file system, if that is too long; the second value is true
    /// the first time.
    pub(super) fn stuck_for(&self) -> Option<(Duration, bool)> {
        let mut state = self.lock();
        let elapsed = state.busy_since?.elapsed();
        if elapsed < STUCK_AFTER {
            return None;
        }
        Some((elapsed, !std::mem::replace(&mut state.was_stuck, true)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn batch(&mut self) -> Vec<Entry> {
        self.in_flight = self.entries.len().min(BATCH);
        self.entries.iter().take(self.in_flight).cloned().collect()
    }

    /// Drops what the next life would miss least: what was seen to run, which newer sightings replace; else the oldest.
    fn make_room(&mut self) {
        let free = self.in_flight..self.entries.len();
        let is_sighting = |at: &usize| matches!(self.entries[*at].event, Event::Jobs { .. });
        let least = free.clone().find(is_sighting).or_else(|| free.clone().next());
        if let Some(at) = least {
            self.entries.remove(at);
        }
        self.lost += 1;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;

    fn jobs(runtimes: usize) -> Event {
        Event::Jobs { runtimes, requests: None }
    }

    fn held(name: usize) -> Event {
        Event::Held { component: "agent".to_owned(), name: name.to_string() }
    }

    #[test]
    fn a_full_queue_drops_old_sightings_first_and_counts_them() {
        let queue = Queue::default();
        queue.push(1, jobs(1));
        for name in 0..CAPACITY - 1 {
            queue.push(1, held(name));
        }
        let first = queue.next(Patience::Ready).unwrap();
        assert_eq!(first[0].event, jobs(1));
        queue.settle(0);
        queue.push(2, held(1000));
        assert_eq!(queue.lost(), 1);
        assert_eq!(queue.next(Patience::Ready).unwrap()[0].event, held(0));
        // Those that are being written stay; the oldest of the others goes.
        queue.push(3, held(1001));
        queue.settle(BATCH);
        assert_eq!(queue.next(Patience::Ready).unwrap()[0].event, held(BATCH + 1));
        assert_eq!(queue.lost(), 2);
    }

    #[test]
    fn nothing_is_tried_again_before_its_time_unless_it_is_the_last_chance() {
        let queue = Queue::default();
        queue.push(1, jobs(1));
        let later = Instant::now() + Duration::from_millis(50);
        assert_eq!(queue.next(Patience::Until(later)).unwrap().len(), 1);
        assert!(Instant::now() >= later);
        queue.settle(0);
        queue.push(1, jobs(2));
        assert_eq!(queue.next(Patience::News { noted: 1 }).unwrap().len(), 2);
        queue.settle(0);
        queue.close();
        let never = Instant::now() + Duration::from_hours(1);
        assert_eq!(queue.next(Patience::Until(never)).unwrap().len(), 2);
        queue.settle(2);
        assert!(queue.next(Patience::Ready).is_none());
        queue.push(1, jobs(3));
        assert_eq!(queue.lost(), 1);
    }
}

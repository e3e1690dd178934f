//! The thread that reads the past and writes what is noted.

use super::{
    event::render,
    file::{FileError, LedgerFile},
    past::LastLife,
    queue::{Entry, Patience, Queue},
    story::Story,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Pauses after a failure, doubled each time from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// So often it is tried again by itself (for about five minutes); then only when something new is noted, because a volume that
/// cannot be written must not keep an idle node awake.
const TRIES: u32 = 10;

/// See the [module](self).
pub(super) struct Worker<'a> {
    queue: &'a Queue,
    file: LedgerFile<'a>,
    life: &'a str,
    /// The number of our first line.
    first_n: u64,
    failures: u32,
    patience: Patience,
    /// Lost entries that were told of.
    told_lost: u64,
}

impl<'a> Worker<'a> {
    /// `life` is the id under which it writes.
    pub(super) fn new(queue: &'a Queue, folder: &Path, life: &'a str) -> Self {
        let mark: String = life.rsplit('-').next().unwrap_or_default().to_owned();
        let is_plain = !mark.is_empty() && mark.chars().all(|char| char.is_ascii_alphanumeric());
        let mark = if is_plain { mark } else { std::process::id().to_string() };
        Self {
            queue,
            file: LedgerFile::new(folder, &mark, queue),
            life,
            first_n: 0,
            failures: 0,
            patience: Patience::Ready,
            told_lost: 0,
        }
    }

    /// What earlier lives left. A failure is not logged here: writing fails for the same reason, and says so.
    pub(super) fn read_past(&mut self) -> LastLife {
        match self.file.read() {
            Ok(None) => LastLife::First,
            Ok(Some(bytes)) => {
                let story = Story::of(&bytes);
                self.first_n = story.next_n(self.life);
                LastLife::of(&story, self.life)
            }
            Err(error) => LastLife::Unreadable { why: error.told() },
        }
    }

    /// Writes until there is nothing left and nothing will come.
    pub(super) fn write_all(&mut self) {
        while let Some(batch) = self.queue.next(self.patience) {
            // Asked before the attempt: if it fails, there may be one more, and that one is the last.
            let is_last = self.queue.is_closing();
            let lines: Vec<Vec<u8>> = batch.iter().map(|entry| self.line(entry)).collect();
            let (written, result) = self.file.append(&lines);
            self.queue.settle(written);
            match result {
                Ok(()) => self.succeeded(),
                Err(error) => {
                    self.failed(&error);
                    if is_last {
                        return;
                    }
                }
            }
        }
    }

    fn line(&self, entry: &Entry) -> Vec<u8> {
        render(self.life, entry.at, self.first_n.saturating_add(entry.n), &entry.event)
    }

    fn succeeded(&mut self) {
        let lost = self.queue.lost();
        let new = lost.saturating_sub(self.told_lost);
        if self.failures > 0 {
            tracing::info!(path = %self.file.path().display(), lost = new, "ledger is written again");
        } else if new > 0 {
            tracing::warn!(path = %self.file.path().display(), lost = new, "ledger is too slow, entries were lost");
        }
        (self.told_lost, self.failures, self.patience) = (lost, 0, Patience::Ready);
    }

    fn failed(&mut self, error: &FileError) {
        if self.failures == 0 {
            tracing::warn!(error = error.told(), hint = error.hint(), "cannot write the ledger");
        } else {
            tracing::debug!(
                error = error.told(),
                attempt = self.failures + 1,
                "still cannot write the ledger"
            );
        }
        self.failures = self.failures.saturating_add(1);
        self.patience = if self.failures <= TRIES {
            let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
            Patience::Until(Instant::now() + pause.min(LONGEST_PAUSE))
        } else {
            Patience::News { noted: self.queue.noted() }
        };
    }
}

//! Whether the worker is inside a call of the file system, since when, and who says so if it does not come back.
//!
//! The watchdog sleeps while the worker [rests](Pulse::rest), and wakes up at most once in its limit while lines are coming in.

use super::Notice;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Shared between the worker and its watchdog.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    busy_since: Option<Instant>,
    path: OsString,
    /// The watchdog waits for the next call, not for the end of this one.
    is_asleep: bool,
    was_reported: bool,
    /// A call that was reported has come back after this time; the watchdog says so.
    recovered: Option<Duration>,
    is_closed: bool,
}

impl Pulse {
    /// Runs `work`, a call of the file system about `path`.
    pub(super) fn during<T>(&self, path: &Path, work: impl FnOnce() -> T) -> T {
        self.enter(path);
        let result = work();
        self.leave();
        result
    }

    /// The watchdog's life: reports a call that takes longer than `limit`, and its return.
    pub(super) fn watch(&self, limit: Duration, notify: &dyn Fn(Notice)) {
        let mut state = self.lock();
        while !state.is_closed {
            if let Some(elapsed) = state.recovered.take() {
                drop(state);
                notify(Notice::Recovered { elapsed });
                state = self.lock();
                continue;
            }
            let elapsed = state.busy_since.map(|since| since.elapsed());
            match elapsed {
                None => {
                    state.is_asleep = true;
                    state = self.wait(state);
                }
                Some(_) if state.was_reported => state = self.wait(state),
                Some(elapsed) if elapsed < limit => {
                    let waited = self.changed.wait_timeout(state, limit.saturating_sub(elapsed));
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(elapsed) => {
                    state.was_reported = true;
                    let path = PathBuf::from(&state.path);
                    drop(state);
                    notify(Notice::Stuck { path, elapsed });
                    state = self.lock();
                }
            }
        }
    }

    /// No call will follow for a while: the watchdog need not look whether this one came back.
    pub(super) fn rest(&self) {
        if !self.lock().is_asleep {
            self.changed.notify_all();
        }
    }

    /// Ends the watchdog.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn enter(&self, path: &Path) {
        let mut state = self.lock();
        state.busy_since = Some(Instant::now());
        state.path.clear();
        state.path.push(path);
        if std::mem::take(&mut state.is_asleep) {
            self.changed.notify_all();
        }
    }

    fn leave(&self) {
        let mut state = self.lock();
        let since = state.busy_since.take();
        if std::mem::take(&mut state.was_reported) {
            state.recovered = since.map(|since| since.elapsed());
            self.changed.notify_all();
        }
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use std::{
        sync::{Arc, mpsc},
        thread,
    };

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn a_call_that_does_not_come_back_is_reported_once_and_so_is_its_return() {
        let pulse = Arc::new(Pulse::default());
        let (notices, seen) = mpsc::channel();
        let watchdog = thread::spawn({
            let pulse = Arc::clone(&pulse);
            move || pulse.watch(Duration::from_millis(20), &|notice| notices.send(notice).unwrap())
        });
        for _ in 0..1000 {
            pulse.during(Path::new("/quick"), || ());
        }
        for _ in 0..2 {
            let stuck = pulse.during(Path::new("/logs"), || seen.recv_timeout(SOON).unwrap());
            assert!(matches!(stuck, Notice::Stuck { path, .. } if path == Path::new("/logs")));
            assert!(matches!(seen.recv_timeout(SOON).unwrap(), Notice::Recovered { .. }));
        }
        pulse.close();
        watchdog.join().unwrap();
        assert!(seen.try_recv().is_err());
    }
}

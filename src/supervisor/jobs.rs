//! Which jobs run, as far as it can be seen without asking anybody.
//!
//! A runtime is its agent's child: its start is no event for us. But each begins with a log file of its own, which the
//! follower sees, and its end is seen by a pidfd. So the count is right within about a second, and nothing is looked at
//! while nothing happens. It is what the ledger tells of a life that ends without a word.

use super::{core::Core, outcome::Phase};
use crate::process::{ProcessEnd, procfs::Jvm};
use rustix::process::Pid;
use std::{
    collections::HashSet,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// Hundreds of short jobs may start and end in a second: not each of them is worth a look.
const PAUSE: Duration = Duration::from_secs(1);
/// Each watched runtime costs a descriptor.
const MOST_WATCHED: usize = 256;

impl Core {
    /// Notes the runtimes that a look has found.
    pub(super) fn note_runtimes(self: &Rc<Self>, runtimes: Vec<Jvm>) {
        if let Some(record) = self.drain_record.borrow_mut().as_mut() {
            record.note_runtimes(&runtimes);
        }
        self.watch_runtimes(&runtimes);
        self.runtimes.replace(runtimes);
        self.note_jobs(self.runtime_count(), self.requests.get().count);
    }

    fn watch_runtimes(self: &Rc<Self>, runtimes: &[Jvm]) {
        let mut watched = self.watched_runtimes.borrow_mut();
        let alive: HashSet<(i32, u64)> = runtimes.iter().map(name).collect();
        watched.retain(|name| alive.contains(name));
        for runtime in runtimes {
            if watched.len() >= MOST_WATCHED || !watched.insert(name(runtime)) {
                continue;
            }
            let Some(mut ending) = self.children.watch(runtime.pid, runtime.started) else {
                // It ended between the look and now, and no end will be told: the next look finds it gone.
                self.look_at_jobs();
                continue;
            };
            let core = Rc::clone(self);
            let pid = runtime.pid;
            tokio::task::spawn_local(async move {
                let end = ending.wait().await;
                core.note_runtime_end(pid, end);
                core.look_at_jobs();
            });
        }
    }

    /// While its agent lives, how a runtime ends is the agent's to know; after that it is ours. A stop script that ends
    /// runtimes too, or somebody who kills one, must not look like a job that was waited for.
    fn note_runtime_end(&self, pid: Pid, end: ProcessEnd) {
        // 143 is how a JVM says that it was ended by TERM.
        let was_killed = matches!(end, ProcessEnd::Killed(_) | ProcessEnd::Exited(143));
        if self.phase() != Phase::Draining || !was_killed {
            return;
        }
        tracing::warn!(
            pid = pid.as_raw_pid(),
            %end,
            hint = "its job did not finish: somebody has killed it, a stop script perhaps, or memory was short",
            "a runtime was killed during the drain"
        );
        if let Some(record) = self.drain_record.borrow_mut().as_mut() {
            record.note_killed();
        }
    }

    /// Jobs have begun or ended: looks at the processes, but not more often than is good.
    fn look_at_jobs(&self) {
        let now = Instant::now();
        let earliest = self.last_look.get().map_or(now, |last| last + PAUSE);
        self.jobs_look.set(Some(self.jobs_look.get().unwrap_or(now.max(earliest))));
        self.notify();
    }

    /// Looks whenever `appeared` tells of a new log file.
    pub(super) async fn follow_jobs(self: Rc<Self>, appeared: Arc<Notify>) {
        loop {
            appeared.notified().await;
            self.look_at_jobs();
        }
    }
}

fn name(runtime: &Jvm) -> (i32, u64) {
    (runtime.pid.as_raw_pid(), runtime.started)
}

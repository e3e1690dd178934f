//! Other people's lines on their way to the container's log: the agent's log files, scripts' pipes, consoles.

use super::{
    core::Core,
    follow::{self, Follower, Notice},
    settings::Settings,
};
use crate::process::Drain;
use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// The last look at the logs may take this long; a volume that hangs must not hold the end.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// Nobody has written for this long: what was written before an end has been read.
const QUIET: Duration = Duration::from_millis(5);
/// Somebody who goes on writing is not waited for longer than this.
const QUIET_WITHIN: Duration = Duration::from_millis(300);

impl Core {
    /// Begins to copy the agent's log files, and to look for jobs when a new one appears.
    pub(super) fn follow_logs(self: &Rc<Self>) {
        let Settings { logs_base, hostname, .. } = &self.settings;
        let mut settings = follow::Settings::of_agent(logs_base, hostname, self.output.clone());
        let appeared = Arc::new(Notify::new());
        tokio::task::spawn_local(Rc::clone(self).follow_jobs(Arc::clone(&appeared)));
        settings.notify = Arc::new(move |notice| match notice {
            Notice::Appeared => appeared.notify_one(),
            other => other.log(),
        });
        match Follower::spawn(settings) {
            Ok(follower) => *self.follower.borrow_mut() = Some(follower),
            Err(error) => tracing::error!(%error, "cannot follow the agent's log files"),
        }
    }

    /// Remembers that somebody's output is being read.
    pub(super) fn note_drain(&self, drain: Drain) {
        let mut drains = self.drains.borrow_mut();
        drains.retain(|drain| !drain.is_done());
        drains.push(drain);
    }

    /// Reads what is left in pipes and consoles: the last lines of what has just ended must not be lost.
    pub(super) async fn finish_output(&self) {
        let limit = Instant::now() + QUIET_WITHIN;
        loop {
            let before = Instant::now();
            tokio::time::sleep(QUIET).await;
            let is_quiet = self.drains.borrow().iter().all(|drain| drain.last_output() < before);
            if is_quiet || before >= limit {
                return;
            }
        }
    }

    /// Lets the follower take a last look, for the same reason.
    pub(super) fn finish_logs(&self) {
        self.tell_oom_kills();
        if let Some(follower) = self.follower.borrow_mut().take() {
            let _ = follower.finish(LAST_LOOK);
        }
    }
}

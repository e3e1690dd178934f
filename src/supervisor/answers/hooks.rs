//! The kubelet's hooks.

use super::{no, yes};
use crate::{
    control::{message::Done, server::Progress},
    plan::Component,
    supervisor::{
        core::Core,
        drain::{DrainEnd, Left, counted},
        outcome::{Outcome, Phase, Urgency},
    },
};
use std::{rc::Rc, time::Duration};
use tokio::{
    select,
    time::{Instant, sleep, timeout},
};

/// A drain that takes longer says so at once …
const FIRST_PROGRESS: Duration = Duration::from_secs(1);
/// … and how often from then on.
const PROGRESS: Duration = Duration::from_secs(10);

/// preStop: drains and stops. What it began goes on, whatever becomes of the hook.
pub(super) async fn pre_stop(core: &Rc<Core>, progress: &Progress) -> Done {
    if let Some(done) = core.already_stopped() {
        return done;
    }
    core.note_asked();
    core.look();
    let nothing_runs = core.all_units(|_, unit| unit.is_down()) && core.runtime_count() == 0;
    let is_booting = core.phase() == Phase::Booting && core.urgency() == Urgency::None;
    if is_booting {
        tracing::info!("preStop during the boot: ending it");
    } else if core.urgency() == Urgency::None {
        tracing::info!("preStop: draining");
    }
    let number = core.ask_for_drain("pre-stop");
    if is_booting && nothing_runs {
        return yes("nothing was started: the boot is ended");
    }
    core.until_drained(number, progress).await
}

impl Core {
    /// What is answered to whoever wants a drain that is over, its jobs finished or not.
    pub(super) fn already_stopped(&self) -> Option<Done> {
        if self.phase() != Phase::Stopped {
            return None;
        }
        let record = self.drain_record.borrow();
        Some(match record.as_ref().and_then(|record| record.end.as_ref()) {
            Some(DrainEnd::JobsLeft(left)) => no(stopped_too_early(left)),
            _ => yes("already drained and stopped"),
        })
    }

    /// Waits for the end of a drain, saying how far it is.
    pub(super) async fn until_drained(&self, number: u64, progress: &Progress) -> Done {
        let _waiting = Waiting::new(self);
        let mut pause = FIRST_PROGRESS;
        loop {
            let over = self.until(|core| core.drain_end(number).is_some());
            select! {
                over = timeout(pause, over) => if over.is_ok() {
                    break;
                },
                // The drain goes on without its hook; nobody is left to answer.
                () = progress.gone() => return no("the client has gone"),
            }
            progress.say(self.drain_text()).await;
            pause = PROGRESS;
        }
        let end = self.drain_end(number);
        if matches!(end, Some(DrainEnd::Finished { .. })) && self.are_requests_unknown() {
            return match self.settings.apis {
                Some(_) => no(
                    "stopped, but the server did not say whether it was working on requests: see the container's log",
                ),
                None => yes(
                    "stopped; without a token nobody can tell whether the server was working on requests",
                ),
            };
        }
        match end {
            Some(DrainEnd::Finished { jobs: 0 }) => yes("drained and stopped"),
            Some(DrainEnd::Finished { jobs }) => {
                yes(format!("drained and stopped, {} finished", counted(jobs, "job")))
            }
            Some(DrainEnd::JobsLeft(left)) => no(stopped_too_early(&left)),
            Some(DrainEnd::Aborted) | None => no("aborted: the drain was taken back"),
        }
    }

    fn are_requests_unknown(&self) -> bool {
        self.drain_record.borrow().as_ref().is_some_and(|record| record.are_requests_unknown)
    }

    /// How a drain ended; `None` while it is under way.
    fn drain_end(&self, number: u64) -> Option<DrainEnd> {
        let record = self.drain_record.borrow();
        match record.as_ref() {
            Some(record) if record.number == number => record.end.clone(),
            // Another one has taken its place, which is only possible once it was taken back.
            _ => Some(DrainEnd::Aborted),
        }
    }

    /// Whether the boot has failed.
    fn has_boot_failed(&self) -> bool {
        matches!(self.outcome(), Some(Outcome::BootFailed(_)))
    }
}

fn stopped_too_early(left: &Left) -> String {
    format!("stopped while still running: {}", left.names.join(", "))
}

/// Counts those who are to be answered before PID 1 ends.
pub(super) struct Waiting<'a>(&'a Core);

impl<'a> Waiting<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        core.hooks_waiting.set(core.hooks_waiting.get() + 1);
        Self(core)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.hooks_waiting.set(self.0.hooks_waiting.get().saturating_sub(1));
        self.0.notify();
    }
}

/// postStart: waits until all that hooks act on is released, for a while.
pub(super) async fn post_start(core: &Rc<Core>, progress: &Progress) -> Done {
    let held = core.settings.plan.holds.clone();
    if core.has_boot_failed() {
        return no("the boot has failed: see the container's log");
    }
    if core.urgency() != Urgency::None {
        return yes("a stop is under way: nothing is released");
    }
    if held.is_empty() {
        return yes("nothing to release here");
    }
    if core.settings.apis.is_none() {
        return yes("no token (API_PRIVATE_TOKEN): nothing is released");
    }
    let before: Vec<(Component, u64)> =
        held.iter().map(|component| (*component, core.releases_of(*component))).collect();
    core.release_all();
    let _waiting = Waiting::new(core);
    let released = core.until(|core| {
        before.iter().all(|(component, before)| core.releases_of(*component) > *before)
    });
    let handed_over = async {
        let limit = Instant::now() + core.settings.post_start_timeout;
        while Instant::now() < limit {
            sleep(PROGRESS.min(limit - Instant::now())).await;
            let open =
                before.iter().filter(|(component, before)| core.releases_of(*component) <= *before);
            let open: Vec<String> =
                open.map(|(component, _)| core.why_unreleased(*component)).collect();
            progress.say(format!("waiting to release: {}", open.join("; "))).await;
        }
    };
    select! {
        () = released => yes("released"),
        () = core.urgency_reaches(Urgency::Drain) => {
            if core.has_boot_failed() {
                no("the boot has failed: see the container's log")
            } else {
                yes("a stop begins: nothing is released")
            }
        }
        () = progress.gone() => no("the client has gone"),
        () = handed_over => yes("not released yet: PID 1 goes on trying, see the container's log"),
    }
}

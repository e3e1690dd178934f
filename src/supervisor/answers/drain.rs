//! `drain` and its sisters.

use super::{no, yes};
use crate::{
    control::{message::Done, server::Progress},
    supervisor::{
        core::{Core, Wish},
        outcome::{Phase, Urgency},
    },
};
use std::{rc::Rc, time::Duration};
use tokio::time::timeout;

/// An abort takes effect at once; more than this would be a bug.
const ABORTED_WITHIN: Duration = Duration::from_secs(5);

/// Drains and stops everything; the container stays.
pub(super) async fn drain(core: &Rc<Core>, progress: &Progress) -> Done {
    if let Some(done) = core.already_stopped() {
        return done;
    }
    if core.urgency() == Urgency::None {
        tracing::info!("drain asked for");
    }
    core.look();
    let number = core.ask_for_drain("drain");
    core.until_drained(number, progress).await
}

/// How far it has come.
pub(super) fn status(core: &Rc<Core>) -> Done {
    match core.drain_status() {
        None => yes("no drain"),
        Some(status) if status.over => yes(format!(
            "the last drain (asked for by {}) {}, phase {}",
            status.asked_by,
            core.drain_end_text(),
            core.phase().name()
        )),
        Some(status) => {
            yes(format!("draining (asked for by {}): {}", status.asked_by, core.drain_text()))
        }
    }
}

/// Takes it back.
pub(super) async fn abort(core: &Rc<Core>) -> Done {
    if core.will_end() {
        return no("the container is ending: too late to abort");
    }
    if core.urgency() == Urgency::None {
        return no("no drain is under way");
    }
    if !core.is_booted.get() {
        return no("the boot was cut off: nothing can be started again, restart the container");
    }
    tracing::info!(phase = core.phase().name(), "drain aborted: going on");
    core.wish.set(Some(Wish::Abort));
    core.notify();
    let gone_on = core.until(|core| core.urgency() == Urgency::None);
    match timeout(ABORTED_WITHIN, gone_on).await {
        Ok(()) => yes("aborted: what was stopped is started again"),
        Err(_) => no("the drain could not be aborted"),
    }
}

/// Lets nothing finish any more.
pub(super) async fn force(core: &Rc<Core>, progress: &Progress) -> Done {
    if core.phase() == Phase::Stopped {
        return yes("already stopped");
    }
    if core.urgency() == Urgency::None {
        return no("no drain is under way (`jjobs-init drain` begins one)");
    }
    tracing::warn!("drain force asked for");
    let number = core.ask_for_drain("drain force");
    core.hurry(Urgency::Now);
    core.until_drained(number, progress).await
}

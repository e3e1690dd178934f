//! What is known of a stop: who asked, how urgent it is, how the container will end, until when all must be over.
//!
//! A *drain* (of a hook or an operator) stops the components and leaves the container; an [`Outcome`] ends it. Both go the
//! same way, and either may join the other.

use super::{
    core::Core,
    outcome::{Outcome, Phase, Urgency},
};
use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Left of the grace period for our own last words.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);
/// After an abort the kubelet may still be about to send TERM: until then its clock goes on.
const ABORT_IS_FORGOTTEN: Duration = Duration::from_mins(1);
/// A stop so soon after a red liveness answer is taken for its consequence.
const RED_CAUSES_STOP: Duration = Duration::from_secs(30);

/// What is known of the stop that is under way, or of none.
#[derive(Debug)]
pub(super) struct StopRequest {
    urgency: watch::Sender<Urgency>,
    stop_requested: watch::Sender<bool>,
    outcome: RefCell<Option<Outcome>>,
    /// When the end of the container began, whoever wanted it.
    began: Cell<Option<Instant>>,
    asked: Cell<Option<Asked>>,
    /// How often a signal asked for the end of the container.
    terms: Cell<u32>,
    /// When the last red liveness answer was given.
    pub(super) last_red: Cell<Option<Instant>>,
}

/// Somebody outside asked: from here on there may be a deadline.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    grace: Option<Duration>,
    /// The request was taken back; after this it never was.
    forgotten_at: Option<Instant>,
}

impl Default for StopRequest {
    fn default() -> Self {
        Self {
            urgency: watch::Sender::new(Urgency::None),
            stop_requested: watch::Sender::new(false),
            outcome: RefCell::default(),
            began: Cell::default(),
            asked: Cell::default(),
            terms: Cell::default(),
            last_red: Cell::default(),
        }
    }
}

impl Core {
    /// The container is to end like this, unless its end was decided before.
    pub(super) fn end_with(&self, outcome: Outcome) {
        let asked_by = outcome.asked_by();
        self.stop_request.outcome.borrow_mut().get_or_insert(outcome);
        if self.phase() != Phase::Stopped {
            self.ask_for_drain(&asked_by);
        }
        self.notify();
    }

    /// Counts a signal that asks for the end; returns how many came before it.
    pub(super) fn note_term(&self) -> u32 {
        self.stop_request.terms.replace(self.stop_request.terms.get().saturating_add(1))
    }

    /// How the container will end, if that is decided.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.stop_request.outcome.borrow().clone()
    }

    /// Whether the container will end.
    pub(super) fn will_end(&self) -> bool {
        self.stop_request.outcome.borrow().is_some()
    }

    /// Makes the stop at least this urgent.
    pub(super) fn hurry(&self, urgency: Urgency) {
        let stop = &self.stop_request;
        if stop.began.get().is_none() {
            stop.began.set(Some(Instant::now()));
        }
        stop.stop_requested.send_replace(true);
        stop.urgency.send_if_modified(|now| {
            let raised = urgency > *now;
            *now = urgency.max(*now);
            raised
        });
        self.notify();
    }

    /// The stop is over or taken back: from here on nobody has asked.
    pub(super) fn calm_down(&self) {
        let stop = &self.stop_request;
        stop.began.set(None);
        stop.urgency.send_replace(Urgency::None);
        self.notify();
    }

    /// Becomes true with the first stop request, for whoever must end then.
    #[must_use]
    pub fn stop_requested(&self) -> watch::Receiver<bool> {
        self.stop_request.stop_requested.subscribe()
    }

    /// How urgent the stop is.
    pub(super) fn urgency(&self) -> Urgency {
        *self.stop_request.urgency.borrow()
    }

    /// Waits until the stop is at least this urgent.
    pub(super) async fn urgency_reaches(&self, wanted: Urgency) {
        // An error would mean that we ourselves are gone.
        let _ = self.stop_request.urgency.subscribe().wait_for(|now| *now >= wanted).await;
    }

    /// How long ago the stop began.
    pub(super) fn stopping_for(&self) -> Option<Duration> {
        self.stop_request.began.get().map(|began| began.elapsed())
    }

    /// The kubelet asks for the end (preStop or TERM), whether it is under way already or not: its clock runs.
    pub(super) fn note_asked(&self) {
        let now = Instant::now();
        let before = self.stop_request.asked.get().filter(|asked| !asked.is_forgotten(now));
        let asked = match before {
            Some(asked) => Asked { forgotten_at: None, ..asked },
            None => Asked { at: now, grace: self.grace_period(now), forgotten_at: None },
        };
        self.stop_request.asked.set(Some(asked));
        let patience = asked.grace.map(|grace| grace.saturating_sub(LAST_WORDS));
        self.set_unit_deadlines(patience.map(|patience| asked.at + patience));
        self.notify();
    }

    /// A liveness kill may have a grace period of its own.
    fn grace_period(&self, now: Instant) -> Option<Duration> {
        let red = self.stop_request.last_red.get();
        let is_liveness_kill =
            red.is_some_and(|red| now.saturating_duration_since(red) <= RED_CAUSES_STOP);
        let of_liveness = self.settings.liveness_grace_period.filter(|_| is_liveness_kill);
        of_liveness.or(self.settings.grace_period)
    }

    /// The request was taken back; a TERM may still follow it for a while.
    pub(super) fn forget_asked_soon(&self) {
        let asked = self.stop_request.asked.get();
        self.stop_request.asked.set(asked.map(|asked| asked.taken_back(Instant::now())));
        self.set_unit_deadlines(None);
    }

    /// An operator has started something again: the kubelet's request is over.
    pub(super) fn forget_asked(&self) {
        self.stop_request.asked.set(None);
        self.set_unit_deadlines(None);
    }

    /// What is left of the grace period; `None` where there is no limit or nobody outside has asked.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let now = Instant::now();
        let asked = self.stop_request.asked.get().filter(|asked| !asked.is_forgotten(now))?;
        Some(asked.deadline()?.saturating_duration_since(now))
    }

    /// What is left until stopping must begin.
    pub(super) fn time_to_reserve(&self) -> Option<Duration> {
        let grace = self.stop_request.asked.get()?.grace?;
        Some(self.time_left()?.saturating_sub(reserve(grace)))
    }

    /// Waits until what is left of the grace period is needed for stopping; for ever if there is no limit.
    pub(super) async fn until_reserve(&self) {
        loop {
            // A stop of our own has no limit until somebody outside asks too, nor has one whose request was forgotten.
            self.until(|core| core.time_to_reserve().is_some()).await;
            match self.time_to_reserve() {
                Some(left) if left.is_zero() => return,
                Some(left) => tokio::time::sleep(left).await,
                None => {}
            }
        }
    }
}

impl Asked {
    /// Whoever lives on when the grace period is over was not meant: the kubelet would have killed.
    fn taken_back(self, now: Instant) -> Self {
        let latest = now + ABORT_IS_FORGOTTEN;
        let forgotten_at = self.deadline().map_or(latest, |deadline| deadline.min(latest));
        Self { forgotten_at: Some(forgotten_at), ..self }
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        self.forgotten_at.is_some_and(|at| at <= now)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.at + self.grace?)
    }
}

/// What of a grace period is kept for stopping JVMs: a quarter, at least 10 s, at most 120 s, never over half.
fn reserve(grace: Duration) -> Duration {
    (grace / 4).clamp(Duration::from_secs(10), Duration::from_mins(2)).min(grace / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_quarter_within_its_bounds() {
        let cases = [(36_000, 120), (200, 50), (30, 10), (16, 8), (4, 2)];
        for (grace, wanted) in cases {
            assert_eq!(reserve(Duration::from_secs(grace)), Duration::from_secs(wanted), "{grace}");
        }
    }

    #[test]
    fn a_request_that_was_taken_back_is_forgotten_with_its_own_deadline_at_the_latest() {
        let at = Instant::now();
        for (grace, forgotten) in [(Some(30), 30), (Some(3600), 65), (None, 65)] {
            let grace = grace.map(Duration::from_secs);
            let asked = Asked { at, grace, forgotten_at: None };
            let asked = asked.taken_back(at + Duration::from_secs(5));
            let forgotten_at = at + Duration::from_secs(forgotten);
            assert_eq!(asked.forgotten_at, Some(forgotten_at), "{grace:?}");
        }
    }
}

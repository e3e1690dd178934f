//! Holding a server or an agent: no new jobs go there (contract.md §8).

use crate::{
    jjobs::{
        error::{ApiError, FailureKind},
        retry::Backoff,
    },
    plan::Component,
    supervisor::{
        apis::Apis,
        core::Core,
        outcome::Urgency,
        unit::{Event, Unit},
    },
};
use std::{collections::HashSet, rc::Rc, time::Duration};
use tokio::time::{sleep, timeout};

/// A server that was restored or has lost its memory forgets a hold, and no call tells: it is said again.
const SAID_AGAIN: Duration = Duration::from_secs(30);

/// A process that is new may not be known to the server yet when it is held: that is said again so soon.
const SAID_AGAIN_TO_NEW: Duration = Duration::from_secs(5);

/// An agent that has been up for so long has registered with its server.
const NEW: Duration = Duration::from_secs(30);

/// A hold that was never answered may be carried out after the release that follows it: that is said again then.
const RELEASED_AGAIN: Duration = Duration::from_secs(10);

/// How far a hold has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::supervisor) enum HoldState {
    /// Not answered yet, and still insisted on.
    Trying,
    /// It is held.
    Held,
    /// The token was refused; it is tried on.
    Refused,
    /// Not held within `JJOBS_INIT_HOLD_TIMEOUT`; it is tried on.
    Failed,
    /// There is no token to ask with.
    NoToken,
}

impl HoldState {
    /// Whether the answer is still worth waiting for.
    pub(in crate::supervisor) fn is_open(self) -> bool {
        self == Self::Trying
    }
}

impl Core {
    /// How far the hold of `component` has come.
    pub(in crate::supervisor) fn hold_state(&self, component: Component) -> HoldState {
        let without_try =
            if self.settings.apis.is_some() { HoldState::Trying } else { HoldState::NoToken };
        self.holds.borrow().get(&component).copied().unwrap_or(without_try)
    }

    /// Forgets how far holds had come: what comes next is another drain.
    pub(in crate::supervisor) fn forget_hold(&self, component: Component) {
        self.holds.borrow_mut().remove(&component);
    }

    /// Holds a component, as long as it runs, and goes on saying so until dropped.
    pub(in crate::supervisor) async fn keep_held(self: &Rc<Self>, component: Component) {
        let Some(apis) = &self.settings.apis else {
            return self.set_hold(component, HoldState::NoToken);
        };
        self.set_hold(component, HoldState::Trying);
        tokio::join!(self.lose_patience(component), self.insist_on_hold(apis, component));
    }

    async fn lose_patience(&self, component: Component) {
        self.until(|core| core.is_running(component)).await;
        sleep(self.settings.hold_timeout).await;
        if !self.is_running(component) {
            return;
        }
        if matches!(self.hold_state(component), HoldState::Trying | HoldState::Refused) {
            self.set_hold(component, HoldState::Failed);
            tracing::warn!(
                %component,
                elapsed_ms = self.settings.hold_timeout.as_millis(),
                hint = "new jobs may still be given to it; JJOBS_INIT_HOLD_TIMEOUT is how long a drain insists",
                "not held in time, going on without and trying on"
            );
        }
    }

    async fn insist_on_hold(self: &Rc<Self>, apis: &Apis, component: Component) {
        let mut told = HashSet::new();
        let mut backoff = Backoff::default();
        loop {
            self.until(|core| core.is_running(component)).await;
            let process = self.unit(component, Unit::pid).flatten();
            // Written down before it is asked for: who is killed in between must know at the next boot.
            self.note_hold(component);
            self.unanswered_holds.borrow_mut().insert(component);
            let answer = apis.hold(component).await;
            let may_come_yet = answer.as_ref().is_err_and(|error| {
                matches!(error.kind(), FailureKind::TimedOut | FailureKind::Broken)
            });
            if !may_come_yet {
                self.unanswered_holds.borrow_mut().remove(&component);
            }
            let pause = match answer {
                Ok(()) => {
                    self.is_held(component);
                    told.clear();
                    backoff = Backoff::default();
                    if self.is_new(component) { SAID_AGAIN_TO_NEW } else { SAID_AGAIN }
                }
                Err(error) => {
                    self.hold_refused(component, &error, &mut told);
                    backoff.next()
                }
            };
            // Somebody may start another one by hand, which knows of no hold.
            let another = self.until(|core| {
                core.unit(component, |unit| unit.is_up() && unit.pid() != process) == Some(true)
            });
            if timeout(pause, another).await.is_ok() {
                backoff = Backoff::default();
                tracing::info!(%component, "started by somebody else during the drain: holding it too");
            }
        }
    }

    fn is_new(&self, component: Component) -> bool {
        self.unit(component, |unit| unit.is_up() && unit.since().elapsed() < NEW) == Some(true)
    }

    /// A drain or an operator's stop was taken back: what a server still has in hand must not be what it does last.
    pub(in crate::supervisor) fn release_again_later(self: &Rc<Self>, component: Component) {
        if !self.unanswered_holds.borrow_mut().remove(&component) {
            return;
        }
        if component == Component::Agent {
            // It may be told to end yet.
            self.apply(component, Event::ToldToEnd);
        }
        let core = Rc::clone(self);
        tokio::task::spawn_local(async move {
            tokio::select! {
                () = core.urgency_reaches(Urgency::Drain) => {}
                () = sleep(RELEASED_AGAIN) => {
                    core.note_hold(component);
                    core.release_soon(component);
                }
            }
        });
    }

    fn is_held(self: &Rc<Self>, component: Component) {
        if self.hold_state(component) != HoldState::Held {
            tracing::info!(%component, name = self.name_of(component), "held: no new jobs");
            self.set_hold(component, HoldState::Held);
        }
        if component == Component::Agent {
            // Told to end when its jobs are done: its end is no stop by hand, even if the drain is taken back.
            self.apply(component, Event::ToldToEnd);
        }
    }

    fn hold_refused(
        &self,
        component: Component,
        error: &ApiError,
        told: &mut HashSet<FailureKind>,
    ) {
        if error.is_refused() && self.hold_state(component) == HoldState::Trying {
            self.set_hold(component, HoldState::Refused);
        }
        if told.insert(error.kind()) {
            tracing::warn!(%component, %error, hint = error.hint(), "cannot hold it, will retry");
        } else {
            tracing::debug!(%component, %error, "cannot hold it");
        }
    }

    fn set_hold(&self, component: Component, state: HoldState) {
        self.holds.borrow_mut().insert(component, state);
        self.notify();
    }
}

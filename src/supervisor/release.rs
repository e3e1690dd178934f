//! Releasing what is held, once it is up (contract.md §8, postStart; design.md §6, "Release on start").
//!
//! A postStart hook is the operator's wish to release, whoever held. Without one only holds of our own are released: an
//! operator may have held the server on purpose, and no call tells who did.

use super::{
    apis::{self, Apis},
    core::Core,
    outcome::Urgency,
    unit::Unit,
};
use crate::{
    jjobs::{error::ApiError, error::FailureKind, retry::Backoff},
    ledger::LastLife,
    plan::Component,
};
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{select, task::AbortHandle, time::sleep};

/// An agent that is something else than `RUNNING` for so long may be so because it is held.
const RELEASED_ANYWAY: Duration = Duration::from_secs(10);
/// Something that is up for so long and does not work is worth a word.
const NOT_READY_FOR: Duration = Duration::from_mins(1);

/// The releases that are under way and those that are done.
#[derive(Debug, Default)]
pub(super) struct Releases {
    running: RefCell<HashMap<Component, AbortHandle>>,
    /// What a postStart hook wants to be released and is not yet.
    hook: RefCell<HashSet<Component>>,
    /// Why the last try failed, for those that wait.
    why: RefCell<HashMap<Component, String>>,
    /// How often each was released.
    done: RefCell<HashMap<Component, u64>>,
}

/// Why something is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// A postStart hook wants it, whoever held.
    Hook,
    /// We held it.
    Ours,
    /// Whether we held it is not known.
    PastUnknown,
}

impl Core {
    /// Releases a component when it is up, if there is a reason to. What is under way is begun anew.
    pub(super) fn release_soon(self: &Rc<Self>, component: Component) {
        if component == Component::Manager || self.settings.apis.is_none() {
            return;
        }
        if self.unit(component, |unit| unit.leaving) == Some(true) {
            // An operator's stop holds it until its requests are done; what is wanted is done after the next start.
            return;
        }
        let core = Rc::clone(self);
        let task = tokio::task::spawn_local(async move {
            select! {
                () = core.release_when_up(component) => {}
                () = core.urgency_reaches(Urgency::Drain) => {}
            }
        });
        if let Some(before) =
            self.releases.running.borrow_mut().insert(component, task.abort_handle())
        {
            before.abort();
        }
    }

    /// An operator stops a component: a release that is under way must not undo the hold.
    pub(super) fn stop_releasing(&self, component: Component) {
        if let Some(task) = self.releases.running.borrow_mut().remove(&component) {
            task.abort();
        }
    }

    /// A postStart hook calls: what hooks act on is released, whoever held it.
    pub(super) fn release_all(self: &Rc<Self>) {
        for component in self.settings.plan.holds.clone() {
            self.releases.hook.borrow_mut().insert(component);
            self.release_soon(component);
        }
    }

    /// How often a component was released.
    pub(super) fn releases_of(&self, component: Component) -> u64 {
        self.releases.done.borrow().get(&component).copied().unwrap_or_default()
    }

    async fn release_when_up(self: &Rc<Self>, component: Component) {
        let Some(apis) = self.settings.apis.clone() else { return };
        self.until(|core| core.unit(component, Unit::is_up) == Some(true)).await;
        self.until(|core| core.past.borrow().is_some() || core.is_wanted_by_hook(component)).await;
        let Some(reason) = self.reason_to_release(component) else {
            return self.watch_unreleased(&apis, component).await;
        };
        if reason == Reason::PastUnknown {
            tracing::info!(%component, "no ledger of an earlier life tells who holds it: releasing it");
        }
        let mut told = Told::default();
        if component == Component::Agent {
            self.until_registered(&apis, &mut told).await;
        }
        self.insist_on_release(&apis, component, &mut told).await;
    }

    fn is_wanted_by_hook(&self, component: Component) -> bool {
        self.releases.hook.borrow().contains(&component)
    }

    fn reason_to_release(&self, component: Component) -> Option<Reason> {
        let past_is_unknown = !matches!(*self.past.borrow(), Some(LastLife::Known(_)));
        if self.is_wanted_by_hook(component) {
            Some(Reason::Hook)
        } else if self.has_own_hold(component) {
            Some(Reason::Ours)
        } else if past_is_unknown && self.releases_of(component) == 0 {
            Some(Reason::PastUnknown)
        } else {
            None
        }
    }

    /// An agent is released once it is registered: before that there is nothing to release.
    async fn until_registered(&self, apis: &Apis, told: &mut Told) {
        let began = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            match apis.status(Component::Agent).await {
                Ok(status) if apis::is_ready(Component::Agent, &status) => return,
                Ok(_) if began.elapsed() >= RELEASED_ANYWAY => return,
                Ok(status) => tracing::debug!(status, "the agent is not running yet"),
                Err(error) if is_unknown(&error) && began.elapsed() < RELEASED_ANYWAY => {
                    tracing::debug!(%error, "the agent is not registered yet");
                }
                Err(error) => self.release_failed(Component::Agent, &error, told),
            }
            sleep(backoff.next()).await;
        }
    }

    async fn insist_on_release(&self, apis: &Apis, component: Component, told: &mut Told) {
        let mut backoff = Backoff::default();
        while let Err(error) = apis.release(component).await {
            self.release_failed(component, &error, told);
            sleep(backoff.next()).await;
        }
        tracing::info!(%component, name = apis.name(component), "released");
        self.note_release(component);
        self.releases.hook.borrow_mut().remove(&component);
        self.releases.why.borrow_mut().remove(&component);
        *self.releases.done.borrow_mut().entry(component).or_default() += 1;
        self.notify();
    }

    fn release_failed(&self, component: Component, error: &ApiError, told: &mut Told) {
        self.releases.why.borrow_mut().insert(component, error.to_string());
        told.tell(component, error);
    }

    /// Why a component is not released yet, as far as that is known.
    pub(super) fn why_unreleased(&self, component: Component) -> String {
        let why = self.releases.why.borrow();
        let why = why.get(&component).map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{}{why}", self.describe(component))
    }

    /// Nothing of ours is to be released: if it does not work all the same, somebody may hold it.
    async fn watch_unreleased(&self, apis: &Apis, component: Component) {
        sleep(NOT_READY_FOR).await;
        if self.unit(component, Unit::is_up) != Some(true) {
            return;
        }
        match apis.status(component).await {
            Ok(status) if apis::is_ready(component, &status) => {}
            Ok(status) => tracing::warn!(
                %component,
                status,
                hint = "it may be held, by somebody else than this container: release it in J-Jobs, or by `jjobs-init post-start`",
                "up but not working"
            ),
            Err(error) => tracing::warn!(
                %component,
                %error,
                hint = error.hint(),
                "up, but whether it works or is held cannot be asked"
            ),
        }
    }
}

/// Whether the server may just not know the agent: a 404, or an answer without it.
fn is_unknown(error: &ApiError) -> bool {
    matches!(error.kind(), FailureKind::Status(404) | FailureKind::Answer)
}

/// Each kind of failure is told once.
#[derive(Default)]
struct Told(HashSet<FailureKind>);

impl Told {
    fn tell(&mut self, component: Component, error: &ApiError) {
        if self.0.insert(error.kind()) {
            tracing::warn!(%component, %error, hint = error.hint(), "cannot release it, will retry");
        } else {
            tracing::debug!(%component, %error, "cannot release it");
        }
    }
}

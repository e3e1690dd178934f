//! What the ledger says of earlier lives, and what it is told of this one.

use super::{core::Core, outcome::Phase};
use crate::{
    ledger::{Event, Hold, LastLife, Past},
    plan::Component,
};
use std::{
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::timeout;

/// A ledger that was not read by then is not waited for: its volume hangs.
const READ_WITHIN: Duration = Duration::from_secs(10);

impl Core {
    /// Waits for what earlier lives have left, and tells how the last one ended.
    pub async fn learn_the_past(self: Rc<Self>, mut past: Past) {
        let last = timeout(READ_WITHIN, past.read()).await.unwrap_or_else(|_| {
            LastLife::Unreadable { why: format!("not read within {} s", READ_WITHIN.as_secs()) }
        });
        match &last {
            LastLife::First => tracing::debug!("no ledger of an earlier life"),
            LastLife::Unreadable { why } => tracing::warn!(
                error = why,
                path = %self.settings.state_dir.display(),
                hint = "how the last life ended and which holds are ours is not known; the volume may be missing, read-only or hanging",
                "cannot read the ledger"
            ),
            LastLife::Known(known) => {
                tracing::info!(end = last.sentence(), "last life");
                // What a hook has released meanwhile was not in there when it was read.
                let is_open = |hold: &&Hold| {
                    let component =
                        Component::ALL.into_iter().find(|one| one.name() == hold.component);
                    component.is_none_or(|component| self.releases_of(component) == 0)
                };
                self.own_holds.borrow_mut().extend(known.holds.iter().filter(is_open).cloned());
            }
        }
        self.past.replace(Some(last));
        self.notify();
    }

    /// Notes that a component is about to be held by us.
    pub(super) fn note_hold(&self, component: Component) {
        let (component, name) = (component.name().to_owned(), self.name_of(component));
        let mut holds = self.own_holds.borrow_mut();
        if holds
            .iter()
            .any(|hold| hold.component == component && hold.name == name && hold.owner == self.life)
        {
            return;
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let owner = self.life.clone();
        holds.push(Hold { component: component.clone(), name: name.clone(), owner, at });
        self.ledger.note(Event::Held { component, name });
    }

    /// Notes that a component is held by nobody any more.
    pub(super) fn note_release(&self, component: Component) {
        let (component, name) = (component.name().to_owned(), self.name_of(component));
        self.own_holds.borrow_mut().retain(|hold| hold.component != component || hold.name != name);
        self.ledger.note(Event::Released { component, name });
    }

    /// Whether a hold of ours is known that was not released.
    pub(super) fn has_own_hold(&self, component: Component) -> bool {
        let name = self.name_of(component);
        let holds = self.own_holds.borrow();
        holds.iter().any(|hold| hold.component == component.name() && hold.name == name)
    }

    /// Notes how many jobs run, when that has changed: a life that ends without a word is told by it.
    pub(super) fn note_jobs(&self, runtimes: usize, requests: Option<usize>) {
        // The first such note also says that the boot is over.
        if runtimes == 0 && matches!(self.phase(), Phase::Booting | Phase::Starting) {
            return;
        }
        let seen = (runtimes, requests);
        if self.noted_jobs.replace(Some(seen)) != Some(seen) {
            self.ledger.note(Event::Jobs { runtimes, requests });
        }
    }
}

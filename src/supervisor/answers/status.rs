//! `status`.

use super::yes;
use crate::{
    control::{
        message::Done,
        report::{ComponentStatus, HoldStatus, Status},
        server::Progress,
    },
    ledger::LastLife,
    supervisor::{core::Core, drain::millis, unit::Intent},
};
use std::rc::Rc;

pub(super) async fn status(core: &Rc<Core>, progress: &Progress) -> Done {
    core.look();
    progress.status(core.status()).await;
    yes("")
}

impl Core {
    /// All that is known.
    fn status(&self) -> Status {
        let mut components = Vec::new();
        self.all_units(|component, unit| {
            components.push(ComponentStatus {
                name: component.name().to_owned(),
                state: unit.state_name().to_owned(),
                since_ms: millis(unit.since().elapsed()),
                pid: unit.pid().map(rustix::process::Pid::as_raw_pid),
                wanted: unit.intent == Intent::Run,
                restarts: unit.restarts.total(),
                last_end: self.last_end_text(component),
            });
            true
        });
        let holds = self.own_holds.borrow();
        Status {
            phase: self.phase().name().to_owned(),
            hostname: self.settings.hostname.clone(),
            uptime_ms: millis(self.began.elapsed()),
            components,
            runtimes: self.runtimes.borrow().iter().map(|jvm| jvm.pid.as_raw_pid()).collect(),
            drain: self.drain_status(),
            holds: holds
                .iter()
                .map(|hold| HoldStatus {
                    component: hold.component.clone(),
                    owner: hold.owner.clone(),
                    since: hold.at,
                })
                .collect(),
            last_life: match self.past.borrow().as_ref() {
                None | Some(LastLife::First) => None,
                Some(last) => Some(last.sentence()),
            },
        }
    }
}

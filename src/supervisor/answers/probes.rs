//! Liveness and the agent's health check: what PID 1 knows anyway, so an answer costs next to nothing.

use super::{no, yes};
use crate::{
    control::message::Done,
    plan::Component,
    supervisor::{
        core::Core,
        drain::{counted, millis},
        outcome::Phase,
        unit::{Down, Intent, State, Unit},
    },
};
use std::{rc::Rc, time::Instant};

/// Does everything run that should?
pub(super) fn liveness(core: &Rc<Core>) -> Done {
    answer(core, &Component::ALL)
}

/// The same for the agent alone.
pub(super) fn healthcheck(core: &Rc<Core>) -> Done {
    answer(core, &[Component::Agent])
}

fn answer(core: &Rc<Core>, components: &[Component]) -> Done {
    let dead: Vec<String> =
        components.iter().filter_map(|component| core.death(*component)).collect();
    if dead.is_empty() {
        return yes("");
    }
    core.stop_request.last_red.set(Some(Instant::now()));
    no(dead.join("; "))
}

impl Core {
    /// Why liveness is red because of `component`, if it is.
    fn death(&self, component: Component) -> Option<String> {
        if !matches!(self.phase(), Phase::Starting | Phase::Running) {
            return None;
        }
        let is_dead = self.unit(component, is_dead)?;
        // Its jobs go on without it, and a kill of the container would end them.
        let works_on = component == Component::Agent && self.runtime_count() > 0;
        (is_dead && !works_on).then(|| self.describe(component))
    }

    /// A component's state in one line: what, since when, how it ended last.
    pub(in crate::supervisor) fn describe(&self, component: Component) -> String {
        let state = self.unit(component, |unit| {
            format!("{} for {} s", unit.state_name(), millis(unit.since().elapsed()) / 1000)
        });
        let state = state.unwrap_or_else(|| "not installed".to_owned());
        let is_running = self.is_running(component);
        let end = self.unit(component, has_ended).unwrap_or_default();
        let end = self.last_end_text(component).filter(|_| end);
        let end = end.map(|end| format!(" ({end})")).unwrap_or_default();
        let runtimes = self.runtime_count();
        let is_missed = component == Component::Agent && !is_running && runtimes > 0;
        let at_work = is_missed.then(|| format!(", {} at work", counted(runtimes, "runtime")));
        format!("{component}: {state}{end}{}", at_work.unwrap_or_default())
    }
}

/// Whether how it ended is of interest: nothing has followed on that yet.
fn has_ended(unit: &Unit) -> bool {
    unit.is_down() || matches!(unit.state, State::Backoff { .. })
}

/// Whether it should run, does not, and will not be started by us.
fn is_dead(unit: &Unit) -> bool {
    unit.intent == Intent::Run
        && matches!(unit.state, State::Down(Down::ByHand | Down::Ended) | State::Failed)
}

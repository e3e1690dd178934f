//! Telling that the kernel killed a process because the container ran out of memory.
//!
//! A kill for lack of memory looks like any other KILL; only the cgroup's count tells them apart
//! ([`crate::process::cgroup`]). The count has no names: a JVM that ended by a KILL that is not ours claims one of the new
//! kills, and those that nobody claims within a moment were a runtime, a script, an operator's command. The count is read
//! when something has ended and at each look, so it costs no wake-up; a runtime is the agent's child, so its kill is told
//! with the next look.

use super::{
    core::Core,
    unit::{Stage, State, Unit},
};
use crate::{
    plan::Component,
    process::{ProcessEnd, cgroup::OomKills},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Duration,
};

/// What the log says about it.
const CAUSE: &str = "out of memory: killed by the kernel";
/// What an operator can do.
const HINT: &str = "raise the container's memory limit, or lower what the JVMs take (-XX:MaxRAMPercentage in \
                    CATALINA_OPTS for manager and server)";
/// How a shell reports a death by KILL: a start script in the foreground ends with its JVM's status.
const KILLED: Option<i32> = Some(128 + 9);
/// Longer than it takes to hear how a JVM ended from the script that was its parent.
const CLAIMED_WITHIN: Duration = Duration::from_secs(2);

/// What is known of kills for lack of memory.
#[derive(Debug)]
pub(super) struct Oom {
    kills: OomKills,
    /// Kills that no component has claimed.
    unclaimed: Cell<u64>,
    /// Whether somebody is about to tell of them.
    is_telling: Cell<bool>,
    /// How each component's JVM ended last.
    ends: RefCell<HashMap<Component, JvmEnd>>,
}

#[derive(Clone, Copy, Debug)]
struct JvmEnd {
    end: ProcessEnd,
    out_of_memory: bool,
    is_told: bool,
}

impl Oom {
    /// Counts from now on.
    pub(super) fn find() -> Self {
        Self {
            kills: OomKills::find(),
            unclaimed: Cell::default(),
            is_telling: Cell::default(),
            ends: RefCell::default(),
        }
    }

    fn count(&self) {
        let new = self.kills.new_ones().unwrap_or_default();
        self.unclaimed.set(self.unclaimed.get().saturating_add(new));
    }

    /// Whether a kill was left to claim.
    fn claim(&self) -> bool {
        let unclaimed = self.unclaimed.get();
        self.unclaimed.set(unclaimed.saturating_sub(1));
        unclaimed > 0
    }

    /// Why the component's JVM ended, if that is worth a word and was not told before.
    fn cause_to_tell(&self, component: Component) -> Option<&'static str> {
        let mut ends = self.ends.borrow_mut();
        let last = ends.get_mut(&component).filter(|last| last.out_of_memory && !last.is_told)?;
        last.is_told = true;
        Some(CAUSE)
    }

    fn limit_mib(&self) -> Option<u64> {
        self.kills.memory_limit().map(|bytes| bytes >> 20)
    }
}

impl Core {
    /// Takes note of new kills; those that no component claims in time are told on their own.
    pub(super) fn note_oom_kills(self: &Rc<Self>) {
        self.oom.count();
        if self.oom.unclaimed.get() > 0 && !self.oom.is_telling.replace(true) {
            let core = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(CLAIMED_WITHIN).await;
                core.tell_oom_kills();
            });
        }
    }

    /// Tells of the kills that no component has claimed.
    pub(super) fn tell_oom_kills(&self) {
        self.oom.is_telling.set(false);
        self.oom.count();
        let processes = self.oom.unclaimed.take();
        if processes > 0 {
            tracing::warn!(
                processes,
                memory_limit_mib = self.oom.limit_mib(),
                hint = HINT,
                "out of memory: the kernel killed processes of this container"
            );
        }
    }

    /// Takes note of how a component's JVM ended, before its unit hears of it.
    pub(super) fn note_jvm_end(&self, component: Component, end: ProcessEnd) {
        let is_our_kill = self.unit(component, |unit| {
            matches!(unit.state, State::Stopping { stage: Stage::Kill { .. }, .. })
        });
        self.oom.count();
        let out_of_memory =
            end.shell_code() == KILLED && is_our_kill != Some(true) && self.oom.claim();
        let noted = JvmEnd { end, out_of_memory, is_told: false };
        self.oom.ends.borrow_mut().insert(component, noted);
    }

    /// Whether the component's JVM ended last because the kernel killed it for lack of memory.
    pub(super) fn is_out_of_memory(&self, component: Component) -> bool {
        self.oom.ends.borrow().get(&component).is_some_and(|last| last.out_of_memory)
    }

    /// Tells why a component's JVM ended if that was not said with what follows from it.
    pub(super) fn tell_jvm_end(&self, component: Component) {
        if let Some(cause) = self.oom.cause_to_tell(component) {
            let end = self.last_end_text(component);
            let memory_limit_mib = self.oom.limit_mib();
            tracing::warn!(%component, end, cause, memory_limit_mib, hint = HINT, "component was killed");
        }
    }

    /// Tells that a component will be started again, and why it is down.
    pub(super) fn tell_restart(&self, component: Component, delay: Duration) {
        let end = self.unit(component, Unit::why_down).flatten();
        let cause = self.oom.cause_to_tell(component);
        tracing::warn!(
            %component,
            end,
            cause,
            memory_limit_mib = cause.and_then(|_| self.oom.limit_mib()),
            hint = cause.map(|_| HINT),
            delay_ms = delay.as_millis(),
            "component is down, will restart"
        );
    }

    /// How a component ended last, in words: its JVM, or a start script that failed since then.
    pub(super) fn last_end_text(&self, component: Component) -> Option<String> {
        let why = self.unit(component, Unit::why_down).flatten()?;
        let ends = self.oom.ends.borrow();
        let jvm = ends.get(&component).filter(|jvm| jvm.end.to_string() == why);
        let is_oom = jvm.is_some_and(|jvm| jvm.out_of_memory);
        Some(if is_oom { format!("{why} (out of memory)") } else { why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kill_is_claimed_once() {
        let oom = Oom::find();
        oom.unclaimed.set(2);
        assert_eq!([oom.claim(), oom.claim(), oom.claim()], [true, true, false]);
    }

    #[test]
    fn a_cause_is_told_once_and_only_where_memory_was_it() {
        let oom = Oom::find();
        for out_of_memory in [true, false] {
            let end = JvmEnd { end: ProcessEnd::Killed(9), out_of_memory, is_told: false };
            oom.ends.borrow_mut().insert(Component::Agent, end);
            assert_eq!(oom.cause_to_tell(Component::Agent).is_some(), out_of_memory);
            assert_eq!(oom.cause_to_tell(Component::Agent), None);
        }
    }
}

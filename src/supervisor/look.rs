//! Looking at `/proc`: which JVM is which component, and which runtimes there are.
//!
//! A start script leaves its JVM behind and ends, operators start JVMs by hand: so components are found, not spawned. When
//! every component is watched nothing is looked at.

use super::{
    core::Core,
    scripts::Script,
    settings::RUNTIME_MARK,
    unit::{Event, State, Unit},
};
use crate::{
    plan::Component,
    process::{
        ProcessEnd,
        procfs::{self, Jvm},
    },
};
use rustix::process::Pid;
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// Between two looks while a component has no watched process.
pub(super) const IDLE_PAUSE: Duration = Duration::from_secs(2);
/// A foreground script ends this soon after its JVM, or does something else.
const SCRIPT_FOLLOWS: Duration = Duration::from_secs(1);
/// The longest pause while a start script may bring its JVM any moment.
const STARTING_PAUSE: Duration = Duration::from_millis(200);
/// Between the first two looks for the JVM of a start script; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

impl Core {
    /// Looks at the processes: adopts components that are there, and notes the runtimes.
    pub(super) fn look(self: &Rc<Self>) {
        self.note_oom_kills();
        let jvms = procfs::jvms();
        self.last_look.set(Some(Instant::now()));
        for component in &self.settings.plan.installed {
            self.adopt(*component, &jvms);
        }
        let runtimes: Vec<Jvm> = jvms.into_iter().filter(|jvm| jvm.bears(&RUNTIME_MARK)).collect();
        self.jobs_look.set(None);
        self.note_runtimes(runtimes);
        self.look_pause.set((self.look_pause.get() * 2).min(self.longest_pause()));
        self.next_look.set(None);
        self.schedule_look();
        self.notify();
        self.restore_consoles();
    }

    /// Something has happened that may have brought a JVM: looks now, and again after short pauses, because a shell that
    /// has just ended may have left a child that has not become `java` yet.
    pub(super) fn look_soon(self: &Rc<Self>) {
        self.note_oom_kills();
        if self.anything_unwatched() {
            self.look_pause.set(FIRST_PAUSE);
            // Thousands of orphans may end one after the other: not each of them is worth a look.
            let now = Instant::now();
            let earliest = self.last_look.get().map_or(now, |last| last + FIRST_PAUSE);
            self.next_look.set(Some(now.max(earliest)));
        }
    }

    /// Decides when to look next, if ever.
    pub(super) fn schedule_look(&self) {
        if !self.anything_unwatched() {
            self.next_look.set(None);
            return;
        }
        let next = Instant::now() + self.look_pause.get();
        if self.next_look.get().is_none_or(|planned| planned > next) {
            self.next_look.set(Some(next));
        }
    }

    /// A start begins: its JVM may come any moment.
    pub(super) fn look_often(&self) {
        self.look_pause.set(FIRST_PAUSE);
        self.next_look.set(None);
        self.schedule_look();
        self.notify();
    }

    fn longest_pause(&self) -> Duration {
        let starting = !self.all_units(|_, unit| !matches!(unit.state, State::Starting { .. }));
        if starting { STARTING_PAUSE } else { IDLE_PAUSE }
    }

    fn anything_unwatched(&self) -> bool {
        !self.all_units(|_, unit| unit.pid().is_some())
    }

    fn adopt(self: &Rc<Self>, component: Component, jvms: &[Jvm]) {
        let mark = self.settings.mark(component);
        let known = self.unit(component, |unit| [unit.pid(), unit.given_up]).unwrap_or_default();
        for jvm in jvms.iter().filter(|jvm| jvm.bears(&mark) && !known.contains(&Some(jvm.pid))) {
            if self.unit(component, Unit::pid).flatten().is_some() {
                tracing::debug!(%component, pid = jvm.pid.as_raw_pid(), "a second process bears the component's mark");
                return;
            }
            self.adopt_jvm(component, jvm);
        }
    }

    /// A start script that stays in the foreground is its JVM's parent and takes its status; it ends with the same one.
    /// `script`: the one that ran when the JVM was found.
    async fn end_by_script(&self, component: Component, script: Option<Pid>) -> ProcessEnd {
        let Some(script) = script else { return ProcessEnd::Unknown };
        let seen = Instant::now();
        let ended = self.until(|core| core.script_pid(component, Script::Start) != Some(script));
        let _ = timeout(SCRIPT_FOLLOWS, ended).await;
        match self.script_ends.borrow().get(&component) {
            // We may hear of the script first; but one that ended long before was not its JVM's parent any more.
            Some(last) if last.pid == script && last.at + SCRIPT_FOLLOWS >= seen => last.end,
            _ => ProcessEnd::Unknown,
        }
    }

    fn adopt_jvm(self: &Rc<Self>, component: Component, jvm: &Jvm) {
        let pid = jvm.pid;
        // `None`: it ended between the look and now.
        let Some(mut ending) = self.children.watch(pid, jvm.started) else { return };
        self.note_jvm(component);
        let script = self.script_pid(component, Script::Start);
        self.apply(component, Event::Found(pid));
        let core = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let mut end = ending.wait().await;
            if end == ProcessEnd::Unknown {
                end = core.end_by_script(component, script).await;
            }
            if component == Component::Agent {
                // Whether it leaves jobs behind decides what liveness says of its end.
                core.look();
            }
            if core.unit(component, Unit::pid).flatten() == Some(pid) {
                core.note_jvm_end(component, end);
                core.apply(component, Event::Ended(end));
                core.tell_jvm_end(component);
            }
        });
        if self.unit(component, |unit| matches!(unit.state, State::Running { .. })) == Some(true) {
            self.check_until_up(component, pid);
        }
    }
}

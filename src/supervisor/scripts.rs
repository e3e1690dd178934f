//! Running the vendor's start and stop scripts: of each sort at most one per component at any time.

use super::{
    core::Core,
    unit::{Event, State, Unit},
};
use crate::{
    plan::Component,
    process::{Child, ProcessEnd, Spawn, SpawnError, drain},
};
use rustix::process::{Pid, Signal};
use std::{
    cell::RefCell,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

/// From TERM to KILL for a script that is ended.
const SCRIPT_TERM_TO_KILL: Duration = Duration::from_secs(5);

/// The two sorts of scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Script {
    /// `start_….sh`.
    Start,
    /// `stop_….sh`.
    Stop,
}

/// A script that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pid: Pid,
    /// Whether the component's JVM came since it was started: it may share the script's group, and so may runtimes.
    has_jvm: bool,
}

/// How a start script ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastEnd {
    pub(super) pid: Pid,
    pub(super) end: ProcessEnd,
    pub(super) at: Instant,
}

impl Script {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }

    fn ended(self, end: ProcessEnd) -> Event {
        match self {
            Self::Start => Event::ScriptEnded(end),
            Self::Stop => Event::StopScriptEnded(end),
        }
    }
}

impl Core {
    /// Runs a component's start script, unless its JVM is there already: then that one is adopted.
    pub(super) fn run_start_script(self: &Rc<Self>, component: Component) {
        self.look();
        if self.unit(component, Unit::pid).flatten().is_some() {
            tracing::info!(%component, "already running, adopted instead of started");
            return;
        }
        self.restore_console(component);
        // What an earlier start or stop has left running must not meet the JVM that comes now.
        for script in [Script::Start, Script::Stop] {
            self.kill_script(component, script);
        }
        if self.run_script(component, Script::Start) {
            self.apply(component, Event::ScriptStarted);
            self.look_often();
        }
    }

    /// Runs a component's stop script; if an earlier one is still at it, that one will do.
    pub(super) fn run_stop_script(self: &Rc<Self>, component: Component) {
        if !self.is_script_running(component, Script::Stop) {
            self.run_script(component, Script::Stop);
        }
    }

    fn is_script_running(&self, component: Component, script: Script) -> bool {
        self.scripts.borrow().contains_key(&(component, script))
    }

    /// The component's JVM has come: from here on its start script's group is not only the script's.
    pub(super) fn note_jvm(&self, component: Component) {
        if let Some(running) = self.scripts.borrow_mut().get_mut(&(component, Script::Start)) {
            running.has_jvm = true;
        }
    }

    /// Ends a start that must not go on, with what it started: no JVM of the component is among that.
    pub(super) fn end_start_script(self: &Rc<Self>, component: Component) {
        if !self.is_script_running(component, Script::Start) {
            // It could not even be started, so its end will not come as an event.
            return self.apply_later(component, Event::ScriptEnded(ProcessEnd::Unknown));
        }
        self.end_script(component, Script::Start);
    }

    /// TERM to a script that is no longer wanted, KILL after a while.
    pub(super) fn end_script(self: &Rc<Self>, component: Component, script: Script) {
        let Some(pid) = self.signal_script(component, script, Signal::TERM) else { return };
        let core = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let ended = core.until(|core| core.script_pid(component, script) != Some(pid));
            if tokio::time::timeout(SCRIPT_TERM_TO_KILL, ended).await.is_err() {
                core.kill_script(component, script);
            }
        });
    }

    /// KILL to a script, if it still runs.
    pub(super) fn kill_script(&self, component: Component, script: Script) {
        if let Some(pid) = self.signal_script(component, script, Signal::KILL) {
            tracing::warn!(%component, script = script.name(), pid = pid.as_raw_pid(), "script killed");
        }
    }

    pub(super) fn script_pid(&self, component: Component, script: Script) -> Option<Pid> {
        self.scripts.borrow().get(&(component, script)).map(|running| running.pid)
    }

    fn signal_script(&self, component: Component, script: Script, signal: Signal) -> Option<Pid> {
        let running = self.scripts.borrow().get(&(component, script)).copied()?;
        if running.has_jvm {
            self.children.signal(running.pid, signal);
        } else {
            self.children.signal_group(running.pid, signal);
        }
        Some(running.pid)
    }

    /// Starts a script and waits for its end in the background; false if it could not be started.
    fn run_script(self: &Rc<Self>, component: Component, script: Script) -> bool {
        let path = match script {
            Script::Start => component.start_script(&self.settings.jjobs_base),
            Script::Stop => component.stop_script(&self.settings.jjobs_base),
        };
        let mut child = match self.spawn_script(component, &path) {
            Ok(child) => child,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%component, path = %path.display(), %error, cause, "cannot run the script");
                self.apply_later(component, script.ended(Self::NOT_STARTED));
                return false;
            }
        };
        let pid = child.pid;
        let (path, raw) = (path.display(), pid.as_raw_pid());
        match script {
            Script::Start => tracing::info!(%component, pid = raw, %path, "start script started"),
            Script::Stop => tracing::info!(%component, pid = raw, %path, "stop script started"),
        }
        self.scripts.borrow_mut().insert((component, script), Running { pid, has_jvm: false });
        let core = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let end = child.ending.wait().await;
            core.script_has_ended(component, script, (pid, end));
        });
        true
    }

    fn script_has_ended(
        self: &Rc<Self>,
        component: Component,
        script: Script,
        (pid, end): (Pid, ProcessEnd),
    ) {
        if self.script_pid(component, script) != Some(pid) {
            // Another one has taken its place: this end says nothing about that.
            return;
        }
        self.scripts.borrow_mut().remove(&(component, script));
        if script == Script::Start {
            let last = LastEnd { pid, end, at: Instant::now() };
            self.script_ends.borrow_mut().insert(component, last);
        }
        // A start script that stays in the foreground ends with its JVM: that end is told as the component's.
        let is_news = script == Script::Stop
            || self.unit(component, |unit| matches!(unit.state, State::Starting { .. }))
                == Some(true);
        if is_news {
            tell_end(component, script, end);
        }
        // Before the state changes: a JVM that the script has left may be there already.
        self.look();
        self.apply(component, script.ended(end));
        self.look_soon();
        self.notify();
    }

    /// Starts a script as the image's bash did: by its whole path, in the folder that the custom command left, with its
    /// output in the container's log.
    fn spawn_script(&self, component: Component, script: &Path) -> Result<Child, SpawnError> {
        let surroundings = self.surroundings.borrow().clone();
        let mut child = self.children.spawn(&Spawn::new(script, surroundings))?;
        if let Some(output) = child.output.take() {
            let stream = Rc::new(RefCell::new(self.output.stream(component.name())));
            match drain(output, stream) {
                Ok(drain) => self.note_drain(drain),
                Err(error) => {
                    tracing::error!(%component, %error, "cannot follow the script's output");
                }
            }
        }
        Ok(child)
    }

    /// Not now: we are in the middle of carrying out this component's last event.
    fn apply_later(self: &Rc<Self>, component: Component, event: Event) {
        let core = Rc::clone(self);
        tokio::task::spawn_local(async move { core.apply(component, event) });
    }
}

fn tell_end(component: Component, script: Script, end: ProcessEnd) {
    let script = script.name();
    if end.is_success() {
        tracing::debug!(%component, script, %end, "script ended");
    } else {
        tracing::warn!(%component, script, %end, "script ended with an error");
    }
}

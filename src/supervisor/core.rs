//! What PID 1 knows, and how an event becomes an effect.
//!
//! Everything runs on one thread, so a [`Core`] is shared by reference counting and its cells are never borrowed across an
//! `await`. Whoever waits for something to become true waits in [`Core::until`]; every change wakes it.

use super::{
    follow::{self, Follower, FollowerHandle},
    outcome::{Outcome, Phase, Urgency},
    scripts::{LastEnd, Running, Script},
    settings::Settings,
    unit::{Action, Event, Policy, StopMode, Unit},
};
use crate::{
    log::Output,
    plan::Component,
    process::{Children, Drain, ProcessEnd, Surroundings, procfs::Jvm},
    termination::LastState,
};
use rustix::process::{Pid, Signal};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// The last look at the logs may take this long; a volume that hangs must not hold the end.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// Left of the grace period for our own last words.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);
/// Nobody has written for this long: what was written before an end has been read.
const QUIET: Duration = Duration::from_millis(5);
/// Somebody who goes on writing is not waited for longer than this.
const QUIET_WITHIN: Duration = Duration::from_millis(300);

/// The state of the container, shared by PID 1's loop and its tasks.
#[derive(Debug)]
pub struct Core {
    pub(super) settings: Settings,
    pub(super) children: Children,
    pub(super) output: Output,
    /// When PID 1 began.
    pub(super) began: Instant,
    units: RefCell<BTreeMap<Component, Unit>>,
    /// The start and stop scripts that are still running.
    pub(super) scripts: RefCell<HashMap<(Component, Script), Running>>,
    /// How a component's last start script ended.
    pub(super) script_ends: RefCell<HashMap<Component, LastEnd>>,
    pub(super) runtimes: RefCell<Vec<Jvm>>,
    pub(super) surroundings: RefCell<Surroundings>,
    pub(super) next_look: Cell<Option<Instant>>,
    pub(super) last_look: Cell<Option<Instant>>,
    pub(super) look_pause: Cell<Duration>,
    /// Tomcats whose console we tried to take over, and whether we hold it.
    pub(super) consoles: RefCell<HashMap<Component, bool>>,
    follower: RefCell<Option<FollowerHandle>>,
    phase: Cell<Phase>,
    outcome: RefCell<Option<Outcome>>,
    urgency: watch::Sender<Urgency>,
    stop_requested: watch::Sender<bool>,
    /// When the end of the container began, whoever wanted it.
    pub(super) stop_began: Cell<Option<Instant>>,
    /// When somebody outside first asked for it; the grace period counts from here.
    pub(super) asked: Cell<Option<Instant>>,
    /// The pipes and consoles that are being emptied.
    drains: RefCell<Vec<Drain>>,
    changed: watch::Sender<u64>,
}

impl Core {
    /// A container in which nothing has happened yet.
    #[must_use]
    pub fn new(settings: Settings, children: Children, output: Output, began: Instant) -> Rc<Self> {
        let policy = Policy { restart: settings.restart, start_timeout: settings.start_timeout };
        let units = settings.plan.installed.iter().map(|component| (*component, Unit::new(policy)));
        Rc::new(Self {
            units: RefCell::new(units.collect()),
            surroundings: RefCell::new(settings.surroundings.clone()),
            settings,
            children,
            output,
            began,
            scripts: RefCell::default(),
            script_ends: RefCell::default(),
            runtimes: RefCell::default(),
            next_look: Cell::new(None),
            last_look: Cell::new(None),
            look_pause: Cell::new(super::look::IDLE_PAUSE),
            consoles: RefCell::default(),
            follower: RefCell::default(),
            phase: Cell::new(Phase::Booting),
            asked: Cell::new(None),
            drains: RefCell::default(),
            outcome: RefCell::default(),
            urgency: watch::Sender::new(Urgency::None),
            stop_requested: watch::Sender::new(false),
            stop_began: Cell::new(None),
            changed: watch::Sender::new(0),
        })
    }

    /// Reads a component's unit; `None` if this kind does not have it.
    pub(super) fn unit<T>(&self, component: Component, read: impl FnOnce(&Unit) -> T) -> Option<T> {
        self.units.borrow().get(&component).map(read)
    }

    /// Whether `holds` is true of every component of this kind.
    pub(super) fn all_units(&self, mut holds: impl FnMut(Component, &Unit) -> bool) -> bool {
        self.units.borrow().iter().all(|(component, unit)| holds(*component, unit))
    }

    /// Gives an event to a component and carries out what follows.
    pub(super) fn apply(self: &Rc<Self>, component: Component, event: Event) {
        let actions = {
            let mut units = self.units.borrow_mut();
            let Some(unit) = units.get_mut(&component) else { return };
            let from = unit.state_name();
            let actions = unit.on(event, Instant::now());
            let to = unit.state_name();
            if from != to {
                let pid = unit.pid().map(Pid::as_raw_pid);
                match event {
                    Event::Ended(end) | Event::ScriptEnded(end) => {
                        tracing::info!(%component, from, to, pid, %end, "component changed state");
                    }
                    _ => tracing::info!(%component, from, to, pid, "component changed state"),
                }
            }
            actions
        };
        for action in actions {
            self.act(component, action);
        }
        self.schedule_look();
        self.notify();
    }

    fn act(self: &Rc<Self>, component: Component, action: Action) {
        match action {
            Action::RunStartScript => self.run_start_script(component),
            Action::EndStartScript => self.end_start_script(component),
            Action::RunStopScript => self.run_stop_script(component),
            Action::Term(pid) => {
                // A stop script that hangs has had its time, and must never meet a later JVM.
                self.end_script(component, Script::Stop);
                self.children.signal(pid, Signal::TERM);
            }
            Action::Kill(pid) => {
                tracing::warn!(%component, pid = pid.as_raw_pid(), "killing");
                self.children.signal(pid, Signal::KILL);
            }
            Action::Look => self.look_soon(),
            Action::WillRestart { delay } => {
                let end = self.unit(component, |unit| unit.last_end).flatten();
                let end = end.map(|end| end.to_string());
                tracing::warn!(%component, end, delay_ms = delay.as_millis(), "component is down, will restart");
            }
            Action::TellNoJvm => {
                tracing::warn!(
                    %component,
                    hint = "run the start script by hand and look at what it prints",
                    "start script brought no process"
                );
            }
            Action::FailedForGood => {
                tracing::error!(
                    %component,
                    hint = "look at its log above; the container ends once the others are drained",
                    "component failed for good"
                );
                self.end_with(Outcome::ComponentFailed(component));
            }
            Action::EndContainer(end) => self.end_with(Outcome::ComponentEnded(component, end)),
            Action::GiveUp(pid) => {
                tracing::error!(%component, pid = pid.as_raw_pid(), "cannot end the process, not even by KILL");
            }
        }
    }

    /// Lets time pass for every component.
    pub(super) fn tick(self: &Rc<Self>) {
        let now = Instant::now();
        let due: Vec<Component> = self
            .units
            .borrow()
            .iter()
            .filter(|(_, unit)| unit.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(component, _)| *component)
            .collect();
        for component in due {
            self.apply(component, Event::Tick);
        }
        if self.next_look.get().is_some_and(|look| look <= now) {
            self.look();
        }
    }

    /// When the loop must call [`tick`](Self::tick) again, if ever.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let units = self.units.borrow();
        let deadlines = units.values().filter_map(Unit::deadline);
        deadlines.chain(self.next_look.get()).min()
    }

    /// Asks a component to end.
    pub(super) fn stop(self: &Rc<Self>, component: Component, mode: StopMode) {
        self.apply(component, Event::Stop(mode));
    }

    /// From here on nothing is started any more.
    pub(super) fn close(&self) {
        for unit in self.units.borrow_mut().values_mut() {
            unit.close();
        }
        self.notify();
    }

    /// The container is to end like this, unless its end was decided before.
    pub(super) fn end_with(&self, outcome: Outcome) {
        let mut decided = self.outcome.borrow_mut();
        if decided.is_none() {
            *decided = Some(outcome);
        }
        drop(decided);
        self.hurry(Urgency::Drain);
    }

    /// The registry of processes.
    pub(super) fn children(&self) -> &Children {
        &self.children
    }

    /// Whether somebody outside has asked for the stop that is under way.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.get().is_some()
    }

    /// Somebody outside asks for the end, whether it is under way already or not: from here on there may be a deadline.
    pub(super) fn note_asked(&self) {
        if self.was_asked() {
            return;
        }
        let now = Instant::now();
        self.asked.set(Some(now));
        if let Some(grace) = self.settings.grace_period {
            for unit in self.units.borrow_mut().values_mut() {
                unit.deadline = Some(now + grace.saturating_sub(LAST_WORDS));
            }
        }
        self.notify();
    }

    /// The boot steps are done: from here on components inherit this.
    pub(super) fn boot_done(&self, surroundings: Surroundings) {
        self.surroundings.replace(surroundings);
        self.open_consoles();
        if self.settings.plan.has(Component::Agent) {
            self.follow_logs();
        }
    }

    fn follow_logs(&self) {
        let Settings { logs_base, hostname, .. } = &self.settings;
        match Follower::spawn(follow::Settings::of_agent(logs_base, hostname, self.output.clone()))
        {
            Ok(follower) => *self.follower.borrow_mut() = Some(follower),
            Err(error) => tracing::error!(%error, "cannot follow the agent's log files"),
        }
    }

    /// Remembers that somebody's output is being read.
    pub(super) fn note_drain(&self, drain: Drain) {
        let mut drains = self.drains.borrow_mut();
        drains.retain(|drain| !drain.is_done());
        drains.push(drain);
    }

    /// Reads what is left in pipes and consoles: the last lines of what has just ended must not be lost.
    pub(super) async fn finish_output(&self) {
        let limit = Instant::now() + QUIET_WITHIN;
        loop {
            let before = Instant::now();
            tokio::time::sleep(QUIET).await;
            let is_quiet = self.drains.borrow().iter().all(|drain| drain.last_output() < before);
            if is_quiet || before >= limit {
                return;
            }
        }
    }

    /// Lets the follower take a last look, for the same reason.
    pub(super) fn finish_logs(&self) {
        if let Some(follower) = self.follower.borrow_mut().take() {
            let _ = follower.finish(LAST_LOOK);
        }
    }

    /// How the container will end, if that is decided.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome.borrow().clone()
    }

    /// Makes the stop at least this urgent.
    pub(super) fn hurry(&self, urgency: Urgency) {
        if self.stop_began.get().is_none() {
            self.stop_began.set(Some(Instant::now()));
        }
        self.stop_requested.send_replace(true);
        self.urgency.send_if_modified(|now| {
            let raised = urgency > *now;
            *now = urgency.max(*now);
            raised
        });
        self.notify();
    }

    /// Becomes true with the first stop request, for whoever must end then.
    #[must_use]
    pub fn stop_requested(&self) -> watch::Receiver<bool> {
        self.stop_requested.subscribe()
    }

    /// How urgent the stop is.
    pub(super) fn urgency(&self) -> Urgency {
        *self.urgency.borrow()
    }

    /// Waits until the stop is at least this urgent.
    pub(super) async fn urgency_reaches(&self, wanted: Urgency) {
        // An error would mean that we ourselves are gone.
        let _ = self.urgency.subscribe().wait_for(|now| *now >= wanted).await;
    }

    /// What the container is doing.
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Notes what the container is doing now, also in the termination message.
    pub(super) fn enter(&self, phase: Phase) {
        tracing::debug!(phase = phase.name(), "phase begins");
        self.phase.set(phase);
        self.settings.termination.write(&self.last_state(None));
        self.notify();
    }

    /// Wakes everybody who waits for something to become true.
    pub(super) fn notify(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Waits until `holds`. It is looked at after every change.
    pub(super) async fn until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut changed = self.changed.subscribe();
        while !holds(self) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits for the next change.
    pub(super) async fn change(&self) {
        let _ = self.changed.subscribe().changed().await;
    }

    /// The runtimes seen by the last look.
    pub(super) fn runtime_count(&self) -> usize {
        self.runtimes.borrow().len()
    }

    /// We ourselves cannot go on; returns the exit code.
    pub(super) fn end_broken(&self) -> u8 {
        let outcome = Outcome::Internal;
        let code = outcome.exit_code(false);
        let reason = Some(outcome.reason());
        self.phase.set(Phase::Ended);
        self.settings.termination.write(&LastState { reason, ..self.last_state(Some(code)) });
        code
    }

    /// How a start script is told to have ended when it could not even be started.
    pub(super) const NOT_STARTED: ProcessEnd = ProcessEnd::Exited(126);
}

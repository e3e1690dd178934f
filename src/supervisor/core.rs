//! What PID 1 knows, and how an event becomes an effect.
//!
//! Everything runs on one thread, so a [`Core`] is shared by reference counting and its cells are never borrowed across an
//! `await`. Whoever waits for something to become true waits in [`Core::until`]; every change wakes it.

use super::{
    answers::Asking,
    drain::{HoldState, Record, Requests},
    follow::FollowerHandle,
    oom::Oom,
    outcome::{Outcome, Phase},
    release::Releases,
    scripts::{LastEnd, Running, Script},
    settings::Settings,
    stop_request::StopRequest,
    unit::{Action, Event, Policy, State, StopMode, Unit},
};
use crate::{
    jjobs::web::NotUp,
    ledger::{self, Hold, LastLife, Ledger},
    log::Output,
    plan::Component,
    process::{Children, Drain, ProcessEnd, Surroundings, procfs::Jvm},
    termination::LastState,
};
use rustix::process::{Pid, Signal};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// The ledger's last line may take this long; a volume that hangs must not hold the end.
const LAST_NOTE: Duration = Duration::from_secs(1);
/// What PID 1 works with.
#[derive(Debug)]
pub struct System {
    /// The registry of processes.
    pub children: Children,
    /// The container's log.
    pub output: Output,
    /// What is remembered from life to life.
    pub ledger: Ledger,
    /// The name of this life in the ledger.
    pub life: String,
    /// When PID 1 began.
    pub began: Instant,
}

/// What is to become of a stop that is under way or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Take it back: start again what it stopped, release what it holds.
    Abort,
    /// It is over, and an operator starts something.
    Reopen,
}

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
    pub(super) oom: Oom,
    pub(super) surroundings: RefCell<Surroundings>,
    pub(super) next_look: Cell<Option<Instant>>,
    /// When to look for the sake of jobs alone, if ever.
    pub(super) jobs_look: Cell<Option<Instant>>,
    pub(super) watched_runtimes: RefCell<HashSet<(i32, u64)>>,
    pub(super) last_look: Cell<Option<Instant>>,
    pub(super) look_pause: Cell<Duration>,
    /// Tomcats whose console we tried to take over, and whether we hold it.
    pub(super) consoles: RefCell<HashMap<Component, bool>>,
    pub(super) follower: RefCell<Option<FollowerHandle>>,
    phase: Cell<Phase>,
    pub(super) stop_request: StopRequest,
    /// The drain that is under way, or the last one.
    pub(super) drain_record: RefCell<Option<Record>>,
    /// How far holding has come.
    pub(super) holds: RefCell<BTreeMap<Component, HoldState>>,
    /// Holds that were asked for and of whose answer nothing is known.
    pub(super) unanswered_holds: RefCell<HashSet<Component>>,
    /// What our server is working on, as far as a drain has asked.
    pub(super) requests: Cell<Requests>,
    /// Requests that were being worked on when the server was stopped.
    pub(super) lost_requests: Cell<Option<usize>>,
    /// What is to become of a stop that is under way.
    pub(super) wish: Cell<Option<Wish>>,
    /// Hooks and operators that are to be told the end before we are gone.
    pub(super) hooks_waiting: Cell<usize>,
    /// Whether the boot steps are done.
    pub(super) is_booted: Cell<bool>,
    pub(super) ledger: Ledger,
    /// The name of this life in there.
    pub(super) life: String,
    pub(super) past: RefCell<Option<LastLife>>,
    /// Holds of ours that were not released, in this life or an earlier one.
    pub(super) own_holds: RefCell<Vec<Hold>>,
    pub(super) releases: Releases,
    /// The operator's verbs so far, by component: a later one takes the place of an earlier one.
    pub(super) verbs: RefCell<HashMap<Component, u64>>,
    /// What the ledger was last told of jobs.
    pub(super) noted_jobs: Cell<Option<(usize, Option<usize>)>>,
    /// What a component that is starting was last found to do instead of being up.
    pub(super) not_up: RefCell<HashMap<Component, NotUp>>,
    /// Since when readiness has been red because of a component.
    pub(super) not_ready: RefCell<HashMap<Component, Instant>>,
    /// The questions of readiness that are under way.
    pub(super) asking: RefCell<HashMap<Component, Asking>>,
    phase_since: Cell<Instant>,
    /// The pipes and consoles that are being emptied.
    pub(super) drains: RefCell<Vec<Drain>>,
    changed: watch::Sender<u64>,
}

impl Core {
    /// A container in which nothing has happened yet.
    #[must_use]
    pub fn new(settings: Settings, system: System) -> Rc<Self> {
        let System { children, output, ledger, life, began } = system;
        let policy = Policy { restart: settings.restart, start_timeout: settings.start_timeout };
        let units =
            settings.plan.installed.iter().map(|component| (*component, Unit::new(policy, began)));
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
            oom: Oom::find(),
            next_look: Cell::new(None),
            jobs_look: Cell::new(None),
            watched_runtimes: RefCell::default(),
            last_look: Cell::new(None),
            look_pause: Cell::new(super::look::IDLE_PAUSE),
            consoles: RefCell::default(),
            follower: RefCell::default(),
            phase: Cell::new(Phase::Booting),
            stop_request: StopRequest::default(),
            drain_record: RefCell::default(),
            holds: RefCell::default(),
            unanswered_holds: RefCell::default(),
            requests: Cell::default(),
            lost_requests: Cell::default(),
            wish: Cell::default(),
            hooks_waiting: Cell::default(),
            is_booted: Cell::default(),
            ledger,
            life,
            past: RefCell::default(),
            own_holds: RefCell::default(),
            releases: Releases::default(),
            verbs: RefCell::default(),
            noted_jobs: Cell::default(),
            not_up: RefCell::default(),
            not_ready: RefCell::default(),
            asking: RefCell::default(),
            phase_since: Cell::new(began),
            drains: RefCell::default(),
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
        let was_running = self.is_running(component);
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
        if let Event::Ended(end) = event
            && was_running
        {
            let oom = self.is_out_of_memory(component);
            let (component, end) = (component.name().to_owned(), end.to_string());
            self.ledger.note(ledger::Event::ComponentEnded { component, end, oom });
        }
        for action in actions {
            self.act(component, action);
        }
        if event == Event::Up {
            self.release_soon(component);
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
                tracing::info!(%component, pid = pid.as_raw_pid(), "sending TERM");
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
                self.tell_restart(component, delay);
                self.ledger
                    .note(ledger::Event::Restarted { component: component.name().to_owned() });
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
            Action::EndContainer(end) => {
                tracing::info!(
                    %component,
                    %end,
                    hint = "this is what JJOBS_INIT_RESTART=exit asks for",
                    "the container ends with its component, once the others are drained"
                );
                self.end_with(Outcome::ComponentEnded(component, end));
            }
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
        let is_due = |look: &Cell<Option<Instant>>| look.get().is_some_and(|look| look <= now);
        if is_due(&self.next_look) || is_due(&self.jobs_look) {
            self.look();
        }
    }

    /// When the loop must call [`tick`](Self::tick) again, if ever.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let units = self.units.borrow();
        let deadlines = units.values().filter_map(Unit::deadline);
        deadlines.chain(self.next_look.get()).chain(self.jobs_look.get()).min()
    }

    /// Asks a component to end.
    pub(super) fn stop(self: &Rc<Self>, component: Component, mode: StopMode) {
        let requests = self.requests.get().last_known;
        if component == Component::Server && requests > 0 && self.is_running(component) {
            tracing::error!(requests, "the server is stopped while it works on requests");
            self.lost_requests.set(Some(requests));
        }
        let is_up = self.is_running(component) && self.unit(component, Unit::is_up) == Some(true);
        if component == Component::Server && is_up && self.requests.get().count.is_none() {
            // "Unknown" is never "none": whoever asked for the drain is told.
            if let Some(record) = self.drain_record.borrow_mut().as_mut() {
                record.are_requests_unknown = true;
            }
        }
        self.apply(component, Event::Stop(mode));
    }

    /// Whether a component's JVM is there and nobody has asked it to end.
    pub(super) fn is_running(&self, component: Component) -> bool {
        self.unit(component, |unit| matches!(unit.state, State::Running { .. })) == Some(true)
    }

    /// Whether nothing of a component runs or is about to; also if this kind does not have it.
    pub(super) fn is_down(&self, component: Component) -> bool {
        self.unit(component, Unit::is_down).unwrap_or(true)
    }

    /// From here on nothing is started any more.
    pub(super) fn close(&self) {
        for unit in self.units.borrow_mut().values_mut() {
            unit.close(Instant::now());
        }
        self.notify();
    }

    /// The registry of processes.
    pub(super) fn children(&self) -> &Children {
        &self.children
    }

    /// After this nothing may be waited for any more.
    pub(super) fn set_unit_deadlines(&self, deadline: Option<Instant>) {
        for unit in self.units.borrow_mut().values_mut() {
            unit.deadline = deadline;
        }
    }

    /// The operator's stop that waited for its last requests is not under way any more.
    pub(super) fn not_leaving(&self, component: Component) {
        if let Some(unit) = self.units.borrow_mut().get_mut(&component) {
            unit.leaving = false;
        }
    }

    /// Work goes on after a stop: components may be started again.
    pub(super) fn open(&self) {
        for unit in self.units.borrow_mut().values_mut() {
            unit.closing = false;
            // The stop has ended the verb that wanted it gone, if one did.
            unit.leaving = false;
        }
        self.notify();
    }

    /// The boot steps are done: from here on components inherit this.
    pub(super) fn boot_done(self: &Rc<Self>, surroundings: Surroundings) {
        self.is_booted.set(true);
        self.surroundings.replace(surroundings);
        self.open_consoles();
        if self.settings.plan.has(Component::Agent) {
            self.follow_logs();
        }
    }

    /// What the container is doing.
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Since when it does that.
    pub(super) fn phase_for(&self) -> Duration {
        self.phase_since.get().elapsed()
    }

    /// Notes what the container is doing now, also in the termination message.
    pub(super) fn enter(&self, phase: Phase) {
        tracing::debug!(phase = phase.name(), "phase begins");
        self.phase.set(phase);
        self.phase_since.set(Instant::now());
        self.note_jobs(self.runtime_count(), self.requests.get().count);
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
        let last = LastState { reason, ..self.last_state(Some(code)) };
        self.settings.termination.write(&last);
        self.ledger.note(ledger::Event::End {
            exit_code: code,
            reason: outcome.reason(),
            jobs_left: last.jobs_left,
            left: Vec::new(),
        });
        self.ledger.finish(LAST_NOTE);
        code
    }

    /// How a start script is told to have ended when it could not even be started.
    pub(super) const NOT_STARTED: ProcessEnd = ProcessEnd::Exited(126);
}

//! The operator's `start`, `stop` and `restart`.
//!
//! What refuses a verb is its error. A verb goes on if its client leaves, and ends when a later one for the same component
//! takes its place, or a drain does.

use super::{no, yes};
use crate::{
    control::{
        message::{Done, Target},
        server::Progress,
    },
    exit::ExitCode,
    plan::Component,
    supervisor::{
        core::{Core, Wish},
        drain::{Requests, counted, pids},
        outcome::{Phase, Urgency},
        unit::{Event, Intent, State, Unit},
    },
};
use std::{
    future::Future,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    join, select,
    time::{sleep, timeout},
};

/// How often a verb says what it waits for.
const PROGRESS: Duration = Duration::from_secs(5);

/// Starts components, in start order.
pub(super) async fn start(
    core: &Rc<Core>,
    target: Target,
    progress: &Progress,
) -> Result<Done, Done> {
    let components = core.resolve(target)?;
    core.has_scripts(&components)?;
    core.reopen().await?;
    tell("start", &components, false);
    Ok(core.in_turn(&components, core.start_by_hand(&components, progress)).await)
}

/// Stops components, in reverse start order. `now`: without waiting for a server's requests.
pub(super) async fn stop(
    core: &Rc<Core>,
    (target, now): (Target, bool),
    progress: &Progress,
) -> Result<Done, Done> {
    let components = core.resolve(target)?;
    if core.phase() == Phase::Stopped {
        return Ok(yes("already drained and stopped"));
    }
    core.is_free()?;
    tell("stop", &components, now);
    Ok(core.in_turn(&components, core.stop_by_hand(&components, now, progress)).await)
}

/// Stops and starts.
pub(super) async fn restart(
    core: &Rc<Core>,
    (target, now): (Target, bool),
    progress: &Progress,
) -> Result<Done, Done> {
    let components = core.resolve(target)?;
    core.has_scripts(&components)?;
    core.reopen().await?;
    let restart = async {
        let stopped = core.stop_by_hand(&components, now, progress).await;
        if stopped.exit_code != 0 {
            return stopped;
        }
        progress.say(stopped.text).await;
        core.start_by_hand(&components, progress).await
    };
    tell("restart", &components, now);
    let done = core.in_turn(&components, restart).await;
    if core.urgency() != Urgency::None {
        // Its operator wants it to run: if the drain is taken back, it is started like the others.
        core.keep_wanted(&components);
    }
    Ok(done)
}

impl Core {
    /// Which components a verb is for, in start order.
    fn resolve(&self, target: Target) -> Result<Vec<Component>, Done> {
        let one = match target {
            Target::All => return Ok(self.settings.plan.installed.clone()),
            Target::Manager => Component::Manager,
            Target::Server => Component::Server,
            Target::Agent => Component::Agent,
        };
        if self.settings.plan.has(one) {
            return Ok(vec![one]);
        }
        let text = format!("no {one} is installed here (INSTALL_KIND)");
        Err(Done { exit_code: ExitCode::Usage.code(), text })
    }

    /// Whether there is something to start. A boot that installs nothing (`ON_BOOT=no`) may find what an earlier one, or an
    /// operator, has installed; where it finds nothing, five vain starts would end the container.
    fn has_scripts(&self, components: &[Component]) -> Result<(), Done> {
        if self.settings.plan.installs {
            return Ok(());
        }
        for component in components {
            let script = component.start_script(&self.settings.jjobs_base);
            if !self.is_running(*component) && !script.exists() {
                let script = script.display();
                let text =
                    format!("no {component} is installed here (ON_BOOT): {script} is not there");
                return Err(Done { exit_code: ExitCode::Usage.code(), text });
            }
        }
        Ok(())
    }

    /// Whether nothing is under way that a verb would disturb.
    fn is_free(&self) -> Result<(), Done> {
        if self.will_end() {
            return Err(no("the container is ending"));
        }
        if self.urgency() != Urgency::None {
            return Err(no("a drain is under way: `jjobs-init drain abort` takes it back"));
        }
        if !self.is_booted.get() {
            return Err(no("the boot has not ended yet: see `jjobs-init status`"));
        }
        Ok(())
    }

    /// As [`is_free`](Self::is_free); a container that is drained and stopped goes back to work.
    async fn reopen(&self) -> Result<(), Done> {
        if self.phase() == Phase::Stopped && !self.will_end() {
            if !self.is_booted.get() {
                return Err(no("the boot was cut off: restart the container"));
            }
            self.wish.set(Some(Wish::Reopen));
            self.notify();
            self.until(|core| core.urgency() == Urgency::None || core.will_end()).await;
        }
        self.is_free()
    }

    /// Does a verb's work until a later verb for one of its components, or a drain, takes its place.
    async fn in_turn(
        self: &Rc<Self>,
        components: &[Component],
        work: impl Future<Output = Done>,
    ) -> Done {
        let turns: Vec<(Component, u64)> = components
            .iter()
            .map(|component| {
                let mut verbs = self.verbs.borrow_mut();
                let turn = verbs.entry(*component).or_default();
                *turn += 1;
                (*component, *turn)
            })
            .collect();
        self.notify();
        let superseded = self.until(|core| {
            let verbs = core.verbs.borrow();
            turns.iter().any(|(component, turn)| verbs.get(component) != Some(turn))
        });
        select! {
            biased;
            done = work => done,
            () = superseded => {
                for (component, turn) in turns {
                    if self.verbs.borrow().get(&component) == Some(&turn) {
                        self.stay(component);
                    }
                }
                no("another command has taken its place")
            }
            () = self.urgency_reaches(Urgency::Drain) => no("a drain or the end of the container has taken its place"),
        }
    }

    /// A drain has cut off a restart between its stop and its start.
    fn keep_wanted(self: &Rc<Self>, components: &[Component]) {
        for component in components {
            self.apply(*component, Event::StillWanted);
        }
        if let Some(record) = self.drain_record.borrow_mut().as_mut() {
            record.interrupt(components);
        }
    }

    async fn start_by_hand(self: &Rc<Self>, components: &[Component], progress: &Progress) -> Done {
        for component in components {
            self.forget_hold(*component);
            if self.is_running(*component) {
                progress.say(format!("{component}: already running")).await;
                // A stop may have held it, and been taken back by this.
                self.apply(*component, Event::StartByHand);
                self.release_soon(*component);
                self.release_again_later(*component);
            }
        }
        let began = Instant::now();
        let settled = async {
            self.until(|core| !components.iter().any(|component| core.is_stopping(*component)))
                .await;
            // Each has its own limit: one that takes longer must not keep the next one from being started.
            self.start_in_order(components, Event::StartByHand).await;
            let settled =
                self.until(|core| components.iter().all(|component| core.has_settled(*component)));
            timeout(self.settings.start_timeout, settled).await.is_ok()
        };
        let in_time = select! {
            in_time = settled => in_time,
            () = self.say_states(components, progress) => false,
        };
        let states: Vec<String> =
            components.iter().map(|component| self.describe(*component)).collect();
        let are_up =
            components.iter().all(|component| self.unit(*component, Unit::is_up) == Some(true));
        match (are_up, in_time) {
            (true, _) => yes(format!("up: {}", names(components))),
            (false, true) => no(format!("not up: {}", states.join("; "))),
            (false, false) => {
                let elapsed = began.elapsed().as_secs();
                no(format!("not up within {elapsed} s: {}", states.join("; ")))
            }
        }
    }

    /// A stop of several ends because of a command for another one of them: what still runs is not held for it any more.
    fn stay(self: &Rc<Self>, component: Component) {
        if self.unit(component, |unit| unit.leaving) == Some(true) {
            self.not_leaving(component);
            self.release_soon(component);
            self.release_again_later(component);
        }
    }

    fn is_stopping(&self, component: Component) -> bool {
        self.unit(component, |unit| matches!(unit.state, State::Stopping { .. })) == Some(true)
    }

    /// Whether a start has come to its end, good or bad.
    fn has_settled(&self, component: Component) -> bool {
        self.unit(component, |unit| {
            unit.is_up() || unit.is_down() || matches!(unit.state, State::Backoff { .. })
        }) != Some(false)
    }

    async fn stop_by_hand(
        self: &Rc<Self>,
        components: &[Component],
        now: bool,
        progress: &Progress,
    ) -> Done {
        self.look();
        for component in components {
            self.stop_releasing(*component);
            self.apply(*component, Event::SetAside);
        }
        let _forgotten = ForgetRequests::new(self);
        let stop = async {
            // First of all: it hears of the ends of jobs only as long as their agent runs.
            match (components.contains(&Component::Server), now) {
                (true, false) => self.let_requests_finish(progress).await,
                // What is lost is to be told.
                (true, true) => self.ask_before_hurry().await,
                (false, _) => {}
            }
            for component in components.iter().rev() {
                self.stop_and_wait(*component).await;
            }
        };
        select! {
            () = stop => {}
            () = self.say_states(components, progress) => {}
        }
        let mut text = vec![format!("stopped: {}", names(components))];
        if let Some(lost) = self.lost_requests.take() {
            text.push(format!("{} did not finish", counted(lost, "request")));
        }
        self.look();
        if components.contains(&Component::Agent) && self.runtime_count() > 0 {
            let runtimes = self.runtimes.borrow();
            let count = counted(runtimes.len(), "runtime");
            text.push(format!("{count} of the agent's at work on: {}", pids(&runtimes)));
        }
        yes(text.join("; "))
    }

    /// Holds the server and waits until it works on nothing.
    async fn let_requests_finish(self: &Rc<Self>, progress: &Progress) {
        let server = Component::Server;
        if self.unit(server, Unit::is_up) != Some(true) {
            return;
        }
        if self.settings.apis.is_none() {
            progress.say("no token: the server is stopped without waiting for its requests").await;
            return;
        }
        let in_background = async {
            join!(self.keep_held(server), self.poll_requests());
            std::future::pending::<()>().await;
        };
        select! {
            () = self.until_idle() => {}
            () = in_background => {}
        }
    }

    /// Says what is waited for, until dropped.
    async fn say_states(&self, components: &[Component], progress: &Progress) {
        loop {
            sleep(PROGRESS).await;
            let text: Vec<String> =
                components.iter().filter_map(|component| self.progress_of(*component)).collect();
            if !text.is_empty() {
                progress.say(text.join("; ")).await;
            }
        }
    }

    /// How far a verb has come with a component; `None` where that is of no interest yet, or not any more.
    fn progress_of(&self, component: Component) -> Option<String> {
        let (is_aside, is_leaving) = self
            .unit(component, |unit| (unit.intent == Intent::SetAside, unit.leaving))
            .unwrap_or_default();
        if is_aside && self.is_down(component) {
            return None;
        }
        if !(is_leaving && self.is_running(component)) {
            return Some(self.describe(component));
        }
        if component != Component::Server {
            return None;
        }
        let works_on = match self.requests.get().count {
            None if self.hold_state(component).is_open() => {
                return Some("server: holding it".to_owned());
            }
            None => "an unknown number of requests".to_owned(),
            Some(count) => counted(count, "request"),
        };
        let agent = Component::Agent;
        let is_mute = self.settings.plan.has(agent) && self.is_down(agent);
        let mute = if is_mute && self.runtime_count() == 0 {
            " (while the agent is down it cannot report that they are done)"
        } else {
            ""
        };
        Some(format!(
            "server: waiting for {works_on}{mute}; `jjobs-init stop server --now` does not wait"
        ))
    }
}

/// What is known of requests belongs to the stop that has asked for it.
struct ForgetRequests<'a>(&'a Core);

impl<'a> ForgetRequests<'a> {
    fn new(core: &'a Core) -> Self {
        core.requests.set(Requests::default());
        Self(core)
    }
}

impl Drop for ForgetRequests<'_> {
    fn drop(&mut self) {
        // A drain that has taken the verb's place asks for itself.
        if self.0.urgency() == Urgency::None {
            self.0.requests.set(Requests::default());
            self.0.lost_requests.set(None);
        }
    }
}

/// Nobody else's log tells that it was an operator.
fn tell(verb: &str, components: &[Component], now: bool) {
    tracing::info!(verb, components = names(components), now, "asked for by an operator");
}

fn names(components: &[Component]) -> String {
    components.iter().map(|component| component.name()).collect::<Vec<_>>().join(", ")
}

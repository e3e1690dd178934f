//! The drain: no new jobs, the running ones finish, then the components are stopped (contract.md §8, preStop).
//!
//! It is one long future on the loop's thread. Dropping it (an abort, a second TERM, the end of the grace period) takes
//! back nothing that was sent: what has been stopped stays stopped, what is held stays held.

mod hold;
mod progress;
mod record;
mod requests;

pub(super) use self::{
    hold::HoldState,
    progress::{counted, millis, pids},
    record::{DrainEnd, Left, Record, Stage},
    requests::Requests,
};

use super::{
    core::Core,
    outcome::Phase,
    unit::{Event, State, StopMode, Unit},
};
use crate::{jjobs::web::Web, plan::Component};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    join, select,
    time::{sleep, timeout, timeout_at},
};

/// Runtimes are gone when they were not seen this often in a row …
const LOOKS: u32 = 3;
/// … this far apart.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Requests that cannot be asked about are waited for so long where no grace period limits the drain.
const UNKNOWN_FOR: Duration = Duration::from_mins(10);
/// A JVM that is up has answered by then: the time of one try.
const ASKED_WITHIN: Duration = Duration::from_secs(3);

impl Core {
    /// Lets everything finish and stops it, in reverse start order.
    pub(super) async fn drain(self: &Rc<Self>) {
        self.enter(Phase::Draining);
        self.look();
        self.tell_missing_token();
        let in_background = async {
            join!(
                self.keep_held(Component::Agent),
                self.keep_held(Component::Server),
                self.poll_requests(),
                self.tell_progress(),
            );
            std::future::pending::<()>().await;
        };
        let in_order = async {
            self.drain_agent().await;
            self.drain_server().await;
            self.stop_and_wait(Component::Manager).await;
        };
        select! {
            () = in_order => {}
            () = in_background => {}
        }
    }

    fn tell_missing_token(&self) {
        let held = [Component::Server, Component::Agent];
        if self.settings.apis.is_none() && held.iter().any(|component| self.is_running(*component))
        {
            tracing::warn!(
                hint = "set API_PRIVATE_TOKEN or API_PRIVATE_TOKEN_FILE: without it new jobs go on coming until the \
                        component is stopped, and the server's requests cannot be waited for",
                "no token: nothing can be held"
            );
        }
    }

    /// Waits until the agent is down and no runtime is left.
    async fn drain_agent(self: &Rc<Self>) {
        let agent = Component::Agent;
        if !self.settings.plan.has(agent) {
            return;
        }
        self.enter_stage(Stage::Jobs);
        if !self.is_running(agent) {
            // Still being started, waiting for its restart, or down.
            self.stop_and_wait(agent).await;
        }
        let began = Instant::now();
        // Since when it might have ended: its last runtime is gone, and it has been told.
        let mut busy = began;
        let mut was_held = false;
        let mut empty = 0;
        let mut waited = false;
        let mut runs = self.is_running(agent);
        loop {
            self.look();
            if runs && self.is_down(agent) {
                // Only looks after its end tell that it has left nothing behind.
                (runs, empty) = (false, 0);
                let elapsed_ms = began.elapsed().as_millis();
                tracing::info!(component = %agent, elapsed_ms, "component stopped");
            }
            let is_held = self.hold_state(agent) == HoldState::Held;
            if is_held && !was_held {
                (was_held, busy) = (true, Instant::now());
            }
            let runtimes = self.runtime_count();
            if runtimes > 0 {
                (busy, empty, waited) = (Instant::now(), 0, true);
            } else {
                empty += 1;
            }
            if self.is_down(agent) {
                // Where no agent has ever run since we began, no runtime is about to start either.
                if empty >= LOOKS || (runtimes == 0 && !waited && !self.agent_has_run()) {
                    break;
                }
            } else if !self.ends_by_itself(busy) {
                self.until_known(agent).await;
                self.stop(agent, StopMode::Script(self.stop_patience()));
            }
            sleep(LOOK_PAUSE).await;
        }
        if waited {
            tracing::info!(elapsed_ms = began.elapsed().as_millis(), "all running jobs have ended");
        }
    }

    /// Whether the agent is still given the time to end by itself. `busy`: when a runtime was last seen, or it was told to.
    fn ends_by_itself(&self, busy: Instant) -> bool {
        match self.hold_state(Component::Agent) {
            HoldState::Trying | HoldState::Refused => true,
            // However short STOP_TIMEOUT is: a job that was handed out before the hold must have come to its runtime.
            HoldState::Held => busy.elapsed() < self.settings.stop_timeout.max(LOOK_PAUSE * LOOKS),
            HoldState::Failed | HoldState::NoToken => false,
        }
    }

    fn agent_has_run(&self) -> bool {
        self.unit(Component::Agent, Unit::has_run) == Some(true)
    }

    /// Waits until the server works on nothing, then stops it.
    async fn drain_server(self: &Rc<Self>) {
        let server = Component::Server;
        self.until_known(server).await;
        let is_up = self.unit(server, Unit::is_up) == Some(true);
        if is_up && self.settings.apis.is_some() {
            self.until_idle().await;
        }
        self.stop_and_wait(server).await;
    }

    /// Waits until our server, which is held or cannot be, works on nothing; or until it must be stopped all the same.
    pub(super) async fn until_idle(&self) {
        let server = Component::Server;
        self.enter_stage(Stage::Hold(server));
        self.until(|core| !core.hold_state(server).is_open() || !core.is_running(server)).await;
        self.enter_stage(Stage::Requests);
        let began = Instant::now();
        let requests = Requests { is_waited_for: true, empty_in_a_row: 0, ..self.requests.get() };
        self.requests.set(requests);
        self.notify();
        let idle = self.until(|core| core.requests.get().is_idle() || !core.is_running(server));
        select! {
            () = idle => {}
            () = self.unknown_for_long(began) => tracing::warn!(
                elapsed_ms = began.elapsed().as_millis(),
                hint = "look at what the server answers above; a grace period (JJOBS_INIT_GRACE_PERIOD) changes how long is waited",
                "the server's requests cannot be asked about, stopping it all the same"
            ),
        }
        self.requests.set(Requests { is_waited_for: false, ..self.requests.get() });
        let requests = self.requests.get().last_known;
        if !self.is_running(server) && requests > 0 {
            tracing::error!(requests, "the server has ended while it was working on requests");
            self.lost_requests.set(Some(requests));
        }
    }

    /// Waits until nothing has been heard for so long that waiting on makes no sense. With a grace period its reserve is
    /// the limit.
    async fn unknown_for_long(&self, began: Instant) {
        loop {
            let heard = self.requests.get().answered.map_or(began, |at| at.max(began));
            let silent = heard.elapsed();
            if silent >= UNKNOWN_FOR && self.time_left().is_none() {
                return;
            }
            sleep(UNKNOWN_FOR.saturating_sub(silent).max(LOOK_PAUSE)).await;
        }
    }

    /// Stops a component by its script and waits for its end.
    pub(super) async fn stop_and_wait(self: &Rc<Self>, component: Component) {
        if self.is_down(component) {
            return;
        }
        let began = Instant::now();
        self.until_known(component).await;
        self.enter_stage(Stage::Stop(component));
        self.stop(component, StopMode::Script(self.stop_patience()));
        self.until(|core| core.is_down(component)).await;
        tracing::info!(%component, elapsed_ms = began.elapsed().as_millis(), "component stopped");
    }

    /// A JVM may be up for long before we know: one that somebody else started was found a moment ago, one that takes its
    /// time is asked only now and then. It is asked before it is stopped as one that never was up, with requests at work.
    pub(super) async fn until_known(self: &Rc<Self>, component: Component) {
        let found = self.unit(component, |unit| match unit.state {
            State::Running { up: None, ours, since, .. } => Some((ours, since)),
            _ => None,
        });
        let Some((ours, since)) = found.flatten() else { return };
        if ours {
            return self.ask_now(component).await;
        }
        let known = self.until(|core| {
            core.unit(component, |unit| matches!(unit.state, State::Running { up: None, .. }))
                != Some(true)
        });
        let _ = timeout_at((since + ASKED_WITHIN).into(), known).await;
    }

    async fn ask_now(self: &Rc<Self>, component: Component) {
        let (Some(url), Ok(web)) = (self.web_url(component), Web::new()) else { return };
        if timeout(ASKED_WITHIN, web.is_up(&url)).await == Ok(true) {
            self.apply(component, Event::Up);
        }
    }

    /// Asks once for the requests of a server that is about to be stopped in a hurry: what is lost is to be told, and what
    /// the last answer named may be done by now.
    pub(super) async fn ask_before_hurry(&self) {
        let Some(apis) = &self.settings.apis else { return };
        if self.unit(Component::Server, Unit::is_up) == Some(true) {
            // What goes wrong has been told before, or is of no use any more.
            let _ = timeout(LOOK_PAUSE, self.ask_for_requests(apis)).await;
        }
    }
}

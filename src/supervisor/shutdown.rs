//! The way from the first stop request to the end of PID 1, or back to work.
//!
//! A first request drains, a second one stops everything now, a third one kills. Each level is a future that the next one
//! cuts off; what was begun before (a stop script, a TERM) is not begun again. What a hook or an operator asked for ends in
//! the phase `stopped`; only TERM, a failure or a component's end under `JJOBS_INIT_RESTART=exit` ends the container.

use super::{
    core::{Core, Wish},
    drain::{DrainEnd, Left, Requests, Stage, counted},
    outcome::{Outcome, Phase, Urgency},
    scripts::Script,
    stop_request::LAST_WORDS,
    unit::{State, StopMode},
};
use crate::{
    ledger,
    plan::Component,
    process::procfs::{self, Jvm},
    termination::LastState,
};
use rustix::process::{Signal, kill_process};
use std::{rc::Rc, time::Duration};
use tokio::{
    join, select,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// A boot that was asked to end must have ended after this; what is stuck then (a thread on a hung volume) is left behind.
const BOOT_ENDS_WITHIN: Duration = Duration::from_secs(9);
/// The last words to hooks and operators may take this long.
const LAST_ANSWER: Duration = Duration::from_millis(500);
/// The ledger's last line may take this long; its volume may hang.
const LAST_NOTE: Duration = Duration::from_secs(1);
/// At the very end remaining runtimes get TERM and this long.
const RUNTIME_GRACE: Duration = Duration::from_secs(5);
/// A stop script's time ends so long before the grace period does: then TERM.
const BEFORE_DEADLINE: Duration = Duration::from_secs(5);
/// After KILL.
const KILLED_WITHIN: Duration = Duration::from_secs(2);

impl Core {
    /// Waits for stop requests and carries them out, until one of them ends the container; returns the exit code.
    /// `boot` is what is running until then.
    pub(super) async fn stop_when_asked(self: Rc<Self>, boot: JoinHandle<()>) -> u8 {
        let mut boot = Some(boot);
        loop {
            self.urgency_reaches(Urgency::Drain).await;
            self.close();
            let aborted = self.until(|core| core.wish.get() == Some(Wish::Abort));
            let killed = select! {
                biased;
                () = aborted => None,
                killed = self.stop_everything(&mut boot) => Some(killed),
            };
            let Some(killed) = killed else {
                self.drain_is_over(DrainEnd::Aborted);
                self.go_on(Wish::Abort);
                continue;
            };
            self.tell_end_of_drain(&killed);
            if !self.will_end() {
                self.enter(Phase::Stopped);
                let hint = "`jjobs-init start all` starts again";
                tracing::info!(hint, "stopped, waiting for the end of the container");
            }
            select! {
                biased;
                () = self.until(Self::will_end) => return self.end(killed).await,
                () = self.until(|core| core.wish.get().is_some()) => {
                    self.go_on(self.wish.get().unwrap_or(Wish::Reopen));
                }
            }
        }
    }

    /// Ends the boot, drains, stops; each level of urgency cuts the one before. Returns the runtimes that were killed.
    async fn stop_everything(self: &Rc<Self>, boot: &mut Option<JoinHandle<()>>) -> Vec<Jvm> {
        self.end_boot(boot).await;
        select! {
            () = self.drain() => {}
            () = self.urgency_reaches(Urgency::Now) => tracing::warn!(
                jobs_left = self.jobs_left(),
                "skipping the drain: stopping everything now"
            ),
            () = self.until_reserve() => tracing::warn!(
                jobs_left = self.jobs_left(),
                hint = self.hint_to_late_drain(),
                "the grace period is nearly over: stopping now"
            ),
        }
        self.enter(Phase::Stopping);
        self.enter_stage(Stage::StopAll);
        select! {
            () = self.stop_all() => Vec::new(),
            () = self.urgency_reaches(Urgency::Kill) => {
                tracing::warn!("asked a third time: killing");
                self.kill_all().await
            }
        }
    }

    /// What was waited for when the time was over: jobs, or a server that did not say what it works on.
    fn hint_to_late_drain(&self) -> &'static str {
        if self.requests.get().is_unknown && self.runtime_count() == 0 {
            "the server did not say what it works on, and a longer grace period changes nothing of that: see above why"
        } else {
            "a longer terminationGracePeriodSeconds lets jobs finish"
        }
    }

    async fn end_boot(&self, boot: &mut Option<JoinHandle<()>>) {
        let Some(boot) = boot.as_mut().filter(|boot| !boot.is_finished()) else { return };
        select! {
            ended = timeout(BOOT_ENDS_WITHIN, boot) => if ended.is_err() {
                tracing::warn!("a boot step is stuck and is left behind");
            },
            () = self.urgency_reaches(Urgency::Kill) => {}
        }
    }

    fn tell_end_of_drain(&self, killed: &[Jvm]) {
        let left = self.left_running(killed);
        if left.names.is_empty() {
            let jobs = self.drain_record.borrow().as_ref().map_or(0, |record| record.finished(0));
            self.drain_is_over(DrainEnd::Finished { jobs });
        } else {
            self.drain_is_over(DrainEnd::JobsLeft(left));
        }
    }

    /// What still runs though its component was stopped. `killed`: runtimes that are gone already.
    fn left_running(&self, killed: &[Jvm]) -> Left {
        let runtimes = self.runtimes.borrow();
        let alive = runtimes.iter().filter(|runtime| !killed.contains(runtime));
        let jvms = killed.iter().chain(alive);
        let mut names: Vec<String> =
            jvms.map(|jvm| format!("runtime {}", jvm.pid.as_raw_pid())).collect();
        let requests = self.lost_requests.get().unwrap_or_default();
        // A job of the agent's is one of the server's requests, too.
        let jobs = names.len().max(requests);
        if requests > 0 {
            names.push(format!("{} of the server", counted(requests, "request")));
        }
        Left { jobs, names }
    }

    /// The stop was taken back, or an operator starts something: work goes on.
    fn go_on(self: &Rc<Self>, wish: Wish) {
        self.wish.set(None);
        self.calm_down();
        for component in Component::ALL {
            self.forget_hold(component);
        }
        self.requests.set(Requests::default());
        self.lost_requests.set(None);
        self.open();
        self.enter(Phase::Running);
        match wish {
            Wish::Reopen => self.forget_asked(),
            Wish::Abort => {
                self.forget_asked_soon();
                self.start_what_was_stopped();
                for component in Component::ALL {
                    self.release_again_later(component);
                }
            }
        }
    }

    /// Stops whatever still runs, side by side.
    async fn stop_all(self: &Rc<Self>) {
        self.ask_before_hurry().await;
        loop {
            // A second JVM of a component, or one that an operator has just started, is found here.
            self.look();
            if self.all_units(|_, unit| unit.is_down()) {
                return;
            }
            // Side by side: one that hangs must not use up the time of the others.
            join!(self.until_known(Component::Server), self.until_known(Component::Manager));
            for component in Component::ALL.into_iter().rev() {
                self.stop(component, StopMode::Script(self.stop_patience()));
            }
            self.until(|core| {
                core.all_units(|_, unit| unit.is_down())
                    || !core.all_units(|_, unit| !matches!(unit.state, State::Running { .. }))
            })
            .await;
        }
    }

    /// Kills all there is; returns the runtimes that were among it.
    async fn kill_all(self: &Rc<Self>) -> Vec<Jvm> {
        self.look();
        let runtimes = self.runtimes.borrow().clone();
        for component in Component::ALL {
            self.stop(component, StopMode::Kill);
            self.kill_script(component, Script::Start);
            self.kill_script(component, Script::Stop);
        }
        signal_all(&runtimes, Signal::KILL);
        let killed = self.until(|core| core.all_units(|_, unit| unit.is_down()));
        let _ = timeout(KILLED_WITHIN, killed).await;
        runtimes
    }

    /// The last runtimes get TERM; the last state is told. `killed`: runtimes that are gone already.
    async fn end(self: &Rc<Self>, mut killed: Vec<Jvm>) -> u8 {
        killed.extend(self.until_all_down().await);
        self.let_last_jobs_finish().await;
        let left = self.left_running(&killed);
        if !left.names.is_empty() {
            tracing::error!(
                jobs_left = left.jobs,
                left = left.names.join(", "),
                "the container ends while jobs run"
            );
            self.end_runtimes().await;
        }
        self.finish_output().await;
        self.finish_logs();
        self.enter(Phase::Ended);
        self.until_answered().await;
        self.tell_the_end(left)
    }

    /// What somebody has started by hand since everything was stopped is drained too, or has got its TERM already. Returns
    /// the runtimes that were killed.
    async fn until_all_down(self: &Rc<Self>) -> Vec<Jvm> {
        self.look();
        let mut killed = Vec::new();
        if !self.all_units(|component, _| !self.is_running(component)) {
            tracing::info!("started by hand since everything was stopped: draining that too");
            killed = self.stop_everything(&mut None).await;
        }
        select! {
            () = self.until(|core| core.all_units(|_, unit| unit.is_down())) => {}
            () = self.urgency_reaches(Urgency::Kill) => {}
        }
        self.look();
        killed
    }

    /// The components are stopped, and that took less than was kept for it: running jobs have the rest of the grace period,
    /// unless somebody is in a hurry.
    async fn let_last_jobs_finish(self: &Rc<Self>) {
        let needed = RUNTIME_GRACE + LAST_WORDS;
        let has_time = |core: &Self| core.time_left().is_some_and(|left| left > needed);
        if self.runtime_count() == 0 || !has_time(self) || self.urgency() > Urgency::Drain {
            return;
        }
        tracing::info!(
            runtimes = self.runtime_count(),
            left_ms = self.time_left().map(|left| left.as_millis()),
            "components are stopped, running jobs have the rest of the grace period"
        );
        let gone = async {
            while self.runtime_count() > 0 && has_time(self) {
                sleep(Duration::from_millis(500)).await;
                self.look();
            }
        };
        select! {
            () = gone => {}
            () = self.urgency_reaches(Urgency::Now) => {}
        }
    }

    /// TERM to the runtimes, and a moment.
    async fn end_runtimes(self: &Rc<Self>) {
        signal_all(&self.runtimes.borrow(), Signal::TERM);
        let grace = self
            .time_left()
            .map_or(RUNTIME_GRACE, |left| left.saturating_sub(LAST_WORDS).min(RUNTIME_GRACE));
        let gone = async {
            while self.runtime_count() > 0 {
                sleep(Duration::from_millis(100)).await;
                self.look();
            }
        };
        select! {
            _ = timeout(grace, gone) => {}
            () = self.urgency_reaches(Urgency::Kill) => {}
        }
    }

    /// Writes the end wherever somebody may look for it; returns the exit code.
    fn tell_the_end(&self, left: Left) -> u8 {
        let outcome = self.outcome().unwrap_or(Outcome::Internal);
        let Left { jobs: jobs_left, names: left } = left;
        let code = outcome.exit_code(jobs_left > 0);
        let mut reason = self.reason(&outcome);
        if jobs_left > 0 {
            reason = format!("{reason}; still running: {}", left.join(", "));
        }
        let last =
            LastState { jobs_left, reason: Some(reason.clone()), ..self.last_state(Some(code)) };
        self.settings.termination.write(&last);
        let elapsed_ms = self.stopping_for().map(|elapsed| elapsed.as_millis());
        tracing::info!(exit_code = code, reason, jobs_left, elapsed_ms, "container ends");
        self.ledger.note(ledger::Event::End { exit_code: code, reason, jobs_left, left });
        self.ledger.finish(LAST_NOTE);
        code
    }

    /// Hooks that wait for the end of the drain are answered before we are gone.
    async fn until_answered(&self) {
        let answered = self.until(|core| core.hooks_waiting.get() == 0);
        let _ = timeout(LAST_ANSWER, answered).await;
    }

    /// The last state as the termination message tells it.
    pub(super) fn last_state(&self, exit_code: Option<u8>) -> LastState {
        let outcome = self.outcome();
        LastState {
            phase: self.phase().name(),
            exit_code,
            reason: outcome.as_ref().map(|outcome| self.reason(outcome)),
            component: outcome.and_then(|outcome| outcome.component()).map(Component::name),
            jobs_left: self.jobs_left(),
        }
    }

    /// Why the container ends, with what is known of the component's own end.
    fn reason(&self, outcome: &Outcome) -> String {
        let reason = outcome.reason();
        match outcome {
            Outcome::ComponentFailed(component) => match self.last_end_text(*component) {
                Some(end) => format!("{reason}: {end}"),
                None => reason,
            },
            Outcome::ComponentEnded(component, _) if self.is_out_of_memory(*component) => {
                format!("{reason} (out of memory)")
            }
            _ => reason,
        }
    }

    /// How long a stop script may take: `STOP_TIMEOUT`, cut to what is left of the grace period.
    pub(super) fn stop_patience(&self) -> Duration {
        let patience = self.settings.stop_timeout;
        self.time_left().map_or(patience, |left| patience.min(left.saturating_sub(BEFORE_DEADLINE)))
    }
}

fn signal_all(jvms: &[Jvm], signal: Signal) {
    for jvm in jvms {
        // Looked at a moment before; the start time tells a pid that was given away since.
        if procfs::started(jvm.pid) == Some(jvm.started) {
            let _ = kill_process(jvm.pid, signal);
        }
    }
}

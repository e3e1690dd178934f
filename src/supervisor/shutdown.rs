//! The way from the first stop request to the end of PID 1.
//!
//! A first request drains: the agent is stopped, its runtimes finish their jobs, then server and manager are stopped. A
//! second one stops everything now, a third one kills. Each level is a future that the next one cuts off; what was begun
//! before (a stop script, a TERM) is not begun again.

use super::{
    core::{Core, LAST_WORDS},
    outcome::{Outcome, Phase, Urgency},
    scripts::Script,
    unit::{State, StopMode, Unit},
};
use crate::{
    plan::Component,
    process::procfs::{self, Jvm},
    termination::LastState,
};
use rustix::process::{Signal, kill_process};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    select,
    time::{sleep, timeout, timeout_at},
};

/// Runtimes are gone when they were not seen this often in a row …
const LOOKS: u32 = 3;
/// … this far apart.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// How often the log says what is waited for.
const PROGRESS: Duration = Duration::from_mins(1);
/// At the very end remaining runtimes get TERM and this long.
const RUNTIME_GRACE: Duration = Duration::from_secs(5);
/// A stop script's time ends so long before the grace period does: then TERM.
const BEFORE_DEADLINE: Duration = Duration::from_secs(5);
/// A JVM that is up has answered by then: the time of one try.
const ASKED_WITHIN: Duration = Duration::from_secs(3);
/// After KILL.
const KILLED_WITHIN: Duration = Duration::from_secs(2);

impl Core {
    /// Ends everything; returns the exit code.
    pub(super) async fn shut_down(self: &Rc<Self>) -> u8 {
        self.close();
        select! {
            () = self.drain() => {}
            () = self.urgency_reaches(Urgency::Now) => tracing::warn!("asked again: skipping the drain"),
            () = self.until_reserve() => tracing::warn!(
                jobs_left = self.runtime_count(),
                hint = "a longer terminationGracePeriodSeconds lets jobs finish",
                "the grace period is nearly over: stopping now"
            ),
        }
        self.enter(Phase::Stopping);
        let killed = select! {
            () = self.stop_all() => Vec::new(),
            () = self.urgency_reaches(Urgency::Kill) => {
                tracing::warn!("asked a third time: killing");
                self.kill_all().await
            }
        };
        self.end(killed).await
    }

    /// Stops in reverse start order, letting jobs finish.
    async fn drain(self: &Rc<Self>) {
        self.enter(Phase::Draining);
        self.stop_and_wait(Component::Agent).await;
        self.until_no_runtime().await;
        self.stop_and_wait(Component::Server).await;
        self.stop_and_wait(Component::Manager).await;
    }

    async fn stop_and_wait(self: &Rc<Self>, component: Component) {
        if self.unit(component, Unit::is_down).unwrap_or(true) {
            return;
        }
        let began = Instant::now();
        self.until_known(component).await;
        self.stop(component, StopMode::Script(self.stop_patience()));
        self.until(|core| core.unit(component, Unit::is_down).unwrap_or(true)).await;
        tracing::info!(%component, elapsed_ms = began.elapsed().as_millis(), "component stopped");
    }

    /// A JVM that somebody else started and that was found a moment ago may have been up for long: it is asked before it is
    /// stopped as one that never was.
    async fn until_known(&self, component: Component) {
        let found = self.unit(component, |unit| match unit.state {
            State::Running { up: None, ours: false, since, .. } => Some(since),
            _ => None,
        });
        let Some(since) = found.flatten() else { return };
        let known = self.until(|core| {
            core.unit(component, |unit| matches!(unit.state, State::Running { up: None, .. }))
                != Some(true)
        });
        let _ = timeout_at((since + ASKED_WITHIN).into(), known).await;
    }

    /// Waits until no runtime is left: several looks in a row, because the next runtime may just be starting.
    async fn until_no_runtime(self: &Rc<Self>) {
        if !self.settings.plan.installed.contains(&Component::Agent) {
            return;
        }
        let began = Instant::now();
        let mut said: Option<(Instant, usize)> = None;
        let mut empty = 0;
        loop {
            self.look();
            let count = self.runtime_count();
            empty = if count == 0 { empty + 1 } else { 0 };
            // Where no agent has ever run since we began, no runtime is about to start either.
            if empty >= LOOKS || (count == 0 && said.is_none() && !self.agent_has_run()) {
                break;
            }
            if count > 0
                && said.is_none_or(|(at, before)| before != count || at.elapsed() >= PROGRESS)
            {
                said = Some((Instant::now(), count));
                tracing::info!(
                    runtimes = count,
                    pids = pids(&self.runtimes.borrow()),
                    elapsed_ms = began.elapsed().as_millis(),
                    left_ms = self.time_to_reserve().map(|left| left.as_millis()),
                    "waiting for running jobs"
                );
            }
            sleep(LOOK_PAUSE).await;
        }
        if said.is_some() {
            tracing::info!(elapsed_ms = began.elapsed().as_millis(), "all running jobs have ended");
        }
    }

    fn agent_has_run(&self) -> bool {
        self.unit(Component::Agent, |unit| unit.last_end.is_some()) == Some(true)
    }

    /// Stops whatever still runs, side by side.
    async fn stop_all(self: &Rc<Self>) {
        loop {
            // A second JVM of a component, or one that an operator has just started, is found here.
            self.look();
            if self.all_units(|_, unit| unit.is_down()) {
                return;
            }
            for component in Component::ALL.into_iter().rev() {
                self.until_known(component).await;
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
    async fn end(self: &Rc<Self>, killed: Vec<Jvm>) -> u8 {
        self.look();
        let mut left = killed;
        for runtime in self.runtimes.borrow().iter() {
            if !left.contains(runtime) {
                left.push(runtime.clone());
            }
        }
        let jobs_left = left.len();
        if jobs_left > 0 {
            tracing::error!(jobs_left, pids = pids(&left), "the container ends while jobs run");
            signal_all(&left, Signal::TERM);
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
        self.finish_output().await;
        self.finish_logs();
        let outcome = self.outcome().unwrap_or(Outcome::Internal);
        let code = outcome.exit_code(jobs_left > 0);
        self.enter(Phase::Ended);
        self.settings.termination.write(&LastState { jobs_left, ..self.last_state(Some(code)) });
        let elapsed_ms = self.stop_began.get().map(|began| began.elapsed().as_millis());
        tracing::info!(
            exit_code = code,
            reason = outcome.reason(),
            jobs_left,
            elapsed_ms,
            "container ends"
        );
        code
    }

    /// The last state as the termination message tells it.
    pub(super) fn last_state(&self, exit_code: Option<u8>) -> LastState {
        let outcome = self.outcome();
        LastState {
            phase: self.phase().name(),
            exit_code,
            reason: outcome.as_ref().map(Outcome::reason),
            component: outcome.and_then(|outcome| outcome.component()).map(Component::name),
            jobs_left: self.runtime_count(),
        }
    }

    /// How long a stop script may take: `STOP_TIMEOUT`, cut to what is left of the grace period.
    fn stop_patience(&self) -> Duration {
        let patience = self.settings.stop_timeout;
        self.time_left().map_or(patience, |left| patience.min(left.saturating_sub(BEFORE_DEADLINE)))
    }

    fn time_left(&self) -> Option<Duration> {
        let deadline = self.asked.get()? + self.settings.grace_period?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    fn time_to_reserve(&self) -> Option<Duration> {
        Some(self.time_left()?.saturating_sub(reserve(self.settings.grace_period?)))
    }

    /// Waits until what is left of the grace period is needed for stopping; for ever if there is no limit.
    async fn until_reserve(&self) {
        // A stop of our own has no limit until somebody outside asks too.
        self.until(|core| core.time_to_reserve().is_some()).await;
        sleep(self.time_to_reserve().unwrap_or_default()).await;
    }
}

/// What of a grace period is kept for stopping JVMs: a quarter, at least 10 s, at most 120 s, never over half.
fn reserve(grace: Duration) -> Duration {
    (grace / 4).clamp(Duration::from_secs(10), Duration::from_mins(2)).min(grace / 2)
}

fn signal_all(jvms: &[Jvm], signal: Signal) {
    for jvm in jvms {
        // Looked at a moment before; the start time tells a pid that was given away since.
        if procfs::started(jvm.pid) == Some(jvm.started) {
            let _ = kill_process(jvm.pid, signal);
        }
    }
}

fn pids(jvms: &[Jvm]) -> String {
    jvms.iter().map(|jvm| jvm.pid.as_raw_pid().to_string()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_quarter_within_its_bounds() {
        let cases = [(36_000, 120), (200, 50), (30, 10), (16, 8), (4, 2)];
        for (grace, wanted) in cases {
            assert_eq!(reserve(Duration::from_secs(grace)), Duration::from_secs(wanted), "{grace}");
        }
    }
}

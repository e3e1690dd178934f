//! Start order, and when a component counts as up.

use super::{
    core::Core,
    outcome::{Phase, Urgency},
    unit::{Event, Intent, State, Unit},
};
use crate::{
    jjobs::web::{NotUp, Url, Web},
    plan::Component,
};
use rustix::process::Pid;
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout_at};

/// A server is started when the manager is up or after this, whichever is first.
const MANAGER_HEAD_START: Duration = Duration::from_secs(10);

impl Core {
    /// Starts what boot starts, and waits until all of it is up or will not come up.
    pub(super) async fn start_what_boot_starts(self: &Rc<Self>) {
        self.enter(Phase::Starting);
        let starts = self.settings.plan.starts.clone();
        self.start_in_order(&starts, Event::Start).await;
        self.until(|core| starts.iter().all(|component| core.is_started(*component))).await;
        let up: Vec<&str> = starts
            .iter()
            .filter(|component| self.unit(**component, Unit::is_up) == Some(true))
            .map(|component| component.name())
            .collect();
        if !up.is_empty() {
            let elapsed_ms = self.began.elapsed().as_millis();
            let components = up.join(",");
            if up.len() == starts.len() {
                tracing::info!(components, elapsed_ms, "all up");
            } else {
                tracing::warn!(components, elapsed_ms, "not all are up");
            }
        }
        self.enter(Phase::Running);
    }

    /// Starts these, each when the one before it is up or has had its time. `event`: on whose behalf.
    pub(super) async fn start_in_order(self: &Rc<Self>, components: &[Component], event: Event) {
        let mut previous: Option<(Component, Instant)> = None;
        for component in components.iter().copied() {
            if let Some((before, started)) = previous {
                let limit = match before {
                    Component::Manager => MANAGER_HEAD_START,
                    Component::Server | Component::Agent => self.settings.start_timeout,
                };
                let started_up = self.until(|core| core.is_started(before));
                // Over time: the next one is started all the same.
                let _ = timeout_at((started + limit).into(), started_up).await;
            }
            previous = Some((component, Instant::now()));
            self.apply(component, event);
        }
    }

    /// Whether there is nothing to wait for any more: it answers, or it was up and nobody will start it again, or an
    /// operator keeps it down.
    pub(super) fn is_started(&self, component: Component) -> bool {
        self.unit(component, |unit| {
            unit.is_up()
                || (unit.is_down() && (unit.intent == Intent::SetAside || !unit.is_not_started()))
        }) != Some(false)
    }

    /// Starts again what a stop that was taken back has stopped.
    pub(super) fn start_what_was_stopped(self: &Rc<Self>) {
        let stopped = self.drain_record.borrow().as_ref().map(|record| record.interrupted.clone());
        let stopped = stopped.unwrap_or_default();
        for component in &stopped {
            self.release_soon(*component);
        }
        let core = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let start_again = async {
                core.until(|core| {
                    stopped
                        .iter()
                        .all(|component| core.is_running(*component) || core.is_down(*component))
                })
                .await;
                core.start_in_order(&stopped, Event::Start).await;
            };
            tokio::select! {
                () = start_again => {}
                () = core.urgency_reaches(Urgency::Drain) => {}
            }
        });
    }

    /// Asks a component that has just been found until it answers.
    pub(super) fn check_until_up(self: &Rc<Self>, component: Component, pid: Pid) {
        let Some(url) = self.web_url(component) else {
            // An agent has no web: that its process is there is all that can be asked.
            self.apply(component, Event::Up);
            return;
        };
        let core = Rc::clone(self);
        tokio::task::spawn_local(async move { core.ask_until_up(component, pid, url).await });
    }

    async fn ask_until_up(self: Rc<Self>, component: Component, pid: Pid, url: Url) {
        let web = match Web::new() {
            Ok(web) => web,
            Err(error) => {
                tracing::error!(%component, %error, "cannot ask whether the component is up");
                return;
            }
        };
        let found = Instant::now();
        let mut said = false;
        self.not_up.borrow_mut().remove(&component);
        while self.is_starting_up(component, pid) {
            let Err(why) = web.ask(&url).await else {
                let elapsed_ms = found.elapsed().as_millis();
                tracing::debug!(%component, elapsed_ms, "component answers");
                return self.apply(component, Event::Up);
            };
            self.not_up.borrow_mut().insert(component, why);
            if found.elapsed() >= self.settings.start_timeout && !said {
                said = true;
                warn_that_it_is_not_up(component, &url, why, found.elapsed());
            }
            sleep(pause(found.elapsed())).await;
        }
    }

    fn is_starting_up(&self, component: Component, pid: Pid) -> bool {
        self.unit(
            component,
            |unit| matches!(unit.state, State::Running { pid: now, up: None, .. } if now == pid),
        ) == Some(true)
    }

    pub(super) fn web_url(&self, component: Component) -> Option<Url> {
        match component {
            Component::Manager => Some(Url::manager(self.settings.manager_web)),
            Component::Server => Some(Url::server(self.settings.server_web)),
            Component::Agent => None,
        }
    }
}

fn warn_that_it_is_not_up(component: Component, url: &Url, why: NotUp, elapsed: Duration) {
    let elapsed_ms = elapsed.as_millis();
    match why {
        NotUp::NoAnswer => tracing::warn!(
            %component,
            %url,
            elapsed_ms,
            hint = "its process runs; look at its log above",
            "component does not answer"
        ),
        NotUp::Answers(status) => tracing::warn!(
            %component,
            %url,
            status = status.as_u16(),
            elapsed_ms,
            hint = "its web server runs, but not the application in it; look at its log above",
            "component answers, but is not up"
        ),
    }
}

/// Between two tries: short while a start may end any moment, long once it is clear that it takes its time.
fn pause(elapsed: Duration) -> Duration {
    match elapsed.as_secs() {
        0..30 => Duration::from_millis(100),
        30..120 => Duration::from_millis(500),
        120..600 => Duration::from_secs(2),
        _ => Duration::from_secs(10),
    }
}

//! Readiness: what J-Jobs itself says.

use super::{no, yes};
use crate::{
    control::message::Done,
    jjobs::web::{NotUp, Url, Web},
    plan::{Component, Readiness},
    supervisor::{
        apis,
        core::Core,
        outcome::Phase,
        unit::{Intent, Unit},
    },
};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{join, sync::watch, task::spawn_local, time::timeout};

/// What a component answers, as soon as it does.
pub(in crate::supervisor) type Asking = watch::Receiver<Option<Result<(), String>>>;

/// A look at the processes that is younger than this is good enough: many may ask at once.
const RECENT: Duration = Duration::from_millis(500);
/// Kept for the way back to the client, which has a deadline of its own.
const WAY_BACK: Duration = Duration::from_millis(250);

/// Does everything answer as ready?
pub(super) async fn readiness(core: &Rc<Core>, within: Duration) -> Done {
    if core.last_look.get().is_none_or(|last| last.elapsed() >= RECENT) {
        core.look();
    }
    let within = within.saturating_sub(WAY_BACK).max(WAY_BACK);
    let components = match core.asked_components() {
        Ok(components) => components,
        Err(why) => return no(why),
    };
    let ask = |component: Component| {
        let is_asked = components.contains(&component);
        async move { if is_asked { core.ask_whether_ready(component, within).await } else { None } }
    };
    let (manager, server, agent) =
        join!(ask(Component::Manager), ask(Component::Server), ask(Component::Agent));
    let not_ready: Vec<String> = [manager, server, agent].into_iter().flatten().collect();
    if not_ready.is_empty() { yes("") } else { no(not_ready.join("; ")) }
}

impl Core {
    /// What is to be asked, or why nothing needs to be: not ready.
    fn asked_components(&self) -> Result<Vec<Component>, String> {
        if !matches!(self.phase(), Phase::Starting | Phase::Running) {
            return Err(format!("{} for {} s", self.phase().name(), self.phase_for().as_secs()));
        }
        let started: &[Component] = match self.settings.plan.readiness() {
            Readiness::Of(components) => components,
            Readiness::WhateverRuns => &[],
        };
        let asked: Vec<Component> = Component::ALL
            .into_iter()
            .filter(|component| {
                started.contains(component)
                    || self.unit(*component, |unit| unit.intent != Intent::None) == Some(true)
                    || (started.is_empty() && self.is_running(*component))
            })
            .collect();
        if asked.is_empty() {
            return Err("no component runs".to_owned());
        }
        let down: Vec<String> =
            asked.iter().filter_map(|component| self.why_not_asked(*component)).collect();
        if !down.is_empty() {
            return Err(down.join("; "));
        }
        if self.settings.apis.is_none() && asked != [Component::Manager] {
            return Err(
                "no token: set API_PRIVATE_TOKEN or API_PRIVATE_TOKEN_FILE, or take the readiness probe out".to_owned()
            );
        }
        Ok(asked)
    }

    /// Why there is no need to ask a component.
    fn why_not_asked(&self, component: Component) -> Option<String> {
        let is_leaving = self.unit(component, |unit| unit.leaving) == Some(true);
        if self.unit(component, Unit::is_up) != Some(true) {
            let described = self.describe(component);
            if !self.is_running(component) {
                return Some(described);
            }
            return Some(match (self.not_up.borrow().get(&component), self.web_url(component)) {
                (Some(why @ NotUp::Answers(_)), Some(url)) => format!("{described}, {url} {why}"),
                _ => format!("{described}, does not answer yet"),
            });
        }
        is_leaving.then(|| format!("{component}: being stopped by an operator"))
    }

    /// Asks one component; `None` is ready.
    async fn ask_whether_ready(
        self: &Rc<Self>,
        component: Component,
        within: Duration,
    ) -> Option<String> {
        // A call has its own limit, and its error says who did not answer; ours is for what has none.
        let answer = timeout(within + WAY_BACK / 2, self.ask_once(component, within)).await;
        let why = match answer {
            Ok(Ok(())) => {
                self.not_ready.borrow_mut().remove(&component);
                return None;
            }
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {:.1} s", within.as_secs_f32()),
        };
        let now = Instant::now();
        let since = *self.not_ready.borrow_mut().entry(component).or_insert(now);
        Some(format!("{component}: {why} (not ready for {} s)", since.elapsed().as_secs()))
    }

    /// Asks, or waits for the answer to somebody else's question: a component that hangs is not asked a thousand times.
    async fn ask_once(
        self: &Rc<Self>,
        component: Component,
        within: Duration,
    ) -> Result<(), String> {
        let under_way = self.asking.borrow().get(&component).cloned();
        let mut asking = under_way.unwrap_or_else(|| {
            let (told, asking) = watch::channel(None);
            self.asking.borrow_mut().insert(component, asking.clone());
            let core = Rc::clone(self);
            spawn_local(async move {
                let answer = core.ask(component, within).await;
                core.asking.borrow_mut().remove(&component);
                told.send_replace(Some(answer));
            });
            asking
        });
        match asking.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(answer)) => answer.clone(),
            _ => Err("not asked".to_owned()),
        }
    }

    async fn ask(&self, component: Component, within: Duration) -> Result<(), String> {
        if component == Component::Manager {
            let web = Web::new().map_err(|error| error.to_string())?;
            let url = Url::manager(self.settings.manager_web);
            return web.ask(&url).await.map_err(|why| format!("{url} {why}"));
        }
        let Some(apis) = &self.settings.apis else { return Err("no token".to_owned()) };
        match apis.within(within).status(component).await {
            Ok(status) if apis::is_ready(component, &status) => Ok(()),
            Ok(status) => Err(format!("status {status}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

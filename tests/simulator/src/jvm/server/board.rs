//! Paths of our own, without a token: for tests, and for the agent in place of the vendor's protocol.

use super::{
    Server,
    state::{Job, JobState, State, Word},
};
use crate::{
    http::{Answer, Request},
    ledger,
};
use serde_json::{Map, Value, json};
use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

/// How long an agent's request for work is kept waiting.
const WORK_WAIT: Duration = Duration::from_secs(5);

/// How often it is looked whether that agent is still there.
const WORK_LOOK: Duration = Duration::from_millis(250);

impl Server {
    /// `path` is what follows `/sim`.
    pub(super) fn sim(&self, path: &str, request: &Request) -> Answer {
        match (request.method.as_str(), path) {
            ("GET", "/effective") => Answer::json(200, &self.effective),
            ("GET", "/jobs") => Answer::json(200, &count(&self.shared.lock())),
            ("POST", "/jobs") => {
                self.submit(&serde_json::from_str(&request.body).unwrap_or_default())
            }
            ("POST", "/agent/work") => self.work_for(request),
            ("POST", "/agent/done") => {
                let job = request.query.get("job").map_or("", String::as_str);
                let is_lost = request.query.contains_key("lost");
                self.shared
                    .change(|state| if is_lost { state.lose(job) } else { state.finish(job) });
                Answer::json(200, &json!({}))
            }
            _ => Answer::json(404, &json!({})),
        }
    }

    /// `{"seconds":2,"count":3,"where":"agent"|"server","agent":"name"}`; all but `seconds` may be missing.
    fn submit(&self, body: &Value) -> Answer {
        let Some(seconds) = body["seconds"].as_f64() else {
            return Answer::json(400, &json!({ "message": "seconds are needed" }));
        };
        let is_servers = body["where"] == "server";
        let agent = body["agent"].as_str().map(str::to_owned);
        let base = &self.life.base;
        let ids: Vec<String> = self.shared.change(|state| {
            let submit = |_| {
                let id = state.submit(seconds, is_servers, agent.clone());
                // While nobody else sees the job: its submission is the first that the ledger says of it.
                let _ = ledger::record(base, "submit", &id);
                id
            };
            (0..body["count"].as_u64().unwrap_or(1)).map(submit).collect()
        });
        Answer::json(200, &json!({ "jobs": ids }))
    }

    /// Waits until there is something for this agent to do, or for [`WORK_WAIT`].
    fn work_for(&self, request: &Request) -> Answer {
        let text = |name: &str| request.query.get(name).map_or("", String::as_str);
        let list = |name: &str| text(name).split(',').collect::<Vec<_>>();
        let name = text("name");
        let word = Word {
            is_first: text("first") == "yes",
            slots: text("slots").parse().unwrap_or(1),
            known: list("known"),
            running: list("running"),
        };
        let poll = self.shared.change(|state| state.hear(name, &word));
        let deadline = Instant::now() + WORK_WAIT;
        let mut state = self.shared.lock();
        let (answer, is_there) = loop {
            let is_there = request.is_awaited()
                && state.agents.get(name).is_some_and(|agent| agent.polls == poll);
            let left = deadline.saturating_duration_since(Instant::now());
            if !is_there || left.is_zero() {
                break (json!({ "action": "none" }), is_there);
            }
            if state.agents.get(name).is_some_and(|agent| agent.is_to_stop) {
                break (json!({ "action": "stop" }), true);
            }
            if let Some(job) = state.dispatch(name) {
                let answer = json!({ "action": "job", "job": job.id, "seconds": job.seconds });
                break (answer, true);
            }
            let waited = self.shared.changed.wait_timeout(state, left.min(WORK_LOOK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        if let Some(agent) = state.agents.get_mut(name) {
            agent.waiting = agent.waiting.saturating_sub(1);
            if is_there {
                agent.is_to_stop &= answer["action"] != "stop";
                agent.last_seen = Some(Instant::now());
            } else if agent.polls == poll {
                agent.last_seen = None;
            }
        }
        state.save();
        Answer::json(200, &answer)
    }
}

/// How many jobs there are in each state, and who has which.
fn count(state: &State) -> Value {
    let working = state.working().count();
    let agents: Map<String, Value> = state
        .agents
        .iter()
        .map(|(name, agent)| {
            let of = |is_running: bool| -> Vec<Value> {
                let wanted = |job: &&Job| matches!(job.state, JobState::Running(_)) == is_running;
                let jobs = state.jobs_of(name).filter(wanted);
                jobs.map(|job| json!({ "id": job.id, "seconds": job.seconds })).collect()
            };
            let jobs = json!({
                "held": agent.is_held,
                "waiting": agent.waiting,
                "handed": of(false),
                "running": of(true),
            });
            (name.clone(), jobs)
        })
        .collect();
    json!({
        "waiting": state.jobs.len() - working,
        "working": working,
        "done": state.done,
        "lost": state.lost,
        "held": state.is_held,
        "agents": agents,
    })
}

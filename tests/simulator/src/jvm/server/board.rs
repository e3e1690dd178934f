//! Paths of our own, without a token: for tests, and for the agent in place of the vendor's protocol.

use super::{
    Reply, Server,
    state::{Job, JobState, Outlook, State, Whose, Word},
};
use crate::{
    http::{Answer, Request},
    jvm::database::Trouble,
    ledger,
};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// How long an agent's request for work is kept waiting.
const WORK_WAIT: Duration = Duration::from_secs(5);

/// The same at a held server that is not the only one.
const HELD_WAIT: Duration = Duration::from_millis(500);

/// How often it is looked whether that agent is still there.
const WORK_LOOK: Duration = Duration::from_millis(250);

impl Server {
    /// `path` is what follows `/sim`.
    pub(super) fn sim(&self, path: &str, request: &Request) -> Reply {
        match (request.method.as_str(), path) {
            ("GET", "/effective") => Ok(Answer::json(200, &self.effective)),
            ("GET", "/jobs") => Ok(Answer::json(200, &self.store.read(count)?)),
            ("POST", "/jobs") => {
                self.submit(&serde_json::from_str(&request.body).unwrap_or_default())
            }
            ("POST", "/agent/work") => self.work_for(request),
            ("POST", "/agent/done") => {
                let job = request.query.get("job").map_or("", String::as_str);
                let is_lost = request.query.contains_key("lost");
                self.store
                    .change(|state| if is_lost { state.lose(job) } else { state.finish(job) })?;
                Ok(Answer::json(200, &json!({})))
            }
            _ => Ok(Answer::json(404, &json!({}))),
        }
    }

    /// `{"seconds":2,"count":3,"where":"agent"|"server","agent":"name","server":2}`; all but `seconds` may be missing.
    fn submit(&self, body: &Value) -> Reply {
        let Some(seconds) = body["seconds"].as_f64() else {
            return Ok(Answer::json(400, &json!({ "message": "seconds are needed" })));
        };
        let whose = if body["where"] == "server" {
            Whose::Servers(body["server"].as_u64())
        } else {
            Whose::Agents(body["agent"].as_str().map(str::to_owned))
        };
        let base = &self.life.base;
        let ids: Vec<String> = self.store.change(|state| {
            let submit = |_| {
                let id = state.submit(seconds, &whose);
                // While nobody else sees the job: its submission is the first that the ledger says of it.
                let _ = ledger::record(base, "submit", &id);
                id
            };
            (0..body["count"].as_u64().unwrap_or(1)).map(submit).collect()
        })?;
        Ok(Answer::json(200, &json!({ "jobs": ids })))
    }

    /// Waits until there is something for this agent to do, or for [`WORK_WAIT`].
    fn work_for(&self, request: &Request) -> Reply {
        let text = |name: &str| request.query.get(name).map_or("", String::as_str);
        let list = |name: &str| text(name).split(',').collect::<Vec<_>>();
        let name = text("name");
        let word = Word {
            is_first: text("first") == "yes",
            slots: text("slots").parse().unwrap_or(1),
            turn: text("turn").parse().unwrap_or(0),
            known: list("known"),
            running: list("running"),
        };
        let nothing = json!({ "action": "none" });
        let Some(poll) = self.store.change(|state| state.hear(name, &word))? else {
            return Ok(Answer::json(200, &nothing));
        };
        let deadline = Instant::now() + self.patience()?;
        let is_there = loop {
            let changes = self.store.changes();
            let outlook = self.store.read(|state| state.outlook(name, poll))?;
            if outlook == Outlook::Outdated || !request.is_awaited() {
                break false;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break true;
            }
            // Looked at again: another request for work, or another server, may have been quicker.
            if outlook == Outlook::Something
                && let Some(answer) = self.store.change(|state| state.serve(name, poll))?
            {
                return Ok(Answer::json(200, &answer));
            }
            self.store.wait(changes, left.min(WORK_LOOK));
        };
        self.store.change(|state| state.close(name, poll, is_there))?;
        Ok(Answer::json(200, &nothing))
    }

    /// How long a request for work may wait. A held server gives out nothing: its agents do better with another one.
    fn patience(&self) -> Result<Duration, Trouble> {
        let is_elsewhere = self.store.is_shared() && self.store.read(State::is_held)?;
        Ok(if is_elsewhere { HELD_WAIT } else { WORK_WAIT })
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
                "waiting": u32::from(state.is_asking(agent)),
                "handed": of(false),
                "running": of(true),
            });
            (name.clone(), jobs)
        })
        .collect();
    let servers: Map<String, Value> = state
        .servers
        .iter()
        .map(|(id, peer)| {
            let own = state.requests_of(*id).filter(|job| job.state == JobState::Own);
            let own: Vec<Value> =
                own.map(|job| json!({ "id": job.id, "seconds": job.seconds })).collect();
            let server = json!({ "held": peer.is_held, "alive": state.is_alive(*id), "own": own });
            (id.to_string(), server)
        })
        .collect();
    json!({
        "servers": servers,
        "waiting": state.jobs.len() - working,
        "working": working,
        "done": state.done,
        "lost": state.lost,
        "held": state.is_held(),
        "agents": agents,
    })
}

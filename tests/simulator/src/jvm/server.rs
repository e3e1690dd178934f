//! The server: the REST API of contract.md §8, five TCP ports, and jobs handed out to agents.

use super::{
    configuration,
    life::Life,
    server_state::{JobState, State},
    tomcat::{WebApplication, listen},
};
use crate::{
    http::{self, Answer, Request},
    ledger,
};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

const API: &str = "/jjob-server/api/v1";

/// How long an agent's request for work is kept waiting.
const WORK_WAIT: Duration = Duration::from_secs(5);

/// How often it is looked whether that agent is still there.
const WORK_LOOK: Duration = Duration::from_millis(250);

/// An agent that has not asked for work for so long is not running.
const AGENT_AGE: Duration = Duration::from_secs(3);

pub(crate) struct Server {
    life: Life,
    id: u64,
    effective: Value,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, keeps it, and wakes whoever waits for a change.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        state.save();
        drop(state);
        self.changed.notify_all();
        result
    }
}

impl Server {
    pub(crate) fn open(life: &Life, home: &Path, effective: Value) -> Result<Self, String> {
        let classes = home.join("webapps/jjob-server/WEB-INF/classes");
        let settings = configuration::properties(&classes.join("properties/server.properties"));
        let first: u16 = settings
            .get("server.tcp.base_port")
            .and_then(|text| text.parse().ok())
            .ok_or("server.properties names no server.tcp.base_port")?;
        for port in first..first.saturating_add(5) {
            let listener = listen(port)?;
            http::spawn(move || listener.incoming().for_each(drop));
        }
        let given = env::var("JJOB_SERVER_ID").unwrap_or_default();
        let id = given.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or(1);
        let state = Mutex::new(State::load(&life.base));
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let server = Self { life: life.clone(), id, effective, shared };
        server.work_on_own();
        Ok(server)
    }

    /// Requests that need no agent are worked on here, one after the other is started, all side by side.
    fn work_on_own(&self) {
        let (shared, base) = (Arc::clone(&self.shared), self.life.base.clone());
        http::spawn(move || {
            loop {
                let job = {
                    let mut state = shared.lock();
                    loop {
                        let is_held = state.is_held;
                        let next = state.jobs.iter_mut().find(|job| {
                            !is_held && job.is_servers && job.state == JobState::Waiting
                        });
                        if let Some(job) = next {
                            job.state = JobState::Working(None);
                            break job.clone();
                        }
                        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    }
                };
                let (shared, base) = (Arc::clone(&shared), base.clone());
                http::spawn(move || {
                    let _ = ledger::record(&base, "start", &job.id);
                    thread::sleep(Duration::try_from_secs_f64(job.seconds).unwrap_or_default());
                    let _ = ledger::record(&base, "end", &job.id);
                    shared.change(|state| state.finish(&job.id));
                });
            }
        });
    }

    /// `.simulator/token`, else `SIM_TOKEN`, else any token will do.
    fn is_allowed(&self, request: &Request) -> bool {
        let given = request.headers.get("private-token").map_or("", String::as_str);
        let file = fs::read_to_string(self.life.base.join(".simulator/token"));
        let wanted = file.ok().or_else(|| env::var("SIM_TOKEN").ok());
        match wanted.as_deref().map(str::trim) {
            Some(wanted) if !wanted.is_empty() => given == wanted,
            _ => !given.is_empty(),
        }
    }

    fn api(&self, path: &str, request: &Request) -> Answer {
        if !self.is_allowed(request) {
            return Answer::json(401, &json!({ "message": "private-token is not valid" }));
        }
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        match (request.method.as_str(), path) {
            ("PUT", "/serversetting/server/hold") => self.hold(&body),
            ("POST", "/serversetting/agent/holdAndStopAgent") => self.hold_agent(&body, true),
            ("POST", "/serversetting/agent/releaseAgent") => self.hold_agent(&body, false),
            ("GET", "/statusmonitor/selectWorkingRequestList") => self.working_requests(request),
            ("GET", "/statusmonitor/list") => self.status(),
            ("GET", path) => match path.strip_prefix("/agentmonitor/") {
                Some(name) => self.agent_status(name),
                None => Answer::json(404, &json!({ "message": "not found" })),
            },
            _ => Answer::json(404, &json!({ "message": "not found" })),
        }
    }

    fn hold(&self, body: &Value) -> Answer {
        let is_ours = body["groupId"] == json!(1) && body["serverId"] == json!(self.id);
        let hold = match body["holdWorkerYn"].as_str() {
            Some("Y") => true,
            Some("N") => false,
            _ => return Answer::json(400, &json!({ "message": "holdWorkerYn must be Y or N" })),
        };
        if !is_ours {
            return Answer::json(404, &json!({ "message": "no such server" }));
        }
        self.shared.change(|state| state.is_held = hold);
        Answer::json(200, &json!({ "result": "OK" }))
    }

    fn hold_agent(&self, body: &Value, hold: bool) -> Answer {
        let (Some(name), true) = (body["agentName"].as_str(), body["groupId"] == json!(1)) else {
            return Answer::json(400, &json!({ "message": "groupId and agentName are needed" }));
        };
        if body.get("agentGroupId").is_none() {
            return Answer::json(400, &json!({ "message": "agentGroupId is needed" }));
        }
        let is_known = self.shared.change(|state| {
            state.agents.get_mut(name).map(|agent| {
                agent.is_held = hold;
                agent.is_to_stop = hold;
            })
        });
        match is_known {
            Some(()) => Answer::json(200, &json!({ "result": "OK" })),
            None => Answer::json(404, &json!({ "message": "no such agent" })),
        }
    }

    fn working_requests(&self, request: &Request) -> Answer {
        let is_ours = request.query.get("groupId").is_some_and(|group| group == "1")
            && request.query.get("serverId").is_some_and(|id| *id == self.id.to_string());
        if !is_ours {
            return Answer::json(
                400,
                &json!({ "message": "groupId and serverId must be this server's" }),
            );
        }
        let list: Vec<Value> = self
            .shared
            .lock()
            .working()
            .map(|job| json!({ "requestId": job.id, "status": "W" }))
            .collect();
        Answer::json(200, &json!({ "list": list }))
    }

    fn status(&self) -> Answer {
        let status = self.life.faults.get("status").unwrap_or_else(|| "R".to_owned());
        let name = format!("s{}", self.id);
        let server = json!({ "serverId": self.id, "status": status });
        Answer::json(200, &json!({ "list": { "group": { "g1": { name: server } } } }))
    }

    fn agent_status(&self, name: &str) -> Answer {
        let state = self.shared.lock();
        let asked = self.life.faults.get("agent_status");
        let status = state.agents.get(name).map(|agent| {
            let is_seen =
                agent.waiting > 0 || agent.last_seen.is_some_and(|at| at.elapsed() < AGENT_AGE);
            if is_seen { "RUNNING" } else { "STOPPED" }
        });
        match asked.as_deref().or(status) {
            Some(status) => {
                Answer::json(200, &json!({ "vo": { "agentName": name, "status": status } }))
            }
            None => Answer::json(200, &json!({ "vo": null })),
        }
    }

    /// Paths of our own, without a token: for tests, and for the agent in place of the vendor's protocol.
    fn sim(&self, path: &str, request: &Request) -> Answer {
        match (request.method.as_str(), path) {
            ("GET", "/effective") => Answer::json(200, &self.effective),
            ("GET", "/jobs") => self.count_jobs(),
            ("POST", "/jobs") => {
                self.submit(&serde_json::from_str(&request.body).unwrap_or_default())
            }
            ("POST", "/agent/work") => self.work_for(request),
            ("POST", "/agent/done") => {
                let job = request.query.get("job").map_or("", String::as_str);
                self.shared.change(|state| state.finish(job));
                Answer::json(200, &json!({}))
            }
            _ => Answer::json(404, &json!({})),
        }
    }

    fn count_jobs(&self) -> Answer {
        let state = self.shared.lock();
        let working = state.working().count();
        let agents: Value = state
            .agents
            .iter()
            .map(|(name, agent)| {
                (name.clone(), json!({ "held": agent.is_held, "waiting": agent.waiting }))
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        Answer::json(
            200,
            &json!({
                "waiting": state.jobs.len() - working,
                "working": working,
                "done": state.done,
                "held": state.is_held,
                "agents": agents,
            }),
        )
    }

    /// `{"seconds":2,"count":3,"where":"agent"|"server","agent":"name"}`; all but `seconds` may be missing.
    fn submit(&self, body: &Value) -> Answer {
        let Some(seconds) = body["seconds"].as_f64() else {
            return Answer::json(400, &json!({ "message": "seconds are needed" }));
        };
        let is_servers = body["where"] == "server";
        let agent = body["agent"].as_str().map(str::to_owned);
        let ids: Vec<String> = self.shared.change(|state| {
            let count = body["count"].as_u64().unwrap_or(1);
            (0..count).map(|_| state.submit(seconds, is_servers, agent.clone())).collect()
        });
        for id in &ids {
            let _ = ledger::record(&self.life.base, "submit", id);
        }
        Answer::json(200, &json!({ "jobs": ids }))
    }

    /// Waits until there is something for this agent to do, or for [`WORK_WAIT`].
    fn work_for(&self, request: &Request) -> Answer {
        let name = request.query.get("name").cloned().unwrap_or_default();
        let known = request.query.get("known");
        let life = self.shared.change(|state| {
            if let Some(known) = known {
                state.take_back(&name, &known.split(',').collect::<Vec<_>>());
            }
            let agent = state.agents.entry(name.clone()).or_default();
            agent.waiting += 1;
            agent.life += u64::from(known.is_some());
            // A held agent that is started again is held, and was not told to stop.
            agent.is_to_stop &= known.is_none();
            agent.life
        });
        let deadline = Instant::now() + WORK_WAIT;
        let mut state = self.shared.lock();
        let (answer, is_alive) = loop {
            let is_alive = request.is_awaited();
            let is_latest = state.agents.get(&name).is_some_and(|agent| agent.life == life);
            let left = deadline.saturating_duration_since(Instant::now());
            if !is_alive || !is_latest || left.is_zero() {
                break (json!({ "action": "none" }), is_alive && is_latest);
            }
            if state.agents.get(&name).is_some_and(|agent| agent.is_to_stop) {
                break (json!({ "action": "stop" }), true);
            }
            if let Some(job) = state.dispatch(&name) {
                let answer = json!({ "action": "job", "job": job.id, "seconds": job.seconds });
                break (answer, true);
            }
            let waited = self.shared.changed.wait_timeout(state, left.min(WORK_LOOK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        if let Some(agent) = state.agents.get_mut(&name) {
            agent.waiting = agent.waiting.saturating_sub(1);
            if is_alive {
                agent.is_to_stop &= answer["action"] != "stop";
                agent.last_seen = Some(Instant::now());
            } else if agent.life == life {
                agent.last_seen = None;
            }
        }
        state.save();
        drop(state);
        Answer::json(200, &answer)
    }
}

impl WebApplication for Server {
    fn answer(&self, request: &Request) -> Answer {
        let path = request.path.as_str();
        if let Some(path) = path.strip_prefix(API) {
            return self.api(path, request);
        }
        if let Some(path) = path.strip_prefix("/sim") {
            return self.sim(path, request);
        }
        match path {
            "/jjob-server/test.jsp" => Answer::html(200, "OK"),
            _ => Answer::html(404, "not found"),
        }
    }
}

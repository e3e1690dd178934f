//! The REST API of contract.md §8.

use super::{Reply, Server, state::is_within};
use crate::http::{Answer, Request};
use serde_json::{Map, Value, json};
use std::{env, fs, net::IpAddr, path::Path, time::Duration};

/// An agent that has not asked for work for so long is not running.
const AGENT_AGE: Duration = Duration::from_secs(3);

/// How long a contrary server calls an agent that has just registered something else than running.
const CONTRARY_START: Duration = Duration::from_secs(3);

/// The status of another server that has not been heard of. What the real list says of one is not known.
const DEAD: &str = "D";

/// The calls, by path: the method, and what answers.
const CALLS: [(&str, &str, Call); 5] = [
    ("PUT", "/serversetting/server/hold", Server::hold),
    ("POST", "/serversetting/agent/holdAndStopAgent", Server::hold_agent),
    ("POST", "/serversetting/agent/releaseAgent", Server::release_agent),
    ("GET", "/statusmonitor/selectWorkingRequestList", Server::working_requests),
    ("GET", "/statusmonitor/list", Server::status),
];

type Call = fn(&Server, &Request) -> Reply;

#[expect(clippy::unnecessary_wraps, reason = "what a call returns")]
fn failure(status: u16, message: &str) -> Reply {
    Ok(Answer::json(status, &json!({ "message": message })))
}

#[expect(clippy::unnecessary_wraps, reason = "what a call returns")]
fn success() -> Reply {
    Ok(Answer::json(200, &json!({ "result": "OK" })))
}

impl Server {
    /// `path` is what follows the API's own path.
    pub(super) fn api(&self, path: &str, request: &Request) -> Reply {
        if !is_welcome(&self.life.base, request.peer) {
            return failure(403, "this address is not allowed");
        }
        if !self.is_allowed(request) {
            return failure(401, "private-token is not valid");
        }
        let named = path.strip_prefix("/agentmonitor/").filter(|name| !name.is_empty());
        let (method, call): (&str, Call) = match CALLS.iter().find(|(_, known, _)| *known == path) {
            Some((method, _, call)) => (method, *call),
            None if named.is_some_and(|name| !name.contains('/')) => ("GET", Self::agent_status),
            None => return failure(404, "not found"),
        };
        if request.method != method {
            let refused = failure(405, "method not allowed")?;
            return Ok(refused.with_header(format!("Allow: {method}")));
        }
        let kind = request.headers.get("content-type").map_or("", String::as_str);
        if method != "GET" && !kind.starts_with("application/json") {
            return failure(415, "Content-Type must be application/json");
        }
        call(self, request)
    }

    /// `.simulator/token`, else `SIM_TOKEN`, else any token will do. Read anew each time: tokens are rotated.
    fn is_allowed(&self, request: &Request) -> bool {
        let given = request.headers.get("private-token").map_or("", String::as_str);
        let file = fs::read_to_string(self.life.base.join(".simulator/token"));
        let wanted = file.ok().or_else(|| env::var("SIM_TOKEN").ok());
        match wanted.as_deref().map(str::trim) {
            Some(wanted) if !wanted.is_empty() => given == wanted,
            _ => !given.is_empty(),
        }
    }

    fn hold(&self, request: &Request) -> Reply {
        let Some(body) = object(request) else { return failure(400, "a JSON object is needed") };
        let hold = match body["holdWorkerYn"].as_str() {
            Some("Y") => true,
            Some("N") => false,
            _ => return failure(400, "holdWorkerYn must be Y or N"),
        };
        let (Some(group), Some(id)) = (body["groupId"].as_u64(), body["serverId"].as_u64()) else {
            return failure(400, "groupId and serverId must be numbers");
        };
        let is_known = self.store.change(|state| {
            let server = state.servers.get_mut(&id).filter(|_| group == 1)?;
            server.is_held = hold;
            Some(())
        })?;
        if is_known.is_none() {
            return failure(404, "no such server");
        }
        if hold {
            self.was_held();
        }
        success()
    }

    fn hold_agent(&self, request: &Request) -> Reply {
        let answer = self.set_agent_hold(request, true)?;
        if answer.status == 200 {
            self.was_held();
        }
        Ok(answer)
    }

    fn release_agent(&self, request: &Request) -> Reply {
        self.set_agent_hold(request, false)
    }

    fn set_agent_hold(&self, request: &Request, hold: bool) -> Reply {
        let Some(body) = object(request) else { return failure(400, "a JSON object is needed") };
        let (Some(group), Some(name)) = (body["groupId"].as_u64(), body["agentName"].as_str())
        else {
            return failure(400, "groupId and agentName are needed");
        };
        match body.get("agentGroupId") {
            Some(Value::Null | Value::Number(_)) => {}
            _ => return failure(400, "agentGroupId must be null or a number"),
        }
        let is_known = self.store.change(|state| {
            let agent = state.agents.get_mut(name).filter(|_| group == 1)?;
            agent.is_held = hold;
            agent.is_to_stop = hold;
            Some(())
        })?;
        if is_known.is_some() { success() } else { failure(404, "no such agent") }
    }

    fn working_requests(&self, request: &Request) -> Reply {
        let number = |name: &str| request.query.get(name)?.parse::<u64>().ok();
        let (Some(group), Some(id)) = (number("groupId"), number("serverId")) else {
            return failure(400, "groupId and serverId must be numbers");
        };
        let list = self.store.read(|state| {
            let is_known = group == 1 && state.servers.contains_key(&id);
            let list = state.requests_of(id);
            let list = list.map(|job| json!({ "requestId": job.id, "status": "W" }));
            is_known.then(|| list.collect::<Vec<_>>())
        })?;
        let Some(mut list) = list else { return failure(404, "no such server") };
        if !list.is_empty() && self.is_to_lie() {
            list.clear();
        }
        Ok(Answer::json(200, &json!({ "list": list })))
    }

    fn status(&self, _: &Request) -> Reply {
        let usual = if self.life.faults.is_contrary() { "W" } else { "R" };
        let status = self.life.faults.get("status").unwrap_or_else(|| usual.to_owned());
        let servers: Map<String, Value> = self.store.read(|state| {
            let servers = state.servers.iter().map(|(id, peer)| {
                let status = if state.is_alive(*id) { status.as_str() } else { DEAD };
                let mut server = json!({ "serverId": id, "status": status });
                if self.store.is_shared() {
                    server["address"] = peer.address.as_str().into();
                }
                (format!("s{id}"), server)
            });
            servers.collect()
        })?;
        Ok(Answer::json(200, &json!({ "list": { "group": { "g1": servers } } })))
    }

    fn agent_status(&self, request: &Request) -> Reply {
        let name = request.path.rsplit('/').next().unwrap_or_default();
        let is_contrary = self.life.faults.is_contrary();
        let status = self.store.read(|state| {
            let agent = state.agents.get(name)?;
            let is_there = state.is_asking(agent) || is_within(agent.last_seen, AGENT_AGE);
            Some(if !is_there {
                "STOPPED"
            } else if is_contrary && is_within(agent.registered, CONTRARY_START) {
                "STARTING"
            } else {
                "RUNNING"
            })
        })?;
        match self.life.faults.get("agent_status").as_deref().or(status) {
            Some(status) => {
                Ok(Answer::json(200, &json!({ "vo": { "agentName": name, "status": status } })))
            }
            None if is_contrary => Ok(Answer::json(200, &json!({ "vo": null }))),
            None => failure(404, "no such agent"),
        }
    }
}

fn object(request: &Request) -> Option<Value> {
    serde_json::from_str(&request.body).ok().filter(Value::is_object)
}

/// `.simulator/allowed`, else `SIM_ALLOWED`, else everybody: the addresses that may use the API at all.
fn is_welcome(base: &Path, peer: IpAddr) -> bool {
    let file = fs::read_to_string(base.join(".simulator/allowed"));
    let Some(list) = file.ok().or_else(|| env::var("SIM_ALLOWED").ok()) else { return true };
    list.split([',', ' ', '\n'])
        .filter_map(|word| word.trim().parse::<IpAddr>().ok())
        .any(|allowed| allowed.to_canonical() == peer)
}

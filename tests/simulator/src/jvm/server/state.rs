//! What the servers know: jobs, agents, holds, and each other. In J-Jobs this is in the meta DB; here it is one document, kept by
//! the [`store`](super::store) in a file that survives the server, or really in a DB that several servers share.

use crate::ledger;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A server that has not been heard of for so long is not there.
const SERVER_AGE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobState {
    Waiting,
    /// Given to the agent of that name, which has not said yet that it runs.
    Handed(String),
    /// That agent has a runtime for it.
    Running(String),
    /// A server works on it itself.
    Own,
}

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) seconds: f64,
    /// Whether a server works on it itself.
    pub(crate) is_servers: bool,
    /// The only agent that may have it.
    pub(crate) agent: Option<String>,
    pub(crate) state: JobState,
    /// The server that works on it, or has given it to an agent: it is a working request of that one. Of a request that waits:
    /// the only server that may have it.
    pub(crate) server: Option<u64>,
}

/// Who may have a job; any of them where none is named.
pub(crate) enum Whose {
    Agents(Option<String>),
    Servers(Option<u64>),
}

/// Instants are milliseconds since 1970: several servers read them.
#[derive(Debug, Default)]
pub(crate) struct Agent {
    pub(crate) is_held: bool,
    /// It is to be told to stop.
    pub(crate) is_to_stop: bool,
    pub(crate) last_seen: Option<u64>,
    /// When its present life began.
    pub(crate) registered: Option<u64>,
    /// Counts its requests for work: only the latest one may take a job.
    pub(crate) polls: u64,
    /// The server that has not answered the latest one yet.
    pub(crate) asks: Option<u64>,
    /// How many jobs it takes at a time.
    pub(crate) slots: usize,
    /// The agent's own count of what it says.
    turn: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) is_held: bool,
    /// When it was heard of, in milliseconds since 1970.
    seen: u64,
    /// As it announces itself.
    pub(crate) address: String,
}

/// What an agent says of itself with each request for work.
pub(crate) struct Word<'a> {
    pub(crate) is_first: bool,
    pub(crate) slots: usize,
    /// Grows with everything that this agent says: what was late on its way is known by it.
    pub(crate) turn: u64,
    /// The jobs that it has, whether they run already or not.
    pub(crate) known: Vec<&'a str>,
    pub(crate) running: Vec<&'a str>,
}

/// What there is for a request for work.
#[derive(Debug, PartialEq)]
pub(crate) enum Outlook {
    Nothing,
    Something,
    /// The agent asks elsewhere by now.
    Outdated,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The server that looks.
    pub(crate) id: u64,
    /// Whether other servers look, too.
    is_shared: bool,
    pub(crate) servers: BTreeMap<u64, Peer>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) next: u64,
    pub(crate) done: u64,
    pub(crate) lost: u64,
    base: PathBuf,
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whether that was less than `age` ago.
pub(crate) fn is_within(at: Option<u64>, age: Duration) -> bool {
    at.is_some_and(|at| u128::from(now().saturating_sub(at)) < age.as_millis())
}

impl State {
    /// What the server `id` finds; `is_shared` with others.
    pub(crate) fn parse(text: &str, (id, is_shared): (u64, bool), base: PathBuf) -> Self {
        let saved: Value = serde_json::from_str(text).unwrap_or_default();
        let number = |name: &str| saved[name].as_u64();
        let mut state = Self {
            id,
            is_shared,
            next: number("next").unwrap_or_else(|| ledger::next_number(&base)),
            done: number("done").unwrap_or(0),
            lost: number("lost").unwrap_or(0),
            base,
            ..Self::default()
        };
        for (name, saved) in saved["agents"].as_object().into_iter().flatten() {
            state.agents.insert(name.clone(), Agent::from_json(saved));
        }
        for (number, saved) in saved["servers"].as_object().into_iter().flatten() {
            if let Ok(number) = number.parse() {
                state.servers.insert(number, Peer::from_json(saved));
            }
        }
        let own = state.servers.entry(id).or_default();
        own.is_held |= saved["held"].as_bool().unwrap_or(false);
        state.jobs = saved["jobs"].as_array().into_iter().flatten().map(Job::from_json).collect();
        state
    }

    /// What is kept. A file is for one server and its later lives, which know nothing of who asks for work right now.
    pub(crate) fn to_text(&self) -> String {
        let agents: Map<String, Value> = self
            .agents
            .iter()
            .map(|(name, agent)| {
                let kept = if self.is_shared { agent.to_json() } else { agent.is_held.into() };
                (name.clone(), kept)
            })
            .collect();
        let mut saved = json!({
            "next": self.next,
            "done": self.done,
            "lost": self.lost,
            "agents": agents,
            "jobs": self.jobs.iter().map(Job::to_json).collect::<Vec<_>>(),
        });
        if self.is_shared {
            let servers = self.servers.iter();
            let servers: Map<String, Value> =
                servers.map(|(number, peer)| (number.to_string(), peer.to_json())).collect();
            saved["servers"] = servers.into();
        } else {
            saved["held"] = self.is_held().into();
        }
        saved.to_string()
    }

    /// A new life of this server: what it worked on itself when it went is lost, and nobody waits for its answer.
    pub(crate) fn begin_life(&mut self, address: &str) {
        let id = self.id;
        let own = |job: &&Job| job.state == JobState::Own && job.server.is_none_or(|by| by == id);
        let own: Vec<String> = self.jobs.iter().filter(own).map(|job| job.id.clone()).collect();
        for job in own {
            let _ = ledger::record(&self.base, "lost", &job);
            self.lose(&job);
        }
        for agent in self.agents.values_mut() {
            agent.asks = agent.asks.filter(|by| *by != id);
        }
        address.clone_into(&mut self.own().address);
        self.be_seen();
    }

    fn own(&mut self) -> &mut Peer {
        self.servers.entry(self.id).or_default()
    }

    /// Tells the others that this server lives.
    pub(crate) fn be_seen(&mut self) {
        self.own().seen = now();
    }

    /// Whether that server lives, as far as this one knows.
    pub(crate) fn is_alive(&self, server: u64) -> bool {
        let seen = self.servers.get(&server).map(|peer| peer.seen);
        server == self.id || is_within(seen, SERVER_AGE)
    }

    /// Whether this server is held.
    pub(crate) fn is_held(&self) -> bool {
        self.servers.get(&self.id).is_some_and(|own| own.is_held)
    }

    /// Whether that agent asks for work right now.
    pub(crate) fn is_asking(&self, agent: &Agent) -> bool {
        agent.asks.is_some_and(|server| self.is_alive(server))
    }

    /// Releases everybody, and tells nobody.
    pub(crate) fn forget_holds(&mut self) {
        self.own().is_held = false;
        for agent in self.agents.values_mut() {
            agent.is_held = false;
            agent.is_to_stop = false;
        }
    }

    /// Takes a job in; its name is unlike that of any other server's.
    pub(crate) fn submit(&mut self, seconds: f64, whose: &Whose) -> String {
        let id = format!("{}-{}", ledger::hostname(), self.next);
        self.next += 1;
        let state = JobState::Waiting;
        let (is_servers, agent, server) = match whose {
            Whose::Agents(agent) => (false, agent.clone(), None),
            Whose::Servers(server) => (true, None, *server),
        };
        self.jobs.push(Job { id: id.clone(), seconds, is_servers, agent, state, server });
        id
    }

    /// Takes in what an agent says of itself; returns the number of this request for work, or nothing for one that the agent
    /// has given up before it came. A job that was given to it and never reached it waits again; one that ran and that it
    /// knows no more is lost.
    pub(crate) fn hear(&mut self, name: &str, word: &Word<'_>) -> Option<u64> {
        if self.agents.get(name).is_some_and(|agent| word.turn < agent.turn) {
            return None;
        }
        let mut lost = Vec::new();
        for job in &mut self.jobs {
            let is_known = word.known.contains(&job.id.as_str());
            match &job.state {
                JobState::Handed(with) if with == name && !is_known => {
                    let _ = ledger::record(&self.base, "back", &job.id);
                    job.state = JobState::Waiting;
                    job.server = None;
                }
                JobState::Handed(with)
                    if with == name && word.running.contains(&job.id.as_str()) =>
                {
                    job.state = JobState::Running(name.to_owned());
                }
                JobState::Running(with) if with == name && !is_known => lost.push(job.id.clone()),
                _ => {}
            }
        }
        for id in lost {
            let _ = ledger::record(&self.base, "lost", &id);
            self.lose(&id);
        }
        let server = self.id;
        let agent = self.agents.entry(name.to_owned()).or_default();
        agent.polls += 1;
        agent.asks = Some(server);
        agent.slots = word.slots;
        agent.turn = word.turn;
        if word.is_first {
            agent.registered = Some(now());
            // A held agent that is started again is held, and was not told to stop.
            agent.is_to_stop = false;
        }
        Some(agent.polls)
    }

    /// What there is for that agent's request for work.
    pub(crate) fn outlook(&self, name: &str, poll: u64) -> Outlook {
        match self.agents.get(name).filter(|agent| agent.polls == poll) {
            None => Outlook::Outdated,
            Some(agent) if agent.is_to_stop || self.next_for(name).is_some() => Outlook::Something,
            Some(_) => Outlook::Nothing,
        }
    }

    /// The answer to that request, if there is one yet.
    pub(crate) fn serve(&mut self, name: &str, poll: u64) -> Option<Value> {
        let agent = self.agents.get_mut(name).filter(|agent| agent.polls == poll)?;
        let answer = if agent.is_to_stop {
            agent.is_to_stop = false;
            json!({ "action": "stop" })
        } else {
            let job = self.dispatch(name)?;
            json!({ "action": "job", "job": job.id, "seconds": job.seconds })
        };
        self.close(name, poll, true);
        Some(answer)
    }

    /// That request has been answered, or nobody waits for the answer any more.
    pub(crate) fn close(&mut self, name: &str, poll: u64, is_there: bool) {
        if let Some(agent) = self.agents.get_mut(name).filter(|agent| agent.polls == poll) {
            agent.asks = None;
            agent.last_seen = is_there.then(now);
        }
    }

    /// The place of the next job for this agent, if it and the server may work.
    fn next_for(&self, name: &str) -> Option<usize> {
        let agent = self.agents.get(name)?;
        if self.is_held() || agent.is_held || self.jobs_of(name).count() >= agent.slots {
            return None;
        }
        self.jobs.iter().position(|job| {
            job.state == JobState::Waiting
                && !job.is_servers
                && job.agent.as_deref().is_none_or(|wanted| wanted == name)
        })
    }

    fn dispatch(&mut self, name: &str) -> Option<Job> {
        let place = self.next_for(name)?;
        let job = self.jobs.get_mut(place)?;
        job.state = JobState::Handed(name.to_owned());
        job.server = Some(self.id);
        let _ = ledger::record_of(&self.base, "hand", &job.id, name);
        Some(job.clone())
    }

    /// The place of the next request that this server itself may work on.
    pub(crate) fn next_own(&self) -> Option<usize> {
        let may_have = |job: &Job| job.is_servers && job.server.is_none_or(|only| only == self.id);
        let is_next = |job: &Job| may_have(job) && job.state == JobState::Waiting;
        if self.is_held() { None } else { self.jobs.iter().position(is_next) }
    }

    /// Begins to work on it.
    pub(crate) fn take_own(&mut self) -> Option<Job> {
        let place = self.next_own()?;
        let job = self.jobs.get_mut(place)?;
        job.state = JobState::Own;
        job.server = Some(self.id);
        Some(job.clone())
    }

    pub(crate) fn finish(&mut self, id: &str) {
        self.done += self.remove(id);
    }

    pub(crate) fn lose(&mut self, id: &str) {
        self.lost += self.remove(id);
    }

    fn remove(&mut self, id: &str) -> u64 {
        let before = self.jobs.len();
        self.jobs.retain(|job| job.id != id);
        (before - self.jobs.len()) as u64
    }

    /// What somebody works on.
    pub(crate) fn working(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| job.state != JobState::Waiting)
    }

    /// The part of it that is a request of that server.
    pub(crate) fn requests_of(&self, server: u64) -> impl Iterator<Item = &Job> {
        self.working().filter(move |job| job.server.unwrap_or(self.id) == server)
    }

    /// What this agent was given and has not reported.
    pub(crate) fn jobs_of(&self, name: &str) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(
            move |job| matches!(&job.state, JobState::Handed(with) | JobState::Running(with) if with == name),
        )
    }
}

impl Agent {
    fn from_json(saved: &Value) -> Self {
        Self {
            is_held: saved.as_bool().or(saved["held"].as_bool()).unwrap_or(false),
            is_to_stop: saved["stop"].as_bool().unwrap_or(false),
            last_seen: saved["seen"].as_u64(),
            registered: saved["registered"].as_u64(),
            polls: saved["polls"].as_u64().unwrap_or(0),
            asks: saved["asks"].as_u64(),
            slots: saved["slots"].as_u64().and_then(|slots| slots.try_into().ok()).unwrap_or(0),
            turn: saved["turn"].as_u64().unwrap_or(0),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "held": self.is_held,
            "stop": self.is_to_stop,
            "seen": self.last_seen,
            "registered": self.registered,
            "polls": self.polls,
            "asks": self.asks,
            "slots": self.slots,
            "turn": self.turn,
        })
    }
}

impl Peer {
    fn from_json(saved: &Value) -> Self {
        Self {
            is_held: saved["held"].as_bool().unwrap_or(false),
            seen: saved["seen"].as_u64().unwrap_or(0),
            address: saved["address"].as_str().unwrap_or_default().to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        json!({ "held": self.is_held, "seen": self.seen, "address": self.address })
    }
}

impl Job {
    fn from_json(saved: &Value) -> Self {
        let text = |name: &str| saved[name].as_str().map(str::to_owned);
        let with = text("with").unwrap_or_default();
        Self {
            id: text("id").unwrap_or_default(),
            seconds: saved["seconds"].as_f64().unwrap_or(0.0),
            is_servers: saved["servers"].as_bool().unwrap_or(false),
            agent: text("agent"),
            state: match saved["state"].as_str() {
                Some("handed") => JobState::Handed(with),
                Some("running") => JobState::Running(with),
                Some("own") => JobState::Own,
                _ => JobState::Waiting,
            },
            server: saved["server"].as_u64(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let (state, with) = match &self.state {
            JobState::Waiting => ("waiting", None),
            JobState::Handed(with) => ("handed", Some(with)),
            JobState::Running(with) => ("running", Some(with)),
            JobState::Own => ("own", None),
        };
        json!({
            "id": self.id,
            "seconds": self.seconds,
            "servers": self.is_servers,
            "agent": self.agent,
            "state": state,
            "with": with,
            "server": self.server,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn word(turn: u64, known: &[&'static str]) -> Word<'static> {
        let (known, running) = (known.to_vec(), known.to_vec());
        Word { is_first: turn == 1, slots: 2, turn, known, running }
    }

    /// The same document as another server, or a later life of this one, finds it.
    fn seen_by(state: &State, id: u64, is_shared: bool) -> State {
        State::parse(&state.to_text(), (id, is_shared), state.base.clone())
    }

    /// Not a place where anybody has a ledger.
    fn base() -> PathBuf {
        std::env::temp_dir().join(format!("no-ledger-{}", std::process::id()))
    }

    #[test]
    fn what_an_agent_said_before_it_asked_elsewhere_puts_no_job_back() {
        let mut first = State::parse("", (1, true), base());
        let id = first.submit(1.0, &Whose::Agents(None));
        assert!(first.hear("a", &word(1, &[])).is_some());
        let mut second = seen_by(&first, 2, true);
        let poll = second.hear("a", &word(2, &[])).unwrap();
        assert_eq!(second.serve("a", poll).unwrap()["job"], id);
        let mut first = seen_by(&second, 1, true);
        assert_eq!(first.hear("a", &word(1, &[])), None, "late on its way");
        assert_eq!(first.jobs[0].state, JobState::Handed("a".to_owned()));
        assert_eq!(first.requests_of(2).count(), 1, "it is a request of the server that gave it");
        let _ = std::fs::remove_dir_all(base());
    }

    #[test]
    fn only_the_latest_request_for_work_is_served() {
        let mut state = State::parse("", (1, true), base());
        let early = state.hear("a", &word(1, &[])).unwrap();
        let late = state.hear("a", &word(2, &[])).unwrap();
        state.submit(1.0, &Whose::Agents(None));
        assert_eq!(state.outlook("a", early), Outlook::Outdated);
        assert_eq!(state.serve("a", early), None);
        assert_eq!(state.outlook("a", late), Outlook::Something);
        assert!(state.serve("a", late).is_some());
        let _ = std::fs::remove_dir_all(base());
    }

    #[test]
    fn a_file_keeps_holds_and_jobs_and_forgets_who_asks() {
        let mut state = State::parse("", (1, false), base());
        state.submit(1.0, &Whose::Agents(None));
        state.hear("a", &word(1, &[])).unwrap();
        state.agents.get_mut("a").unwrap().is_held = true;
        state.own().is_held = true;
        let later = seen_by(&state, 1, false);
        assert!(later.is_held() && later.agents["a"].is_held && later.jobs.len() == 1);
        assert!(!later.is_asking(&later.agents["a"]));
        let _ = std::fs::remove_dir_all(base());
    }
}

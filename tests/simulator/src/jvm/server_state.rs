//! What the server knows: jobs, agents and holds. In J-Jobs this is in the meta DB; here in a file that survives
//! the server as the DB would.

use crate::ledger;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobState {
    Waiting,
    /// With an agent of that name; the server itself has none.
    Working(Option<String>),
}

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) seconds: f64,
    /// Whether the server works on it itself.
    pub(crate) is_servers: bool,
    /// The only agent that may have it.
    pub(crate) agent: Option<String>,
    pub(crate) state: JobState,
}

#[derive(Debug, Default)]
pub(crate) struct Agent {
    pub(crate) is_held: bool,
    /// It is to be told to stop.
    pub(crate) is_to_stop: bool,
    pub(crate) last_seen: Option<Instant>,
    /// Counts its lives: an answer that an earlier one waits for must not take a job.
    pub(crate) life: u64,
    /// Requests for work that wait for an answer right now.
    pub(crate) waiting: u32,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) is_held: bool,
    pub(crate) jobs: Vec<Job>,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) next: u64,
    pub(crate) done: u64,
    file: PathBuf,
}

impl State {
    /// `SIM_META`, else a file of the installation.
    pub(crate) fn load(base: &Path) -> Self {
        let file = match env::var_os("SIM_META") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => base.join(".simulator/meta.json"),
        };
        let text = fs::read_to_string(&file).unwrap_or_default();
        let saved: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut state = Self {
            is_held: saved["held"].as_bool().unwrap_or(false),
            next: saved["next"].as_u64().unwrap_or(1),
            done: saved["done"].as_u64().unwrap_or(0),
            file,
            ..Self::default()
        };
        for name in saved["held_agents"].as_array().into_iter().flatten() {
            let agent = Agent { is_held: true, ..Agent::default() };
            state.agents.insert(name.as_str().unwrap_or_default().to_owned(), agent);
        }
        state.jobs = saved["jobs"].as_array().into_iter().flatten().map(Job::from_json).collect();
        state
    }

    pub(crate) fn save(&self) {
        let held: Vec<_> =
            self.agents.iter().filter(|(_, agent)| agent.is_held).map(|(name, _)| name).collect();
        let saved = json!({
            "held": self.is_held,
            "next": self.next,
            "done": self.done,
            "held_agents": held,
            "jobs": self.jobs.iter().map(Job::to_json).collect::<Vec<_>>(),
        });
        let draft = self.file.with_extension(format!("{}.new", std::process::id()));
        if fs::write(&draft, saved.to_string()).is_ok() {
            let _ = fs::rename(draft, &self.file);
        }
    }

    /// Takes a job in; its name is unlike that of any other server's.
    pub(crate) fn submit(
        &mut self,
        seconds: f64,
        is_servers: bool,
        agent: Option<String>,
    ) -> String {
        let id = format!("{}-{}", ledger::hostname(), self.next);
        self.next += 1;
        let state = JobState::Waiting;
        self.jobs.push(Job { id: id.clone(), seconds, is_servers, agent, state });
        id
    }

    /// The next job for this agent, if it and the server may work.
    pub(crate) fn dispatch(&mut self, agent: &str) -> Option<Job> {
        if self.is_held || self.agents.get(agent).is_some_and(|agent| agent.is_held) {
            return None;
        }
        let job = self.jobs.iter_mut().find(|job| {
            job.state == JobState::Waiting
                && !job.is_servers
                && job.agent.as_deref().is_none_or(|wanted| wanted == agent)
        })?;
        job.state = JobState::Working(Some(agent.to_owned()));
        Some(job.clone())
    }

    /// An agent that has just started knows these jobs; what else it was given never reached it.
    pub(crate) fn take_back(&mut self, agent: &str, known: &[&str]) {
        for job in &mut self.jobs {
            if job.state == JobState::Working(Some(agent.to_owned()))
                && !known.contains(&job.id.as_str())
            {
                job.state = JobState::Waiting;
            }
        }
    }

    pub(crate) fn finish(&mut self, id: &str) {
        let before = self.jobs.len();
        self.jobs.retain(|job| job.id != id);
        self.done += (before - self.jobs.len()) as u64;
    }

    pub(crate) fn working(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| job.state != JobState::Waiting)
    }
}

impl Job {
    fn from_json(saved: &Value) -> Self {
        let text = |name: &str| saved[name].as_str().map(str::to_owned);
        let is_servers = saved["servers"].as_bool().unwrap_or(false);
        // What the server itself worked on when it went is worked on again by its next life.
        let is_working = saved["working"].as_bool().unwrap_or(false) && !is_servers;
        Self {
            id: text("id").unwrap_or_default(),
            seconds: saved["seconds"].as_f64().unwrap_or(0.0),
            is_servers,
            agent: text("agent"),
            state: if is_working { JobState::Working(text("with")) } else { JobState::Waiting },
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let with = match &self.state {
            JobState::Working(with) => with.clone(),
            JobState::Waiting => None,
        };
        json!({
            "id": self.id,
            "seconds": self.seconds,
            "servers": self.is_servers,
            "agent": self.agent,
            "working": self.state != JobState::Waiting,
            "with": with,
        })
    }
}

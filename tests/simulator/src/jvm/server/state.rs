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
    /// Given to the agent of that name, which has not said yet that it runs.
    Handed(String),
    /// That agent has a runtime for it.
    Running(String),
    /// The server works on it itself.
    Own,
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
    /// When its present life began.
    pub(crate) registered: Option<Instant>,
    /// Counts its requests for work: only the latest one may take a job.
    pub(crate) polls: u64,
    /// Requests for work that wait for an answer right now.
    pub(crate) waiting: u32,
    /// How many jobs it takes at a time.
    pub(crate) slots: usize,
}

/// What an agent says of itself with each request for work.
pub(crate) struct Word<'a> {
    pub(crate) is_first: bool,
    pub(crate) slots: usize,
    /// The jobs that it has, whether they run already or not.
    pub(crate) known: Vec<&'a str>,
    pub(crate) running: Vec<&'a str>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) is_held: bool,
    pub(crate) jobs: Vec<Job>,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) next: u64,
    pub(crate) done: u64,
    pub(crate) lost: u64,
    base: PathBuf,
    file: PathBuf,
}

impl State {
    /// `SIM_META`, else a file of the installation. What the server itself worked on when it went is lost.
    pub(crate) fn load(base: &Path) -> Self {
        let file = match env::var_os("SIM_META") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => base.join(".simulator/meta.json"),
        };
        let text = fs::read_to_string(&file).unwrap_or_default();
        let saved: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut state = Self {
            is_held: saved["held"].as_bool().unwrap_or(false),
            next: saved["next"].as_u64().unwrap_or_else(|| ledger::next_number(base)),
            done: saved["done"].as_u64().unwrap_or(0),
            lost: saved["lost"].as_u64().unwrap_or(0),
            base: base.to_owned(),
            file,
            ..Self::default()
        };
        for (name, is_held) in saved["agents"].as_object().into_iter().flatten() {
            let is_held = is_held.as_bool().unwrap_or(false);
            state.agents.insert(name.clone(), Agent { is_held, ..Agent::default() });
        }
        state.jobs = saved["jobs"].as_array().into_iter().flatten().map(Job::from_json).collect();
        let own: Vec<String> = state
            .jobs
            .iter()
            .filter(|job| job.state == JobState::Own)
            .map(|job| job.id.clone())
            .collect();
        for id in own {
            let _ = ledger::record(base, "lost", &id);
            state.lose(&id);
        }
        state
    }

    pub(crate) fn save(&self) {
        let agents: BTreeMap<_, _> =
            self.agents.iter().map(|(name, agent)| (name, agent.is_held)).collect();
        let saved = json!({
            "held": self.is_held,
            "next": self.next,
            "done": self.done,
            "lost": self.lost,
            "agents": agents,
            "jobs": self.jobs.iter().map(Job::to_json).collect::<Vec<_>>(),
        });
        let draft = self.file.with_extension(format!("{}.new", std::process::id()));
        if fs::write(&draft, saved.to_string()).is_ok() {
            let _ = fs::rename(draft, &self.file);
        }
    }

    /// Releases everybody, and tells nobody.
    pub(crate) fn forget_holds(&mut self) {
        self.is_held = false;
        for agent in self.agents.values_mut() {
            agent.is_held = false;
            agent.is_to_stop = false;
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

    /// Takes in what an agent says of itself; returns the number of this request for work. A job that was given to it
    /// and never reached it waits again; one that ran and that it knows no more is lost.
    pub(crate) fn hear(&mut self, name: &str, word: &Word<'_>) -> u64 {
        let mut lost = Vec::new();
        for job in &mut self.jobs {
            let is_known = word.known.contains(&job.id.as_str());
            match &job.state {
                JobState::Handed(with) if with == name && !is_known => {
                    let _ = ledger::record(&self.base, "back", &job.id);
                    job.state = JobState::Waiting;
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
        let agent = self.agents.entry(name.to_owned()).or_default();
        agent.polls += 1;
        agent.waiting += 1;
        agent.slots = word.slots;
        if word.is_first {
            agent.registered = Some(Instant::now());
            // A held agent that is started again is held, and was not told to stop.
            agent.is_to_stop = false;
        }
        agent.polls
    }

    /// The next job for this agent, if it and the server may work.
    pub(crate) fn dispatch(&mut self, name: &str) -> Option<Job> {
        let agent = self.agents.get(name)?;
        if self.is_held || agent.is_held || self.jobs_of(name).count() >= agent.slots {
            return None;
        }
        let job = self.jobs.iter_mut().find(|job| {
            job.state == JobState::Waiting
                && !job.is_servers
                && job.agent.as_deref().is_none_or(|wanted| wanted == name)
        })?;
        job.state = JobState::Handed(name.to_owned());
        let _ = ledger::record_of(&self.base, "hand", &job.id, name);
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

    pub(crate) fn working(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| job.state != JobState::Waiting)
    }

    /// What this agent was given and has not reported.
    pub(crate) fn jobs_of(&self, name: &str) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(
            move |job| matches!(&job.state, JobState::Handed(with) | JobState::Running(with) if with == name),
        )
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
        })
    }
}

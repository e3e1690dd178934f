//! A server and its agents in containers of their own, on one network, with one ledger for all their jobs.

use crate::{Container, ContainerBuilder, Network, simulator_binary};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, process::Command};
use tempfile::TempDir;

/// Where every member sees the volume with the ledger.
const VOLUME: &str = "/ledger001";

/// Where the simulated server listens.
const SERVER_PORT: u16 = 7075;

/// Containers that know each other's names and write the same ledger.
///
/// ```no_run
/// use jjobs_harness::{Cluster, Container, Vendor, eventually};
/// # const INIT: &str = "/path/to/jjobs-init";
/// let Some(cluster) = Cluster::new(&["server-0", "jjobs-0", "jjobs-1"]) else { return };
/// let image = || Container::image(INIT).installer(Vendor::A);
/// let server = cluster.join(image().env("INSTALL_KIND", "S"), "server-0").boot().unwrap();
/// // … and the agents, with `JJOBS_SERVER_IP=server-0`.
/// cluster.submit(&server, 0.5, 200);
/// eventually("all jobs have ended", || (cluster.ledger().ended == 200).then_some(()));
/// assert!(cluster.ledger().is_complete());
/// ```
pub struct Cluster {
    network: Network,
    volume: TempDir,
}

/// What the ledger says: numbers of jobs, and names of those with which something is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Jobs that a server has taken in.
    pub submitted: u64,
    /// Jobs that were begun at least once.
    pub started: u64,
    /// Jobs that have ended at least once.
    pub ended: u64,
    /// Submitted and not begun, whether handed out or not.
    pub waiting: Vec<String>,
    /// Given to an agent, and neither begun nor given back.
    pub handed_not_started: Vec<String>,
    /// Begun more often than ended: they run, or were lost.
    pub running_or_lost: Vec<String>,
    /// Of those, the ones that somebody has found gone.
    pub lost: Vec<String>,
    /// Begun more than once.
    pub twice: Vec<String>,
}

impl Ledger {
    /// Whether every job that was submitted has run once, from its start to its end.
    pub fn is_complete(&self) -> bool {
        self.ended == self.submitted
            && self.started == self.submitted
            && self.running_or_lost.is_empty()
            && self.twice.is_empty()
    }

    fn from_json(summary: &Value) -> Self {
        let number = |name: &str| summary[name].as_u64().expect("a number of jobs");
        let names = |name: &str| {
            let names = summary[name].as_array().expect("a list of jobs");
            names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        Self {
            submitted: number("submitted"),
            started: number("started"),
            ended: number("ended"),
            waiting: names("waiting"),
            handed_not_started: names("handed_not_started"),
            running_or_lost: names("running_or_lost"),
            lost: names("lost"),
            twice: names("twice"),
        }
    }
}

/// What a server knows of its jobs right now.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// Jobs that nobody has yet.
    pub waiting: u64,
    /// Jobs that the server works on or has given to an agent.
    pub working: u64,
    /// Jobs that were reported as done, and as lost.
    pub done: u64,
    /// Jobs whose runtime, or whose server, is gone.
    pub lost: u64,
    /// Whether the server is held.
    pub is_held: bool,
    /// Every agent that it knows, by name.
    pub agents: BTreeMap<String, AgentBoard>,
    /// Every server that it knows, itself included, by number.
    pub servers: BTreeMap<u64, ServerBoard>,
}

/// What a server knows of one server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerBoard {
    /// Whether it is held.
    pub is_held: bool,
    /// Whether it has been heard of lately.
    pub is_alive: bool,
    /// The requests that it works on itself.
    pub own: Vec<String>,
}

/// What a server knows of one agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AgentBoard {
    /// Whether it is held.
    pub is_held: bool,
    /// Whether it asks for work right now.
    pub is_asking: bool,
    /// The lengths in seconds of the jobs that it was given and has not begun, as far as the server knows.
    pub handed: Vec<f64>,
    /// The lengths in seconds of the jobs that run there.
    pub running: Vec<f64>,
}

impl Board {
    /// How many jobs of a length in seconds within `range` run at that agent.
    pub fn running(&self, agent: &str, range: std::ops::Range<f64>) -> usize {
        let jobs = self.agents.get(agent).map_or(&[][..], |agent| &agent.running);
        jobs.iter().filter(|seconds| range.contains(seconds)).count()
    }

    fn from_json(board: &Value) -> Self {
        let number = |name: &str| board[name].as_u64().expect("a number of jobs");
        let agents = board["agents"].as_object().into_iter().flatten();
        Self {
            waiting: number("waiting"),
            working: number("working"),
            done: number("done"),
            lost: number("lost"),
            is_held: board["held"] == true,
            agents: agents
                .map(|(name, agent)| (name.clone(), AgentBoard::from_json(agent)))
                .collect(),
            servers: board["servers"]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(id, server)| Some((id.parse().ok()?, ServerBoard::from_json(server))))
                .collect(),
        }
    }
}

impl ServerBoard {
    fn from_json(server: &Value) -> Self {
        let own = server["own"].as_array().into_iter().flatten();
        Self {
            is_held: server["held"] == true,
            is_alive: server["alive"] == true,
            own: own.filter_map(|job| job["id"].as_str().map(str::to_owned)).collect(),
        }
    }
}

impl AgentBoard {
    fn from_json(agent: &Value) -> Self {
        let lengths = |name: &str| {
            let jobs = agent[name].as_array().into_iter().flatten();
            jobs.filter_map(|job| job["seconds"].as_f64()).collect()
        };
        Self {
            is_held: agent["held"] == true,
            is_asking: agent["waiting"].as_u64().is_some_and(|count| count > 0),
            handed: lengths("handed"),
            running: lengths("running"),
        }
    }
}

impl Cluster {
    /// A cluster for containers of these host names. `None` where this machine allows no namespaces.
    ///
    /// # Panics
    /// As [`ContainerBuilder::prepare`] does.
    #[must_use = "None means that nothing was tested"]
    pub fn new(names: &[&str]) -> Option<Self> {
        Some(Self::on(Network::new(names)?))
    }

    /// A cluster on that network.
    ///
    /// # Panics
    /// No folder for the ledger can be made.
    pub fn on(network: Network) -> Self {
        let volume = tempfile::Builder::new().prefix("jjobs-cluster-").tempdir().unwrap();
        fs::set_permissions(volume.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Self { network, volume }
    }

    /// Makes it the member of that name.
    pub fn join(&self, builder: ContainerBuilder, name: &str) -> ContainerBuilder {
        self.network
            .join(builder, name)
            .bind(self.volume.path(), VOLUME)
            .env("SIM_LEDGER", format!("{VOLUME}/ledger"))
    }

    /// The members' network, to cut cables of.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Submits jobs that any agent of the server may have.
    #[track_caller]
    pub fn submit(&self, server: &Container, seconds: f64, count: u32) {
        self.post(server, &json!({ "seconds": seconds, "count": count }));
    }

    /// Submits jobs that only that agent may have.
    #[track_caller]
    pub fn submit_to(&self, server: &Container, agent: &str, (seconds, count): (f64, u32)) {
        self.post(server, &json!({ "seconds": seconds, "count": count, "agent": agent }));
    }

    /// Submits requests that the server itself works on.
    #[track_caller]
    pub fn submit_to_server(&self, server: &Container, seconds: f64, count: u32) {
        self.post(server, &json!({ "seconds": seconds, "count": count, "where": "server" }));
    }

    #[track_caller]
    #[expect(clippy::unused_self, reason = "a call of the cluster, as the others are")]
    fn post(&self, server: &Container, jobs: &Value) {
        let call = ("POST", "/sim/jobs");
        let answer = server.http_api(SERVER_PORT, call, "", &jobs.to_string()).unwrap();
        assert_eq!(answer.status, 200, "the server does not take the jobs: {answer:?}");
    }

    /// What the server knows of its jobs; `None` while it does not answer.
    pub fn board(&self, server: &Container) -> Option<Board> {
        let answer = server.http_get(SERVER_PORT, "/sim/jobs").ok()?;
        // A server that cannot have its meta DB says 500.
        let body = Some(&answer.body).filter(|_| answer.status == 200)?;
        Some(Board::from_json(&serde_json::from_str(body).ok()?))
    }

    /// Counts what was recorded so far, by all members.
    #[track_caller]
    pub fn ledger(&self) -> Ledger {
        let output = Command::new(simulator_binary())
            .args(["ledger", "--json"])
            .arg(self.volume.path().join("ledger"))
            .output()
            .expect("the simulator cannot be started");
        Ledger::from_json(&serde_json::from_slice(&output.stdout).expect("a summary"))
    }
}

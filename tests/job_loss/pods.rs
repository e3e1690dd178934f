//! The pods: a server and three agents on one network, their jobs, and what can be seen of them.

use crate::record::Record;
use jjobs_harness::{AgentBoard, Board, Cluster, Container, ExecChild, Signal, within};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub(crate) const SERVER: &str = "jjobs-0";
pub(crate) const AGENTS: [&str; 3] = ["jjobs-agent-0", "jjobs-agent-1", "jjobs-agent-2"];
/// Longer than anything healthy takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(1);

pub(crate) const BASE: &str = "/engn001/jjobs";
pub(crate) const PORT: u16 = 7075;

/// One container, stopped and started by whoever has it.
pub(crate) struct Pod {
    pub(crate) name: &'static str,
    container: Mutex<Container>,
    /// The meta DB's port, where the pod has a server.
    _db: Option<TcpListener>,
}

/// All of them.
pub(crate) struct Pods {
    cluster: Cluster,
    pub(crate) server: Pod,
    pub(crate) agents: Vec<Pod>,
    pub(crate) is_contrary: bool,
    /// Held by whoever must not be met by new jobs: a server that is killed between two of its records would confuse
    /// the count.
    pub(crate) feeding: Mutex<()>,
}

impl Pods {
    pub(crate) fn new(
        cluster: Cluster,
        (server, agents): (Pod, Vec<Pod>),
        is_contrary: bool,
    ) -> Self {
        Self { cluster, server, agents, is_contrary, feeding: Mutex::default() }
    }

    /// What the server knows; `None` while it does not answer.
    pub(crate) fn board(&self) -> Option<Board> {
        self.cluster.board(&self.server.lock())
    }

    pub(crate) fn board_of(&self, agent: &Pod) -> AgentBoard {
        self.board().and_then(|mut board| board.agents.remove(agent.name)).unwrap_or_default()
    }

    /// Whether that agent is given work.
    pub(crate) fn is_at_work(&self, agent: &Pod) -> bool {
        let board = self.board_of(agent);
        !board.is_held && (board.is_asking || !board.running.is_empty())
    }

    /// Submits jobs of that length: for anybody, for one agent, for the server itself. What a server that is not there
    /// does not take is nobody's job.
    pub(crate) fn submit(&self, seconds: f64, count: u32, whose: Option<&Pod>) {
        let body = match whose {
            None => json!({ "seconds": seconds, "count": count }),
            Some(pod) if pod.name == SERVER => {
                json!({ "seconds": seconds, "count": count, "where": "server" })
            }
            Some(pod) => json!({ "seconds": seconds, "count": count, "agent": pod.name }),
        };
        let _ = self.server.lock().http_api(PORT, ("POST", "/sim/jobs"), "", &body.to_string());
    }

    /// The lengths of the requests that the server works on itself. Its list is not asked: a contrary server owes its
    /// first answer to PID 1.
    pub(crate) fn own_requests(&self) -> Vec<f64> {
        let text = self.server.lock().read_text(format!("{BASE}/.simulator/meta.json"));
        let meta: Value = serde_json::from_str(&text).unwrap_or_default();
        let jobs = meta["jobs"].as_array().into_iter().flatten();
        jobs.filter(|job| job["state"] == "own").filter_map(|job| job["seconds"].as_f64()).collect()
    }

    pub(crate) fn record(&self) -> Record {
        Record::parse(&self.ledger())
    }

    /// The lines of all members.
    pub(crate) fn ledger(&self) -> String {
        self.server.lock().read_text("/ledger001/ledger")
    }

    /// What the simulator itself makes of the ledger.
    pub(crate) fn summary(&self) -> jjobs_harness::Ledger {
        self.cluster.ledger()
    }
}

impl Pod {
    pub(crate) fn new(name: &'static str, container: Container, db: Option<TcpListener>) -> Self {
        Self { name, container: Mutex::new(container), _db: db }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Container> {
        self.container.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls preStop as a kubelet does.
    pub(crate) fn pre_stop(&self) -> ExecChild {
        self.lock().exec_spawn(["/bin/bash", "-c", "/pre-stop.sh"])
    }

    pub(crate) fn term(&self) {
        self.lock().signal(Signal::SIGTERM);
    }

    /// PID 1's exit code.
    #[track_caller]
    pub(crate) fn end(&self) -> i32 {
        let code = within(SOON, || self.lock().try_exit_code(Duration::ZERO));
        code.unwrap_or_else(|| panic!("{} does not end:\n{}", self.name, self.lock().transcript()))
    }

    /// How many lines there are by now.
    pub(crate) fn now(&self) -> usize {
        self.lock().lines().len()
    }

    /// Whether PID 1 has said so since.
    pub(crate) fn has_said(&self, from: usize, text: &str) -> bool {
        self.lock().lines().iter().skip(from).any(|line| line.text.contains(text))
    }

    /// The lengths of the jobs that its runtimes work on, as their command lines tell.
    pub(crate) fn runtimes(&self) -> Vec<f64> {
        let processes = self.lock().processes();
        let runtimes = processes.iter().filter(|process| {
            let is_runtime = process.has_word("cname=jjobs") || process.has_word("-Dcname=jjobs");
            is_runtime && !process.is_zombie()
        });
        let seconds = |word: &String| word.strip_prefix("-Dsim.seconds=")?.parse().ok();
        runtimes.filter_map(|process| process.argv.iter().find_map(seconds)).collect()
    }

    /// How many JVMs there are, of whatever sort.
    pub(crate) fn jvms(&self) -> usize {
        let processes = self.lock().processes();
        processes.iter().filter(|process| process.name == "java" && !process.is_zombie()).count()
    }

    /// Kills what is left of the container and starts it again; returns the number of its next line.
    pub(crate) fn restart(&self) -> usize {
        let mut container = self.lock();
        container.kill();
        let from = container.lines().len();
        container.restart();
        from
    }

    /// Kills the server's JVM.
    pub(crate) fn kill_server(&self) {
        let word = format!("-Dcatalina.home={BASE}/server");
        let container = self.lock();
        for process in container.processes_with(&word) {
            container.signal_process(process.pid, Signal::SIGKILL);
        }
    }

    /// The pid of its agent's JVM, as that one has noted it.
    pub(crate) fn agent_pid(&self) -> Option<i32> {
        self.lock().read_text(format!("{BASE}/agent/.bin/agent.pid")).trim().parse().ok()
    }

    #[track_caller]
    pub(crate) fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let held = within(SOON, || holds(self).then_some(()));
        assert!(
            held.is_some(),
            "{}: timed out waiting for: {what}; PID 1 said:\n{}",
            self.name,
            self.lock().transcript()
        );
    }
}

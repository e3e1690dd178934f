//! The pods, as the manual has them, and what can be done to one.

use jjobs_harness::{
    Board, Cluster, Container, ExecChild, Network, Postgres, Signal, Vendor, unless_missing, within,
};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tempfile::TempDir;

pub(crate) const SERVERS: [&str; 2] = ["jjobs-0", "jjobs-1"];
pub(crate) const AGENTS: [&str; 3] = ["jjobs-agent-0", "jjobs-agent-1", "jjobs-agent-2"];
const DB: &str = "jjobs-db";
const SERVICE: &str = "jjobs.default.svc.cluster.local";

pub(crate) const BASE: &str = "/engn001/jjobs";
pub(crate) const SERVER_PORT: u16 = 7075;
const MANAGER_PORT: u16 = 7065;

const TOKEN: &str = "a-token-of-the-tests";

/// Longer than anything healthy takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A place of a stateful set, and the pod that has it right now.
pub(crate) struct Pod {
    pub(crate) name: &'static str,
    pub(crate) is_server: bool,
    container: Mutex<Option<Container>>,
    /// No client uses it any more, as when its endpoint is not ready.
    is_leaving: AtomicBool,
}

pub(crate) struct Pods {
    pub(crate) cluster: Cluster,
    db: Mutex<Postgres>,
    /// The `ReadWriteMany` volume.
    logs: TempDir,
    pub(crate) servers: [Pod; 2],
    pub(crate) agents: [Pod; 3],
    /// Held by whoever submits jobs, and by whoever must not be met by new ones.
    pub(crate) feeding: Mutex<()>,
}

impl Pods {
    /// All of them with names, volumes and a DB that is not started; `None` where this machine lacks what that takes.
    pub(crate) fn prepare() -> Option<Self> {
        let programs = unless_missing("PostgreSQL", Postgres::programs())?;
        let names: Vec<&str> = SERVERS.into_iter().chain(AGENTS).chain([DB]).collect();
        let services: [(&str, &[&str]); 2] = [("jjobs", &SERVERS), ("jjobs-agent", &AGENTS)];
        let network = Network::with_services(&names, &services)?;
        let db = Postgres::in_network(&programs, &network, DB)?;
        let pod = |is_server| {
            move |name| Pod {
                name,
                is_server,
                container: Mutex::default(),
                is_leaving: AtomicBool::new(false),
            }
        };
        Some(Self {
            cluster: Cluster::on(network),
            db: Mutex::new(db),
            logs: tempfile::Builder::new().prefix("jjobs-logs-").tempdir().unwrap(),
            servers: SERVERS.map(pod(true)),
            agents: AGENTS.map(pod(false)),
            feeding: Mutex::default(),
        })
    }

    /// The same, booted and at work.
    pub(crate) fn boot() -> Option<Self> {
        let pods = Self::prepare()?;
        pods.db().start();
        thread::scope(|scope| {
            for pod in pods.all() {
                let pods = &pods;
                scope.spawn(move || pods.bring_up(pod));
            }
        });
        Some(pods)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Pod> {
        self.servers.iter().chain(&self.agents)
    }

    pub(crate) fn db(&self) -> MutexGuard<'_, Postgres> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new pod in that place: nothing but names and volumes is left of an earlier one.
    pub(crate) fn create(&self, pod: &Pod) {
        let (host, port) = (DB, 5432);
        let builder = Container::image(env!("CARGO_BIN_EXE_jjobs-init"))
            .installer(Vendor::A)
            .shared_logs(self.logs.path())
            .env("JJOBS_SERVER_IP", SERVICE)
            .env("API_PRIVATE_TOKEN", TOKEN)
            .env("SIM_TOKEN", TOKEN)
            .env("SIM_FAULTS_AGENT", "slots=5")
            .env("JJOBS_INIT_STOP_TIMEOUT", "20s");
        let builder = if pod.is_server {
            builder
                .env("INSTALL_KIND", "F")
                .env("ON_BOOT", "exceptagent")
                .env("JJOB_SERVICE_NAME", SERVICE)
                .env("JDBC_URL", format!("jdbc:postgresql://{host}:{port}/jjobs"))
                .env("SIM_DB", "postgres")
        } else {
            builder.env("INSTALL_KIND", "A")
        };
        let created = self.cluster.join(builder, pod.name).boot().unwrap();
        let before = pod.lock().replace(created);
        assert!(before.is_none(), "{} was there still", pod.name);
    }

    /// Creates it, calls postStart beside it, and waits until it works.
    pub(crate) fn bring_up(&self, pod: &Pod) {
        self.create(pod);
        let hook = pod.post_start();
        self.wait_for_work(pod, &hook);
    }

    /// Waits for the end of its postStart, and until it is ready and does what it is there for.
    pub(crate) fn wait_for_work(&self, pod: &Pod, post_start: &ExecChild) {
        pod.assert_ended_well(post_start);
        pod.eventually("it is ready", || pod.probe("readiness") == 0);
        pod.eventually("it is at work", || self.is_at_work(pod));
        pod.is_leaving.store(false, Ordering::Relaxed);
    }

    fn is_at_work(&self, pod: &Pod) -> bool {
        let Some(board) = self.board() else { return false };
        if let Some(number) = pod.number() {
            let server = board.servers.get(&number);
            return server.is_some_and(|server| server.is_alive && !server.is_held)
                && pod.has_manager();
        }
        let agent = board.agents.get(pod.name);
        agent.is_some_and(|agent| !agent.is_held && (agent.is_asking || !agent.running.is_empty()))
    }

    /// What the first server that answers knows.
    pub(crate) fn board(&self) -> Option<Board> {
        self.servers.iter().find_map(|server| self.board_of(server))
    }

    /// What that server knows.
    pub(crate) fn board_of(&self, server: &Pod) -> Option<Board> {
        self.cluster.board(server.lock().as_ref()?)
    }

    /// From now on nothing new is submitted through it.
    pub(crate) fn retire(&self, pod: &Pod) {
        let _guard = self.feeding.lock().unwrap_or_else(PoisonError::into_inner);
        pod.is_leaving.store(true, Ordering::Relaxed);
    }

    pub(crate) fn ledger_text(&self) -> String {
        self.all()
            .find_map(|pod| pod.lock().as_ref().map(|pod| pod.read_text("/ledger001/ledger")))
            .unwrap_or_default()
    }
}

impl Pod {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Container>> {
        self.container.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the pod that is there.
    #[track_caller]
    pub(crate) fn with<T>(&self, job: impl FnOnce(&mut Container) -> T) -> T {
        job(self.lock().as_mut().unwrap_or_else(|| panic!("there is no {}", self.name)))
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// A server's number: its ordinal and one.
    pub(crate) fn number(&self) -> Option<u64> {
        let ordinal = self.name.rsplit('-').next()?.parse::<u64>().ok()?;
        self.is_server.then_some(ordinal + 1)
    }

    fn has_manager(&self) -> bool {
        let answer = self.with(|pod| pod.http_get(MANAGER_PORT, "/jjob-manager/"));
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// The hooks, as a kubelet calls them.
    pub(crate) fn post_start(&self) -> ExecChild {
        self.with(|pod| pod.exec_spawn(["/bin/bash", "-c", "/post-start.sh"]))
    }

    pub(crate) fn pre_stop(&self) -> ExecChild {
        self.with(|pod| pod.exec_spawn(["/bin/bash", "-c", "/pre-stop.sh"]))
    }

    /// A probe's exit code.
    pub(crate) fn probe(&self, name: &str) -> i32 {
        let probe = self.with(|pod| pod.exec_spawn([format!("/working/{name}.sh")]));
        probe.wait(SOON).code
    }

    /// After preStop: TERM, the end of PID 1 with 0, and nothing of the pod is left.
    #[track_caller]
    pub(crate) fn end(&self) {
        self.with(|pod| pod.signal(Signal::SIGTERM));
        let code = within(SOON, || self.with(|pod| pod.try_exit_code(Duration::ZERO)));
        assert_eq!(code, Some(0), "{} said:\n{}", self.name, self.said(0));
        *self.lock() = None;
    }

    #[track_caller]
    fn assert_ended_well(&self, hook: &ExecChild) {
        self.eventually("its hook has ended", || hook.try_code().is_some());
        let ended = hook.wait(SOON);
        assert_eq!(ended.code, 0, "{}: {ended:?}; PID 1 said:\n{}", self.name, self.said(0));
    }

    /// Waits for a preStop that has to go well.
    #[track_caller]
    pub(crate) fn assert_drained(&self, pre_stop: &ExecChild) {
        self.assert_ended_well(pre_stop);
        let jvms = self.jvms("");
        assert!(jvms == 0, "{}: {jvms} JVMs are left", self.name);
    }

    /// JVMs with such a part in their command line.
    pub(crate) fn jvms(&self, part: &str) -> usize {
        let processes = self.with(|pod| pod.processes());
        let is_one = |process: &&jjobs_harness::ProcessInfo| {
            process.name == "java"
                && !process.is_zombie()
                && process.argv.iter().any(|word| word.contains(part))
        };
        processes.iter().filter(is_one).count()
    }

    /// How many lines PID 1 has said by now.
    pub(crate) fn now(&self) -> usize {
        self.with(|pod| pod.lines().len())
    }

    /// What PID 1 has said since.
    pub(crate) fn said(&self, from: usize) -> String {
        let lines = self.with(|pod| pod.lines());
        lines.into_iter().skip(from).map(|line| line.text + "\n").collect()
    }

    #[track_caller]
    pub(crate) fn wait_for_line(&self, from: usize, words: &[&str]) {
        self.eventually(&format!("it says {words:?}"), || {
            self.said(from).lines().any(|line| words.iter().all(|word| line.contains(word)))
        });
    }

    #[track_caller]
    pub(crate) fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let held = within(SOON, || holds().then_some(()));
        assert!(
            held.is_some(),
            "{}: timed out waiting for: {what}; PID 1 said:\n{}",
            self.name,
            self.said(0)
        );
    }
}

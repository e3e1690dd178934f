//! A pod: its sandbox, its volumes and the lives of its containers.
//!
//! The sandbox is a container that does nothing. It has the pod's host name, network and names, so these stay when another container is
//! restarted, which is then a new one, with the same volumes. A pod of a single container that is never restarted has none: its
//! container has them itself. A thread of its own leads each container through its lives.

use super::{
    Kubelet, environment,
    identity::Identity,
    journal::Journal,
    run::{Run, containers, is_restarted, probes_of},
    volumes::Volumes,
};
use crate::{
    Signal,
    engine::{Container, ContainerBuilder, Image},
    manifests::Environment,
    within,
};
use nix::sys::signal::kill;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    panic::resume_unwind,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The kubelet's first pause before it starts a container again; each further one is twice as long, up to five minutes.
const FIRST_BACKOFF: Duration = Duration::from_secs(10);
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// Where a manifest says nothing.
const DEFAULT_GRACE: u64 = 30;

/// A container's end.
#[derive(Debug, Clone)]
pub struct End {
    /// The container's name in the manifest.
    pub container: String,
    /// Its exit code, 128 plus the signal's number where one killed it.
    pub code: i32,
    /// Whether the kernel killed for lack of memory.
    pub is_oom: bool,
    /// What was left at `terminationMessagePath`.
    pub message: String,
    /// Everything it said.
    pub logs: String,
    /// How long it lived.
    pub elapsed: Duration,
}

/// What `kubectl get pod` shows of a container.
#[derive(Clone, Default)]
pub struct Status {
    /// postStart has returned, and it has not ended.
    pub is_running: bool,
    /// The startup probe has said yes.
    pub is_started: bool,
    /// So has the readiness probe.
    pub is_ready: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// Its ends so far.
    pub ends: Vec<End>,
    /// The one that lives, or lived last.
    pub(super) container: Option<Arc<Container>>,
}

/// A pod that the kubelet has taken; dropping it kills it.
pub struct Pod {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

pub(super) struct Shared {
    kubelet: Kubelet,
    identity: Identity,
    owner: String,
    spec: Value,
    state: Mutex<State>,
    volumes: Volumes,
    sandbox: Option<Container>,
    folder: TempDir,
}

#[derive(Default)]
struct State {
    deletion: Option<Duration>,
    is_abandoned: bool,
    containers: BTreeMap<String, Status>,
    init_failed: bool,
    /// Its worker came to its end, and not by a panic.
    is_over: bool,
}

impl Pod {
    pub(super) fn start(
        kubelet: &Kubelet,
        mut identity: Identity,
        owner: &str,
        spec: &Value,
    ) -> Result<Self, String> {
        let folder = kubelet.folder_of_pod();
        let claim = |name: &str| kubelet.claim(name);
        let volumes = Volumes::prepare(spec, kubelet.manifests(), folder.path(), claim)?;
        let sandbox = needs_sandbox(spec).then(|| kubelet.sandbox(&identity, &volumes));
        identity.address = sandbox.as_ref().and_then(Container::address).unwrap_or_default();
        let shared = Arc::new(Shared {
            kubelet: kubelet.clone(),
            identity,
            owner: owner.to_owned(),
            spec: spec.clone(),
            state: Mutex::default(),
            volumes,
            sandbox,
            folder,
        });
        // What cannot be right is said at once, and not by a thread.
        for kind in ["initContainers", "containers"] {
            for container in containers(spec, kind) {
                shared.environment(container)?;
                shared.mounts(container)?;
                shared.image(container["image"].as_str().unwrap_or_default())?;
                super::security::options(container, spec)?;
                probes_of(container, kubelet.pace())?;
            }
        }
        let work = Arc::clone(&shared);
        let worker = thread::spawn(move || {
            work.work();
            work.state().is_over = true;
        });
        Ok(Self { shared, worker: Some(worker) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.identity.name
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// The first container as it stands.
    pub fn status(&self) -> Status {
        self.check();
        let containers = containers(&self.shared.spec, "containers");
        let name = containers.first().and_then(|container| container["name"].as_str());
        self.shared.state().containers.get(name.unwrap_or_default()).cloned().unwrap_or_default()
    }

    /// Whether all its containers are ready.
    pub fn is_ready(&self) -> bool {
        self.check();
        let state = self.shared.state();
        containers(&self.shared.spec, "containers").iter().all(|container| {
            let name = container["name"].as_str().unwrap_or_default();
            state.containers.get(name).is_some_and(|status| status.is_ready)
        })
    }

    /// The engine's container of the first one, which lives or lived last.
    #[track_caller]
    pub fn container(&self) -> Arc<Container> {
        let found = within(crate::PATIENCE, || self.status().container);
        found.unwrap_or_else(|| panic!("{} has no container yet", self.name()))
    }

    /// What its containers have said, ends included; for a test's complaint.
    pub fn story(&self) -> String {
        let status = self.status();
        let logs = status.container.map(|container| container.logs()).unwrap_or_default();
        let records = self.shared.journal().records();
        let own = records.iter().filter(|record| record.pod == self.name());
        let hooks: Vec<String> = own
            .rev()
            .take(6)
            .map(|r| format!("{} {:?} {:?} {}", r.command.role, r.code, r.elapsed, r.output))
            .collect();
        format!("{} restarted {} times\n{logs}\n{hooks:#?}", self.name(), status.restarts)
    }

    /// Waits until all its containers are ready.
    #[track_caller]
    pub fn wait_until_ready(&self, limit: Duration) {
        let ready = within(limit, || self.is_ready().then_some(()));
        assert!(ready.is_some(), "not ready within {limit:?}: {}", self.story());
    }

    /// Whether nothing of it runs any more, nor will.
    pub fn has_ended(&self) -> bool {
        self.worker.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Whether it ended with all its containers' success.
    pub fn has_succeeded(&self) -> bool {
        let state = self.shared.state();
        let all = containers(&self.shared.spec, "containers");
        let succeeded = |container: &&Value| {
            let name = container["name"].as_str().unwrap_or_default();
            let status = state.containers.get(name);
            status.and_then(|status| status.ends.last()).is_some_and(|end| end.code == 0)
        };
        self.has_ended() && !state.init_failed && all.iter().all(succeeded)
    }

    /// Every end of every container so far, init containers too.
    pub fn ends(&self) -> Vec<End> {
        self.check();
        let state = self.shared.state();
        state.containers.values().flat_map(|status| status.ends.clone()).collect()
    }

    /// How often its containers were started again.
    pub fn restarts(&self) -> u32 {
        self.shared.state().containers.values().map(|status| status.restarts).sum()
    }

    /// Waits until nothing of it runs any more: the last end of its last container.
    #[track_caller]
    pub fn wait_for_end(&self, limit: Duration) -> End {
        let ended = within(limit, || self.has_ended().then_some(()));
        assert!(ended.is_some(), "did not end within {limit:?}: {}", self.story());
        let end = self.status().ends.pop();
        end.unwrap_or_else(|| panic!("{} ended before its container began", self.name()))
    }

    /// `kubectl delete pod`, with another grace period than the pod's where one is given. Does not wait.
    pub fn delete(&self, grace: Option<Duration>) {
        let grace = grace.unwrap_or(self.shared.grace());
        self.shared.state().deletion = Some(grace);
    }

    /// The same, and waits for the end.
    #[track_caller]
    pub fn delete_within(&self, limit: Duration) -> End {
        self.delete(None);
        self.wait_for_end(limit)
    }

    /// `kill -9` of all that runs in the first container, as when its node dies.
    #[track_caller]
    pub fn kill_container(&self) {
        let pid = self.container().host_pid().expect("the container runs");
        kill(pid, Signal::SIGKILL).expect("PID 1 can be killed");
    }

    /// A worker that panicked is this test's failure.
    fn check(&self) {
        let panicked = self.has_ended() && !self.shared.state().is_over;
        assert!(!panicked, "{}: its worker panicked", self.name());
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.shared.state().is_abandoned = true;
        let ended = self.worker.take().map(JoinHandle::join);
        if let Some(Err(panic)) = ended
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

/// Whether something of the pod outlives a container of it, or is asked for before there is one.
fn needs_sandbox(spec: &Value) -> bool {
    let is_single = containers(spec, "containers").len() == 1;
    let has_init = !containers(spec, "initContainers").is_empty();
    let text = spec.to_string();
    let asks = ["status.podIP", "httpGet", "tcpSocket"].iter().any(|word| text.contains(word));
    !is_single || has_init || asks || spec["restartPolicy"] != "Never"
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pod's whole life.
    fn work(&self) {
        for container in containers(&self.spec, "initContainers") {
            let code = self.lead(container, "initContainer");
            if code != Some(0) {
                self.state().init_failed = true;
                return;
            }
        }
        thread::scope(|scope| {
            for container in containers(&self.spec, "containers") {
                scope.spawn(|| self.lead(container, "container"));
            }
        });
    }

    /// Leads a container through its lives; the code of its last end.
    fn lead(&self, spec: &Value, role: &'static str) -> Option<i32> {
        let pace = self.kubelet.pace();
        let name = spec["name"].as_str().unwrap_or_default();
        // Checked before, when the pod was taken.
        let probes = probes_of(spec, pace).expect("probes that can be asked");
        let mut backoff = FIRST_BACKOFF;
        let mut code = None;
        while !self.is_over() {
            let run = Run::start(self, spec, role).expect("a container that can be made");
            code = Some(run.live(&probes).code);
            let is_init_done = role == "initContainer" && code == Some(0);
            let policy = &self.spec["restartPolicy"];
            if is_init_done || self.is_over() || !is_restarted(policy, code.unwrap_or(0)) {
                break;
            }
            let until = Instant::now() + backoff.mul_f64(pace.period);
            while Instant::now() < until && !self.is_over() {
                sleep(Duration::from_millis(20));
            }
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            if !self.is_over() {
                self.change(name, |status| status.restarts += 1);
            }
        }
        code
    }

    fn is_over(&self) -> bool {
        let state = self.state();
        state.deletion.is_some() || state.is_abandoned
    }

    // ---- what a container's life asks -----------------------------------------------------------

    pub(super) fn change(&self, container: &str, how: impl FnOnce(&mut Status)) {
        how(self.state().containers.entry(container.to_owned()).or_default());
    }

    pub(super) fn is_started(&self, container: &str) -> bool {
        self.state().containers.get(container).is_some_and(|status| status.is_started)
    }

    pub(super) fn restarts(&self, container: &str) -> u32 {
        self.state().containers.get(container).map_or(0, |status| status.restarts)
    }

    pub(super) fn deletion(&self) -> Option<Duration> {
        self.state().deletion
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.state().is_abandoned
    }

    pub(super) fn grace(&self) -> Duration {
        let seconds = self.spec["terminationGracePeriodSeconds"].as_u64();
        Duration::from_secs(seconds.unwrap_or(DEFAULT_GRACE))
    }

    pub(super) fn name(&self) -> String {
        self.identity.name.clone()
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    pub(super) fn address(&self) -> String {
        self.identity.address.clone()
    }

    pub(super) fn spec(&self) -> &Value {
        &self.spec
    }

    /// In the pod's network, under its names.
    pub(super) fn placed(&self, builder: ContainerBuilder) -> ContainerBuilder {
        match &self.sandbox {
            Some(sandbox) => builder.network_of(sandbox),
            None => self.kubelet.named(builder, &self.identity),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn journal(&self) -> &Journal {
        self.kubelet.journal()
    }

    pub(super) fn image(&self, name: &str) -> Result<(Image, Vec<String>), String> {
        self.kubelet.image(name)
    }

    pub(super) fn mounts(&self, container: &Value) -> Result<Vec<String>, String> {
        let mut options = self.volumes.mounts(container)?;
        options.extend(self.kubelet.rig_mounts());
        Ok(options)
    }

    pub(super) fn environment(&self, container: &Value) -> Result<Environment, String> {
        let manifests = self.kubelet.manifests();
        let mut variables =
            environment::environment(container, &self.spec, &self.identity, manifests)?;
        variables.extend(self.kubelet.rig_variables(&self.identity.name));
        Ok(variables)
    }
}

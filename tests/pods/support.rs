//! What the scenes share: rendered overlays, the world around the pods, and the simulator's accounts.

use jjobs_harness::{
    engine::{Container, Image},
    kubelet::{Kubelet, Pod},
    manifests::{self, Manifests},
    simulator_binary, unless_missing, within,
};
use serde_json::{Value, json};
use std::{fs, net::TcpListener, process::Command, thread, time::Duration};

/// The name of the meta DB in the manifests.
pub(crate) const META_DB: &str = "meta-db.example.com";

/// Longer than a pod takes to become ready on a busy machine.
pub(crate) const BOOT: Duration = Duration::from_mins(2);

/// Longer than an idle pod takes to go.
pub(crate) const STOP: Duration = Duration::from_secs(90);

/// What the token's Secret in `deploy/` holds.
pub(crate) const TOKEN: &str = "change-this-token";

/// Where the simulated server listens.
const SERVER_PORT: u16 = 7075;

/// What an overlay renders to.
pub(crate) fn render(overlay: &str) -> Option<Manifests> {
    let kubectl = unless_missing("kubectl", manifests::kubectl())?;
    let folder = manifests::folder().join("overlays").join(overlay);
    Some(Manifests::render(&kubectl, &folder).unwrap())
}

/// A file of the manual's manifests.
pub(crate) fn manual(file: &str) -> Manifests {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/manual");
    Manifests::parse(&fs::read_to_string(format!("{path}/{file}.yaml")).unwrap()).unwrap()
}

/// A copy in which one document is changed.
pub(crate) fn patched(
    manifests: &Manifests,
    (kind, name): (&str, &str),
    change: impl FnOnce(&mut Value),
) -> Manifests {
    let mut copy = manifests.clone();
    let wanted = |one: &&mut Value| one["kind"] == kind && one["metadata"]["name"] == name;
    change(copy.documents.iter_mut().find(wanted).expect("the document is there"));
    copy
}

/// Sets a variable of the first container of a Job's template.
pub(crate) fn set_variable(job: &mut Value, name: &str, value: &str) {
    let container = &mut job["spec"]["template"]["spec"]["containers"][0];
    let variables = container["env"].as_array_mut().expect("it has variables");
    variables.retain(|variable| variable["name"] != name);
    variables.push(json!({ "name": name, "value": value }));
}

/// A node with these manifests, on which the simulator has one ledger, and what a server knows outlives its pod, as in a meta DB.
pub(crate) fn node(image: &Image, manifests: Manifests, token: &str) -> Kubelet {
    Kubelet::new(image, manifests)
        .rig("SIM_LEDGER", "/rig/ledger")
        .rig("SIM_META", "/rig/meta-{pod}.json")
        .rig("SIM_TOKEN", token)
}

/// Something that takes connections where the meta DB is said to be. It holds no data: the simulator keeps none there.
pub(crate) struct Door {
    _container: Container,
}

impl Door {
    pub(crate) fn open(image: &Image, kubelet: &Kubelet) -> Self {
        let container = image
            .container()
            .network(kubelet.network(), &[META_DB])
            .options(["--no-healthcheck"])
            .command(["/bin/sleep", "infinity"])
            .start();
        let door: TcpListener = container.listen(5432).unwrap();
        // Ends with the test's process: the thread has nothing of the container but its network.
        thread::spawn(move || door.incoming().for_each(drop));
        Self { _container: container }
    }
}

/// Submits jobs for an agent, or for any.
pub(crate) fn submit(server: &Pod, agent: Option<&str>, seconds: f64, count: u32) {
    let jobs = match agent {
        Some(agent) => json!({ "seconds": seconds, "count": count, "agent": agent }),
        None => json!({ "seconds": seconds, "count": count }),
    };
    post(server, &jobs);
}

/// Submits requests that the server itself works on.
pub(crate) fn submit_to_server(server: &Pod, seconds: f64, count: u32) {
    post(server, &json!({ "seconds": seconds, "count": count, "where": "server" }));
}

fn post(server: &Pod, jobs: &Value) {
    let call = ("POST", "/sim/jobs");
    let answer = server.container().http_api(SERVER_PORT, call, "", &jobs.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Waits until that many jobs run at the agent.
pub(crate) fn wait_for_running(server: &Pod, agent: &str, count: usize) {
    let container = server.container();
    let running = || {
        let answer = container.http_get(SERVER_PORT, "/sim/jobs").ok()?;
        let board: Value = serde_json::from_str(&answer.body).ok()?;
        Some(board["agents"][agent]["running"].as_array()?.len())
    };
    let found = within(BOOT, || (running() >= Some(count)).then_some(()));
    assert!(found.is_some(), "{agent} runs {:?} jobs; {}", running(), server.story());
}

/// The ledger's summary.
pub(crate) fn ledger(kubelet: &Kubelet) -> Value {
    let path = kubelet.rig_folder().join("ledger");
    let asked = Command::new(simulator_binary()).args(["ledger", "--json"]).arg(path).output();
    serde_json::from_slice(&asked.unwrap().stdout).unwrap_or_default()
}

/// Waits until all of `count` jobs have run, once, from their start to their end.
pub(crate) fn assert_all_ran(kubelet: &Kubelet, count: u64) {
    let is_over = |ledger: &Value| ledger["ended"].as_u64() >= Some(count);
    within(BOOT, || is_over(&ledger(kubelet)).then_some(()));
    let ledger = ledger(kubelet);
    for number in ["submitted", "started", "ended"] {
        assert_eq!(ledger[number], count, "{number}: {ledger}");
    }
    for names in ["running_or_lost", "twice"] {
        assert_eq!(ledger[names], json!([]), "{ledger}");
    }
}

/// What a hook or probe of a pod has come to, each time.
pub(crate) fn codes(kubelet: &Kubelet, pod: &Pod, role: &str) -> Vec<Option<i32>> {
    kubelet.journal().of(pod.name(), role).iter().map(|record| record.code).collect()
}

/// Fails where a command of the manifests was not run, or where a probe by which the kubelet kills has ever said no.
pub(crate) fn assert_all_was_run(kubelet: &Kubelet, manifests: &Manifests) {
    let mut red = kubelet.journal().records();
    red.retain(|record| {
        let kills = matches!(record.command.role, "startupProbe" | "livenessProbe");
        // One that met its container's end says nothing: the engine refuses it, or it is killed with the rest.
        let is_late = record.output.contains("Error response from daemon")
            || record.output.contains("OCI runtime")
            || record.code == Some(137);
        kills && !matches!(record.code, Some(0) | None) && !is_late
    });
    assert!(red.is_empty(), "{red:#?}");
    let left = kubelet.journal().not_run(&manifests.documents);
    assert!(left.is_empty(), "commands of the manifests that were not run: {left:#?}");
}

//! The manifests below `deploy/` as kubectl renders them: valid for Kubernetes, and by our own rules.
//!
//! Rendered with the kubectl that is there, whoever's it is; looked at by schemas (`schemas`), by our rules (`rules`, each
//! tried on violations in `planted`), and by `jjobs-init check` with every pod's environment (`environments`). The scripts of the
//! work queue are run (`queue`). The manual's manifests, in `tests/data/manual`, are looked at as far as they are ours to judge.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod environments;
mod planted;
mod queue;
mod rules;
mod schemas;

use jjobs_harness::{
    manifests::{self, Manifests},
    unless_missing,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// All overlays, rendered once, by name. `None` where there is no kubectl.
fn overlays() -> Option<&'static BTreeMap<String, Manifests>> {
    static RENDERED: OnceLock<Option<BTreeMap<String, Manifests>>> = OnceLock::new();
    let rendered = || unless_missing("kubectl", manifests::kubectl()).map(|it| render_all(&it));
    RENDERED.get_or_init(rendered).as_ref()
}

fn render_all(kubectl: &Path) -> BTreeMap<String, Manifests> {
    let render = |overlay: PathBuf| {
        let name = overlay.file_name().unwrap().to_string_lossy().into_owned();
        (name, Manifests::render(kubectl, &overlay).unwrap())
    };
    manifests::overlays().into_iter().map(render).collect()
}

/// The manual's manifests, by file name.
fn manual() -> BTreeMap<String, Manifests> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/manual");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, Manifests::parse(&fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect()
}

#[test]
fn every_shape_is_there() {
    let Some(overlays) = overlays() else { return };
    let expected = [
        ("first-installation", "StatefulSet"),
        ("high-availability", "StatefulSet"),
        ("aws", "StatefulSet"),
        ("redis-sessions", "StatefulSet"),
        ("agents", "StatefulSet"),
        ("multi-cluster", "StatefulSet"),
        ("agents-daemonset", "DaemonSet"),
        ("one-shot-agent", "Job"),
        ("batch-program", "Job"),
        ("work-queue", "Job"),
        ("scheduled-program", "CronJob"),
        ("meta-db-backup", "CronJob"),
    ];
    for (name, kind) in expected {
        let pods = overlays[name].pods();
        assert!(!pods.is_empty() && pods.iter().all(|pod| pod.kind == kind), "{name}");
    }
    assert_eq!(overlays.len(), expected.len(), "an overlay that this test does not know");
}

#[test]
fn every_overlay_meets_our_rules() {
    let Some(overlays) = overlays() else { return };
    let complaints: Vec<String> = overlays
        .iter()
        .flat_map(|(name, manifests)| {
            rules::complaints(manifests).into_iter().map(move |text| format!("{name}: {text}"))
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The first installation becomes high availability by `kubectl apply`, and both apply on top of what the manual made: fields that the API
/// server lets nobody change are the same in all of them.
#[test]
fn overlays_can_be_applied_on_top_of_each_other_and_of_the_manuals_sets() {
    let Some(overlays) = overlays() else { return };
    let manual = manual();
    let mut fixed: BTreeMap<(String, String), (String, Value)> = BTreeMap::new();
    for (source, manifests) in overlays.iter().chain(&manual) {
        for pod in manifests.pods().iter().filter(|pod| pod.kind == "StatefulSet") {
            let spec = pod.owner_spec;
            let policy = spec["podManagementPolicy"].as_str().unwrap_or("OrderedReady");
            let fields = serde_json::json!([
                spec["serviceName"],
                spec["selector"],
                spec["volumeClaimTemplates"],
                policy
            ]);
            let key = (pod.kind.to_owned(), pod.name.to_owned());
            let (first, expected) = fixed.entry(key).or_insert((source.clone(), fields.clone()));
            assert_eq!(*expected, fields, "{} in {first} and {source}", pod.name);
        }
    }
    assert_eq!(fixed.len(), 2, "jjobs and jjobs-agent: {fixed:?}");
}

/// Debian's kubectl is four years older than the newest and holds another kustomize.
#[test]
fn an_old_kubectl_renders_the_same() {
    let Some(overlays) = overlays() else { return };
    let Some(old) = env::var_os("JJOBS_TEST_OLD_KUBECTL") else {
        return; // The one on the PATH is the old one, or this is no Debian: scripts/lib/old_kubectl.sh.
    };
    for (name, old) in render_all(Path::new(&old)) {
        assert_eq!(by_name(&old), by_name(&overlays[&name]), "{name}");
    }
}

/// Neither the order of documents nor line breaks in encoded values mean anything.
fn by_name(manifests: &Manifests) -> BTreeMap<String, Value> {
    let mut documents = BTreeMap::new();
    for document in &manifests.documents {
        let mut document = document.clone();
        if document["kind"] == "Secret" {
            for value in document["data"].as_object_mut().unwrap().values_mut() {
                *value = value.as_str().unwrap().split_whitespace().collect::<String>().into();
            }
        }
        let name = format!("{} {}", document["kind"], document["metadata"]["name"]);
        assert!(documents.insert(name, document).is_none(), "twice in one overlay");
    }
    documents
}

//! The Kubernetes manifests of this repository as the API server would get them: rendered by the real kubectl, parsed, and
//! with what a kubelet makes of them (a container's environment, its arguments, the files of its volumes).
//!
//! ```no_run
//! use jjobs_harness::manifests::{self, Identity, Manifests};
//!
//! let kubectl = manifests::kubectl().unwrap();
//! let manifests = Manifests::render(&kubectl, &manifests::folder().join("overlays/agents")).unwrap();
//! for pod in manifests.pods() {
//!     for container in pod.containers() {
//!         let environment = pod.environment(container, &manifests, &Identity::of(&pod)).unwrap();
//!         println!("{} {:?}", pod.name, manifests::expanded(&container["args"], &environment));
//!     }
//! }
//! ```

mod pod;

pub use pod::{Environment, Identity, Pod, VolumeFile, expanded};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder `deploy` of this repository.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// The folders below `deploy/overlays`, each of which can be applied, sorted by name.
pub fn overlays() -> Vec<PathBuf> {
    let mut overlays: Vec<PathBuf> = fs::read_dir(folder().join("overlays"))
        .expect("deploy/overlays is there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_dir())
        .collect();
    overlays.sort();
    overlays
}

/// The kubectl on the PATH.
///
/// # Errors
/// There is none that runs.
pub fn kubectl() -> Result<PathBuf, String> {
    let path = PathBuf::from("kubectl");
    let version = Command::new(&path)
        .args(["version", "--client"])
        .output()
        .map_err(|error| format!("cannot run kubectl: {error}"))?;
    if version.status.success() {
        Ok(path)
    } else {
        Err(format!("kubectl does not work: {}", String::from_utf8_lossy(&version.stderr).trim()))
    }
}

/// Documents that are applied together.
#[derive(Debug, Clone, Default)]
pub struct Manifests {
    /// Each as it would be sent to the API server.
    pub documents: Vec<Value>,
}

impl Manifests {
    /// What `kubectl apply -k` would send for `folder`.
    ///
    /// # Errors
    /// kubectl cannot render it; what it said.
    pub fn render(kubectl: &Path, folder: &Path) -> Result<Self, String> {
        let output = Command::new(kubectl)
            .arg("kustomize")
            .arg(folder)
            .output()
            .map_err(|error| format!("cannot run {}: {error}", kubectl.display()))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}", folder.display(), complaint.trim()));
        }
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// Parses a file with one or more documents.
    ///
    /// # Errors
    /// It is no YAML.
    pub fn parse(text: &str) -> Result<Self, String> {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
        Ok(Self { documents: documents.into_iter().filter(|one| !one.is_null()).collect() })
    }

    /// All documents of a kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.documents.iter().filter(move |document| document["kind"] == kind)
    }

    /// The document of this kind and name.
    pub fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.documents
            .iter()
            .find(|document| document["kind"] == kind && document["metadata"]["name"] == name)
    }

    /// One pod template for each document that makes pods.
    pub fn pods(&self) -> Vec<Pod<'_>> {
        self.documents.iter().filter_map(Pod::of).collect()
    }

    /// The files of a `ConfigMap` or `Secret`: key and content.
    pub fn data(&self, kind: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let document = self.find(kind, name)?;
        let plain = if kind == "Secret" { "stringData" } else { "data" };
        let encoded = if kind == "Secret" { "data" } else { "binaryData" };
        let texts = |field: &str| {
            let entries = document[field].as_object().cloned().unwrap_or_default();
            entries.into_iter().map(|(key, value)| (key, value.as_str().unwrap_or("").to_owned()))
        };
        let mut data: BTreeMap<String, Vec<u8>> =
            texts(encoded).map(|(key, value)| (key, from_base64(&value))).collect();
        data.extend(texts(plain).map(|(key, value)| (key, value.into_bytes())));
        Some(data)
    }
}

/// Decodes a Secret's value. Line breaks in it are skipped, as the API server does: some kubectls fold long values.
fn from_base64(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    STANDARD.decode(text).expect("a Secret's data is base64")
}

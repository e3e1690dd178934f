//! A kubelet's stand-in: takes pods as manifests describe them, and runs them with the Docker engine as the kubelet would.
//!
//! ```no_run
//! use jjobs_harness::{engine::Image, kubelet::Kubelet, manifests::Manifests};
//! use std::time::Duration;
//!
//! let Some(image) = Image::simulated() else { return };
//! let manifests = Manifests::parse("…").unwrap();
//! let kubelet = Kubelet::new(&image, manifests);
//! let server = kubelet.pod_of("StatefulSet", "jjobs", 0).unwrap();
//! server.wait_until_ready(Duration::from_secs(60));
//! let end = server.delete_within(Duration::from_secs(60)); // preStop, TERM, KILL at the grace period
//! assert_eq!(end.code, 0);
//! assert_eq!(kubelet.journal().of("jjobs-0", "preStop")[0].code, Some(0));
//! ```
//!
//! # Theory of operation
//!
//! What a real kubelet does, and a test of hooks and probes rests on, is done alike: postStart beside the entrypoint, the
//! startup probe before the others, a red liveness probe followed by preStop, TERM, the grace period (the probe's own where it has one) and KILL,
//! then a *new* container with the same volumes; the same on a deletion; TERM to PID 1 alone; hooks and probes with the manifest's
//! environment; no field passed over that would change anything ([`Kubelet::pod_of`] refuses it).
//!
//! What is otherwise: all pods are on one machine. Names are in DNS as soon as a pod begins, whether it is ready or not, and a service with an
//! address of its own is found by its pods' addresses. Amounts of processors are cut to what the machine has. `HEALTHCHECK` is
//! off, as in Kubernetes. Volumes of claims are folders. A [`Pace`] shortens the delays and periods of probes and pauses between restarts, never a timeout or a
//! grace period. The rig ([`Kubelet::rig`]) adds variables that only the simulator reads.

mod environment;
mod fields;
mod identity;
mod job;
mod journal;
mod pod;
mod probe;
mod quantity;
mod run;
mod security;
mod volumes;

pub use self::{
    identity::Identity,
    job::{Job, Outcome},
    journal::{Command, Journal, Record, commands},
    pod::{End, Pod, Status},
};

use self::volumes::Volumes;
use crate::{
    engine::{Container, ContainerBuilder, Image, Network},
    manifests::{Manifests, Pod as Template},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU32},
};
use tempfile::TempDir;

/// By what the delays before a container's first probes, and the periods of probes and pauses between restarts, are multiplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// For `initialDelaySeconds`.
    pub initial_delay: f64,
    /// For `periodSeconds`, and for the pauses before a container or a Job's pod is tried again.
    pub period: f64,
}

impl Pace {
    /// As the manifest says.
    pub const REAL: Self = Self { initial_delay: 1.0, period: 1.0 };
    /// Five minutes are three seconds, and ten seconds are two.
    pub const QUICK: Self = Self { initial_delay: 0.01, period: 0.2 };
}

/// The stand-in, with the objects of a namespace; clones mean the same one.
#[derive(Clone)]
pub struct Kubelet(Arc<Node>);

struct Node {
    image: Image,
    others: BTreeMap<String, (Image, Vec<String>)>,
    manifests: Manifests,
    pace: Pace,
    rig: Vec<(String, String)>,
    network: Network,
    journal: Journal,
    shared: Arc<Shared>,
}

/// What stays when other manifests are applied.
struct Shared {
    claims: Mutex<BTreeMap<String, PathBuf>>,
    names: AtomicU32,
    folder: TempDir,
}

impl Kubelet {
    /// One that runs `image` wherever these manifests name an image of J-Jobs (`…/jjobs`, any tag), at the quick pace.
    pub fn new(image: &Image, manifests: Manifests) -> Self {
        let folder = tempfile::Builder::new().prefix("jjobs-kubelet-").tempdir().unwrap();
        // Containers are not root only.
        let anyone = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), anyone).unwrap();
        let rig = folder.path().join("rig");
        fs::create_dir(&rig).unwrap();
        fs::set_permissions(&rig, fs::Permissions::from_mode(0o777)).unwrap();
        Self(Arc::new(Node {
            image: image.clone(),
            others: BTreeMap::new(),
            manifests,
            pace: Pace::QUICK,
            rig: Vec::new(),
            network: Network::new(),
            journal: Journal::default(),
            shared: Arc::new(Shared { claims: Mutex::default(), names: AtomicU32::new(0), folder }),
        }))
    }

    /// The same node, network, claims and journal after other manifests were applied. Pods that run stay as they are.
    #[must_use]
    pub fn applied(&self, manifests: Manifests) -> Self {
        let node = &self.0;
        Self(Arc::new(Node {
            image: node.image.clone(),
            others: node.others.clone(),
            manifests,
            pace: node.pace,
            rig: node.rig.clone(),
            network: node.network.clone(),
            journal: node.journal.clone(),
            shared: Arc::clone(&node.shared),
        }))
    }

    fn folder(&self) -> &Path {
        self.0.shared.folder.path()
    }

    #[track_caller]
    fn node(&mut self) -> &mut Node {
        Arc::get_mut(&mut self.0).expect("a kubelet is described before it takes pods")
    }

    /// Another pace.
    #[must_use]
    pub fn pace_of(mut self, pace: Pace) -> Self {
        self.node().pace = pace;
        self
    }

    /// What stands in for another image, by its name without the tag, with options of `docker run` that make it that.
    #[must_use]
    pub fn other_image(mut self, name: &str, image: &Image, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        self.node().others.insert(name.to_owned(), (image.clone(), options));
        self
    }

    /// A variable of every container that no manifest has: for what only the simulator reads. `{pod}` becomes the pod's name. All
    /// containers share the folder `/rig`.
    #[must_use]
    pub fn rig(mut self, name: &str, value: &str) -> Self {
        self.node().rig.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The pod number `ordinal` that the controller of that kind and name would make. Of a `DaemonSet`, the one on node number `ordinal`.
    ///
    /// # Errors
    /// There is no such document, it holds a field that is not honoured here, or it refers to something that is not there.
    pub fn pod_of(&self, kind: &str, name: &str, ordinal: u32) -> Result<Pod, String> {
        let document = self.0.manifests.find(kind, name);
        let document = document.ok_or_else(|| format!("there is no {kind} {name}"))?;
        let template =
            Template::of(document).ok_or_else(|| format!("{kind} {name} makes no pods"))?;
        let mut identity = match kind {
            "StatefulSet" => Identity::new(&format!("{name}-{ordinal}"), "default"),
            _ => Identity::new(&format!("{name}-{}", self.suffix()), "default"),
        };
        if kind == "StatefulSet" {
            identity.subdomain = template.owner_spec["serviceName"].as_str().map(str::to_owned);
        }
        if kind == "DaemonSet" {
            identity.node = format!("node-{ordinal}");
        }
        self.take(&template, identity)
    }

    fn take(&self, template: &Template<'_>, mut identity: Identity) -> Result<Pod, String> {
        let spec = template.spec();
        let refused = fields::refused(spec);
        if !refused.is_empty() {
            return Err(format!("not honoured here: {}", refused.join(", ")));
        }
        if let Some(namespace) = template.document["metadata"]["namespace"].as_str() {
            namespace.clone_into(&mut identity.namespace);
        }
        if let Some(hostname) = spec["hostname"].as_str() {
            hostname.clone_into(&mut identity.hostname);
        }
        if let Some(domain) = spec["subdomain"].as_str() {
            identity.subdomain = Some(domain.to_owned());
        }
        identity.metadata = template.template["metadata"].clone();
        Pod::start(self, identity, &format!("{}/{}", template.kind, template.name), spec)
    }

    /// What was run so far, and what came of it.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The network that the pods are in, for what else is to be there.
    pub fn network(&self) -> &Network {
        &self.0.network
    }

    /// The folder of a claim, made where there is none yet.
    pub fn claim(&self, name: &str) -> PathBuf {
        let mut claims = self.0.shared.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let path = claims.entry(name.to_owned()).or_insert_with(|| {
            let path = self.folder().join("claims").join(name);
            fs::create_dir_all(&path).expect("a folder can be made");
            path
        });
        path.clone()
    }

    /// The folder that containers see as `/rig`.
    pub fn rig_folder(&self) -> PathBuf {
        self.folder().join("rig")
    }

    // ---- what pods ask --------------------------------------------------------------------------

    /// The manifests that were applied.
    pub fn manifests(&self) -> &Manifests {
        &self.0.manifests
    }

    fn pace(&self) -> Pace {
        self.0.pace
    }

    /// Five letters that no other pod has.
    fn suffix(&self) -> String {
        let number = self.0.shared.names.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        format!("k{number:04}")
    }

    fn folder_of_pod(&self) -> TempDir {
        let folder = tempfile::Builder::new().prefix("pod-").tempdir_in(self.folder());
        let folder = folder.expect("a folder can be made");
        let anyone = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), anyone).expect("a mode can be set");
        folder
    }

    fn image(&self, name: &str) -> Result<(Image, Vec<String>), String> {
        let untagged = untagged(name);
        if let Some(found) = self.0.others.get(untagged) {
            return Ok(found.clone());
        }
        if Path::new(untagged).file_name().is_some_and(|last| last == "jjobs") {
            return Ok((self.0.image.clone(), Vec::new()));
        }
        Err(format!("nothing stands in for the image {name}"))
    }

    fn rig_variables(&self, pod: &str) -> Vec<(String, String)> {
        let rig = self.0.rig.iter();
        rig.map(|(name, value)| (name.clone(), value.replace("{pod}", pod))).collect()
    }

    fn rig_mounts(&self) -> Option<String> {
        let folder = self.rig_folder();
        (!self.0.rig.is_empty())
            .then(|| format!("--mount=type=bind,source={},target=/rig", folder.display()))
    }

    /// The container that is the pod's network and keeps its volumes in memory alive.
    fn sandbox(&self, identity: &Identity, volumes: &Volumes) -> Container {
        let mut builder = self.named(self.0.image.container(), identity);
        builder = builder.options(["--no-healthcheck"]);
        for (number, volume) in volumes.in_memory().enumerate() {
            builder = builder.volume(volume, &format!("/kept/{number}"));
        }
        builder.command(["/bin/sleep", "infinity"]).start()
    }

    /// In the network, under all names of that pod.
    fn named(&self, builder: ContainerBuilder, identity: &Identity) -> ContainerBuilder {
        let services = self.services_of(&identity.metadata["labels"], &identity.name);
        let names = identity.dns_names(&services);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        builder.hostname(&identity.hostname).network(&self.0.network, &names)
    }

    /// The services that select a pod with these labels.
    fn services_of(&self, labels: &Value, pod: &str) -> Vec<String> {
        let selects = |service: &&Value| {
            let selector = service["spec"]["selector"].as_object();
            selector.is_some_and(|selector| {
                !selector.is_empty()
                    && selector.iter().all(|(key, value)| {
                        let is_own_name =
                            key == "statefulset.kubernetes.io/pod-name" && value == pod;
                        is_own_name || labels[key] == *value
                    })
            })
        };
        let services = self.0.manifests.of_kind("Service").filter(selects);
        services
            .filter_map(|service| service["metadata"]["name"].as_str().map(str::to_owned))
            .collect()
    }
}

/// An image's name without tag and digest; a registry's port is no tag.
fn untagged(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::untagged;

    #[test]
    fn a_tag_is_no_part_of_an_images_name_and_a_port_is() {
        for (name, expected) in [
            ("jjobs", "jjobs"),
            ("registry:5000/jjobs", "registry:5000/jjobs"),
            ("registry:5000/jjobs:1.0@sha256:ab", "registry:5000/jjobs"),
            ("devonlab/jjobs:latest", "devonlab/jjobs"),
        ] {
            assert_eq!(untagged(name), expected);
        }
    }
}

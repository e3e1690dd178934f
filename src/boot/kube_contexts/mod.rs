//! `KUBE_CONTEXTS`: contexts for `kubectl --context=<alias>` in `$HOME/.kube/config`, without kubectl or jq.
//!
//! Nothing here ever fails the boot: what cannot be registered is said, with its alias, and the others go on. Clusters of
//! Amazon's are registered by its own CLI, which changes the same file, so entries are taken one after another.

mod entry;
mod kubeconfig;

use self::{
    entry::{Entry, Provider, Raw},
    kubeconfig::{Kubeconfig, set_mode},
};
use super::{
    child::{self, Limit, Outcome},
    step::StopSignal,
};
use crate::{
    contract::Kube,
    process::{Children, ProcessEnd, Sink, Spawn, Surroundings},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    error::Error,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    net::Ipv6Addr,
    path::{self, Path, PathBuf},
    rc::Rc,
    time::Duration,
};

/// Where Kubernetes mounts a pod's service account.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How long the aws CLI may take.
pub const AWS_LIMIT: Duration = Duration::from_mins(1);
/// A CA bundle with every public CA is a quarter of this.
const MAX_CA: u64 = 1024 * 1024;

/// What the step needs.
#[derive(Debug)]
pub struct KubeContexts<'a> {
    /// The variable, and where this cluster's API server is.
    pub kube: &'a Kube,
    /// The home folder.
    pub home: &'a Path,
    /// The service account's folder, normally [`SERVICE_ACCOUNT`].
    pub service_account: &'a Path,
    /// Starts the aws CLI.
    pub children: &'a Children,
    /// What the aws CLI inherits.
    pub surroundings: &'a Surroundings,
    /// How long it may take, normally [`AWS_LIMIT`].
    pub aws_limit: Duration,
}

/// What was registered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registered {
    /// The contexts, in the order given.
    pub contexts: Vec<String>,
    /// How many entries failed.
    pub failed: usize,
}

/// Registers what `KUBE_CONTEXTS` asks for; ends early when the boot is to end.
pub async fn register(wanted: KubeContexts<'_>, stop: &mut StopSignal) -> Registered {
    let mut registered = Registered::default();
    let text = wanted.kube.contexts.as_deref().unwrap_or_default();
    if text.trim().is_empty() {
        return registered;
    }
    let entries = match entry::parse(text) {
        Ok(entries) => entries,
        Err(reason) => {
            tracing::warn!(error = reason, "[KUBE_CONTEXTS] nothing is registered");
            return registered;
        }
    };
    if !entries.is_empty() {
        wanted.warn_of_another_kubeconfig();
    }
    for entry in entries {
        if stop.is_requested() {
            break;
        }
        let (alias, outcome) = match entry {
            Ok(entry) => (entry.alias.clone(), wanted.register_one(&entry, stop).await),
            Err(rejected) => (rejected.name, Err(rejected.reason)),
        };
        match outcome {
            Ok(()) => {
                tracing::info!(alias, "[KUBE_CONTEXTS] context registered");
                registered.contexts.push(alias);
            }
            Err(reason) => {
                tracing::warn!(alias, error = reason, "[KUBE_CONTEXTS] context not registered");
                registered.failed += 1;
            }
        }
    }
    registered
}

impl KubeContexts<'_> {
    /// kubectl reads `KUBECONFIG` in place of the home folder's file: all would be registered, and nothing found.
    fn warn_of_another_kubeconfig(&self) {
        let Some(read) = self.surroundings.env.get(OsStr::new("KUBECONFIG")) else { return };
        let path = self.folder().join("config");
        let is_read = |read: &str| read.split(':').any(|file| Path::new(file) == path);
        if !read.is_empty() && !is_read(&read.to_string_lossy()) {
            tracing::warn!(
                var = "KUBECONFIG",
                path = %path.display(),
                "[KUBE_CONTEXTS] kubectl reads what KUBECONFIG names, and not the file with these contexts"
            );
        }
    }

    async fn register_one(&self, entry: &Entry, stop: &mut StopSignal) -> Result<(), String> {
        let alias = &entry.alias;
        match &entry.provider {
            Provider::Raw(raw) => self.put(alias, raw),
            Provider::InCluster { namespace } => {
                let raw = self.in_cluster(namespace.as_ref())?;
                self.put(alias, &raw)
            }
            Provider::Eks { cluster, region, role_arn } => {
                let mut words = vec!["--name", cluster, "--alias", alias];
                words.extend(region.iter().flat_map(|region| ["--region", region]));
                words.extend(role_arn.iter().flat_map(|role| ["--role-arn", role]));
                self.update_by_aws(&words, stop).await
            }
        }
    }

    /// The cluster that this pod runs in, as its service account describes it.
    fn in_cluster(&self, namespace: Option<&String>) -> Result<Raw, String> {
        let host = self.kube.service_host.as_deref().filter(|host| !host.is_empty());
        let host = host.ok_or("this is no pod of a cluster: KUBERNETES_SERVICE_HOST is not set")?;
        let host =
            if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
        let port =
            Some(self.kube.service_port.as_str()).filter(|port| !port.is_empty()).unwrap_or("443");
        let own_namespace = || {
            let text = read_file(&self.service_account.join("namespace")).ok()?;
            let text = String::from_utf8(text).ok()?.trim().to_owned();
            Some(text).filter(|text| !text.is_empty())
        };
        Ok(Raw {
            server: format!("https://{host}:{port}"),
            ca_file: Some(self.service_account.join("ca.crt")),
            token_file: self.service_account.join("token"),
            namespace: namespace.cloned().or_else(own_namespace),
        })
    }

    fn put(&self, alias: &str, raw: &Raw) -> Result<(), String> {
        let token = path::absolute(&raw.token_file).unwrap_or_else(|_| raw.token_file.clone());
        open_file(&token).map_err(|error| format!("cannot read {}: {error}", token.display()))?;
        let token = token.to_str().ok_or("its tokenFile is not UTF-8")?;
        let mut cluster = json!({ "server": raw.server });
        if let Some(ca) = authority(alias, raw.ca_file.as_deref()) {
            cluster["certificate-authority-data"] = Value::String(ca);
        }
        let user = format!("{alias}-sa");
        let namespace = raw.namespace.as_deref().unwrap_or("default");
        let context = json!({ "cluster": alias, "user": user, "namespace": namespace });
        let mut config = Kubeconfig::open(&self.folder()).map_err(|error| chain(&error))?;
        config.put("clusters", alias, "cluster", &cluster);
        config.put("users", &user, "user", &json!({ "tokenFile": token }));
        config.put("contexts", alias, "context", &context);
        config.save().map_err(|error| chain(&error))
    }

    async fn update_by_aws(&self, words: &[&str], stop: &mut StopSignal) -> Result<(), String> {
        // Makes the folder, and moves away what the aws CLI could not read either.
        let current =
            Kubeconfig::open(&self.folder()).map_err(|error| chain(&error))?.current_context();
        let path = self.folder().join("config");
        let mut surroundings = self.surroundings.clone();
        surroundings.env.insert("HOME".into(), self.home.into());
        surroundings.env.insert("KUBECONFIG".into(), path.clone().into());
        let mut spawn = Spawn::new("aws", surroundings).arg("eks").arg("update-kubeconfig");
        for word in words {
            spawn = spawn.arg(word);
        }
        let output = Rc::new(RefCell::new(Lines::default()));
        let limit = Limit::Total(self.aws_limit);
        match child::run((self.children, &spawn), &output, limit, stop).await {
            Ok(Outcome::Ended(end)) if end.is_success() => {}
            Ok(Outcome::Ended(ProcessEnd::Exited(127))) => {
                return Err("the aws CLI is not in this image".to_owned());
            }
            Ok(Outcome::Ended(end)) => return Err(format!("the aws CLI failed: {end}")),
            Ok(Outcome::Overdue) => {
                return Err(format!(
                    "the aws CLI did not end within {} s",
                    self.aws_limit.as_secs()
                ));
            }
            Ok(Outcome::Stopped) => return Err("stopped".to_owned()),
            Err(error) => return Err(format!("cannot run the aws CLI: {}", chain(&error))),
        }
        set_mode(&path, 0o600)
            .map_err(|error| format!("cannot make {} private: {error}", path.display()))?;
        // The aws CLI makes its own context the current one.
        let Some(current) = current else { return Ok(()) };
        let mut config = Kubeconfig::open(&self.folder()).map_err(|error| chain(&error))?;
        config.set_current_context(current);
        config.save().map_err(|error| chain(&error))
    }

    fn folder(&self) -> PathBuf {
        self.home.join(".kube")
    }
}

/// The CA for the kubeconfig. Without one, kubectl trusts the system's, and registering goes on.
fn authority(alias: &str, file: Option<&Path>) -> Option<String> {
    let without = |error: &dyn std::fmt::Display| {
        tracing::warn!(
            alias,
            path = file.map(|file| file.display().to_string()),
            error = %error,
            "[KUBE_CONTEXTS] registered without a CA: the system's are trusted"
        );
    };
    let Some(path) = file else {
        without(&"it has no caFile");
        return None;
    };
    match read_file(path) {
        Ok(text) if text.windows(11).any(|window| window == b"-----BEGIN ") => {
            Some(BASE64.encode(text))
        }
        Ok(_) => {
            without(&"its caFile holds no certificate");
            None
        }
        Err(error) => {
            without(&error);
            None
        }
    }
}

/// Opens a plain file: opening a FIFO would block.
fn open_file(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    File::open(path)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open_file(path)?.take(MAX_CA).read_to_end(&mut text)?;
    Ok(text)
}

/// An error with its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Writes a program's lines to our own log.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// A longer line is cut: nothing here may grow without end.
    const MAX: usize = 8 * 1024;

    fn show(&mut self) {
        let line = String::from_utf8_lossy(&self.0);
        let line = line.trim_end();
        if !line.is_empty() {
            tracing::info!(output = line, "[KUBE_CONTEXTS] aws");
        }
        self.0.clear();
    }
}

impl Sink for Lines {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' || self.0.len() >= Self::MAX {
                self.show();
            }
            if *byte != b'\n' {
                self.0.push(*byte);
            }
        }
    }

    fn has_partial(&self) -> bool {
        !self.0.is_empty()
    }

    fn flush_partial(&mut self) {
        self.show();
    }
}

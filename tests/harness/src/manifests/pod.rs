//! A pod as a manifest describes it, and what the kubelet makes of that.

use super::Manifests;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A container's environment, in the order in which the kubelet sets it.
pub type Environment = Vec<(String, String)>;

/// What a pod gets only when it is made.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The node that it is on.
    pub node: String,
    /// Which part of an Indexed Job it is.
    pub index: u32,
}

impl Identity {
    /// The first pod that Kubernetes would make of this template.
    pub fn of(pod: &Pod<'_>) -> Self {
        let suffix = if pod.kind == "StatefulSet" { "0" } else { "x7k2p" };
        Self {
            name: format!("{}-{suffix}", pod.name),
            namespace: "default".to_owned(),
            node: "ip-10-0-1-23.ap-northeast-2.compute.internal".to_owned(),
            index: 0,
        }
    }
}

/// A file that a volume puts into a container.
#[derive(Debug, Clone)]
pub struct VolumeFile {
    /// Its path in the container.
    pub path: PathBuf,
    /// What is in it.
    pub content: Vec<u8>,
}

/// A pod template and who makes pods of it.
#[derive(Debug, Clone, Copy)]
pub struct Pod<'a> {
    /// `StatefulSet`, `DaemonSet`, `Job`, `CronJob` …
    pub kind: &'a str,
    /// The name of that.
    pub name: &'a str,
    /// The whole document.
    pub document: &'a Value,
    /// The `spec` beside the template: of a `CronJob` that of the `Job` it makes.
    pub owner_spec: &'a Value,
    /// `metadata` and `spec` of its pods.
    pub template: &'a Value,
}

impl<'a> Pod<'a> {
    /// The pod template of a document that has one.
    pub fn of(document: &'a Value) -> Option<Self> {
        let kind = document["kind"].as_str()?;
        let owner_spec = match kind {
            "StatefulSet" | "DaemonSet" | "Deployment" | "Job" => &document["spec"],
            "CronJob" => &document["spec"]["jobTemplate"]["spec"],
            _ => return None,
        };
        let name = document["metadata"]["name"].as_str()?;
        Some(Self { kind, name, document, owner_spec, template: &owner_spec["template"] })
    }

    /// The pod's `spec`.
    pub fn spec(&self) -> &'a Value {
        &self.template["spec"]
    }

    /// Its containers, without the init containers.
    pub fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        list(&self.spec()["containers"])
    }

    /// Its init containers.
    pub fn init_containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        list(&self.spec()["initContainers"])
    }

    /// Whether a selector (labels and their values) selects its pods.
    pub fn is_selected_by(&self, labels: &Value) -> bool {
        // The controllers' own label: it says which pod of a StatefulSet.
        let has = |name: &str, value: &Value| {
            self.template["metadata"]["labels"][name] == *value
                || name == "statefulset.kubernetes.io/pod-name"
                    && self.kind == "StatefulSet"
                    && self.is_name_of_a_replica(value.as_str().unwrap_or(""))
        };
        labels.as_object().is_some_and(|labels| {
            !labels.is_empty() && labels.iter().all(|(name, value)| has(name, value))
        })
    }

    fn is_name_of_a_replica(&self, pod: &str) -> bool {
        let replicas = self.owner_spec["replicas"].as_u64().unwrap_or(1);
        (0..replicas).any(|number| format!("{}-{number}", self.name) == pod)
    }

    /// The variables that the kubelet gives to the container: `envFrom`, then `env` in order, with `$(NAME)` replaced, without
    /// those of the image and of services.
    ///
    /// # Errors
    /// Something is referred to that is not there: the pod would not start.
    pub fn environment(
        &self,
        container: &Value,
        manifests: &Manifests,
        identity: &Identity,
    ) -> Result<Environment, String> {
        let mut environment = Environment::new();
        for source in list(&container["envFrom"]) {
            for (kind, field) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
                let Some(name) = source[field]["name"].as_str() else { continue };
                let data = manifests.data(kind, name).ok_or_else(|| format!("no {kind} {name}"))?;
                for (key, value) in data {
                    set(&mut environment, &key, String::from_utf8_lossy(&value).into_owned());
                }
            }
        }
        if self.owner_spec["completionMode"] == "Indexed" {
            set(&mut environment, "JOB_COMPLETION_INDEX", identity.index.to_string());
        }
        for variable in list(&container["env"]) {
            let name = variable["name"].as_str().ok_or("a variable without a name")?;
            let value = match &variable["valueFrom"] {
                Value::Null => expand(variable["value"].as_str().unwrap_or(""), &environment),
                source => referred(source, manifests, identity)
                    .map_err(|reason| format!("{name}: {reason}"))?,
            };
            set(&mut environment, name, value);
        }
        if !environment.iter().any(|(name, _)| name == "HOSTNAME") {
            set(&mut environment, "HOSTNAME", identity.name.clone());
        }
        Ok(environment)
    }

    /// The files that volumes of Secrets, `ConfigMaps` and service account tokens put into the container.
    ///
    /// # Errors
    /// Something is referred to that is not there: the pod would not start.
    pub fn files(
        &self,
        container: &Value,
        manifests: &Manifests,
    ) -> Result<Vec<VolumeFile>, String> {
        let mut files = Vec::new();
        for mount in list(&container["volumeMounts"]) {
            let volume = list(&self.spec()["volumes"])
                .find(|volume| volume["name"] == mount["name"])
                .ok_or_else(|| format!("no volume {}", mount["name"]))?;
            let folder = Path::new(mount["mountPath"].as_str().ok_or("a mount without a path")?);
            let sources: Vec<&Value> = match &volume["projected"] {
                Value::Null => vec![volume],
                projected => list(&projected["sources"]).collect(),
            };
            for source in sources {
                for (name, content) in source_files(source, manifests)? {
                    files.push(VolumeFile { path: folder.join(name), content });
                }
            }
        }
        Ok(files)
    }
}

/// `command` or `args` of a container as the kubelet would pass them.
pub fn expanded(words: &Value, environment: &Environment) -> Vec<String> {
    list(words).filter_map(Value::as_str).map(|word| expand(word, environment)).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> + use<'_> {
    value.as_array().into_iter().flatten()
}

fn set(environment: &mut Environment, name: &str, value: String) {
    environment.retain(|(other, _)| other != name);
    environment.push((name.to_owned(), value));
}

/// `$(NAME)` becomes the value where there is one and stays as it is elsewhere; `$$` is a dollar sign.
fn expand(text: &str, environment: &Environment) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) =
            rest.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        {
            match environment.iter().find(|(other, _)| other == name) {
                Some((_, value)) => expanded.push_str(value),
                None => expanded.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

fn referred(source: &Value, manifests: &Manifests, identity: &Identity) -> Result<String, String> {
    if let Some(path) = source["fieldRef"]["fieldPath"].as_str() {
        return match path {
            "metadata.name" => Ok(identity.name.clone()),
            "metadata.namespace" => Ok(identity.namespace.clone()),
            "spec.nodeName" => Ok(identity.node.clone()),
            other => Err(format!("the field {other} is not known here")),
        };
    }
    for (kind, field) in [("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")] {
        let Some(name) = source[field]["name"].as_str() else { continue };
        let key = source[field]["key"].as_str().ok_or("a reference without a key")?;
        let value = manifests.data(kind, name).and_then(|mut data| data.remove(key));
        return value
            .map(|value| String::from_utf8_lossy(&value).into_owned())
            .ok_or_else(|| format!("no {kind} {name} with the key {key}"));
    }
    Err(format!("a source that is not known here: {source}"))
}

/// The files of one source of a volume, by their names in it.
fn source_files(source: &Value, manifests: &Manifests) -> Result<Vec<(String, Vec<u8>)>, String> {
    if let Some(path) = source["serviceAccountToken"]["path"].as_str() {
        return Ok(vec![(path.to_owned(), b"a-projected-token".to_vec())]);
    }
    for (kind, field) in [("ConfigMap", "configMap"), ("Secret", "secret")] {
        let Some(name) = source[field]["secretName"].as_str().or(source[field]["name"].as_str())
        else {
            continue;
        };
        let data = manifests.data(kind, name).ok_or_else(|| format!("no {kind} {name}"))?;
        if source[field]["items"].is_null() {
            return Ok(data.into_iter().collect());
        }
        let item = |item: &Value| {
            let key = item["key"].as_str().unwrap_or("");
            let content = data.get(key).ok_or_else(|| format!("no key {key} in {kind} {name}"))?;
            Ok((item["path"].as_str().unwrap_or(key).to_owned(), content.clone()))
        };
        return list(&source[field]["items"]).map(item).collect();
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn names_in_parentheses_are_replaced_and_dollars_escaped() {
        let environment = vec![("A".to_owned(), "one".to_owned())];
        for (text, expected) in [
            ("jjobs.$(A).svc", "jjobs.one.svc"),
            ("$(NONE)", "$(NONE)"),
            ("$$(A)", "$(A)"),
            ("$A $(A", "$A $(A"),
            ("cost: 5$", "cost: 5$"),
        ] {
            assert_eq!(expand(text, &environment), expected);
        }
    }
}

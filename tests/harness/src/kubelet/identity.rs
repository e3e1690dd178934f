//! What a pod is called, and what its fields say to `fieldRef`.

use serde_json::{Value, json};

/// A host name has no more letters; Kubernetes cuts a longer pod name.
const LONGEST_HOSTNAME: usize = 63;

/// What is known of a pod before it runs.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its host name.
    pub hostname: String,
    /// With it, it has a name of its own in DNS.
    pub subdomain: Option<String>,
    /// The node that it is on.
    pub node: String,
    /// Its address; known once its sandbox is there.
    pub address: String,
    /// Which part of an Indexed Job it is.
    pub index: Option<u32>,
    /// Its labels and annotations.
    pub metadata: Value,
}

impl Identity {
    /// A pod of that name on the node `node-a`.
    pub fn new(name: &str, namespace: &str) -> Self {
        let hostname: String = name.chars().take(LONGEST_HOSTNAME).collect();
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            hostname: hostname.trim_end_matches(['-', '.']).to_owned(),
            subdomain: None,
            node: "node-a".to_owned(),
            address: String::new(),
            index: None,
            metadata: json!({}),
        }
    }

    /// The names by which the pod itself is found in DNS, and those of `services` that it belongs to.
    pub(super) fn dns_names(&self, services: &[String]) -> Vec<String> {
        let own = self.subdomain.iter().map(|domain| format!("{}.{domain}", self.hostname));
        let short: Vec<String> = own.chain(services.iter().cloned()).collect();
        let ends = ["", ".NS", ".NS.svc", ".NS.svc.cluster.local"];
        let long =
            |name: &String| ends.map(|end| format!("{name}{}", end.replace("NS", &self.namespace)));
        short.iter().flat_map(long).collect()
    }

    pub(super) fn field(&self, path: &str) -> Result<String, String> {
        let text = match path {
            "metadata.name" => &self.name,
            "metadata.namespace" => &self.namespace,
            "spec.nodeName" => &self.node,
            "status.podIP" => &self.address,
            _ => return self.labelled(path),
        };
        Ok(text.clone())
    }

    /// `metadata.labels['app']`
    fn labelled(&self, path: &str) -> Result<String, String> {
        let key = |kind: &str| {
            let path = path.strip_prefix("metadata.")?.strip_prefix(kind)?;
            path.strip_prefix("['")?.strip_suffix("']")
        };
        for kind in ["labels", "annotations"] {
            if let Some(key) = key(kind) {
                return Ok(self.metadata[kind][key].as_str().unwrap_or_default().to_owned());
            }
        }
        Err(format!("the field {path} is not known here"))
    }
}

#[cfg(test)]
mod tests {
    use super::Identity;
    use serde_json::json;

    #[test]
    fn a_pod_of_a_headless_service_has_a_name_of_its_own_and_the_services() {
        let pod =
            Identity { subdomain: Some("jjobs".to_owned()), ..Identity::new("jjobs-0", "batch") };
        let names = pod.dns_names(&["jjobs".to_owned()]);
        for name in
            ["jjobs-0.jjobs.batch.svc.cluster.local", "jjobs-0.jjobs", "jjobs", "jjobs.batch"]
        {
            assert!(names.iter().any(|other| other == name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|name| name == "jjobs-0"), "{names:?}");
    }

    #[test]
    fn fields_are_answered_and_unknown_ones_refused() {
        let metadata = json!({ "labels": { "app": "x" } });
        let pod = Identity { metadata, ..Identity::new("jjobs-0", "batch") };
        assert_eq!(pod.field("metadata.name").unwrap(), "jjobs-0");
        assert_eq!(pod.field("metadata.labels['app']").unwrap(), "x");
        pod.field("status.hostIP").unwrap_err();
    }
}

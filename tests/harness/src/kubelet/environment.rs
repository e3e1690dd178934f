//! A container's variables, as the kubelet puts them together: services, `envFrom`, `env` in order with `$(NAME)` replaced.

use super::{Identity, fields::list, quantity};
use crate::manifests::{Environment, Manifests, expanded};
use serde_json::{Value, json};

/// What the kubelet tells every container about the API server; an address of documentation.
const API_SERVER: &str = "192.0.2.1";

/// All variables of a container, without the image's.
///
/// # Errors
/// It refers to something that is not there; the pod would not start.
pub(super) fn environment(
    container: &Value,
    spec: &Value,
    identity: &Identity,
    manifests: &Manifests,
) -> Result<Environment, String> {
    let mut variables = Environment::new();
    set(&mut variables, "HOSTNAME", identity.hostname.clone());
    set(&mut variables, "KUBERNETES_SERVICE_HOST", API_SERVER.to_owned());
    set(&mut variables, "KUBERNETES_SERVICE_PORT", "443".to_owned());
    if spec["enableServiceLinks"] != false {
        service_links(&mut variables, manifests);
    }
    for source in list(&container["envFrom"]) {
        from_object(&mut variables, source, manifests)?;
    }
    if let Some(index) = identity.index {
        set(&mut variables, "JOB_COMPLETION_INDEX", index.to_string());
    }
    for variable in list(&container["env"]) {
        let name = variable["name"].as_str().ok_or("a variable without a name")?;
        let value = if variable["valueFrom"].is_null() {
            let text = variable["value"].as_str().unwrap_or_default();
            expanded(&json!([text]), &variables).pop()
        } else {
            let source = &variable["valueFrom"];
            referred(source, container, identity, manifests)
                .map_err(|reason| format!("{name}: {reason}"))?
        };
        if let Some(value) = value {
            set(&mut variables, name, value);
        }
    }
    Ok(variables)
}

/// A later one of the same name replaces the earlier one.
fn set(variables: &mut Environment, name: &str, value: String) {
    variables.retain(|(other, _)| other != name);
    variables.push((name.to_owned(), value));
}

/// What Docker's links once were, for every service that has an address of its own.
fn service_links(variables: &mut Environment, manifests: &Manifests) {
    for (number, service) in manifests.of_kind("Service").enumerate() {
        let spec = &service["spec"];
        let Some(name) = service["metadata"]["name"].as_str() else { continue };
        if spec["clusterIP"] == "None" {
            continue;
        }
        let name = name.to_uppercase().replace('-', "_");
        let address = format!("198.51.100.{}", number + 1);
        set(variables, &format!("{name}_SERVICE_HOST"), address.clone());
        for (n, port) in list(&spec["ports"]).enumerate() {
            let number = port["port"].to_string();
            if n == 0 {
                set(variables, &format!("{name}_SERVICE_PORT"), number.clone());
                set(variables, &format!("{name}_PORT"), format!("tcp://{address}:{number}"));
            }
            let link = format!("{name}_PORT_{number}_TCP");
            set(variables, &link, format!("tcp://{address}:{number}"));
            set(variables, &format!("{link}_PROTO"), "tcp".to_owned());
            set(variables, &format!("{link}_PORT"), number);
            set(variables, &format!("{link}_ADDR"), address.clone());
        }
    }
}

fn from_object(
    variables: &mut Environment,
    source: &Value,
    manifests: &Manifests,
) -> Result<(), String> {
    let prefix = source["prefix"].as_str().unwrap_or_default();
    for (kind, field) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
        let Some(name) = source[field]["name"].as_str() else { continue };
        match manifests.data(kind, name) {
            Some(data) => {
                for (key, value) in data {
                    let value = String::from_utf8_lossy(&value).into_owned();
                    set(variables, &format!("{prefix}{key}"), value);
                }
            }
            None if source[field]["optional"] == true => {}
            None => return Err(format!("there is no {kind} {name}")),
        }
    }
    Ok(())
}

/// `None` for an optional one that is not there: the variable is not set at all.
fn referred(
    source: &Value,
    container: &Value,
    identity: &Identity,
    manifests: &Manifests,
) -> Result<Option<String>, String> {
    if let Some(path) = source["fieldRef"]["fieldPath"].as_str() {
        return identity.field(path).map(Some);
    }
    if let Some(resource) = source["resourceFieldRef"]["resource"].as_str() {
        return resource_of(container, resource, &source["resourceFieldRef"]["divisor"]).map(Some);
    }
    for (kind, field) in [("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")] {
        let Some(name) = source[field]["name"].as_str() else { continue };
        let key = source[field]["key"].as_str().ok_or("a reference without a key")?;
        return match manifests.data(kind, name).and_then(|mut data| data.remove(key)) {
            Some(value) => Ok(Some(String::from_utf8_lossy(&value).into_owned())),
            None if source[field]["optional"] == true => Ok(None),
            None => Err(format!("there is no key {key} in a {kind} {name}")),
        };
    }
    Err(format!("a source that is not known here: {source}"))
}

/// In whole divisors, rounded up, as the kubelet does it.
fn resource_of(container: &Value, resource: &str, divisor: &Value) -> Result<String, String> {
    let (kind, name) = resource.split_once('.').ok_or("no resource")?;
    let amount = quantity::parse(&container["resources"][kind][name])
        .ok_or_else(|| format!("the container has no {resource}"))?;
    let divisor = quantity::parse(divisor).filter(|divisor| *divisor > 0.0).unwrap_or(1.0);
    Ok(format!("{:.0}", (amount / divisor).ceil()))
}

#[cfg(test)]
mod tests {
    use super::environment;
    use crate::{kubelet::Identity, manifests::Manifests};
    use serde_json::{Value, json};

    fn variables(container: &Value, spec: &Value) -> Result<Vec<(String, String)>, String> {
        let manifests = Manifests {
            documents: vec![
                json!({"kind": "ConfigMap", "metadata": {"name": "site"}, "data": {"DB_USER": "jjobs"}}),
                json!({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "p w"}}),
                json!({"kind": "Service", "metadata": {"name": "jjobs"}, "spec": {"ports": [{"port": 7065}]}}),
                json!({"kind": "Service", "metadata": {"name": "agents"}, "spec": {"clusterIP": "None"}}),
            ],
        };
        let identity = Identity { index: Some(3), ..Identity::new("jjobs-0", "batch") };
        environment(container, spec, &identity, &manifests)
    }

    fn value(container: &Value, name: &str) -> Option<String> {
        let mut found = variables(container, &json!({})).unwrap();
        found.retain(|(other, _)| other == name);
        assert!(found.len() < 2, "{found:?}");
        Some(found.pop()?.1)
    }

    #[test]
    fn every_source_of_a_variable_is_known() {
        let container = json!({
            "resources": { "limits": { "memory": "2048Mi", "cpu": "1500m" } },
            "envFrom": [{ "configMapRef": { "name": "site" }, "prefix": "X_" }],
            "env": [
                { "name": "NS", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } },
                { "name": "URL", "value": "jjobs.$(NS).svc/$(NONE)/$$(NS)/$(JOB_COMPLETION_INDEX)" },
                { "name": "PW", "valueFrom": { "secretKeyRef": { "name": "s", "key": "password" } } },
                { "name": "NO", "valueFrom": { "secretKeyRef": { "name": "s", "key": "x", "optional": true } } },
                { "name": "MEM", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } },
                { "name": "CPU", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu" } } },
                { "name": "HOSTNAME", "value": "node-1" },
            ],
        });
        for (name, expected) in [
            ("X_DB_USER", Some("jjobs")),
            ("URL", Some("jjobs.batch.svc/$(NONE)/$(NS)/3")),
            ("PW", Some("p w")),
            ("NO", None),
            ("MEM", Some("2048")),
            ("CPU", Some("2")),
            ("HOSTNAME", Some("node-1")),
            ("JJOBS_PORT", Some("tcp://198.51.100.1:7065")),
            ("AGENTS_SERVICE_HOST", None),
        ] {
            assert_eq!(value(&container, name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn what_is_referred_to_and_missing_is_an_error_with_its_name() {
        for source in [
            json!({ "secretKeyRef": { "name": "s", "key": "absent" } }),
            json!({ "configMapKeyRef": { "name": "absent", "key": "k" } }),
            json!({ "fieldRef": { "fieldPath": "spec.absent" } }),
            json!({ "resourceFieldRef": { "resource": "limits.absent" } }),
        ] {
            let container = json!({ "env": [{ "name": "A", "valueFrom": source }] });
            let error = variables(&container, &json!({})).unwrap_err();
            assert!(error.contains("A: ") && error.contains("absent"), "{error}");
        }
    }

    #[test]
    fn service_links_can_be_left_out() {
        let found = variables(&json!({}), &json!({ "enableServiceLinks": false })).unwrap();
        assert!(!found.iter().any(|(name, _)| name == "JJOBS_PORT"), "{found:?}");
    }
}

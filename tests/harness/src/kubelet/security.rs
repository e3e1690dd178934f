//! `securityContext` and `resources` as options of `docker run`.

use super::{fields::list, quantity};
use serde_json::Value;

/// What a node of this machine's size has; the engine refuses more.
fn processors() -> f64 {
    std::thread::available_parallelism()
        .ok()
        .and_then(|count| u32::try_from(count.get()).ok())
        .map_or(1.0, f64::from)
}

/// The group that volumes belong to.
pub(super) fn volumes_group(spec: &Value) -> Option<u32> {
    number(&spec["securityContext"]["fsGroup"])
}

fn number(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// The options, and with `errors` what the kubelet would not start.
///
/// A number of processors above this machine's is cut to it. Without `seccompProfile` there is no profile, as on a node.
///
/// # Errors
/// `runAsNonRoot` is asked for and root would run, or an amount cannot be read.
pub(super) fn options(container: &Value, spec: &Value) -> Result<Vec<String>, String> {
    let (pod, own) = (&spec["securityContext"], &container["securityContext"]);
    let either = |name: &str| if own[name].is_null() { &pod[name] } else { &own[name] };
    let mut options = Vec::new();
    let uid = number(either("runAsUser"));
    // Our images name no user.
    if either("runAsNonRoot") == true && uid.unwrap_or(0) == 0 {
        return Err("container has runAsNonRoot and image will run as root".to_owned());
    }
    if let Some(uid) = uid {
        let gid = number(either("runAsGroup")).map_or(String::new(), |gid| format!(":{gid}"));
        options.push(format!("--user={uid}{gid}"));
    }
    let groups = list(&pod["supplementalGroups"]).filter_map(number);
    options.extend(groups.chain(volumes_group(spec)).map(|gid| format!("--group-add={gid}")));

    for (field, option) in [("drop", "--cap-drop"), ("add", "--cap-add")] {
        let names = list(&own["capabilities"][field]).filter_map(Value::as_str);
        options.extend(names.map(|name| format!("{option}={name}")));
    }
    if own["allowPrivilegeEscalation"] == false {
        options.push("--security-opt=no-new-privileges".to_owned());
    }
    if either("seccompProfile")["type"] != "RuntimeDefault" {
        options.push("--security-opt=seccomp=unconfined".to_owned());
    }
    if own["readOnlyRootFilesystem"] == true {
        options.push("--read-only".to_owned());
    }
    options.extend(limits(&container["resources"]["limits"])?);
    Ok(options)
}

fn limits(limits: &Value) -> Result<Vec<String>, String> {
    let amount = |name: &str| match &limits[name] {
        Value::Null => Ok(None),
        text => quantity::parse(text).map(Some).ok_or_else(|| format!("no amount: {text}")),
    };
    let mut options = Vec::new();
    if let Some(bytes) = amount("memory")? {
        options.push(format!("--memory={bytes:.0}"));
        options.push(format!("--memory-swap={bytes:.0}"));
    }
    if let Some(cpus) = amount("cpu")? {
        options.push(format!("--cpus={:.3}", cpus.min(processors())));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::options;
    use serde_json::json;

    #[test]
    fn the_containers_own_settings_win_over_the_pods() {
        let spec = json!({ "securityContext": {
            "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 7, "runAsNonRoot": true,
            "seccompProfile": { "type": "RuntimeDefault" },
        }});
        let container = json!({
            "securityContext": {
                "runAsUser": 5, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"], "add": ["KILL"] },
            },
            "resources": { "limits": { "memory": "64Mi", "cpu": "500m" } },
        });
        let expected = [
            "--user=5:10001",
            "--group-add=7",
            "--cap-drop=ALL",
            "--cap-add=KILL",
            "--security-opt=no-new-privileges",
            "--read-only",
            "--memory=67108864",
            "--memory-swap=67108864",
            "--cpus=0.500",
        ];
        assert_eq!(options(&container, &spec).unwrap(), expected);
    }

    #[test]
    fn root_is_refused_where_nobody_may_be_root() {
        let spec = json!({ "securityContext": { "runAsNonRoot": true } });
        options(&json!({}), &spec).unwrap_err();
        options(&json!({ "securityContext": { "runAsUser": 0 } }), &spec).unwrap_err();
        options(&json!({ "securityContext": { "runAsUser": 1 } }), &spec).unwrap();
    }

    #[test]
    fn a_limit_that_is_no_amount_is_refused() {
        let container = json!({ "resources": { "limits": { "memory": "lots" } } });
        options(&container, &json!({})).unwrap_err();
    }
}

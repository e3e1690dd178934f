//! Whether the JVMs of a pod fit below its limit: one process too many, and the kernel kills the whole container.

use super::{each_container, is_supervised, text, variable};
use jjobs_harness::manifests::Manifests;

/// Beside the heap of a Tomcat: classes, threads, compiled code. In MiB, like all numbers here.
const TOMCAT: u64 = 256;
/// The same of an agent or a runtime.
const PLAIN: u64 = 128;
/// PID 1, scripts, and the short-lived JVM that stops a Tomcat.
const REST: u64 = 128;
/// What a JVM without options takes of the limit as heap.
const DEFAULT_PERCENT: u64 = 25;

pub(super) fn memory_fits(manifests: &Manifests) -> Vec<String> {
    each_container(manifests, |pod, container| {
        let resources = &container["resources"];
        let amount = |what: &str| mebibytes(text(&resources[what]["memory"]));
        let (Some(requested), Some(limit)) = (amount("requests"), amount("limits")) else {
            return vec!["memory is not requested and limited, in Mi or Gi".to_owned()];
        };
        if requested != limit {
            return vec![format!("{requested} requested, {limit} allowed: a full node kills it")];
        }
        if ["requests", "limits"].iter().any(|what| !resources[what]["cpu"].is_string()) {
            return vec!["cpu is not requested and limited".to_owned()];
        }
        if !is_supervised(container) {
            return Vec::new();
        }

        let value = |name| variable(pod, container, manifests, name).unwrap_or_default();
        let (kind, boot) = (value("INSTALL_KIND"), value("ON_BOOT"));
        let tomcats = match kind.as_str() {
            // Also what an operator may start in a pod that boots only one of them.
            "F" => 2,
            "M" | "S" => 1,
            _ => 0,
        };
        let has_agent = kind == "A" || kind == "F" && boot.starts_with('y');
        let runtimes = &pod.template["metadata"]["annotations"]["jjobs-init/runtimes"];
        let agents = match (has_agent, text(runtimes).parse::<u64>()) {
            (false, _) => 0,
            (true, Ok(runtimes)) => 1 + runtimes,
            (true, Err(_)) => {
                return vec!["an agent, and jjobs-init/runtimes does not say for how many".into()];
            }
        };
        let percent = percent_of(&value("CATALINA_OPTS"));
        let sum = tomcats * (limit * percent / 100 + TOMCAT)
            + agents * (limit * DEFAULT_PERCENT / 100 + PLAIN)
            + REST;
        if sum > limit {
            vec![format!("{tomcats} Tomcats and {agents} other JVMs need {sum} of {limit} MiB")]
        } else {
            Vec::new()
        }
    })
}

fn mebibytes(amount: &str) -> Option<u64> {
    match (amount.strip_suffix("Mi"), amount.strip_suffix("Gi")) {
        (Some(number), _) => number.parse().ok(),
        (_, Some(number)) => number.parse::<u64>().ok().map(|number| number * 1024),
        _ => None,
    }
}

fn percent_of(options: &str) -> u64 {
    let given = options
        .split_whitespace()
        .filter_map(|option| option.strip_prefix("-XX:MaxRAMPercentage="))
        .filter_map(|number| number.split('.').next()?.parse().ok())
        .next_back();
    given.unwrap_or(DEFAULT_PERCENT)
}

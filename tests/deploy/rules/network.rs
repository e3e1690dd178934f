//! Services, and the names that pods get from them.

use super::{each_container, list, text, variable};
use jjobs_harness::manifests::{Manifests, Pod};
use serde_json::Value;

/// A service that selects nothing, or a port that nobody has, is an address that never answers.
pub(super) fn services_select_pods(manifests: &Manifests) -> Vec<String> {
    let pods = manifests.pods();
    let mut complaints = Vec::new();
    for service in manifests.of_kind("Service") {
        let name = text(&service["metadata"]["name"]);
        let selected: Vec<&Pod<'_>> =
            pods.iter().filter(|pod| pod.is_selected_by(&service["spec"]["selector"])).collect();
        if selected.is_empty() {
            complaints.push(format!("{name} selects nothing"));
        }
        for port in list(&service["spec"]["ports"]) {
            let target =
                if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
            if !selected.iter().all(|pod| pod.containers().any(|one| has_port(one, target))) {
                complaints.push(format!("{name}: no container has the port {target}"));
            }
        }
    }
    complaints
}

fn has_port(container: &Value, target: &Value) -> bool {
    list(&container["ports"])
        .any(|port| port["name"] == *target || port["containerPort"] == *target)
}

/// The headless service of a `StatefulSet` has every pod's name, also of those that are not ready; agents find servers by it.
pub(super) fn governing_services_name_every_pod(manifests: &Manifests) -> Vec<String> {
    let mut complaints = Vec::new();
    for pod in manifests.pods() {
        if pod.kind != "StatefulSet" {
            continue;
        }
        let name = text(&pod.owner_spec["serviceName"]);
        match manifests.find("Service", name) {
            None => complaints.push(format!("{}: there is no service {name}", pod.name)),
            Some(service) => {
                if service["spec"]["clusterIP"] != "None"
                    || service["spec"]["publishNotReadyAddresses"] != true
                    || !pod.is_selected_by(&service["spec"]["selector"])
                {
                    complaints.push(format!("{name} does not name every pod of {}", pod.name));
                }
            }
        }
    }
    complaints.extend(each_container(manifests, |pod, container| {
        let announced = variable(pod, container, manifests, "JJOB_SERVICE_NAME");
        let governing = text(&pod.owner_spec["serviceName"]);
        announced
            .filter(|name| *name != format!("{governing}.default.svc.cluster.local"))
            .map(|name| format!("announces itself below {name}"))
            .into_iter()
            .collect()
    }));
    complaints
}

/// Also the one place that kustomize does not reach: the subjects of role bindings.
pub(super) fn everything_stands_in_one_namespace(manifests: &Manifests) -> Vec<String> {
    let mut complaints = Vec::new();
    for document in &manifests.documents {
        let subjects = list(&document["subjects"]).map(|subject| &subject["namespace"]);
        for namespace in std::iter::once(&document["metadata"]["namespace"]).chain(subjects) {
            if namespace != "default" {
                complaints.push(format!("{} stands in {namespace}", document["metadata"]["name"]));
            }
        }
    }
    complaints
}

//! Contexts for the cluster that the pod itself runs in.

use crate::{
    api_server::ApiServer,
    scene::{contexts, image, list_pods, start, warnings},
};
use jjobs_harness::{Ca, ContainerBuilder};
use serde_json::json;

const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// With a service account where Kubernetes mounts it.
fn with_account(image: ContainerBuilder, ca: &Ca) -> ContainerBuilder {
    image
        .file(format!("{ACCOUNT}/ca.crt"), &ca.pem, 0o644)
        .file(format!("{ACCOUNT}/token"), "pod-secret-token", 0o600)
        .file(format!("{ACCOUNT}/namespace"), "jjobs-ns", 0o644)
}

#[test]
fn the_pods_own_cluster_is_reached_as_its_service_account() {
    let entries = json!([
        { "alias": "here", "provider": "incluster" },
        { "alias": "jobs", "provider": "incluster", "namespace": "batch" },
    ]);
    let ca = Ca::new();
    let Some(image) = image(&entries) else { return };
    let image = with_account(image, &ca)
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", "6443");
    let Some(mut container) = image.prepare() else { return };
    let cluster = ApiServer::start(&container, 6443, (&ca, &["127.0.0.1"]), "pod-secret-token");
    start(&mut container);
    assert_eq!(contexts(&container), ["here", "jobs"]);
    for (alias, namespace) in [("here", "jjobs-ns"), ("jobs", "batch")] {
        list_pods(&container, alias);
        let last = cluster.last();
        assert_eq!((last.namespace.as_str(), last.token.as_str()), (namespace, "pod-secret-token"));
    }
    // The kubelet renews a service account's token every hour or so.
    cluster.accept_only("renewed-secret-token");
    container.write(format!("{ACCOUNT}/token"), "renewed-secret-token");
    list_pods(&container, "here");
    // Nobody's context became the current one: without `--context` kubectl asks the pod's own cluster as it always did.
    let output = container.exec(["kubectl", "get", "pods"]);
    assert_eq!(output.code, 0, "{output:?}");
    let last = cluster.last();
    assert_eq!(
        (last.namespace.as_str(), last.token.as_str()),
        ("jjobs-ns", "renewed-secret-token")
    );
    assert_eq!(warnings(&container), Vec::<String>::new());
    assert!(!container.transcript().contains("secret-token"));
    assert!(!container.read_text("/root/.kube/config").contains("secret-token"));
}

#[test]
fn an_address_of_ipv6_and_the_default_port_and_namespace() {
    let ca = Ca::new();
    let Some(image) = image(&json!([{ "alias": "here", "provider": "incluster" }])) else { return };
    let image = with_account(image, &ca)
        .file(format!("{ACCOUNT}/namespace"), "\n", 0o644)
        .env("KUBERNETES_SERVICE_HOST", "::1");
    let Some(mut container) = image.prepare() else { return };
    let cluster = match ApiServer::start_on_ipv6(&container, 443, &ca, "pod-secret-token") {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("skipped: this machine has no IPv6 ({error})");
            return;
        }
    };
    start(&mut container);
    list_pods(&container, "here");
    assert_eq!(cluster.last().namespace, "default");
}

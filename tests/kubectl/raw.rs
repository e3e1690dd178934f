//! Contexts for clusters that are described by files.

use crate::{
    api_server::{ApiServer, Seen},
    scene::{
        JOB_FILE, cannot_list_pods, contexts, image, kubectl, kubectl_says, list_pods, restart,
        said, start, warnings,
    },
};
use jjobs_harness::Ca;
use serde_json::json;

const HOST: &str = "k8s.example";

fn seen(method: &str, namespace: &str, resource: &str, token: &str) -> Seen {
    let [method, namespace, resource, token] =
        [method, namespace, resource, token].map(str::to_owned);
    Seen { method, namespace, resource, token }
}

#[test]
fn kubectl_works_in_the_context_and_takes_a_rotated_token_at_once() {
    let entries = json!([
        { "alias": "prod.eu", "provider": "raw", "server": "https://k8s.example:6443",
          "caFile": "/run/cluster/ca.crt", "tokenFile": "/run/cluster/token", "namespace": "batch" },
        { "alias": "plain", "provider": "raw", "server": "https://k8s.example:6443",
          "caFile": "/run/cluster/ca.crt", "tokenFile": "/run/cluster/token" },
    ]);
    let ca = Ca::new();
    let Some(image) = image(&entries) else { return };
    // As Kubernetes mounts a secret: what is read is a link to a link, and a change is a new target.
    let image = image
        .host(HOST, "127.0.0.1")
        .file("/run/cluster/ca.crt", &ca.pem, 0o644)
        .file("/run/cluster/..1/token", "first-secret-token\n", 0o600)
        .link("/run/cluster/..data", "..1")
        .link("/run/cluster/token", "..data/token");
    let Some(mut container) = image.prepare() else { return };
    let cluster = ApiServer::start(&container, 6443, (&ca, &[HOST]), "first-secret-token");
    start(&mut container);
    assert_eq!(contexts(&container), ["plain", "prod.eu"]);
    assert_eq!(cluster.requests(), 0, "a boot asks no cluster");

    list_pods(&container, "prod.eu");
    assert_eq!(cluster.last(), seen("GET", "batch", "pods", "first-secret-token"));
    list_pods(&container, "plain");
    assert_eq!(cluster.last(), seen("GET", "default", "pods", "first-secret-token"));
    let created = kubectl_says(&container, &["--context=prod.eu", "create", "-f", JOB_FILE]);
    assert_eq!(created, "job.batch/nightly created\n");
    assert_eq!(cluster.last(), seen("POST", "batch", "jobs", "first-secret-token"));
    assert_eq!(cluster.last_body()["metadata"]["name"], "nightly");
    let log = kubectl_says(&container, &["--context=prod.eu", "logs", "jjobs-0"]);
    assert_eq!(log, "a line of batch\n");
    let may = kubectl_says(&container, &["--context=prod.eu", "auth", "can-i", "create", "jobs"]);
    assert_eq!(may, "yes\n");
    kubectl_says(&container, &["--context=prod.eu", "-n", "other", "get", "pods"]);
    assert_eq!(cluster.last().namespace, "other");
    kubectl_says(&container, &["--context=prod.eu", "version"]);

    cluster.accept_only("second-secret-token");
    let refusal = cannot_list_pods(&container, "prod.eu");
    assert!(refusal.contains("Unauthorized") || refusal.contains("logged in"), "{refusal}");
    container.write("/run/cluster/..2/token", "second-secret-token");
    assert_eq!(container.shell("ln -sfn ..2 /run/cluster/..data").code, 0);
    list_pods(&container, "prod.eu");
    list_pods(&container, "plain");
    assert_eq!(cluster.last().token, "second-secret-token");

    let config = container.read_text("/root/.kube/config");
    for text in [config, container.transcript()] {
        assert!(!text.contains("secret-token"), "a token was written down: {text}");
    }
    assert_eq!(warnings(&container), Vec::<String>::new());
    assert!(said(&container).iter().any(|line| line.contains("prod.eu")));
}

#[test]
fn a_new_ca_counts_from_the_next_boot_on_because_it_is_embedded() {
    let entries = json!([{ "alias": "main", "provider": "raw", "server": "https://127.0.0.1:6443",
        "caFile": "/run/ca.crt", "tokenFile": "/run/token" }]);
    let (old, new) = (Ca::named("old"), Ca::named("new"));
    let Some(image) = image(&entries) else { return };
    let image = image.file("/run/ca.crt", &old.pem, 0o644).file("/run/token", "the-token", 0o600);
    let Some(mut container) = image.prepare() else { return };
    let cluster = ApiServer::start(&container, 6443, (&old, &["127.0.0.1"]), "the-token");
    start(&mut container);
    list_pods(&container, "main");
    cluster.change_ca(&new, &["127.0.0.1"]);
    container.write("/run/ca.crt", &new.pem);
    let refusal = cannot_list_pods(&container, "main");
    assert!(refusal.contains("x509"), "{refusal}");
    restart(&mut container);
    list_pods(&container, "main");
}

#[test]
fn without_a_usable_ca_the_system_decides_whom_kubectl_trusts() {
    let entry = |alias: &str| {
        json!({ "alias": alias, "provider": "raw", "server": "https://127.0.0.1:6443",
                "tokenFile": "/run/token" })
    };
    let mut entries = json!([entry("none"), entry("missing"), entry("empty"), entry("folder")]);
    for (place, file) in [(1, "/run/no-such.crt"), (2, "/run/empty.crt"), (3, "/run")] {
        entries[place]["caFile"] = file.into();
    }
    let Some(image) = image(&entries) else { return };
    let ca = Ca::new();
    let image = image
        .file("/run/token", "the-token", 0o600)
        .file("/run/empty.crt", "", 0o644)
        .file("/run/system.crt", &ca.pem, 0o644);
    let Some(mut container) = image.prepare() else { return };
    let cluster = ApiServer::start(&container, 6443, (&ca, &["127.0.0.1"]), "the-token");
    start(&mut container);
    assert_eq!(contexts(&container), ["empty", "folder", "missing", "none"]);
    let warnings = warnings(&container);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    for (alias, warning) in ["none", "missing", "empty", "folder"].iter().zip(&warnings) {
        assert!(warning.contains(&format!("alias={alias} ")), "{warning}");
        assert!(warning.contains("without a CA"), "{warning}");
    }
    let refusal = cannot_list_pods(&container, "missing");
    assert!(refusal.contains("x509"), "{refusal}");
    assert_eq!(cluster.seen(), []);
    // What an operator can do about it: trust it in the system, or nobody at all.
    let trusting = "SSL_CERT_FILE=/run/system.crt kubectl --context=none get pods";
    let output = container.shell(trusting);
    assert_eq!(output.code, 0, "{output:?}");
    let words = ["--context=empty", "--insecure-skip-tls-verify", "get", "pods"];
    assert_eq!(kubectl(&container, &words).code, 0);
}

#[test]
fn any_alias_is_the_name_of_a_context() {
    let aliases = [
        "on.prem.eu-1",
        "arn:aws:eks:ap-northeast-2:111122223333:cluster/batch",
        "two words",
        "운영",
        "yes",
        "0123",
        "it's \"quoted\": #1",
    ];
    let entry = |alias: &&str| {
        json!({ "alias": alias, "provider": "raw", "server": "https://127.0.0.1:6443",
                "caFile": "/run/ca.crt", "tokenFile": "/run/token", "namespace": alias.len().to_string() })
    };
    let entries = aliases.iter().map(entry).collect();
    let Some(image) = image(&entries) else { return };
    let ca = Ca::new();
    let image = image.file("/run/ca.crt", &ca.pem, 0o644).file("/run/token", "the-token", 0o600);
    let Some(mut container) = image.prepare() else { return };
    let cluster = ApiServer::start(&container, 6443, (&ca, &["127.0.0.1"]), "the-token");
    start(&mut container);
    for alias in aliases {
        list_pods(&container, alias);
        assert_eq!(cluster.last().namespace, alias.len().to_string(), "{alias}");
    }
    let mut expected = aliases.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(contexts(&container), expected);
}

//! The file in which contexts are: whose it is, where, and what else stands in it.

use crate::{
    api_server::ApiServer,
    scene::{contexts, image, kubectl_says, list_pods, restart, start, warnings},
};
use jjobs_harness::{Ca, Container, ContainerBuilder};
use serde_json::{Value, json};

fn entries() -> Value {
    json!([{ "alias": "ours", "provider": "raw", "server": "https://127.0.0.1:6443",
             "caFile": "/run/ca.crt", "tokenFile": "/run/token", "namespace": "batch" }])
}

fn with_files(image: ContainerBuilder, ca: &Ca) -> ContainerBuilder {
    image.file("/run/ca.crt", &ca.pem, 0o644).file("/run/token", "our-token", 0o600)
}

fn cluster(container: &Container, ca: &Ca) -> ApiServer {
    ApiServer::start(container, 6443, (ca, &["127.0.0.1"]), "our-token")
}

fn modes(container: &Container, home: &str) -> String {
    container.shell(&format!("stat -c %a {home}/.kube {home}/.kube/config")).stdout
}

#[test]
fn an_operators_own_contexts_stay_and_a_second_boot_changes_nothing() {
    let own = "# mine\napiVersion: v1\nkind: Config\ncurrent-context: mine\npreferences: {}\n\
        clusters:\n- name: mine\n  cluster: {server: 'https://127.0.0.1:6443', insecure-skip-tls-verify: true}\n\
        contexts:\n- name: mine\n  context: {cluster: mine, user: me, namespace: mine-ns}\n\
        users:\n- name: me\n  user: {token: my-own-token}\n";
    let ca = Ca::new();
    let Some(image) = image(&entries()) else { return };
    let image = with_files(image, &ca).file("/root/.kube/config", own, 0o644);
    let Some(mut container) = image.prepare() else { return };
    let cluster = cluster(&container, &ca);
    start(&mut container);
    assert_eq!(contexts(&container), ["mine", "ours"]);
    assert_eq!(modes(&container, "/root"), "700\n600\n");
    list_pods(&container, "ours");
    let last = cluster.last();
    assert_eq!((last.namespace.as_str(), last.token.as_str()), ("batch", "our-token"));
    assert_eq!(kubectl_says(&container, &["config", "current-context"]), "mine\n");
    cluster.accept_only("my-own-token");
    kubectl_says(&container, &["get", "pods"]);
    let last = cluster.last();
    assert_eq!((last.namespace.as_str(), last.token.as_str()), ("mine-ns", "my-own-token"));
    cluster.accept_only("our-token");

    let state = "stat -c '%i %y' /root/.kube/config; sha256sum /root/.kube/config";
    let before = container.shell(state).stdout;
    restart(&mut container);
    assert_eq!(container.shell(state).stdout, before, "the second boot wrote the file again");
    assert_eq!(warnings(&container), Vec::<String>::new());

    // A pod's changed environment changes its own context, and no other.
    let mut changed = entries();
    changed[0]["namespace"] = "elsewhere".into();
    container.set_env("KUBE_CONTEXTS", changed.to_string());
    restart(&mut container);
    assert_eq!(contexts(&container), ["mine", "ours"]);
    list_pods(&container, "ours");
    assert_eq!(cluster.last().namespace, "elsewhere");
    assert_eq!(kubectl_says(&container, &["config", "current-context"]), "mine\n");
}

#[test]
fn a_file_that_kubectl_could_not_read_is_kept_aside() {
    let ca = Ca::new();
    let Some(image) = image(&entries()) else { return };
    let image = with_files(image, &ca).file("/root/.kube/config", "clusters: {a: [\n", 0o600);
    let Some(mut container) = image.prepare() else { return };
    let cluster = cluster(&container, &ca);
    start(&mut container);
    list_pods(&container, "ours");
    assert_eq!(cluster.last().namespace, "batch");
    assert_eq!(container.read_text("/root/.kube/config.unreadable"), "clusters: {a: [\n");
    assert_eq!(warnings(&container).len(), 1, "{}", container.transcript());
}

#[test]
fn the_file_is_in_the_home_of_whoever_runs_the_container() {
    let ca = Ca::new();
    let no_home: fn(ContainerBuilder) -> ContainerBuilder =
        |image| image.argv(["/usr/bin/env", "-u", "HOME", "/entrypoint.sh"]);
    let other_user: fn(ContainerBuilder) -> ContainerBuilder =
        |image| image.user(10001, 10001).env("HOME", "/working/home");
    let no_home_yet: fn(ContainerBuilder) -> ContainerBuilder =
        |image| image.env("HOME", "/working/new/home");
    for (home, change) in
        [("/root", no_home), ("/working/home", other_user), ("/working/new/home", no_home_yet)]
    {
        let Some(image) = image(&entries()) else { return };
        let Some(mut container) = change(with_files(image, &ca)).prepare() else { return };
        let cluster = cluster(&container, &ca);
        start(&mut container);
        list_pods(&container, "ours");
        assert_eq!(cluster.last().token, "our-token", "{home}");
        assert_eq!(modes(&container, home), "700\n600\n", "{home}");
    }
}

#[test]
fn a_variable_that_leads_kubectl_elsewhere_is_a_warning() {
    let ca = Ca::new();
    for (variable, is_read) in [
        ("/run/other", false),
        ("/run/other:/root/.kube/config", true),
        ("/root/.kube/config", true),
        ("", true),
    ] {
        let Some(image) = image(&entries()) else { return };
        let image = with_files(image, &ca).env("KUBECONFIG", variable);
        let Some(mut container) = image.prepare() else { return };
        start(&mut container);
        assert_eq!(contexts(&container) == ["ours"], is_read, "{variable}");
        let warnings = warnings(&container);
        assert_eq!(warnings.is_empty(), is_read, "{variable}: {warnings:?}");
        assert!(is_read || warnings[0].contains("var=KUBECONFIG"), "{warnings:?}");
    }
}

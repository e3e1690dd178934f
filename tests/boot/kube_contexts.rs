//! `KUBE_CONTEXTS` in a real boot, which reads it for every kind and every `ON_BOOT`.

use crate::support::{BOOT, Boot, bare_image, boot_with_database, kind, wait_until_up};
use jjobs_harness::{ContainerBuilder, Vendor};

const CONTEXTS: &str = r#"[
  {"alias":"prod.eu","provider":"raw","server":"https://k8s:6443","tokenFile":"/run/token","caFile":"/run/ca.crt","namespace":"batch"},
  {"alias":"broken","provider":"raw","tokenFile":"/run/token"},
  {"alias":"here","provider":"incluster"}
]"#;

fn with_contexts(builder: ContainerBuilder) -> ContainerBuilder {
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    builder
        .file("/run/token", "raw-token", 0o600)
        .file(
            "/run/ca.crt",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            0o644,
        )
        .file(format!("{account}/token"), "own-token", 0o600)
        .file(
            format!("{account}/ca.crt"),
            "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n",
            0o644,
        )
        .file(format!("{account}/namespace"), "jjobs-ns", 0o644)
        .env("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", "443")
        .env("KUBE_CONTEXTS", CONTEXTS)
}

#[test]
fn contexts_are_registered_for_every_kind_and_boot() {
    let no = with_contexts(bare_image()).env("INSTALL_KIND", "A").env("ON_BOOT", "no");
    let agent = with_contexts(kind(Vendor::A, "A", "yes")).env("SERVER_WEB_PORT", "7432");
    for (builder, last) in [(no, "boot finished"), (agent, "all up")] {
        let Some((mut container, _server)) = boot_with_database(builder) else { return };
        container.wait_for_line(last, BOOT);
        for life in 0..2 {
            let config = container.read_text("/root/.kube/config");
            for word in [
                "prod.eu",
                "https://k8s:6443",
                "tokenFile: /run/token",
                "namespace: batch",
                "prod.eu-sa",
                "https://10.0.0.1:443",
                "namespace: jjobs-ns",
                "certificate-authority-data",
            ] {
                assert!(config.contains(word), "{word} in life {life}: {config}");
            }
            assert!(!config.contains("raw-token") && !config.contains("own-token"), "{config}");
            let modes = container.shell("stat -c %a /root/.kube /root/.kube/config").stdout;
            assert_eq!(modes, "700\n600\n");
            Boot::restart(&mut container).wait_for(&container, last);
        }
        let said = container.transcript();
        assert!(
            said.lines().any(|line| line.contains("[KUBE_CONTEXTS]") && line.contains("broken")),
            "{said}"
        );
        drop(container);
    }
}

#[test]
fn contexts_that_are_no_list_stop_nothing() {
    for text in ["{}", "[", "null", "\"x\"", "[1,2]"] {
        let builder = kind(Vendor::B, "S", "yes").env("KUBE_CONTEXTS", text);
        let Some((container, _database)) = boot_with_database(builder) else { return };
        wait_until_up(&container);
        assert!(container.transcript().contains("[KUBE_CONTEXTS]"), "{text}");
        assert!(!container.exists("/root/.kube/config"), "{text}");
        drop(container);
    }
}

#[test]
fn contexts_without_a_home_go_to_root() {
    let builder = with_contexts(bare_image())
        .argv(["/usr/bin/env", "-u", "HOME", "/entrypoint.sh"])
        .env("ON_BOOT", "no");
    let Some(container) = builder.boot() else { return };
    container.wait_for_line("boot finished", BOOT);
    assert!(container.exists("/root/.kube/config"));
    drop(container);
}

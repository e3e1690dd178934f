//! What is wrong with an entry, one thing at a time: it alone is left out, the log names it, and the boot goes on.

use crate::scene::{contexts, image_with, said, start, warnings};
use jjobs_harness::{Container, Signal};
use std::thread;

const GOOD: &str = r#"{"alias":"good","provider":"raw","server":"https://127.0.0.1:6443","caFile":"/run/ca.crt","tokenFile":"/run/token"}"#;
const CA: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";

/// Each case: the entry, what it is called in the log, and what is said of it.
const CASES: &[(&str, &str, &str)] = &[
    (r#"{"alias":"a.b","provider":"raw","tokenFile":"/run/token"}"#, "a.b", "no server"),
    (
        r#"{"alias":"a.b","provider":"raw","server":"","tokenFile":"/run/token"}"#,
        "a.b",
        "no server",
    ),
    (
        r#"{"alias":"a.b","provider":"raw","server":"10.0.0.1:6443","tokenFile":"/run/token"}"#,
        "a.b",
        "no URL",
    ),
    (r#"{"alias":"a.b","provider":"raw","server":"https://k8s"}"#, "a.b", "no tokenFile"),
    (
        r#"{"alias":"a.b","provider":"raw","server":"https://k8s","tokenFile":"/run/none"}"#,
        "a.b",
        "/run/none",
    ),
    (
        r#"{"alias":"a.b","provider":"raw","server":"https://k8s","tokenFile":"/run"}"#,
        "a.b",
        "cannot read /run",
    ),
    (
        r#"{"alias":"a.b","provider":"raw","server":"https://k8s","tokenFile":{"name":"x"}}"#,
        "a.b",
        "tokenFile is not a text",
    ),
    (r#"{"alias":"a.b","provider":"incluster"}"#, "a.b", "KUBERNETES_SERVICE_HOST"),
    (r#"{"alias":"a.b"}"#, "a.b", "no cluster"),
    (r#"{"alias":"a.b","provider":"eks"}"#, "a.b", "no cluster"),
    (r#"{"alias":"a.b","provider":"gke","cluster":"c"}"#, "a.b", "reserved"),
    (r#"{"alias":"a.b","provider":"aks","cluster":"c"}"#, "a.b", "reserved"),
    (r#"{"alias":"a.b","provider":"rancher"}"#, "a.b", "rancher"),
    (r#"{"provider":"incluster"}"#, "\"entry 1\"", "no alias"),
    (r#"{"alias":"","provider":"incluster"}"#, "\"entry 1\"", "no alias"),
    (r#"{"alias":7,"provider":"incluster"}"#, "\"entry 1\"", "alias is not a text"),
    (r#""good""#, "\"entry 1\"", "not a JSON object"),
    ("null", "\"entry 1\"", "not a JSON object"),
    (r#"["alias","a.b"]"#, "\"entry 1\"", "not a JSON object"),
];

/// Boots with `contexts`, which never stops a boot.
#[track_caller]
fn boot(contexts: &str) -> Option<Container> {
    let image = image_with(contexts)?;
    let mut container =
        image.file("/run/ca.crt", CA, 0o644).file("/run/token", "secret-token", 0o600).prepare()?;
    start(&mut container);
    assert!(container.is_running(), "{}", container.transcript());
    assert!(!container.transcript().contains("secret-token"), "{}", container.transcript());
    Some(container)
}

fn is_left_out((entry, name, part): (&str, &str, &str)) {
    let Some(mut container) = boot(&format!("[{entry},{GOOD}]")) else { return };
    assert_eq!(contexts(&container), ["good"], "{entry}");
    let warnings = warnings(&container);
    assert_eq!(warnings.len(), 1, "{entry}: {warnings:?}");
    for word in [format!("alias={name} "), part.to_owned()] {
        assert!(warnings[0].contains(&word), "{entry}: {word}: {warnings:?}");
    }
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(crate::scene::BOOT), 0, "{entry}");
}

#[test]
fn each_entry_that_is_wrong_is_left_out_alone() {
    // A boot is mostly waiting.
    thread::scope(|scope| {
        for lane in CASES.chunks(CASES.len().div_ceil(4)) {
            scope.spawn(move || lane.iter().copied().for_each(is_left_out));
        }
    });
}

#[test]
fn several_that_are_wrong_are_all_told_and_the_first_of_one_name_counts() {
    let twice = r#"{"alias":"good","provider":"incluster"}"#;
    let text =
        format!(r#"[{{"alias":"one"}},7,{GOOD},{twice},{{"alias":"two","provider":"gke"}}]"#);
    let Some(container) = boot(&text) else { return };
    assert_eq!(contexts(&container), ["good"]);
    let warnings = warnings(&container);
    for (warning, name) in warnings.iter().zip(["one", "\"entry 2\"", "good", "two"]) {
        assert!(warning.contains(&format!("alias={name} ")), "{name}: {warning}");
    }
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(said(&container).iter().any(|line| line.contains("INFO") && line.contains("good")));
}

#[test]
fn a_value_that_is_no_array_is_one_warning_and_no_file() {
    for text in ["{}", r#"{"alias":"a.b"}"#, "[", "[{]", "null", "good", r#""[]""#] {
        let Some(container) = boot(text) else { return };
        let warnings = warnings(&container);
        assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
        assert!(!container.exists("/root/.kube/config"), "{text}");
        drop(container);
    }
    for text in ["", "  ", "[]"] {
        let Some(container) = boot(text) else { return };
        assert_eq!(said(&container), Vec::<String>::new(), "{text:?}");
        assert!(!container.exists("/root/.kube"), "{text:?}");
        drop(container);
    }
}

#[test]
fn a_home_that_cannot_be_written_is_a_warning_for_each_entry() {
    let Some(image) = image_with(&format!("[{GOOD}]")) else { return };
    let image = image.file("/run/ca.crt", CA, 0o644).file("/run/token", "secret-token", 0o600);
    let Some(mut container) = image.read_only_root().prepare() else { return };
    start(&mut container);
    let warnings = warnings(&container);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("alias=good ") && warnings[0].contains("/root/.kube"));
    assert!(container.is_running());
}

#[test]
fn contexts_are_registered_for_every_kind_of_container() {
    for kind in ["F", "M", "S", "A"] {
        let Some(image) = image_with(&format!("[{GOOD}]")) else { return };
        let image = image.file("/run/ca.crt", CA, 0o644).file("/run/token", "secret-token", 0o600);
        let Some(mut container) = image.env("INSTALL_KIND", kind).prepare() else { return };
        start(&mut container);
        assert_eq!(contexts(&container), ["good"], "{kind}");
    }
}

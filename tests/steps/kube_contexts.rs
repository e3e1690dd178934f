//! Registering contexts.

use crate::support::{in_loop, script, stop, surroundings};
use jjobs_init::{
    boot::kube_contexts::{self, KubeContexts, Registered},
    contract::Kube,
    process::Surroundings,
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};

const CA: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";

struct Bed {
    root: TempDir,
    kube: Kube,
    aws_limit: Duration,
}

impl Bed {
    fn new() -> Self {
        let root = tempdir().unwrap();
        for (name, text) in [("ca.crt", CA), ("token", "secret"), ("namespace", "batch\n")] {
            fs::write(root.path().join(name), text).unwrap();
        }
        let service_host = Some("10.96.0.1".to_owned());
        let kube = Kube { contexts: None, service_host, service_port: "443".to_owned() };
        Self { root, kube, aws_limit: kube_contexts::AWS_LIMIT }
    }

    /// Registers `entries`, in which `@` stands for the folder of the files.
    fn register(&mut self, entries: &str) -> Registered {
        let folder = self.root.path().display().to_string();
        self.kube.contexts = Some(entries.replace('@', &folder));
        let home = self.root.path().join("home");
        let mut surroundings: Surroundings = surroundings();
        let path = format!("{folder}/bin:/usr/bin:/bin");
        surroundings.env.insert("PATH".into(), path.into());
        in_loop(async |children| {
            let step = KubeContexts {
                kube: &self.kube,
                home: &home,
                service_account: self.root.path(),
                children: &children,
                surroundings: &surroundings,
                aws_limit: self.aws_limit,
            };
            kube_contexts::register(step, &mut stop().1).await
        })
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("home/.kube/config")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn config(&self) -> Value {
        serde_saphyr::from_str(&self.text()).unwrap()
    }

    fn aws(&self, text: &str) {
        script(&self.root.path().join("bin/aws"), text);
    }
}

fn done(contexts: &[&str], failed: usize) -> Registered {
    Registered { contexts: contexts.iter().map(|name| (*name).to_owned()).collect(), failed }
}

#[test]
fn raw_and_incluster_contexts_are_written_and_written_alike_again() {
    let mut bed = Bed::new();
    let entries = r#"[
        {"alias":"on.prem","provider":"raw","server":"https://10.0.0.1:6443","caFile":"@/ca.crt","tokenFile":"@/token"},
        {"alias":"main","provider":"incluster"},
        {"alias":"other","provider":"incluster","namespace":"jobs"}
    ]"#;
    assert_eq!(bed.register(entries), done(&["on.prem", "main", "other"], 0));
    let config = bed.config();
    let cluster = &config["clusters"][0];
    assert_eq!(cluster["name"], "on.prem");
    assert_eq!(cluster["cluster"]["server"], "https://10.0.0.1:6443");
    let data = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tClFVSkQKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";
    assert_eq!(cluster["cluster"]["certificate-authority-data"], data);
    let user = &config["users"][0];
    assert_eq!(user["name"], "on.prem-sa");
    let token = bed.root.path().join("token");
    assert_eq!(user["user"], serde_json::json!({ "tokenFile": token.to_str() }));
    let context =
        serde_json::json!({ "cluster": "on.prem", "user": "on.prem-sa", "namespace": "default" });
    assert_eq!(config["contexts"][0]["context"], context);
    assert_eq!(config["clusters"][1]["cluster"]["server"], "https://10.96.0.1:443");
    assert_eq!(config["contexts"][1]["context"]["namespace"], "batch");
    assert_eq!(config["contexts"][2]["context"]["namespace"], "jobs");
    assert!(!bed.text().contains("secret"));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(bed.path()), 0o600);
    assert_eq!(mode(bed.path().parent().unwrap().to_owned()), 0o700);
    let before = bed.text();
    bed.register(entries);
    assert_eq!(bed.text(), before);
}

#[test]
fn an_entry_that_fails_keeps_no_other_from_being_registered() {
    let mut bed = Bed::new();
    let entries = r#"[
        {"alias":"a","provider":"raw","server":"https://x","tokenFile":"@/none"},
        {"provider":"incluster"}, 7,
        {"alias":"b","provider":"gke"},
        {"alias":"c","provider":"raw","server":"https://x","caFile":"@/none","tokenFile":"@/token"},
        {"alias":"d","provider":"raw","server":"https://x","caFile":"@/token","tokenFile":"@/token"},
        {"alias":"c","provider":"incluster"}
    ]"#;
    assert_eq!(bed.register(entries), done(&["c", "d"], 5));
    let config = bed.config();
    assert_eq!(config["clusters"][0]["cluster"], serde_json::json!({ "server": "https://x" }));
    assert_eq!(config["clusters"].as_array().unwrap().len(), 2);
}

#[test]
fn nothing_or_no_array_writes_nothing() {
    let mut bed = Bed::new();
    for entries in ["", "  ", "{}", "[", "[]"] {
        assert_eq!(bed.register(entries), done(&[], 0), "{entries}");
    }
    assert!(!bed.path().exists());
}

#[test]
fn outside_a_cluster_incluster_fails_and_ipv6_gets_its_brackets() {
    let mut bed = Bed::new();
    let entries = r#"[{"alias":"main","provider":"incluster"}]"#;
    bed.kube.service_host = None;
    assert_eq!(bed.register(entries), done(&[], 1));
    bed.kube.service_host = Some("fd00::1".to_owned());
    bed.kube.service_port = String::new();
    assert_eq!(bed.register(entries), done(&["main"], 0));
    assert_eq!(bed.config()["clusters"][0]["cluster"]["server"], "https://[fd00::1]:443");
}

#[test]
fn eks_is_left_to_the_aws_cli_but_for_mode_and_current_context() {
    let mut bed = Bed::new();
    let arguments = bed.root.path().join("arguments");
    bed.aws(&format!(
        "#!/bin/sh\necho \"$*\" >> {}\nsed -i 's/^current-context:.*/current-context: theirs/' \"$KUBECONFIG\"\nchmod 644 \"$KUBECONFIG\"\n",
        arguments.display()
    ));
    fs::create_dir_all(bed.path().parent().unwrap()).unwrap();
    fs::write(bed.path(), "current-context: mine\nclusters: []\n").unwrap();
    let entries = r#"[
        {"alias":"a","cluster":"c 1"},
        {"alias":"b","provider":"eks","cluster":"c2","region":"r","roleArn":"arn:x"}
    ]"#;
    assert_eq!(bed.register(entries), done(&["a", "b"], 0));
    let expected = "eks update-kubeconfig --name c 1 --alias a\n\
                    eks update-kubeconfig --name c2 --alias b --region r --role-arn arn:x\n";
    assert_eq!(fs::read_to_string(arguments).unwrap(), expected);
    assert_eq!(bed.config()["current-context"], "mine");
    assert_eq!(fs::metadata(bed.path()).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn an_aws_cli_that_is_missing_fails_or_hangs_is_only_a_warning() {
    let mut bed = Bed::new();
    let entries = r#"[{"alias":"a","cluster":"c"},{"alias":"main","provider":"incluster"}]"#;
    bed.aws("#!/bin/sh\necho 'no credentials' >&2\nexit 255\n");
    assert_eq!(bed.register(entries), done(&["main"], 1));
    bed.aws("#!/bin/sh\nsleep 100\n");
    bed.aws_limit = Duration::from_millis(200);
    let started = Instant::now();
    assert_eq!(bed.register(entries), done(&["main"], 1));
    assert!(started.elapsed() < Duration::from_secs(5));
    fs::remove_file(bed.root.path().join("bin/aws")).unwrap();
    assert_eq!(bed.register(entries), done(&["main"], 1));
}

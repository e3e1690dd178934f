//! Contexts that Amazon's command line registers, and in which kubectl asks it for its tokens.

use crate::{
    api_server::ApiServer,
    aws::{self, PORT, TOKEN_FILE, calls, questions, with_aws, with_script},
    scene::{
        BOOT, contexts, image, kubectl, kubectl_says, list_pods, restart, said, start, warnings,
    },
};
use jjobs_harness::{Ca, Container};
use serde_json::{Value, json};

#[test]
fn kubectl_asks_the_aws_cli_for_its_token_in_a_context_that_it_registered() {
    let entries = json!([
        { "alias": "seoul.batch", "cluster": "batch 1", "region": "ap-northeast-2",
          "roleArn": "arn:aws:iam::111122223333:role/jobs" },
        { "alias": "local", "provider": "raw", "server": "https://127.0.0.1:6443",
          "caFile": "/run/aws/ca.crt", "tokenFile": "/run/local-token" },
        { "alias": "default-region", "provider": "eks", "cluster": "other" },
    ]);
    let ca = Ca::new();
    let Some(image) = image(&entries) else { return };
    let image = with_aws(image, &ca, "aws-secret-token")
        .file("/run/local-token", "local-secret-token", 0o600)
        .env("AWS_DEFAULT_REGION", "eu-central-1");
    let Some(mut container) = image.prepare() else { return };
    let local = ApiServer::start(&container, 6443, (&ca, &["127.0.0.1"]), "local-secret-token");
    let amazon = ApiServer::start(&container, PORT, (&ca, &["127.0.0.1"]), "aws-secret-token");
    start(&mut container);
    let expected = [
        "eks|update-kubeconfig|--name|batch 1|--alias|seoul.batch|--region|ap-northeast-2|--role-arn|arn:aws:iam::111122223333:role/jobs|",
        "eks|update-kubeconfig|--name|other|--alias|default-region|",
    ];
    assert_eq!(calls(&container), expected);
    assert_eq!(contexts(&container), ["default-region", "local", "seoul.batch"]);
    let modes = container.shell("stat -c %a /root/.kube /root/.kube/config").stdout;
    assert_eq!(modes, "700\n600\n");

    list_pods(&container, "seoul.batch");
    assert_eq!(amazon.last().token, "aws-secret-token");
    container.write(TOKEN_FILE, "aws-renewed-secret-token");
    amazon.accept_only("aws-renewed-secret-token");
    list_pods(&container, "default-region");
    assert_eq!(amazon.last().token, "aws-renewed-secret-token");
    let questions = questions(&container);
    for question in [
        "--region ap-northeast-2 eks get-token --cluster-name batch 1 --role arn:aws:iam::111122223333:role/jobs",
        "--region eu-central-1 eks get-token --cluster-name other",
    ] {
        assert!(questions.iter().any(|asked| asked == question), "{questions:?}");
    }
    list_pods(&container, "local");
    assert_eq!(local.last().token, "local-secret-token");

    // The first becomes the current one, as with the command line alone; the others do not take its place.
    assert_eq!(kubectl_says(&container, &["config", "current-context"]), "seoul.batch\n");
    let before = container.read_text("/root/.kube/config");
    restart(&mut container);
    assert_eq!(container.read_text("/root/.kube/config"), before);
    assert_eq!(warnings(&container), Vec::<String>::new());
    assert!(!container.transcript().contains("secret-token"));
}

#[test]
fn an_aws_cli_that_registers_takes_no_current_context_away() {
    let entries = json!([{ "alias": "seoul", "cluster": "batch", "region": "ap-northeast-2" }]);
    let own = "apiVersion: v1\nkind: Config\ncurrent-context: mine\nclusters: []\nusers: []\n\
        contexts:\n- name: mine\n  context: {cluster: mine, user: me}\n";
    let ca = Ca::new();
    let Some(image) = image(&entries) else { return };
    let image = with_aws(image, &ca, "aws-secret-token").file("/root/.kube/config", own, 0o600);
    let Some(mut container) = image.prepare() else { return };
    let amazon = ApiServer::start(&container, PORT, (&ca, &["127.0.0.1"]), "aws-secret-token");
    start(&mut container);
    list_pods(&container, "seoul");
    assert_eq!(amazon.last().namespace, "default");
    assert_eq!(contexts(&container), ["mine", "seoul"]);
    assert_eq!(kubectl_says(&container, &["config", "current-context"]), "mine\n");
}

/// A failing eks entry, and one after it that needs no command line.
fn with_another(eks: &Value) -> Value {
    json!([eks, { "alias": "good", "provider": "raw", "server": "https://127.0.0.1:6443",
        "tokenFile": "/run/token", "caFile": "/run/aws/ca.crt" }])
}

/// Boots with `script` as the command line; only the entry after it is registered, and the log names the one that was not.
#[track_caller]
fn fails_alone(script: Option<&str>, part: &str) -> Option<Container> {
    let ca = Ca::new();
    let entries = with_another(&json!({ "alias": "no.good", "cluster": "batch" }));
    let mut image = image(&entries)?.file("/run/token", "the-token", 0o600);
    image = with_aws(image, &ca, "aws-secret-token");
    image = match script {
        Some(script) => with_script(image, script),
        // Nothing that a boot of nothing needs is on the PATH, wherever this machine has its own.
        None => image.env("PATH", "/working/nothing"),
    };
    let secrets = [
        ("DB_PASSWD", "db-secret-1"),
        ("AWS_SECRET_ACCESS_KEY", "aws-key-secret-1"),
        ("AWS_SESSION_TOKEN", "aws-session-secret-1"),
    ];
    let mut container = image.envs(secrets).prepare()?;
    start(&mut container);
    let config = container.read_text("/root/.kube/config");
    assert!(config.contains("name: good") && !config.contains("no.good"), "{config}");
    let warnings = warnings(&container);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for word in ["alias=no.good ", part] {
        assert!(warnings[0].contains(word), "{word}: {warnings:?}");
    }
    assert!(container.is_running());
    Some(container)
}

#[test]
fn an_aws_cli_that_is_not_there_or_fails_is_a_warning() {
    let Some(container) = fails_alone(None, "the aws CLI is not in this image") else { return };
    drop(container);
    let script = "#!/bin/sh\necho \"ExpiredToken: $DB_PASSWD, $AWS_SECRET_ACCESS_KEY and $AWS_SESSION_TOKEN\" >&2\nexit 254\n";
    let Some(container) = fails_alone(Some(script), "254") else { return };
    let lines = said(&container);
    assert!(lines.iter().any(|line| line.contains("ExpiredToken: [redacted]")), "{lines:?}");
    assert!(!container.transcript().contains("-secret-1"), "{}", container.transcript());
    drop(container);
    // No region anywhere: what the command line says about it is in the log.
    let Some(image) = image(&with_another(&json!({ "alias": "no.good", "cluster": "batch" })))
    else {
        return;
    };
    let image = with_aws(image, &Ca::new(), "aws-secret-token").file("/run/token", "t", 0o600);
    let Some(mut container) = image.prepare() else { return };
    start(&mut container);
    assert_eq!(contexts(&container), ["good"]);
    let lines = said(&container);
    assert!(lines.iter().any(|line| line.contains("You must specify a region")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("alias=no.good ") && line.contains("253")));
}

#[test]
fn an_aws_cli_that_is_no_program_or_dies_is_a_warning() {
    for (script, part) in [("\0\u{1}\u{2}", "aws CLI"), ("#!/bin/sh\nkill -9 $$\n", "SIGKILL")] {
        let Some(container) = fails_alone(Some(script), part) else { return };
        drop(container);
    }
}

#[test]
fn an_aws_cli_that_prints_without_end_or_leaves_a_process_behind_holds_no_boot() {
    let ca = Ca::new();
    let entries = json!([{ "alias": "seoul", "cluster": "batch", "region": "ap-northeast-2" }]);
    // A megabyte without a line end, many lines, and a process that keeps the output open.
    let script = "#!/bin/sh\n[ \"$1\" = eks ] || exec /usr/local/bin/real-aws \"$@\"\nhead -c 1000000 /dev/zero | tr '\\0' x\nyes line | head -n 20000\nsleep 600 &\n\
        exec /usr/local/bin/real-aws \"$@\"\n";
    let Some(image) = image(&entries) else { return };
    let image = with_aws(image, &ca, "aws-secret-token").file(
        "/usr/local/bin/real-aws",
        aws::SCRIPT,
        0o755,
    );
    let Some(mut container) = with_script(image, script).prepare() else { return };
    let _amazon = ApiServer::start(&container, PORT, (&ca, &["127.0.0.1"]), "aws-secret-token");
    let began = std::time::Instant::now();
    start(&mut container);
    assert!(began.elapsed() < BOOT / 2, "{:?}", began.elapsed());
    list_pods(&container, "seoul");
    assert!(container.lines().iter().all(|line| line.text.len() < 20_000));
    assert_eq!(kubectl(&container, &["config", "view"]).code, 0);
}

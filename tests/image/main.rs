//! What the Dockerfile promises, read from the image that was built of it; and what its scripts do where no container is needed.
//!
//! The image is the one that `JJOBS_TEST_IMAGE` names (`scripts/test` builds it). Booting it is the subject of other tests.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed step is a failed test")]

mod builds;
mod engine;
mod scripts;

use engine::{Created, docker, image, run};
use jjobs_harness::eventually;
use jjobs_init::contract::vars;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, process::Command};

const PROGRAM: &str = "/usr/local/bin/jjobs-init";

#[test]
fn every_path_that_manifests_call_is_a_link_to_the_binary() {
    let Some(image) = image() else { return };
    let paths = [
        "/entrypoint.sh",
        "/pre-stop.sh",
        "/post-start.sh",
        "/working/liveness.sh",
        "/working/readiness.sh",
        "/working/agent-healthcheck.sh",
        "/working/start-all.sh",
        "/working/stop-all.sh",
        "/engn001/jjobs/agent/healthcheck.sh",
    ];
    let script = format!("for path in {}; do readlink $path; [ -x $path ]; done", paths.join(" "));
    let output = run(&image, &["--entrypoint", "sh"], &["-ec", &script]);
    assert_eq!(output.lines().collect::<Vec<_>>(), [PROGRAM; 9]);
}

#[test]
fn the_image_is_configured_as_manifests_expect_it() {
    let Some(image) = image() else { return };
    let config: Value =
        serde_json::from_str(&docker(&["image", "inspect", "-f", "{{json .Config}}", &image]))
            .unwrap();

    assert_eq!(config["Entrypoint"], json!(["/entrypoint.sh"]));
    assert!(config["Cmd"].as_array().is_none_or(Vec::is_empty), "{}", config["Cmd"]);
    assert_eq!(config["User"].as_str().unwrap_or_default(), "", "root's, unless told otherwise");
    assert_eq!(config["WorkingDir"], json!("/home/jjobs"));
    assert_eq!(config["StopSignal"], json!("SIGTERM"));
    assert_eq!(config["Volumes"], json!({"/logs001/jjobs": {}}));
    assert_eq!(config["Healthcheck"]["Test"], json!(["CMD", "/working/liveness.sh"]));
    let ports: Vec<&String> = config["ExposedPorts"].as_object().unwrap().keys().collect();
    for port in [7065, 7075, 17075, 17076, 17077, 17078, 17079] {
        assert!(ports.contains(&&format!("{port}/tcp")), "{port} of {ports:?}");
    }
    for label in ["title", "description", "version", "revision", "created", "base.name"] {
        let value = config["Labels"][format!("org.opencontainers.image.{label}")].as_str();
        assert!(
            value.is_some_and(|value| !value.is_empty() && value != "unknown"),
            "{label}: {value:?}"
        );
    }
}

/// Two places say what a default is: the image and the binary.
#[test]
fn the_images_environment_holds_the_defaults_that_the_binary_has() {
    let Some(image) = image() else { return };
    let config: Vec<String> =
        serde_json::from_str(&docker(&["image", "inspect", "-f", "{{json .Config.Env}}", &image]))
            .unwrap();
    let mut env: BTreeMap<&str, &str> =
        config.iter().map(|entry| entry.split_once('=').unwrap()).collect();
    env.remove("PATH");
    assert_eq!(env.remove("AWS_PAGER"), Some(""));
    let wanted = [
        "INSTALL_FILE",
        "INSTALL_KIND",
        "ON_BOOT",
        "JJOBS_BASE",
        "WORKING_DIR",
        "LOGS_BASE",
        "LOG_KEEP_DATE",
        "LOG_DELETE_YN",
        "MANAGER_WEB_PORT",
        "SERVER_WEB_PORT",
        "SERVER_TCP_PORT",
        "DB_TYPE",
        "JDBC_URL",
        "DB_USER",
        "DB_PASSWD",
        "JJOBS_SERVER_IP",
        "JJOB_SERVICE_NAME",
        "AGENT_GROUP_ID",
    ];
    for name in wanted {
        assert_eq!(env.remove(name), Some(vars::find(name).unwrap().default), "{name}");
    }
    assert!(env.is_empty(), "nobody asked for {env:?}");

    let password = run(&image, &["-e", "DB_PASSWD_FILE=/etc/hostname"], &["check"]);
    assert!(!password.contains("remove DB_PASSWD"), "nobody can: {password}");
}

#[test]
fn the_clock_and_the_locale_are_korean() {
    let Some(image) = image() else { return };
    let script =
        "date +%Z; readlink /etc/localtime; locale charmap; LANG=ko_KR.UTF-8 locale charmap";
    let output = run(&image, &["-e", "LANG=ko_KR.utf8", "--entrypoint", "sh"], &["-c", script]);
    let wanted = ["KST", "/usr/share/zoneinfo/Asia/Seoul", "UTF-8", "UTF-8"];
    assert_eq!(output.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn the_sample_job_prints_its_arguments_and_success() {
    let Some(image) = image() else { return };
    let output = run(&image, &[], &["/working/sample-shell.sh", "-n", "two words", "%s\\n"]);
    assert!(output.contains("-n\ntwo words\n%s\\n\nSUCCESS\n"), "{output}");
}

#[test]
fn the_vendors_scripts_find_what_they_use() {
    let Some(image) = image() else { return };
    let script =
        "for tool in bash ps hostname tar gzip find gawk tput fc-list; do command -v $tool; done";
    let output = run(&image, &["--entrypoint", "sh"], &["-ec", script]);
    assert_eq!(output.lines().count(), 9, "{output}");
}

#[test]
fn any_user_of_group_0_can_write_where_jjobs_works() {
    let Some(image) = image() else { return };
    let script = "for folder in /engn001 /engn001/jjobs /data001/jjobs /logs001/jjobs /install /working /home/jjobs; do
            touch $folder/probe; done; echo $HOME";
    for (user, home) in
        [("0", "/root"), ("10001", "/home/jjobs"), ("jjobs", "/home/jjobs"), ("20002", "/")]
    {
        let output = run(&image, &["--user", user, "--entrypoint", "sh"], &["-ec", script]);
        assert_eq!(output.trim(), home, "{user}");
    }
}

/// Jobs of an agent that runs as root may do this, with no more capabilities than the manifests leave it.
#[test]
fn root_can_switch_to_the_account_of_the_image() {
    let Some(image) = image() else { return };
    let options = [
        ["--entrypoint", "sh", "--security-opt", "no-new-privileges"].as_slice(),
        &["--cap-drop", "ALL", "--cap-add", "AUDIT_WRITE", "--cap-add", "CHOWN"],
        &["--cap-add", "DAC_OVERRIDE", "--cap-add", "FOWNER", "--cap-add", "KILL"],
        &["--cap-add", "SETGID", "--cap-add", "SETUID"],
    ]
    .concat();
    let output = run(&image, &options, &["-ec", "su jjobs -c 'id -un; echo $HOME'"]);
    assert_eq!(output, "jjobs\n/home/jjobs\n");
}

/// A vendor's installer that brings its own `agent/healthcheck.sh` would write it through the image's link.
#[test]
fn a_first_installation_in_the_image_does_not_touch_the_binary() {
    let Some(image) = image() else { return };
    let folder = tempfile::tempdir().unwrap();
    let installer = folder.path().join("installer.sh");
    let made = Command::new(jjobs_harness::simulator_binary())
        .args(["make-installer", "--vendor-version", "b", "--out"])
        .arg(&installer)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");

    for user in ["0", "10001"] {
        let options = ["--user", user, "-e", "ON_BOOT=manual", "--network", "none"];
        let container = Created::new(&image, &options);
        container.put(&installer, "/install/jjob_installer_linux_x64.sh");
        container.put_program(&folder.path().join("before"));
        docker(&["start", container.id()]);
        eventually("the boot ends", || {
            let log = container.log();
            assert!(!log.contains("container ends"), "{log}");
            log.contains("boot finished").then_some(())
        });

        container.put_program(&folder.path().join("after"));
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert!(read("before") == read("after"), "the installer wrote to our program");
        let agent = "/engn001/jjobs/agent";
        let script =
            format!("readlink {agent}/healthcheck.sh; head -n 1 {agent}/healthcheck.sh.vendor");
        let found = docker(&["exec", container.id(), "sh", "-c", &script]);
        assert!(found.starts_with(&format!("{PROGRAM}\n#!")), "{found}");
        docker(&["exec", container.id(), "/bin/bash", "-c", "/engn001/jjobs/agent/healthcheck.sh"]);
    }
}

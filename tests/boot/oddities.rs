//! Odd environments: what no manifest should hold, and some do.

use crate::support::{
    BASE, BOOT, Boot, DB_PORT, bare_image, boot_with_database, count, effective, kind, last_state,
    running, stop, wait_until_up,
};
use jjobs_harness::{ContainerBuilder, Signal, Stream, Vendor};
use serde_json::Value;
use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

fn comes_up(builder: ContainerBuilder) -> Option<jjobs_harness::Container> {
    let (container, database) = boot_with_database(builder)?;
    wait_until_up(&container);
    assert_eq!(running(&container), ["manager", "server", "agent"]);
    drop(database);
    Some(container)
}

#[test]
fn foreign_variables_of_any_content_reach_the_components_and_disturb_nothing() {
    let long = "x".repeat(100 * 1024);
    let builder = kind(Vendor::A, "F", "yes")
        .env("INVALID", OsStr::from_bytes(b"a\xff\xfeb"))
        .env(OsStr::from_bytes(b"BAD_NAME\xff"), "x")
        .env("dotted.name", "x")
        .env("LONG", &long)
        .env("EMPTY", "")
        .env("install_kind", "S")
        .env("BASH_FUNC_f%%", "() { echo f; }")
        .env("JJOBS_PORT", "tcp://10.0.0.1:7075");
    let Some(container) = comes_up(builder) else { return };
    for component in ["manager", "server", "agent"] {
        let env = &effective(&container, component)["env"];
        assert_eq!(env["INVALID"], "a\u{fffd}\u{fffd}b", "{component}");
        assert_eq!(env["LONG"], long.as_str());
        assert_eq!(env["EMPTY"], "");
    }
    let said = container.transcript();
    assert!(said.contains("install_kind"), "a lower-case twin is warned about: {said}");
    stop(container);
}

#[test]
fn own_variables_that_are_not_text_are_refused_by_name() {
    let builder = bare_image()
        .env("INSTALL_KIND", OsStr::from_bytes(b"F\xff"))
        .env("DB_PASSWD", OsStr::from_bytes(b"hush-\xff-hush"))
        .env("MANAGER_WEB_PORT", "7".repeat(100 * 1024))
        .env("SERVER_WEB_PORT", "tcp://10.0.0.1:7075");
    let Some(mut container) = builder.boot() else { return };
    assert_eq!(container.exit_code(BOOT), 78);
    let said = container.transcript();
    for name in ["INSTALL_KIND", "DB_PASSWD", "MANAGER_WEB_PORT", "SERVER_WEB_PORT"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert!(!said.contains("hush"), "{said}");
    assert!(said.len() < 8_000, "{}", said.len());
    assert!(said.contains("Kubernetes") || said.contains("service"), "{said}");
    let state = last_state(&container);
    assert_eq!(state["exit_code"], 78);
    assert!(state["reason"].as_str().unwrap().contains("INSTALL_KIND"), "{state}");
}

#[test]
fn the_termination_message_tells_a_clean_end_too() {
    let Some((mut container, _database)) = boot_with_database(kind(Vendor::A, "S", "yes")) else {
        return;
    };
    wait_until_up(&container);
    container.eventually("the phase is noted", |c| last_state(c)["phase"] == "running");
    assert!(last_state(&container)["exit_code"].is_null());
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(BOOT), 0);
    let state = last_state(&container);
    assert_eq!((&state["phase"], &state["exit_code"]), (&"ended".into(), &0.into()));
    assert!(state["at"].as_u64().unwrap() > 1_600_000_000);
    assert_eq!(state["jobs_left"], 0);
    assert!(container.termination_message().len() < 4096);
}

#[test]
fn an_environment_without_home_or_path_boots() {
    for unset in
        [vec!["-u", "HOME"], vec!["-u", "PATH"], vec!["-u", "HOME", "-u", "PATH", "-u", "HOSTNAME"]]
    {
        let argv = [&["/usr/bin/env"], unset.as_slice(), &["/entrypoint.sh"]].concat();
        let Some(container) = comes_up(kind(Vendor::B, "F", "yes").argv(argv)) else { return };
        stop(container);
    }
}

#[test]
fn an_empty_environment_boots_with_the_defaults() {
    let builder = kind(Vendor::A, "F", "yes")
        .argv(["/usr/bin/env", "-i", "/entrypoint.sh"])
        .hostname("jjobs-3");
    let Some(container) = comes_up(builder) else { return };
    assert_eq!(effective(&container, "server")["env"]["JJOB_SERVER_ID"], "1-4");
    stop(container);
}

#[test]
fn a_read_only_root_with_volumes_boots() {
    for vendor in Vendor::ALL {
        let builder = kind(vendor, "F", "yes").read_only_root().env("CUSTOM_COMMAND", "export A=1");
        let Some(mut container) = comes_up(builder) else { return };
        assert_eq!(effective(&container, "server")["env"]["A"], "1");
        let _database = container.listen(DB_PORT).unwrap();
        Boot::restart(&mut container).wait_for(&container, "all up");
        stop(container);
    }
}

#[test]
fn a_user_who_is_not_root_boots() {
    for vendor in Vendor::ALL {
        let builder = kind(vendor, "F", "yes")
            .user(10001, 10001)
            .env("HOME", "/tmp")
            .env("CUSTOM_COMMAND", "export A=1; umask 077")
            .env("KUBE_CONTEXTS", r#"[{"alias":"a","provider":"raw","server":"https://x","tokenFile":"/etc/hostname"}]"#);
        let Some(mut container) = comes_up(builder) else { return };
        assert_eq!(effective(&container, "agent")["env"]["A"], "1");
        assert!(container.exists("/tmp/.kube/config"));
        container.eventually("the phase is noted", |c| last_state(c)["phase"] == "running");
        let _database = container.listen(DB_PORT).unwrap();
        Boot::restart(&mut container).wait_for(&container, "all up");
        let owner = container.shell(&format!("stat -c %u {BASE}/.jjobs-init")).stdout;
        assert_eq!(owner, "10001\n");
        stop(container);
    }
}

#[test]
fn a_container_without_a_termination_log_boots() {
    let script = "umount /dev/termination-log; rm -f /dev/termination-log; exec /entrypoint.sh";
    let builder = kind(Vendor::A, "F", "yes").argv(["/bin/sh", "-c", script]);
    let Some((container, _database)) = boot_with_database(builder) else { return };
    wait_until_up(&container);
    assert!(!container.exists("/dev/termination-log"));
    stop(container);
}

#[test]
fn every_line_of_ours_is_json_where_json_is_asked_for() {
    for fault in ["", "exit=3"] {
        let builder = kind(Vendor::A, "F", "yes")
            .env("JJOBS_INIT_LOG_FORMAT", "json")
            .env("JJOBS_INIT_LOG", "trace")
            .env("SIM_INSTALLER_FAULT", fault)
            .env("KUBE_CONTEXTS", "{")
            .env("DB_IP", "1.2.3.4")
            .env("CUSTOM_COMMAND", "echo '\"quoted\" \\ 한글'; echo error >&2");
        let Some((mut container, _database)) = boot_with_database(builder) else { return };
        container.wait_for_line(if fault.is_empty() { "all up" } else { "step failed" }, BOOT);
        container.signal(Signal::SIGTERM);
        container.exit_code(BOOT);
        is_json(&String::from_utf8(container.bytes(Stream::Stderr)).unwrap());
    }
    // Refused before the log is set up: the same.
    let builder = bare_image().env("JJOBS_INIT_LOG_FORMAT", "json").env("INSTALL_KIND", "X");
    let Some(mut container) = builder.boot() else { return };
    assert_eq!(container.exit_code(BOOT), 78);
    is_json(&String::from_utf8(container.bytes(Stream::Stderr)).unwrap());
}

#[track_caller]
fn is_json(text: &str) {
    assert!(!text.is_empty());
    for line in text.lines() {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|value| value.is_object()), "{line}\nin\n{text}");
    }
}

#[test]
fn a_normal_boot_is_a_story_of_about_thirty_lines() {
    for vendor in Vendor::ALL {
        let Some(container) = comes_up(kind(vendor, "F", "yes")) else { return };
        let ours = container.lines().iter().filter(|line| line.stream == Stream::Stderr).count();
        assert!((10..=35).contains(&ours), "{ours}: {}", container.transcript());
        assert_eq!(
            count(&container, "WARN") + count(&container, "ERROR"),
            0,
            "{}",
            container.transcript()
        );
        stop(container);
    }
}

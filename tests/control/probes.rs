//! The probes as the kubelet runs them.

use crate::support::{BINARY, LIVENESS, SOCKET, SOON, assert_no, assert_yes, bare, booted};
use jjobs_harness::{Container, ExecOutput, Signal, Vendor};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::{
    io::{self, Write},
    time::Duration,
};

#[test]
fn every_name_of_a_probe_asks_pid_1() {
    let Some(container) = booted(bare()) else { return };
    let calls: [&[&str]; 8] = [
        &[LIVENESS],
        &[LIVENESS, "--odd", "words"],
        &["/bin/bash", "-c", LIVENESS],
        &["/bin/sh", "-c", LIVENESS],
        &["/working/agent-healthcheck.sh"],
        &[BINARY, "liveness"],
        &[BINARY, "healthcheck"],
        &["/entrypoint.sh", "liveness"],
    ];
    for call in calls {
        assert_yes(&container.exec(call));
    }
}

#[test]
fn readiness_without_a_token_is_one_line_and_no() {
    let Some(container) = booted(bare()) else { return };
    assert_no(&container.exec(["/working/readiness.sh"]), "");
}

#[test]
fn the_agents_own_health_check_is_ours() {
    let image = bare().installer(Vendor::A).env("INSTALL_KIND", "A").env("ON_BOOT", "manual");
    let Some(container) = booted(image) else { return };
    assert_yes(&container.exec(["/bin/bash", "-c", "/engn001/jjobs/agent/healthcheck.sh"]));
}

#[test]
fn a_probe_that_comes_before_pid_1_listens_waits_for_it() {
    let late = "until [ -e /tmp/go ]; do sleep 0.05; done; exec /entrypoint.sh";
    let image = bare().argv(["/bin/sh", "-c", late]).env("JJOBS_INIT_PROBE_TIMEOUT", "30");
    let Some(container) = image.boot() else { return };
    let probe = container.exec_spawn([LIVENESS]);
    container.eventually("the probe looks for PID 1", |container| {
        !container.processes_with(LIVENESS).is_empty()
    });
    assert_eq!(probe.try_code(), None);
    container.write("/tmp/go", "");
    assert_yes(&probe.wait(SOON));
}

#[test]
fn without_a_supervisor_each_client_says_where_it_looked_and_ends_with_1() {
    let image = bare().argv(["/bin/sleep", "1000"]).env("JJOBS_INIT_PROBE_TIMEOUT", "1");
    let Some(container) = image.boot() else { return };
    let wanted =
        "no supervisor answers: /run/jjobs-init (not there), /tmp/jjobs-init-0 (not there)\n";
    let probe = container.exec([LIVENESS]);
    assert_no(&probe, "no supervisor answers");
    assert_eq!(probe.stdout, wanted);
    assert!(probe.elapsed >= Duration::from_secs(1), "{probe:?}");
    let hook = container.exec(["/pre-stop.sh"]);
    assert_eq!((hook.code, hook.stdout.as_str()), (1, wanted));
    assert!(hook.elapsed >= Duration::from_secs(9), "a hook looks for longer: {hook:?}");
    for verb in ["status", "drain"] {
        let said = container.exec([BINARY, verb]);
        assert_eq!((said.code, said.stderr.as_str()), (1, wanted));
    }
}

#[test]
fn a_wrong_value_of_a_variable_of_ours_does_not_keep_a_probe_from_its_answer() {
    let Some(mut container) = booted(bare()) else { return };
    container.set_env("JJOBS_INIT_PROBE_TIMEOUT", "soon");
    container.set_env("JJOBS_INIT_RUN_DIR", "relative");
    assert_yes(&container.exec([LIVENESS]));
}

#[test]
fn a_pid_1_that_hangs_is_told_from_one_that_is_not_there() {
    let Some(container) = booted(bare().env("JJOBS_INIT_PROBE_TIMEOUT", "1")) else { return };
    container.signal(Signal::SIGSTOP);
    let hung = |probe: &ExecOutput, words| {
        assert_no(probe, words);
        assert!(probe.elapsed >= Duration::from_millis(900), "{probe:?}");
        assert!(probe.elapsed < Duration::from_secs(10), "{probe:?}");
    };
    hung(&container.exec([LIVENESS]), "no answer within 1 s: PID 1's loop does not answer");
    // Days of unanswered probes.
    container.inside(fill_queue);
    hung(&container.exec([LIVENESS]), "its queue is full");
    container.signal(Signal::SIGCONT);
    container.eventually("it answers again", |container| container.exec([LIVENESS]).code == 0);
}

fn fill_queue() {
    let address = SocketAddrUnix::new(SOCKET).unwrap();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    for _ in 0..100_000 {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        if connect(socket, &address).is_err() {
            return;
        }
    }
    unreachable!("the queue has no end");
}

#[test]
fn who_reads_its_output_changes_nothing_of_a_clients_answer() {
    let Some(container) = booted(bare()) else { return };
    let codes = |script: &str| {
        let script = format!("{{ sleep 0.3; {script}; echo $? > /tmp/code; }} | true; sleep 0.1");
        container.write("/tmp/code", "");
        container.exec(["/bin/bash", "-c", &script]);
        container.eventually("it ends", |container| !container.read_text("/tmp/code").is_empty());
        container.read_text("/tmp/code").trim().to_owned()
    };
    assert_eq!(codes("/working/readiness.sh"), "1");
    assert_eq!(codes("/working/readiness.sh >&-"), "1");
    assert_eq!(codes("jjobs-init status"), "0");
    assert_eq!(codes("jjobs-init status > /dev/full"), "0");
    assert_eq!(codes("/working/liveness.sh >&- 2>&-"), "0");
}

/// What a probe asks of the kernel, by strace(1); `None` with the reason where that cannot be had.
fn calls(container: &Container) -> Option<Vec<String>> {
    let traced = container.exec(["strace", "-f", "-o", "/tmp/strace", LIVENESS]);
    if traced.stderr.contains("strace") {
        let _ = writeln!(io::stderr(), "skipped: strace(1) is needed ({})", traced.stderr.trim());
        return None;
    }
    assert_yes(&traced);
    Some(container.read_text("/tmp/strace").lines().map(str::to_owned).collect())
}

#[test]
fn a_probe_starts_nothing_and_reads_no_file() {
    let Some(container) = booted(bare()) else { return };
    let Some(calls) = calls(&container) else { return };
    assert!(calls.iter().any(|call| call.contains("connect(")), "{calls:#?}");
    let forbidden = ["fork(", "clone(", "clone3(", "/proc", "open(", "getdents", "epoll"];
    // The GNU C library measures the main thread's stack by it; the musl build that is shipped does not.
    let calls = calls.iter().filter(|call| !call.contains("/proc/self/maps"));
    for call in calls.clone() {
        assert!(!forbidden.iter().any(|word| call.contains(word)), "{call}");
    }
    assert_eq!(calls.filter(|call| call.contains("execve(")).count(), 1);
}

//! What only PID 1 must do, and what it must not do to others.

use crate::support::{BASE, Life, SOON, boot, kind, kind_f, manual, up};
use jjobs_harness::{Signal, Vendor, within};
use std::{collections::BTreeMap, fs, time::Duration};

#[test]
fn thousands_of_orphans_are_collected() {
    let Some(life) = manual(kind("M", Vendor::A)) else { return };
    let made = life.exec([
        "/bin/sh",
        "-c",
        "i=0; while [ $i -lt 3000 ]; do (: &) ; i=$((i+1)); done > /dev/null 2>&1",
    ]);
    assert_eq!(made.code, 0);
    life.eventually("no zombie is left", |life| life.zombies().is_empty());
}

#[test]
fn sighup_is_ignored_and_sigusr1_tells_the_status() {
    let Some(mut life) = up(kind_f(Vendor::A)) else { return };
    for signal in [Signal::SIGHUP, Signal::SIGUSR2, Signal::SIGPIPE] {
        life.signal(signal);
    }
    life.signal(Signal::SIGUSR1);
    life.line(0, &["status phase=running", "runtimes=0"]);
    for component in ["manager", "server", "agent"] {
        life.line(0, &["status", &format!("component={component}"), "state=up", "pid="]);
    }
    assert_eq!(life.stop().0, 0);
}

#[test]
fn interrupt_and_quit_mean_stop_as_term_does() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        let Some(mut life) = manual(kind("M", Vendor::A)) else { return };
        life.signal(signal);
        assert_eq!(life.ended().0, 0);
        assert_eq!(life.message()["reason"], format!("stopped by {signal}"));
    }
}

#[test]
fn below_a_wrapper_it_is_a_subreaper_and_works_alike() {
    let image = kind("S", Vendor::A).argv(["/bin/sh", "-c", "/entrypoint.sh; echo wrapped $?"]);
    let Some(mut life) = up(image) else { return };
    assert_eq!(life.count(&["not PID 1, living as a child subreaper"]), 1);
    let ours = life.processes_with("/entrypoint.sh").into_iter().find(|found| found.pid != 1);
    let ours = ours.unwrap().pid;
    assert_eq!(life.jvm("server").ppid, ours, "orphans come to us");
    let from = life.now();
    life.kill_jvm("server", Signal::SIGKILL);
    life.state_from(from, "server", "up");
    assert!(life.signal_process(ours, Signal::SIGTERM));
    assert_eq!(life.exit_code(SOON), 0);
    life.wait_for_line("wrapped 0", SOON);
}

/// Voluntary and involuntary context switches of each thread of PID 1.
fn switches(life: &Life) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", life.host_pid())).unwrap();
    let count = |path: std::path::PathBuf| {
        let status = fs::read_to_string(path.join("status")).unwrap();
        let name = fs::read_to_string(path.join("comm")).unwrap();
        let numbers = status
            .lines()
            .filter(|line| line.contains("ctxt_switches"))
            .map(|line| line.split_whitespace().last().unwrap().parse::<u64>().unwrap());
        (format!("{} {}", path.display(), name.trim()), numbers.sum())
    };
    tasks.map(|task| count(task.unwrap().path())).collect()
}

#[test]
fn idle_with_three_components_nothing_wakes_up() {
    let Some(life) = up(kind_f(Vendor::B)) else { return };
    life.submit(1, 0.1);
    life.wait_for_line("has been reported", SOON);
    // Settled: the same twice.
    let mut last = switches(&life);
    within(SOON, || {
        std::thread::sleep(Duration::from_millis(700));
        let now = switches(&life);
        let is_settled = now == last;
        last = now;
        is_settled.then_some(())
    });
    // Not a wait: this is how long nothing may happen.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(switches(&life), last);
}

#[test]
fn components_inherit_nothing_of_ours_but_the_environment() {
    let peek = format!(
        "sed -i '2i ls -l /proc/$$/fd > /tmp/fds; cat /proc/self/status > /tmp/status; env -0 > /tmp/env; pwd > /tmp/pwd' {BASE}/start_server.sh"
    );
    let image = kind("S", Vendor::B).env("CUSTOM_COMMAND", peek).env("SPACED", "a b\nc=d");
    let Some(life) = up(image) else { return };
    // What the test itself was started with may be everywhere.
    let given = life.shell("ls /proc/$$/fd").stdout;
    let given: Vec<&str> = given.lines().collect();
    let fds = life.read_text("/tmp/fds");
    for (left, target) in fds.lines().filter_map(|line| line.split_once(" -> ")) {
        let number = left.split_whitespace().last().unwrap();
        // The shell keeps what it has put aside for the redirection from 10 on.
        let is_the_shells = number.len() == 2
            && (target == "/dev/null"
                || target.starts_with("pipe:")
                || target.ends_with("start_server.sh"));
        let is_fine = match number {
            "0" => target == "/dev/null",
            "1" => target == "/tmp/fds",
            "2" => target.starts_with("pipe:"),
            _ => is_the_shells || given.contains(&number),
        };
        assert!(is_fine, "{fds}");
    }
    let status = life.read_text("/tmp/status");
    for set in ["SigBlk:", "SigIgn:"] {
        let value = status.lines().find_map(|line| line.strip_prefix(set)).unwrap().trim();
        // 32 and 33 belong to the C library: glibc's posix_spawn leaves them ignored in every child.
        let value = u64::from_str_radix(value, 16).unwrap() & !(0b11 << 31);
        assert_eq!(value, 0, "{set} {value:x}");
    }
    let env = life.read_text("/tmp/env");
    let vars: Vec<&str> = env.split('\0').collect();
    assert!(vars.contains(&"SPACED=a b\nc=d") && vars.contains(&"HOSTNAME=jjobs-0"), "{env}");
    assert!(vars.iter().all(|var| !var.starts_with("JJOBS_INIT_")), "{env}");
    assert_eq!(life.read_text("/tmp/pwd"), "/\n");
    let script = life.processes_with(&format!("{BASE}/start_server.sh")).pop().unwrap();
    assert_eq!((script.session, script.pgid), (script.pid, script.pid), "a session of its own");
}

#[test]
fn a_working_folder_that_is_gone_does_not_keep_a_component_down() {
    let text = "mkdir /tmp/gone; cd /tmp/gone";
    let Some(mut life) = up(kind("S", Vendor::A).env("CUSTOM_COMMAND", text)) else { return };
    life.shell("rmdir /tmp/gone");
    let from = life.now();
    life.kill_jvm("server", Signal::SIGKILL);
    life.line(from, &["cannot enter the working folder /tmp/gone"]);
    life.state_from(from, "server", "up");
    assert_eq!(life.stop().0, 0);
}

#[test]
fn a_kill_leaves_the_last_phase_in_the_termination_message() {
    // No meta DB: the boot waits.
    let Some(mut container) = kind_f(Vendor::A).env("JJOBS_INIT_LOG", "debug").prepare() else {
        return;
    };
    container.start();
    container.wait_for_line("step begins step=wait_for", SOON);
    container.kill();
    assert!(container.termination_message().contains(r#""phase":"booting""#));

    let slow = kind_f(Vendor::A).env("SIM_FAULTS_MANAGER", "start_delay=60");
    let Some(mut life) = boot(slow) else { return };
    life.state("manager", "running");
    life.kill();
    assert_eq!(life.message()["phase"], "starting");

    let Some(mut life) = up(kind_f(Vendor::A)) else { return };
    life.eventually("it runs", |life| life.message()["phase"] == "running");
    life.submit(1, 60.0);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("waiting for running jobs", SOON);
    life.kill();
    let message = life.message();
    assert_eq!(message["phase"], "draining", "{message}");
    assert_eq!(message["reason"], "stopped by SIGTERM");
    assert_eq!(message.get("exit_code"), None);
}

//! What stands around PID 1: another init above it, no network, no termination log.

use crate::support::{BASE, kind_f, up};
use jjobs_harness::Signal;

#[test]
fn beneath_docker_init_it_adopts_and_drains_all_the_same() {
    let Some(image) = kind_f() else { return };
    let life = up(image.init());
    life.line(0, &["not PID 1, living as a child subreaper"]);
    let processes = life.processes();
    assert_eq!((processes[0].pid, processes[0].name.as_str()), (1, "docker-init"));
    let entrypoint = processes.iter().find(|process| process.ppid == 1).unwrap();
    // The JVMs that their start scripts have left are ours, not docker-init's.
    let tomcat = |component: &str| format!("-Dcatalina.home={BASE}/{component}");
    for mark in [tomcat("manager"), tomcat("server"), "cname=agent".to_owned()] {
        let parents: Vec<i32> = life.jvms(&mark).iter().map(|jvm| jvm.ppid).collect();
        assert_eq!(parents, [entrypoint.pid], "{mark}: {processes:?}");
    }
    for client in ["/working/liveness.sh", "/post-start.sh"] {
        life.exec_ends_with(0, &["/bin/bash", "-c", client]);
    }
    // It hands signals on.
    let from = life.now();
    life.kill(Signal::SIGUSR1);
    life.line(from, &["status", "component=agent", "state=up"]);
    life.drains();
}

#[test]
fn without_a_network_kind_f_works_on_its_loopback() {
    let Some(image) = kind_f() else { return };
    let life = up(image.no_network());
    let interfaces = life.shell("ls /sys/class/net").stdout;
    assert_eq!(interfaces, "lo\n");
    life.exec_ends_with(0, &["/bin/bash", "-c", "/post-start.sh"]);
    life.drains();
}

#[test]
fn without_a_termination_log_none_is_made_and_nobody_complains() {
    let Some(image) = kind_f() else { return };
    let life = up(image);
    assert!(!life.exists("/dev/termination-log"));
    life.exec_ends_with(0, &["/pre-stop.sh"]);
    assert!(!life.exists("/dev/termination-log"));
    life.stop(30);
    assert_eq!(life.exit_code(crate::support::SOON), 0);
    assert_eq!(life.count(&["termination"]), 0, "{}", life.logs());
    for level in [" WARN ", " ERROR "] {
        assert_eq!(life.count(&[level]), 0, "{}", life.logs());
    }
}

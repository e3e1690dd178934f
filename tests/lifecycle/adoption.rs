//! Whoever started a component: it is found, kept an eye on, and stopped properly.

use crate::support::{BASE, Life, SOON, kind, kind_f, manual, up};
use jjobs_harness::{Signal, Vendor};

/// The state of a component as SIGUSR1 tells it.
fn told_state(life: &Life, component: &str, state: &str) {
    let from = life.now();
    life.signal(Signal::SIGUSR1);
    life.line(from, &["status", &format!("component={component}"), &format!("state={state}")]);
}

fn stopped_by_its_script(life: &Life) {
    let text = life.transcript();
    assert!(text.contains("A valid shutdown command was received"), "{text}");
}

#[test]
fn what_an_operator_starts_in_manual_mode_is_adopted_and_stopped_by_its_script() {
    for vendor in Vendor::ALL {
        let Some(mut life) = manual(kind("S", vendor)) else { return };
        // Background scripts return and leave an orphan, foreground ones keep the JVM as the shell's child.
        let shell = life.exec_spawn([format!("{BASE}/start_server.sh")]);
        life.state("server", "up");
        // Its console is the container's log, not the operator's terminal.
        life.wait_for_line("Server startup in", SOON);
        assert!(shell.lines().iter().all(|line| !line.text.contains("Server startup in")));
        let (code, _) = life.stop();
        assert_eq!(code, 0);
        stopped_by_its_script(&life);
        assert_eq!(life.count(&["start script started"]), 0);
    }
}

#[test]
fn a_jvm_whose_shell_has_ended_is_adopted_too() {
    for vendor in Vendor::ALL {
        let Some(mut life) = manual(kind("S", vendor)) else { return };
        life.shell(&format!("cd {BASE}; nohup ./start_server.sh > /dev/null 2>&1 &"));
        life.state("server", "up");
        let (code, _) = life.stop();
        assert_eq!(code, 0);
        stopped_by_its_script(&life);
    }
}

#[test]
fn a_jvm_found_only_when_the_stop_comes_is_asked_whether_it_is_up_and_stopped_by_its_script() {
    let Some(mut life) = manual(kind("S", Vendor::A)) else { return };
    life.shell(&format!("{BASE}/start_server.sh > /dev/null 2>&1"));
    life.eventually("the server answers", |life| life.http_get(7075, "/").is_ok());
    // Looked for every two seconds: with luck this comes in between.
    let (code, _) = life.stop();
    assert_eq!(code, 0);
    stopped_by_its_script(&life);
}

#[test]
fn a_component_that_was_stopped_by_hand_is_adopted_when_it_is_started_by_hand() {
    let Some(mut life) = up(kind("S", Vendor::A)) else { return };
    life.shell(&format!("{BASE}/stop_server.sh"));
    life.state("server", "stopped by hand");
    let from = life.now();
    life.shell(&format!("{BASE}/start_server.sh > /dev/null 2>&1"));
    life.state_from(from, "server", "up");
    assert_eq!(life.count(&["start script started"]), 1);
    // Boot started it once, so it is still ours to keep.
    let from = life.now();
    life.kill_jvm("server", Signal::SIGKILL);
    life.state_from(from, "server", "up");
    assert_eq!(life.count(&["start script started"]), 2);
    assert_eq!(life.stop().0, 0);
}

#[test]
fn an_operators_own_jvm_that_ends_is_not_started_again() {
    // It is its shell's child: nobody tells us how it ended.
    let Some(mut life) = up(kind("S", Vendor::B)) else { return };
    life.shell(&format!("{BASE}/stop_server.sh"));
    life.state("server", "stopped by hand");
    let from = life.now();
    let _shell = life.exec_spawn([format!("{BASE}/start_server.sh")]);
    life.state_from(from, "server", "up");
    life.kill_jvm("server", Signal::SIGKILL);
    life.state_from(from, "server", "ended");
    assert_eq!(life.count(&["will restart"]), 0);
    assert_eq!(life.stop().0, 0);
}

#[test]
fn a_jvm_named_by_another_path_of_the_same_folder_is_the_component() {
    let image = kind("S", Vendor::A).env("JJOBS_BASE", "/jj").link("/jj", BASE);
    let Some(mut life) = manual(image.file(format!("{BASE}/.keep"), "", 0o644)) else { return };
    life.shell(&format!(
        "JAVA_HOME=$(echo {BASE}/jdk*) CATALINA_HOME={BASE}/server {BASE}/server/bin/startup.sh"
    ));
    life.state("server", "up");
    assert!(life.jvm("server").has_word(&format!("-Dcatalina.home={BASE}/server")));
    assert_eq!(life.stop().0, 0);
}

#[test]
fn a_jvm_that_forks_itself_away_is_found_all_the_same() {
    for vendor in Vendor::ALL {
        let image = kind("S", vendor).env("SIM_FAULTS_SERVER", "double_fork=yes");
        let Some(mut life) = up(image) else { return };
        let from = life.now();
        life.kill_jvm("server", Signal::SIGKILL);
        life.state_from(from, "server", "up");
        assert_eq!(life.stop().0, 0);
    }
}

#[test]
fn what_only_looks_like_a_component_is_left_alone() {
    let Some(mut life) = manual(kind_f(Vendor::A)) else { return };
    life.fault("server", "configtest_seconds=60");
    let java = life.shell(&format!("echo {BASE}/jdk*/bin/java")).stdout.trim().to_owned();
    let mark = format!("-Dcatalina.home={BASE}/server");
    let java_home = format!("JAVA_HOME={BASE}/$(basename {BASE}/jdk*)");
    let _checks = life.exec_spawn([
        "/bin/sh".to_owned(),
        "-c".to_owned(),
        format!("{java_home} exec {BASE}/server/bin/catalina.sh configtest"),
    ]);
    // An editor, a search, and a program that only says it is java while it is not.
    let _editor = life.exec_spawn(["/bin/sh", "-c", "sleep 60; :", &mark, "cname=agent"]);
    let disguised = format!("exec -a {java} sleep 60 {mark} 2>/dev/null; :");
    let _disguised = life.exec_spawn(["/bin/bash", "-c", &disguised]);
    // Another container's process, as with a shared process namespace.
    let other = format!("exec unshare --mount {BASE}/start_server.sh");
    let _other = life.exec_spawn(["/bin/sh", "-c", &other]);
    life.eventually("the other one answers", |life| life.http_get(7075, "/").is_ok());
    for component in ["manager", "server", "agent"] {
        told_state(&life, component, "\"not started\"");
    }
    assert_eq!(life.stop().0, 0);
    assert_eq!(life.count(&["changed state"]), 0);
}

#[test]
fn an_agent_that_an_operator_started_is_stopped_and_its_jobs_finish() {
    let Some(mut life) = up(kind_f(Vendor::B).env("ON_BOOT", "exceptagent")) else { return };
    let _shell = life.exec_spawn([format!("{BASE}/start_agent.sh")]);
    life.state("agent", "up");
    life.submit(2, 1.0);
    assert_eq!(life.stop().0, 0);
    assert_eq!(life.jobs("end"), 2);
    life.line(0, &["component stopped", "component=agent"]);
    assert_eq!(life.count(&["will restart"]), 0);
}

//! `run -- CMD`: the binary as plain PID 1 of any command.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_harness::{Container, ContainerBuilder, Signal, Stream};
use std::{fmt::Write, time::Duration};

const LIMIT: Duration = Duration::from_secs(20);

fn run(command: &[&str]) -> ContainerBuilder {
    Container::image(env!("CARGO_BIN_EXE_jjobs-init"))
        .argv(["/entrypoint.sh", "run", "--"])
        .args(command)
}

fn shell(script: &str) -> ContainerBuilder {
    run(&["sh", "-c", script])
}

#[test]
fn every_exit_code_comes_back() {
    // One container per code would take long; the binary behaves alike where it is not PID 1.
    for code in 0..=255 {
        let script = format!("exit {code}");
        let status = std::process::Command::new(env!("CARGO_BIN_EXE_jjobs-init"))
            .args(["run", "--", "sh", "-c", &script])
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code));
    }
    let Some(mut container) = shell("exit 42").boot() else { return };
    assert_eq!(container.exit_code(LIMIT), 42);
}

#[test]
fn a_death_by_signal_is_128_and_its_number_real_time_signals_too() {
    for signal in [1, 2, 3, 6, 9, 11, 15, 35, 40, 64] {
        let Some(mut container) = shell(&format!("kill -{signal} $$; sleep 5")).boot() else {
            return;
        };
        assert_eq!(container.exit_code(LIMIT), 128 + signal, "{signal}");
    }
}

#[test]
fn a_missing_command_is_127_and_one_that_is_not_executable_126() {
    for (command, code) in
        [("/no/such/thing", 127), ("no-such-thing", 127), ("/etc/passwd", 126), ("/etc", 126)]
    {
        let Some(mut container) = run(&[command]).boot() else { return };
        assert_eq!(container.exit_code(LIMIT), code, "{command}: {}", container.transcript());
        assert!(container.transcript().contains(command), "{}", container.transcript());
    }
}

#[test]
fn the_entrypoint_runs_a_first_word_that_is_no_command_of_ours() {
    let container = Container::image(env!("CARGO_BIN_EXE_jjobs-init"));
    let Some(mut container) = container.argv(["/entrypoint.sh", "sh", "-c", "exit 5"]).boot()
    else {
        return;
    };
    assert_eq!(container.exit_code(LIMIT), 5);
}

#[test]
fn arguments_arrive_exactly() {
    let words = ["a b", "", "--", "-x", "$HOME", "*", "\"'\\", "--help", "끝"];
    let mut command = vec!["printf", "[%s]\\n"];
    command.extend(words);
    let Some(mut container) = run(&command).boot() else { return };
    assert_eq!(container.exit_code(LIMIT), 0);
    let wanted = words.iter().fold(String::new(), |mut text, word| {
        writeln!(text, "[{word}]").unwrap();
        text
    });
    assert_eq!(String::from_utf8(container.bytes(Stream::Stdout)).unwrap(), wanted);
}

#[test]
fn signals_reach_the_command_and_nothing_else() {
    // The inner shell is in the command's group and would print if it were signalled too.
    let script = r#"
        sh -c 'trap "echo inner got one" HUP INT QUIT USR1 USR2 ALRM TERM CONT WINCH; while :; do sleep 0.1; done' &
        for s in HUP INT QUIT TRAP ABRT SYS USR1 USR2 ALRM TERM CONT WINCH; do trap "echo got $s" $s; done
        trap 'echo got RT' 40
        echo ready
        while :; do sleep 0.05; done"#;
    let Some(container) = run(&["bash", "-c", script]).boot() else { return };
    container.wait_for_line("ready", LIMIT);
    for (signal, name) in [
        (Signal::SIGHUP, "HUP"),
        (Signal::SIGINT, "INT"),
        (Signal::SIGQUIT, "QUIT"),
        (Signal::SIGTRAP, "TRAP"),
        (Signal::SIGABRT, "ABRT"),
        (Signal::SIGSYS, "SYS"),
        (Signal::SIGUSR1, "USR1"),
        (Signal::SIGUSR2, "USR2"),
        (Signal::SIGALRM, "ALRM"),
        (Signal::SIGCONT, "CONT"),
        (Signal::SIGWINCH, "WINCH"),
        (Signal::SIGTERM, "TERM"),
    ] {
        container.signal(signal);
        container.wait_for_line(&format!("got {name}"), LIMIT);
    }
    let pid = container.host_pid().as_raw().to_string();
    std::process::Command::new("kill").args(["-40", &pid]).status().unwrap();
    container.wait_for_line("got RT", LIMIT);
    assert!(!container.transcript().contains("inner"), "{}", container.transcript());
}

#[test]
fn orphans_are_reaped() {
    let script = "for i in $(seq 50); do (sleep 0.01 &) ; done; echo ready; trap 'exit 0' TERM; while :; do sleep 0.05; done";
    let Some(mut container) = shell(script).boot() else { return };
    container.wait_for_line("ready", LIMIT);
    container
        .eventually("no zombie", |c| c.zombies().is_empty() && c.processes_with("0.01").is_empty());
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(LIMIT), 0);
}

#[test]
fn what_the_command_leaves_behind_gets_term_before_the_end() {
    let script = r"(trap 'echo left got TERM; exit' TERM; echo ready; while :; do sleep 0.05; done) & sleep 0.3; exit 3";
    let Some(mut container) = shell(script).boot() else { return };
    assert_eq!(container.exit_code(LIMIT), 3);
    assert!(container.transcript().contains("left got TERM"), "{}", container.transcript());
}

#[test]
fn what_ignores_term_is_killed_after_five_seconds() {
    let Some(mut container) = shell("(trap '' TERM; sleep 1000) & sleep 0.3; exit 3").boot() else {
        return;
    };
    assert_eq!(container.exit_code(Duration::from_secs(10)), 3);
}

#[test]
fn an_ignored_signal_stays_ignored_and_a_blocked_one_blocked() {
    let binary = env!("CARGO_BIN_EXE_jjobs-init");
    let output = std::process::Command::new("perl")
        .args(["-MPOSIX", "-e"])
        .arg(format!(
            "$SIG{{HUP}}='IGNORE'; POSIX::sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR2)); \
             exec {{'{binary}'}} 'jjobs-init','run','--','cat','/proc/self/status';"
        ))
        .output()
        .unwrap();
    let status = String::from_utf8(output.stdout).unwrap();
    let set = |name: &str| {
        let text = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        // Real-time signals aside: the C library's own are inherited in various states.
        u64::from_str_radix(text.trim(), 16).unwrap() & 0x7fff_ffff
    };
    assert_eq!(set("SigIgn:"), 1, "{status}");
    assert_eq!(set("SigBlk:"), 1 << 11, "{status}");
    assert_eq!(set("SigCgt:"), 0, "{status}");
}

#[test]
fn a_shell_in_a_terminal_has_job_control() {
    let Some(mut container) =
        run(&["bash", "--norc", "-i"]).env("PS1", "ready> ").terminal().boot()
    else {
        return;
    };
    container.type_in("echo mark-$((1+1))\n");
    container.wait_for_line("mark-2", LIMIT);
    assert!(!container.transcript().contains("no job control"), "{}", container.transcript());
    // Ctrl-C ends what is in the foreground, not the shell.
    container.type_in("sleep 1000\n");
    container.eventually("sleep runs", |c| !c.processes_with("1000").is_empty());
    container.type_in([3]);
    container.eventually("sleep ended", |c| c.processes_with("1000").is_empty());
    container.type_in("exit 7\n");
    assert_eq!(container.exit_code(LIMIT), 7);
}

/// Whether `sleep` itself runs: its init has the same words.
fn sleeps(container: &Container) -> bool {
    container
        .processes()
        .iter()
        .any(|p| p.state == 'S' && p.argv.first().is_some_and(|a| a == "sleep"))
}

/// An interactive shell in a terminal, in which our binary can be started as by hand.
fn operators_shell() -> Option<Container> {
    run(&["bash", "--norc", "-i"]).env("PS1", "ready> ").terminal().boot()
}

#[test]
fn ctrl_z_stops_a_command_and_its_init_so_that_the_shell_before_them_goes_on() {
    let Some(mut container) = operators_shell() else { return };
    container.type_in("/entrypoint.sh run -- sleep 1000\n");
    container.eventually("sleep runs", sleeps);
    container.type_in([26]);
    container.type_in("jobs; echo mark-$((1+1))\n");
    container.wait_for_line("mark-2", LIMIT);
    assert!(container.transcript().contains("Stopped"), "{}", container.transcript());
    container.type_in("fg\n");
    container.eventually("sleep goes on", sleeps);
    container.type_in([3]);
    container.eventually("sleep ended", |c| c.processes_with("1000").is_empty());
    container.type_in("echo code-$?; exit 7\n");
    container.wait_for_line("code-130", LIMIT);
    assert_eq!(container.exit_code(LIMIT), 7);
}

#[test]
fn a_command_in_the_background_leaves_the_terminal_to_the_shell() {
    let Some(mut container) = operators_shell() else { return };
    container.type_in("/entrypoint.sh run -- sh -c 'read x; echo got-$x' &\n");
    container.type_in("wait; echo mark-$((1+1))\n");
    container.wait_for_line("mark-2", LIMIT);
    container.type_in("fg\n");
    container.type_in("hello\n");
    container.wait_for_line("got-hello", LIMIT);
    container.type_in("exit 7\n");
    assert_eq!(container.exit_code(LIMIT), 7);
}

#[test]
fn ctrl_z_where_nobody_could_go_on_is_undone() {
    let Some(mut container) = run(&["sleep", "1000"]).terminal().boot() else { return };
    container.eventually("sleep runs", sleeps);
    container.type_in([26]);
    container.type_in([3]);
    assert_eq!(container.exit_code(LIMIT), 130);
}

#[test]
fn no_file_descriptor_leaks_into_the_command() {
    let script = "ls /proc/self/fd | tr '\\n' ' '";
    let Some(mut without) = Container::command(["sh", "-c", script]).boot() else { return };
    without.exit_code(LIMIT);
    let Some(mut container) = shell(script).boot() else { return };
    assert_eq!(container.exit_code(LIMIT), 0);
    assert_eq!(container.transcript(), without.transcript());
}

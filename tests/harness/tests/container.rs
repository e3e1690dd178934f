//! The harness shown to work with a shell as PID 1, before it is trusted with anything else.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_harness::{Container, ContainerBuilder, Network, Signal, Stream};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

fn shell(script: &str) -> ContainerBuilder {
    Container::command(["/bin/sh", "-c", script])
}

/// A PID 1 that says so when it is ready, and ends by SIGTERM with 7.
const PATIENT: &str = "trap 'echo stopping; exit 7' TERM; echo ready; while :; do sleep 0.05; done";

#[test]
fn pid_1_sees_a_container_of_its_own() {
    let Some(mut container) = shell(
        "echo pid $$; hostname; env | sort; ls /engn001 /logs001 /working /install /root /tmp; \
         ps -e -o pid= | wc -l; cat /proc/1/comm; echo oops >&2;",
    )
    .hostname("jjobs-10")
    .env("SPACED", "a b\nc")
    .boot() else {
        return;
    };
    assert_eq!(container.exit_code(SOON), 0);
    let stdout = String::from_utf8(container.bytes(Stream::Stdout)).unwrap();
    assert!(stdout.contains("pid 1\njjobs-10\n"), "{stdout}");
    assert!(stdout.contains("HOSTNAME=jjobs-10\n"), "{stdout}");
    assert!(stdout.contains("SPACED=a b\nc\n"), "{stdout}");
    assert!(!stdout.contains("CARGO"), "the test's own environment stays outside: {stdout}");
    assert!(
        stdout.contains("/engn001:\n\n/install:\n\n/logs001:\n\n/root:\n\n/tmp:\n\n/working:"),
        "{stdout}"
    );
    assert!(stdout.ends_with("sh\n"), "{stdout}");
    assert_eq!(container.bytes(Stream::Stderr), b"oops\n");
}

#[test]
fn a_signal_reaches_pid_1_and_its_exit_code_comes_back() {
    let Some(mut container) = shell(PATIENT).boot() else { return };
    container.wait_for_line("ready", SOON);
    assert!(container.is_running());
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(SOON), 7);
    assert_eq!(container.lines().last().unwrap().text, "stopping");
}

#[test]
fn a_killed_pid_1_takes_everything_with_it() {
    let Some(mut container) = shell("sleep 1000 & echo ready; wait").boot() else { return };
    container.wait_for_line("ready", SOON);
    container.signal(Signal::SIGKILL);
    assert_eq!(container.exit_code(SOON), 137);
    assert!(container.exec_fails(), "nothing can be started in a dead container");
}

trait Dead {
    fn exec_fails(&self) -> bool;
}

impl Dead for Container {
    fn exec_fails(&self) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.exec(["/bin/true"]))).is_err()
    }
}

#[test]
fn exec_is_a_session_of_its_own_without_a_parent() {
    let Some(container) = shell(PATIENT).env("COLOUR", "blue").boot() else { return };
    container.wait_for_line("ready", SOON);
    let output = container
        .shell("echo $COLOUR; hostname; echo $PPID; cat /proc/1/comm; echo no >&2; exit 3");
    assert_eq!((output.code, output.stdout.as_str()), (3, "blue\njjobs-0\n0\nsh\n"));
    assert_eq!(output.stderr, "no\n");
    assert!(!output.leaked_output);

    let child = container.exec_spawn(["/bin/sh", "-c", "echo up; exec sleep 1000"]);
    child.wait_for_line("up", SOON);
    let sleeping = || container.processes_with("1000").into_iter().find(|p| p.name == "sleep");
    container.eventually("the command is there", |_| sleeping().is_some());
    let found = sleeping().unwrap();
    assert_eq!((found.ppid, found.session, found.pgid), (0, found.pid, found.pid));
    assert!(container.signal_process(found.pid, Signal::SIGKILL));
    container.eventually("it is gone", |_| sleeping().is_none());
}

#[test]
fn output_left_open_by_a_child_of_exec_is_noticed() {
    let Some(container) = shell(PATIENT).boot() else { return };
    container.wait_for_line("ready", SOON);
    assert!(container.shell("sleep 5 &").leaked_output);
    assert!(!container.shell("sleep 5 >/dev/null 2>&1 &").leaked_output);
}

#[test]
fn orphans_go_to_pid_1_and_zombies_are_seen() {
    // This shell never waits once it sleeps in the foreground, so the orphan stays a zombie.
    let Some(container) = shell("echo ready; exec sleep 1000").boot() else { return };
    container.wait_for_line("ready", SOON);
    container.shell("(sleep 0.1 >/dev/null 2>&1 &)");
    container.eventually("a zombie under PID 1", |c| c.zombies().iter().any(|z| z.ppid == 1));
}

#[test]
fn a_restart_finds_the_same_files_and_fresh_processes() {
    let Some(mut container) = shell(
        "cat /etc/kept /tmp/kept 2>/dev/null; echo kept > /etc/kept; echo too > /tmp/kept; \
         echo pid $$; sleep 1000 & wait",
    )
    .boot() else {
        return;
    };
    container.wait_for_line("pid 1", SOON);
    let before = container.lines().len();
    container.restart();
    container.wait_for_line_from(before, "pid 1", SOON);
    let texts: Vec<String> = container.lines().into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["pid 1", "kept", "too", "pid 1"]);
    container.eventually("one sleep", |c| c.processes_with("sleep").len() == 1);
    assert!(!fs::exists("/etc/kept").unwrap(), "this machine's own files are untouched");
}

#[test]
fn another_user_and_a_read_only_root_are_what_they_say() {
    let Some(mut container) = shell(
        "id -u; id -g; touch /engn001/a /logs001/a /tmp/a /run/a && echo writable; \
         touch /usr/a 2>/dev/null || echo no; test ! -w /etc/hosts && echo no; cat /given/file",
    )
    .user(4321, 4322)
    .read_only_root()
    .file("/given/file", "mine\n", 0o600)
    .boot() else {
        return;
    };
    assert_eq!(container.exit_code(SOON), 0, "{}", container.transcript());
    assert_eq!(container.bytes(Stream::Stdout), b"4321\n4322\nwritable\nno\nno\nmine\n");
}

#[test]
fn the_loopback_is_the_containers_own() {
    let Some(mut container) = shell(
        "for try in 1 2 3; do cat < /dev/null; done; \
         exec bash -c 'exec 3<>/dev/tcp/db.example/5432; echo ask >&3; cat <&3'",
    )
    .host("db.example", "127.0.0.1")
    .prepare() else {
        return;
    };
    let listener = container.listen(5432).unwrap();
    let Some(other) = shell(PATIENT).boot() else { return };
    assert!(other.connect(5432).is_err(), "another container has another network");
    container.start();
    let (mut stream, _) = listener.accept().unwrap();
    let mut asked = [0; 4];
    stream.read_exact(&mut asked).unwrap();
    stream.write_all(b"told\n").unwrap();
    drop(stream);
    container.wait_for_line("told", SOON);
    assert_eq!(&asked, b"ask\n");
}

#[test]
fn containers_of_one_pod_share_the_network() {
    let Some(first) = shell(PATIENT).boot() else { return };
    let Some(second) = shell(PATIENT).hostname("other").network_of(&first).boot() else { return };
    let _listener = first.listen(7777).unwrap();
    assert!(second.connect(7777).is_ok());
    assert_eq!(second.shell("hostname").stdout, "other\n");
}

#[test]
fn containers_of_a_network_reach_each_other_by_name_until_the_cable_is_cut() {
    let Some(network) = Network::new(&["one", "two"]) else { return };
    let Some(one) = network.join(shell(PATIENT), "one").boot() else { return };
    let Some(mut two) = network.join(shell(PATIENT), "two").boot() else { return };
    let listener = one.listen(7777).unwrap();
    let reaches = |two: &Container| {
        two.inside(|| {
            let address = ("one", 7777).to_socket_addrs().unwrap().next().unwrap();
            TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok()
        })
    };
    assert!(reaches(&two));
    let (_, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), network.address("two"));
    assert!(two.connect(7777).is_err(), "the loopback is still its own");

    network.cut("two");
    assert!(!reaches(&two));
    network.restore("two");
    two.eventually("the cable carries again", |two| reaches(two));
    two.restart();
    assert!(reaches(&two), "a restart keeps the network");
}

#[test]
fn shared_logs_are_seen_by_both_and_by_the_test() {
    let logs = tempfile::tempdir().unwrap();
    let Some(first) = shell(PATIENT).shared_logs(logs.path()).boot() else { return };
    let Some(second) = shell(PATIENT).shared_logs(logs.path()).boot() else { return };
    first.write("/logs001/jjobs/a", "one");
    assert_eq!(second.read_text("/logs001/jjobs/a"), "one");
    assert_eq!(fs::read_to_string(logs.path().join("jjobs/a")).unwrap(), "one");
}

#[test]
fn a_terminal_is_pid_1s_controlling_terminal() {
    let Some(mut container) =
        shell("tty; echo told to; read line; echo \"heard $line\"; sleep 1000").terminal().boot()
    else {
        return;
    };
    container.wait_for_line("/dev/pts/", SOON);
    container.wait_for_line("told to", SOON);
    container.type_in("hello\n");
    container.wait_for_line("heard hello", SOON);
    container.eventually("it sleeps", |c| !c.processes_with("sleep").is_empty());
    container.type_in("\x03");
    // PID 1 of a PID namespace has no default action for SIGINT, its `sleep` has: and then the script ends.
    assert!(matches!(container.exit_code(SOON), 0 | 130));
}

#[test]
fn held_output_fills_the_pipe_until_it_is_released() {
    let Some(mut container) =
        shell("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo done >&2").held_output().boot()
    else {
        return;
    };
    assert_eq!(container.try_exit_code(Duration::from_millis(300)), None);
    container.release_output();
    container.wait_for_line("done", SOON);
    assert_eq!(container.exit_code(SOON), 0);
    assert_eq!(container.bytes(Stream::Stdout).len(), 1_000_001);
}

#[test]
fn the_termination_message_outlives_the_container() {
    let Some(mut container) =
        shell("echo '{\"exit_code\":5}' > /dev/termination-log; exit 5").boot()
    else {
        return;
    };
    assert_eq!(container.exit_code(SOON), 5);
    assert_eq!(container.termination_message(), "{\"exit_code\":5}\n");
}

#[test]
fn the_image_has_the_binary_under_all_its_names() {
    let Some(mut container) = Container::image("/bin/bash").args(["x"]).boot() else { return };
    // A shell in the binary's place looks for a script of that name.
    assert_eq!(container.exit_code(SOON), 127);
    for path in
        ["/usr/local/bin/jjobs-init", "/pre-stop.sh", "/post-start.sh", "/working/liveness.sh"]
    {
        assert!(container.exists(path), "{path}");
    }
}

#[test]
fn a_dropped_container_leaves_nothing_behind() {
    let Some(container) = shell(PATIENT).boot() else { return };
    container.wait_for_line("ready", SOON);
    let (pid, folder) = (container.host_pid(), container.host_folder().to_owned());
    drop(container);
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
    assert!(!fs::exists(folder).unwrap());
}

//! The socket itself: whose it is, who may ask, and what no client may do to PID 1.

use crate::support::{BINARY, LIVENESS, SOCKET, SOON, assert_no, assert_yes, bare, booted, say};
use jjobs_harness::{Container, Signal};
use std::{
    fs,
    io::Write,
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const AS_NOBODY: [&str; 5] =
    ["/usr/bin/setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--"];

/// PID 1 alone as another user, while everything that is `exec`ed stays root's.
fn without_privileges() -> Vec<&'static str> {
    [&AS_NOBODY[..], &["/entrypoint.sh"]].concat()
}

fn as_nobody(container: &Container) -> jjobs_harness::ExecOutput {
    container.exec([&AS_NOBODY[..], &[LIVENESS]].concat())
}

#[test]
fn the_socket_and_its_folder_are_for_their_owner_alone() {
    let Some(container) = booted(bare()) else { return };
    let mode = |path: &'static str| container.inside(move || fs::metadata(path).unwrap().mode());
    assert_eq!(mode("/run/jjobs-init") & 0o777, 0o700);
    assert_eq!(mode(SOCKET) & 0o777, 0o600);
}

#[test]
fn another_user_is_refused_even_where_the_folder_was_opened() {
    let image = bare().env("JJOBS_INIT_PROBE_TIMEOUT", "1");
    let Some(container) = booted(image) else { return };
    assert_no(&as_nobody(&container), "/run/jjobs-init (permission denied)");
    assert_eq!(container.shell(&format!("chmod 755 /run/jjobs-init; chmod 666 {SOCKET}")).code, 0);
    let wanted = "permission denied: only root and uid 0 may ask PID 1, not uid 12345";
    assert_no(&as_nobody(&container), wanted);
    assert_yes(&container.exec([LIVENESS]));
}

#[test]
fn root_asks_a_pid_1_without_privileges_and_so_does_its_own_user() {
    let Some(container) = booted(bare().argv(without_privileges())) else { return };
    assert!(container.exists("/tmp/jjobs-init-12345/control.sock"));
    assert_yes(&container.exec([LIVENESS]));
    assert_yes(&as_nobody(&container));
}

#[test]
fn without_root_and_on_a_read_only_root_everything_works() {
    let Some(mut container) = booted(bare().user(1000, 1000).read_only_root()) else { return };
    assert_yes(&container.exec([LIVENESS]));
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(SOON), 0);
}

#[test]
fn a_socket_left_by_a_killed_pid_1_is_replaced() {
    let Some(mut container) = booted(bare()) else { return };
    for _ in 0..2 {
        let from = container.lines().len();
        container.restart();
        container.wait_for_line_from(from, "phase begins phase=running", SOON);
        assert!(!container.transcript().contains("no control socket"));
        assert_yes(&container.exec([LIVENESS]));
    }
}

#[test]
fn the_socket_of_a_living_supervisor_is_not_taken_over() {
    let Some(container) = booted(bare()) else { return };
    let second = container.exec_spawn([BINARY, "boot"]);
    second.wait_for_line("no control socket", SOON);
    second.wait_for_line("another jjobs-init serves there", SOON);
    assert_yes(&container.exec([LIVENESS]));
    second.signal(Signal::SIGTERM);
    assert_eq!(second.wait(SOON).code, 0);
    assert_yes(&container.exec([LIVENESS]));
}

#[test]
fn where_no_socket_can_be_had_pid_1_says_so_once_and_lives_on() {
    let Some(mut container) = booted(bare().env("JJOBS_INIT_RUN_DIR", "/nowhere/at-all")) else {
        return;
    };
    let told =
        container.lines().iter().filter(|line| line.text.contains("no control socket")).count();
    assert_eq!(told, 1);
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(SOON), 0);
}

#[test]
fn nonsense_is_answered_and_disturbs_nobody() {
    let Some(container) = booted(bare()) else { return };
    let mut long = vec![b'['; 70_000];
    long.push(b'\n');
    let mut bytes = b"{\"version\":1,\"request\":\"\xff\xfe\"}".to_vec();
    bytes.push(b'\n');
    let cases = [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "not understood"),
        (b"{\"version\":1,\"request\":\"explode\"}\n".to_vec(), "explode"),
        (b"{\"version\":99,\"request\":\"liveness\"}\n".to_vec(), "version 99"),
        (bytes, "utf-8"),
        (long, "longer than"),
    ];
    for (bytes, wanted) in cases {
        let answer = say(&container, bytes);
        assert!(answer.contains("\"exit_code\":64") && answer.contains(wanted), "{answer}");
        assert_yes(&container.exec([LIVENESS]));
    }
}

#[test]
fn clients_that_say_nothing_take_no_more_than_half_of_the_descriptors() {
    let small = "ulimit -n 128; exec /entrypoint.sh";
    let Some(mut container) = booted(bare().argv(["/bin/sh", "-c", small])) else { return };
    let count = |container: &Container| {
        fs::read_dir(format!("/proc/{}/fd", container.host_pid())).unwrap().count()
    };
    let before = count(&container);
    let held: Vec<UnixStream> = container.inside(|| {
        let half = |number| {
            let mut stream = UnixStream::connect(SOCKET).unwrap();
            if number % 2 == 0 {
                let _ = stream.write_all(b"{\"version\":");
            }
            stream
        };
        (0..400).map(half).collect()
    });
    assert_yes(&container.exec([LIVENESS]));
    assert!(count(&container) <= before + 64, "{before} and now {}", count(&container));
    let from = container.lines().len();
    container.signal(Signal::SIGUSR1);
    container.wait_for_line_from(from, "status phase=running", SOON);
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(SOON), 0);
    drop(held);
}

#[test]
fn a_storm_of_connections_keeps_neither_probes_nor_signals_out() {
    let Some(mut container) = booted(bare()) else { return };
    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let storms: Vec<_> = (0..3)
        .map(|_| {
            let (over, made) = (Arc::clone(&over), Arc::clone(&made));
            let socket = container.root().join(SOCKET.trim_start_matches('/'));
            thread::spawn(move || storm(&socket, &over, &made))
        })
        .collect();
    container.eventually("the storm blows", |_| made.load(Ordering::Relaxed) > 2000);
    for _ in 0..5 {
        let probe = container.exec([LIVENESS]);
        assert_yes(&probe);
        assert!(probe.elapsed < Duration::from_secs(4), "{probe:?}");
    }
    let from = container.lines().len();
    container.signal(Signal::SIGUSR1);
    container.wait_for_line_from(from, "status phase=running", SOON);
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(SOON), 0);
    over.store(true, Ordering::Relaxed);
    for storm in storms {
        storm.join().unwrap();
    }
}

/// Connects as fast as it can, keeps the last few hundred and says nothing.
fn storm(socket: &Path, over: &AtomicBool, made: &AtomicUsize) {
    let mut held = std::collections::VecDeque::new();
    while !over.load(Ordering::Relaxed) {
        let Ok(stream) = UnixStream::connect(socket) else { return };
        made.fetch_add(1, Ordering::Relaxed);
        held.push_back(stream);
        if held.len() > 300 {
            held.pop_front();
        }
    }
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_up() {
    let Some(container) = booted(bare()) else { return };
    let held: Vec<UnixStream> = container.inside(|| {
        let ask = |_| {
            let mut stream = UnixStream::connect(SOCKET).unwrap();
            stream.write_all(b"{\"version\":1,\"request\":\"status\"}\n").unwrap();
            stream
        };
        (0..200).map(ask).collect()
    });
    assert_yes(&container.exec([LIVENESS]));
    drop(held);
    assert_yes(&container.exec([LIVENESS]));
}

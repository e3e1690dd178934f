//! Boots any binary as PID 1 of fresh PID, mount, UTS, IPC and network namespaces, as a container
//! runtime would, and lets a test look at it from outside.
//!
//! The root file system is a throw-away overlay of this machine's `/`, so every tool of the machine
//! is there and nothing that is written survives the test. `/engn001`, `/logs001`, `/working`,
//! `/install`, `/tmp`, `/run` and `/root` start empty; `/dev` holds the usual few devices;
//! `/dev/termination-log` is a file that outlives the container. The network is a loopback of its
//! own, so ports never clash between tests that run side by side; containers that are to reach each other share one, or join
//! a [`Network`].
//!
//! ```no_run
//! use jjobs_harness::{Container, Signal, Vendor};
//! use std::time::Duration;
//!
//! # const INIT: &str = "/path/to/jjobs-init";
//! // In an integration test of the root package: `env!("CARGO_BIN_EXE_jjobs-init")`.
//! let Some(mut container) = Container::image(INIT)
//!     .installer(Vendor::A)
//!     .hostname("jjobs-0")
//!     .env("INSTALL_KIND", "S")
//!     .env("ON_BOOT", "manual")
//!     .boot()
//! else {
//!     return; // This machine allows no namespaces; said on stderr, a failure in CI.
//! };
//!
//! container.wait_for_line("boot finished", Duration::from_secs(30));
//! let by_hand = container.exec(["/engn001/jjobs/start_server.sh"]);
//! assert_eq!(by_hand.code, 0, "{by_hand:?}");
//! container.eventually("the server answers", |c| {
//!     c.http_get(7075, "/jjob-server/test.jsp").is_ok_and(|answer| answer.status == 200)
//! });
//! container.signal(Signal::SIGTERM);
//! assert_eq!(container.exit_code(Duration::from_secs(30)), 0);
//! assert!(container.termination_message().contains("exit_code"));
//! ```
//!
//! # Theory of operation
//!
//! One *keeper* thread per container moves itself into the new namespaces (Linux keeps them per
//! thread) and stays there. Whatever it spawns is born inside: its first child is PID 1, a later one
//! is what `kubectl exec` would start. Sockets that it opens belong to the container's network, files
//! that it opens to the container's file system. PID 1 is a direct child of the test's process, so
//! its exit status is exact, and it dies with the keeper, so a killed test leaves nothing behind.
//!
//! What this is not: there is no cgroup of its own, and root keeps all capabilities of the test.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a failed step is a failed test"
)]

mod builder;
mod cluster;
mod container;
pub mod engine;
mod exec;
mod http;
mod keeper;
pub mod kubelet;
pub mod manifests;
mod memory;
mod netlink;
mod network;
mod output;
pub mod postgres;
mod procs;
mod requirement;
mod rootfs;
mod server;
mod simulator;
mod terminal;
mod tls;

pub use self::{
    builder::ContainerBuilder,
    cluster::{AgentBoard, Board, Cluster, Ledger, ServerBoard},
    container::Container,
    exec::{ExecChild, ExecOutput},
    http::HttpAnswer,
    memory::MemoryGroup,
    network::Network,
    output::{Line, Stream},
    postgres::Postgres,
    procs::ProcessInfo,
    requirement::unless_missing,
    server::{Asked, ReadWrite, Server, Then, response, response_head},
    simulator::{Vendor, simulator_binary},
    tls::{Ca, server_config},
};
pub use nix::sys::signal::Signal;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// How long [`eventually`] and [`Container::eventually`] try: longer than any healthy step takes on a busy
/// machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until `probe` gives a value; panics with `what` when [`PATIENCE`] is over.
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    match within(PATIENCE, probe) {
        Some(value) => value,
        None => panic!("timed out after {PATIENCE:?} waiting for: {what}"),
    }
}

/// Polls every 10 ms until `probe` gives a value or `limit` is over.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(Duration::from_millis(10));
    }
}

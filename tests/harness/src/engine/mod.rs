//! Containers of a real Docker engine, for what namespaces of our own cannot show: the image itself, cgroups, the engine's
//! `exec`, `stop`, `restart` and log driver, its seccomp profile, its networks.
//!
//! ```no_run
//! use jjobs_harness::{Signal, engine::Image};
//! use std::time::Duration;
//!
//! let Some(image) = Image::simulated() else {
//!     return; // No engine here, or no image; said on stderr, a failure in CI.
//! };
//! let container = image
//!     .container()
//!     .hostname("jjobs-0")
//!     .env("INSTALL_KIND", "F")
//!     .memory_mib(512)
//!     .start();
//! // The meta DB's port, on the container's loopback.
//! let _db = container.listen(7432).unwrap();
//! container.wait_for_line("all up", Duration::from_secs(30));
//!
//! let probe = container.exec(["/bin/bash", "-c", "/working/liveness.sh"]);
//! assert_eq!(probe.code, 0, "{probe:?}");
//! let stop = container.stop(30); // `docker stop -t 30`: TERM, then KILL
//! assert!(stop.elapsed < Duration::from_secs(30));
//! assert_eq!(container.exit_code(Duration::from_secs(5)), 0);
//! assert!(container.logs().contains("drained"));
//! // Dropping it removes it and its anonymous volumes, also when the test panics.
//! ```
//!
//! # Theory of operation
//!
//! Everything is asked of the `docker` command with argument vectors. What the test wants to see inside a running container (processes,
//! files, ports of its loopback) it looks at by joining the container's namespaces with a thread of its own, so no tool is
//! needed in the image and nothing is started there. That takes root and an engine on this machine.
//!
//! All that is made has a name of its own, `jjobs-test-<pid>-<number>`, and the label [`LABEL`], so that
//! `docker ps --all --filter label=jjobs-init-test` finds what a killed test left behind.

mod builder;
mod cli;
mod console;
mod container;
mod image;
mod inside;
mod network;

pub use self::{
    builder::ContainerBuilder,
    cli::docker,
    console::Console,
    container::Container,
    image::Image,
    network::{Network, Volume},
};

/// The label of every container, network and volume that a test makes; its value is the test's pid.
pub const LABEL: &str = "jjobs-init-test";

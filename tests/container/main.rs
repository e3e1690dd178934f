//! The image in a real Docker engine: the image's own layout, the engine's `exec`, `stop`, `restart` and log, its cgroups, users,
//! read-only roots and seccomp profile, which namespaces of our own cannot show.
//!
//! `JJOBS_TEST_IMAGE` names an image with the simulator's installer; `scripts/image --simulated` builds it.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod arguments;
mod health;
mod hooks;
mod kill;
mod locked_down;
mod logs;
mod memory;
mod restart;
mod stop;
mod support;
mod surroundings;
mod terminal;

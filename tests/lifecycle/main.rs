//! The life of PID 1: starting, adopting, restarting, draining and stopping components, with the real binary.
//!
//! Each test has a container of its own; what takes long runs side by side.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

mod adoption;
mod console;
mod logs;
mod oom;
mod pid1;
mod restart;
mod start;
mod stop;
mod support;

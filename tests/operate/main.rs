//! What an operator and a kubelet ask of a running container, and what it remembers: probes, verbs, releases, past lives.
//!
//! Scenes that take long run side by side.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

mod ask;
mod past;
mod probes;
mod release;
#[path = "../lifecycle/support.rs"]
#[allow(dead_code, reason = "shared with the lifecycle tests, which use all of it")]
mod support;
mod taken_back;
mod verbs;

//! Hold, drain, release: no job is lost, whoever asks for the end and however.
//!
//! Most of a drain is waiting, so scenes that have nothing to do with each other run side by side.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

mod abort;
mod api;
mod boot;
mod by_hand;
mod hooks;
mod hurry;
mod jobs;
mod kinds;
mod scene;
#[path = "../lifecycle/support.rs"]
#[allow(dead_code, reason = "shared with the lifecycle tests, which use all of it")]
mod support;

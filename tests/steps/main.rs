//! The boot steps that run children, with shell scripts of a line or two as children.
//!
//! Whoever waits for children waits for all of the process, so these tests take turns.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod custom_command;
mod encrypter;
mod install;
mod kube_contexts;
mod support;

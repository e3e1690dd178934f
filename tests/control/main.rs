//! The control socket and every client of it, with the real binary as PID 1.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod commands;
mod probes;
mod socket;
mod support;

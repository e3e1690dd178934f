//! The simulator, shown to be what its README says, in containers whose PID 1 is only a shell.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod api;
mod cluster;
mod components;
mod database;
mod entrypoint;
mod misanswers;
mod support;

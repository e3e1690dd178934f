//! jjobs-init: ENTRYPOINT and PID 1 of a J-Jobs container, its hooks, its probes, and the operator's tool inside it.
//!
//! Data goes one way: environment → [`contract`] (checked values) → [`plan`] (what this container does, a pure
//! function) → `boot` steps → `supervisor`, the loop that is PID 1. `process` is the only place that waits for
//! children. Hooks, probes and the operator's commands ask PID 1 over its [`control`] socket. Allowed imports are checked
//! by `scripts/check`.

pub mod applet;
pub mod boot;
pub mod check;
pub mod cli;
pub mod clients;
pub mod contract;
pub mod control;
pub mod entrypoint;
pub mod exit;
pub mod hooks;
pub mod jjobs;
pub mod ledger;
pub mod log;
pub mod plan;
pub mod probes;
pub mod process;
pub mod run_dir;
pub mod status;
pub mod supervisor;
pub mod termination;
pub mod verbs;

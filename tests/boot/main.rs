//! Boots the real binary as PID 1 of a container around a simulated J-Jobs, and looks at it from outside.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod configured;
mod custom_command;
mod download;
mod installer;
mod kube_contexts;
mod matrix;
mod oddities;
mod stop;
mod support;
mod survival;
mod waiting;

//! The commands that ask PID 1: from the command line and our own variables to the client that does it.

use crate::{
    cli::{Command, DrainCommand},
    contract::{EnvVars, Own},
    control::{client::Options, message::Request},
    exit::ExitCode,
    hooks::{self, Hook},
    probes::{self, Probe},
    status::{self, Format, View},
    verbs,
};
use std::{ffi::OsString, os::unix::ffi::OsStrExt};

/// Runs one of them; returns the exit code. A wrong value of a variable is taken as its default: a probe has to work beside
/// whatever else is wrong.
#[must_use]
pub fn run(command: &Command, vars: impl Iterator<Item = (OsString, OsString)>) -> u8 {
    let options = options(vars);
    let verb = |request| verbs::run(request, &options);
    match *command {
        Command::Liveness => probes::ask(Probe::Liveness, &options),
        Command::Healthcheck => probes::ask(Probe::Healthcheck, &options),
        Command::Readiness => probes::ask(Probe::Readiness, &options),
        Command::PreStop => hooks::run(Hook::PreStop, &options),
        Command::PostStart => hooks::run(Hook::PostStart, &options),
        Command::Status { watch, format } => {
            status::show(View { format, watch, drain_only: false }, &options)
        }
        Command::Start { target } => verb(Request::Start { target }),
        Command::Stop { target, now } => verb(Request::Stop { target, now }),
        Command::Restart { target, now } => verb(Request::Restart { target, now }),
        Command::Drain { what: None } => verb(Request::Drain),
        Command::Drain { what: Some(DrainCommand::Status) } => {
            let view = View { format: Format::Text, watch: false, drain_only: true };
            status::show(view, &options)
        }
        Command::Drain { what: Some(DrainCommand::Abort) } => verb(Request::DrainAbort),
        Command::Drain { what: Some(DrainCommand::Force) } => verb(Request::DrainForce),
        // They ask nobody, and are not given to us.
        Command::Boot | Command::Check { .. } | Command::Run { .. } => ExitCode::Internal.code(),
    }
}

fn options(vars: impl Iterator<Item = (OsString, OsString)>) -> Options {
    let mut env = EnvVars::new();
    for (name, value) in vars.filter(|(name, _)| name.as_bytes().starts_with(b"JJOBS_INIT_")) {
        // As getenv(3) does, the first of two of the same name counts.
        env.entry(name).or_insert(value);
    }
    Options::from(Own::lenient(&env, ""))
}

//! The `docker` command, by argument vector.

use super::LABEL;
use crate::exec::{ExecChild, ExecOutput};
use std::{
    ffi::OsStr,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// How long the engine may take for one request that does not wait for the container.
pub(super) const ENGINE_LIMIT: Duration = Duration::from_mins(2);

/// Runs `docker` with these arguments and waits for its end, at most two minutes; the code is docker's own.
#[track_caller]
pub fn docker<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> ExecOutput {
    docker_spawn(args).wait(ENGINE_LIMIT)
}

/// The same, for what must succeed: what it printed, without the line end.
#[track_caller]
pub(super) fn docker_ok<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> String {
    let args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
    let done = docker(&args);
    assert_eq!(done.code, 0, "docker {args:?}: {}", done.stderr);
    done.stdout.trim_end().to_owned()
}

/// Starts it with its standard input closed.
#[track_caller]
pub(super) fn docker_spawn<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> ExecChild {
    let mut command = command(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    ExecChild::new(command.spawn().expect("the docker command cannot be started"))
}

pub(super) fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("docker");
    command.args(args);
    command
}

/// A name that nothing else has.
pub(super) fn fresh_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("jjobs-test-{}-{number}", std::process::id())
}

/// The label's argument, with its value.
pub(super) fn label() -> String {
    format!("{LABEL}={}", std::process::id())
}

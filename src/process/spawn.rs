//! What a child is started with.
//!
//! A child is started through our own binary (see [`super::exec`]): the safe half of std's `Command` can neither make a
//! session nor set limits in the child, and a second tiny `exec` (half a millisecond) can.

use super::{Children, Ending};
use crate::process::exec;
use rustix::process::Pid;
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, PipeReader, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
};

/// What a process inherits from whoever starts it, beside its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// The working folder; `None` keeps ours, and so does one that cannot be entered, with a word on the child's output.
    pub folder: Option<PathBuf>,
    /// The file mode creation mask; `None` keeps ours.
    pub umask: Option<u32>,
    /// Resource limits to set: (name as `/proc/self/limits` orders them, soft, hard); see [`exec::LIMITS`].
    pub limits: Vec<(String, Option<u64>, Option<u64>)>,
}

/// Where a child's standard input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Input {
    /// `/dev/null`.
    #[default]
    Null,
    /// These few bytes (less than a page), then end of file.
    Bytes(&'static [u8]),
}

/// Where a child's standard output and error go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputTo {
    /// Both into one pipe, in the order written; read it from [`Child::output`].
    #[default]
    Pipe,
    /// Output into the pipe, errors to `/dev/null`: for programs that are asked for a value.
    PipeOutputOnly,
    /// Both to `/dev/null`.
    Null,
}

/// A process to be started, leading a session of its own.
#[derive(Debug, Clone)]
pub struct Spawn {
    /// Path, or a name looked up in the child's `PATH`.
    pub program: OsString,
    /// Its arguments, without the program's name.
    pub args: Vec<OsString>,
    /// What it inherits.
    pub surroundings: Surroundings,
    /// Its standard input.
    pub input: Input,
    /// Its output.
    pub output: OutputTo,
}

impl Spawn {
    /// `program` without arguments, with input from `/dev/null` and output into a pipe.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>, surroundings: Surroundings) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            surroundings,
            input: Input::default(),
            output: OutputTo::default(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }
}

/// A started process. Dropping it neither stops it nor leaves a zombie.
#[derive(Debug)]
pub struct Child {
    /// Its pid, which is also its session and process group.
    pub pid: Pid,
    /// Tells how it ended.
    pub ending: Ending,
    /// The read end of its output, where asked for. It reports end of file only when *every* holder has closed it:
    /// a background process that the child leaves behind keeps it open.
    pub output: Option<PipeReader>,
}

/// The operating system refused to start a process. (A program that is missing or not executable is seen later, as exit
/// code 127 or 126.)
#[derive(Debug, thiserror::Error)]
#[error("cannot start {program}")]
pub struct SpawnError {
    program: String,
    #[source]
    source: io::Error,
}

impl Children {
    /// Starts a process.
    ///
    /// # Errors
    /// When the operating system refuses a process or a pipe.
    pub fn spawn(&self, spawn: &Spawn) -> Result<Child, SpawnError> {
        let failed =
            |source| SpawnError { program: spawn.program.to_string_lossy().into_owned(), source };
        let mut command = Command::new(&self.0.trampoline);
        command.arg0(exec::ARG0).args(exec::arguments(&spawn.surroundings)).arg("--");
        command.arg(&spawn.program).args(&spawn.args);
        command.env_clear().envs(&spawn.surroundings.env);
        command.stdin(input(spawn.input).map_err(failed)?);
        let output = attach_output(&mut command, spawn.output).map_err(failed)?;
        let child = command.spawn().map_err(failed)?;
        // Dropping std's `Child` neither waits nor kills; the status stays for `reap`, which runs on this thread only.
        let pid = Pid::from_child(&child);
        tracing::debug!(pid = pid.as_raw_pid(), program = %spawn.program.to_string_lossy(), args = spawn.args.len(), "process started");
        Ok(Child { pid, ending: self.register(pid), output })
    }
}

fn input(input: Input) -> io::Result<Stdio> {
    match input {
        Input::Null => Ok(Stdio::from(File::open("/dev/null")?)),
        Input::Bytes(bytes) => {
            let (reader, mut writer) = io::pipe()?;
            // Less than a pipe holds, so this cannot block.
            writer.write_all(bytes)?;
            Ok(Stdio::from(reader))
        }
    }
}

fn attach_output(command: &mut Command, output: OutputTo) -> io::Result<Option<PipeReader>> {
    match output {
        OutputTo::Null => {
            command.stdout(Stdio::null()).stderr(Stdio::null());
            Ok(None)
        }
        OutputTo::Pipe => {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            Ok(Some(reader))
        }
        OutputTo::PipeOutputOnly => {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer).stderr(Stdio::null());
            Ok(Some(reader))
        }
    }
}

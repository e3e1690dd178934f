//! `CUSTOM_COMMAND`: shell text whose exported variables, folder, mask and limits the components inherit.
//!
//! # Theory of operation
//!
//! A process cannot change its parent, so what the shell did to itself has to be carried back. The shell evaluates the
//! text under `set -e` and then starts our own binary as [`capture`], which inherits what a component would, and sends
//! that through a named pipe. Nothing of ours stands in the shell's environment or in its open files, so the text may
//! unset, close or limit what it likes. A named pipe, because a limit on file sizes does not apply to it. Ignored signals,
//! niceness and `oom_score_adj` are not carried: nobody was promised those.
//!
//! `exit 0` in the text ends only the text: the shell's exit trap sends the state as it is then. Text with an exit trap
//! of its own replaces ours; its state is sent when the text has come to its end. Where none is sent although the shell
//! ended well (`exec` in the text, or both an exit trap and `exit`), the boot goes on without, and says so.

pub mod capture;

use super::{
    child::{self, Answer, Limit, Outcome, RunError},
    step::{StepOutput, StopSignal},
};
use crate::{
    exit::ExitCode,
    process::{Children, ProcessEnd, Spawn, Surroundings, drain_receiver},
};
use rustix::fs::{Access, CWD, FileType, Mode, OFlags, access, mknodat, open};
use std::{
    cell::RefCell,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};
use tokio::net::unix::pipe;

/// The variable that holds the text. The shell takes it from there: an argument would be shown by `ps`.
const VARIABLE: &str = "CUSTOM_COMMAND";
/// Where bash is, before `PATH` is searched.
const BASH: [&str; 2] = ["/bin/bash", "/usr/bin/bash"];
/// An environment is at most a few hundred kilobytes; this is out of reach.
const MAX_CAPTURE: usize = 64 * 1024 * 1024;
/// The sent state is complete when the shell has ended; this is only for reading it.
const READ_CAPTURE: Duration = Duration::from_secs(2);

/// Variables with secrets that only the image's own steps need.
const SCRUBBED: [&str; 5] =
    ["API_PRIVATE_TOKEN", "DB_PASSWD", "ENCRYPTED_DB_USER", "ENCRYPTED_DB_PASSWD", "WGET_HEADER"];

/// What the step needs.
#[derive(Debug)]
pub struct CustomCommand<'a, S> {
    /// The shell text.
    pub text: &'a str,
    /// Starts the shell.
    pub children: &'a Children,
    /// What the shell inherits; its folder is where the text starts.
    pub surroundings: Surroundings,
    /// Where its output goes.
    pub output: Rc<RefCell<S>>,
    /// A folder of ours for the named pipe.
    pub run_folder: &'a Path,
    /// Our own binary, as a path that other processes can execute: see [`own_binary`].
    pub binary: &'a Path,
    /// The shell; `None`: bash if it is there, else sh.
    pub shell: Option<Shell>,
}

/// A shell that can run a custom command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// Its program.
    pub path: PathBuf,
    /// Whether it passes on variables whose names no shell can set, such as `a.b`: bash does, dash drops them.
    pub keeps_all_names: bool,
}

/// The custom command step failed.
#[derive(Debug, thiserror::Error)]
pub enum CustomCommandError {
    /// The image has no shell.
    #[error("cannot run CUSTOM_COMMAND: neither bash nor sh is in this image")]
    NoShell,
    /// The pipe for what it leaves cannot be made.
    #[error("cannot make a pipe in {}", path.display())]
    Pipe {
        /// The pipe.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The operating system did not let it run.
    #[error("cannot run CUSTOM_COMMAND")]
    Run(#[from] RunError),
    /// It failed.
    #[error("CUSTOM_COMMAND failed: {end}")]
    Failed {
        /// How the shell ended.
        end: ProcessEnd,
        /// Its last lines.
        last_lines: Vec<String>,
    },
    /// The boot was told to stop; the command is stopped.
    #[error("stopped during CUSTOM_COMMAND")]
    Stopped,
}

impl CustomCommandError {
    /// The code to exit with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Stopped => ExitCode::Done,
            Self::Pipe { .. } => ExitCode::System,
            _ => ExitCode::CustomCommandFailed,
        }
    }

    /// What the command wrote last.
    #[must_use]
    pub fn last_lines(&self) -> &[String] {
        if let Self::Failed { last_lines, .. } = self { last_lines } else { &[] }
    }

    /// What an operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoShell => Some("put a shell into the image, or unset CUSTOM_COMMAND"),
            Self::Pipe { .. } => Some("JJOBS_INIT_RUN_DIR must be a writable folder"),
            Self::Failed { .. } => {
                Some("it runs under `set -e`: end a command that may fail with `|| true`")
            }
            Self::Run(_) | Self::Stopped => None,
        }
    }
}

/// Runs the command; returns what the components inherit from it.
///
/// # Errors
/// When it cannot be run or fails; or when the boot is to end.
pub async fn run<S: StepOutput + 'static>(
    mut command: CustomCommand<'_, S>,
    stop: &mut StopSignal,
) -> Result<Surroundings, CustomCommandError> {
    let shell = command.shell.take().or_else(|| find_shell(&command.surroundings));
    let shell = shell.ok_or(CustomCommandError::NoShell)?;
    let pipe = command.run_folder.join("custom-command");
    let (receiver, _removed) = make_pipe(&pipe)
        .map_err(|source| CustomCommandError::Pipe { path: pipe.clone(), source })?;
    let captured = Answer::up_to(MAX_CAPTURE);
    let mut reading = drain_receiver(receiver, Rc::clone(&captured));
    command.surroundings.env.insert(VARIABLE.into(), command.text.into());
    let spawn = Spawn::new(&shell.path, command.surroundings.clone())
        .arg("-c")
        .arg(script(command.binary, &pipe))
        // What the shell's own messages begin with.
        .arg(VARIABLE);
    tracing::info!(path = %shell.path.display(), "running the custom command");
    let run = child::run((command.children, &spawn), &command.output, Limit::None, stop).await;
    // A writer that comes and goes is the end of file that the reader waits for, if nobody else wrote.
    drop(open(&pipe, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()));
    reading.finish(READ_CAPTURE).await;
    match run? {
        Outcome::Ended(end) if end.is_success() => {}
        Outcome::Ended(end) => {
            let last_lines = child::last_lines(&command.output);
            return Err(CustomCommandError::Failed { end, last_lines });
        }
        Outcome::Stopped | Outcome::Overdue => return Err(CustomCommandError::Stopped),
    }
    let Some(left) = capture::parse(&captured.borrow().bytes) else {
        tracing::warn!(
            hint = "text that calls exec, or that has an exit trap of its own and calls exit, passes nothing on",
            "the components do not inherit what the custom command exported"
        );
        return Ok(command.surroundings);
    };
    Ok(inherited(left, &command.surroundings, shell.keeps_all_names))
}

/// Removes the token and the passwords (`JJOBS_INIT_SCRUB_ENV=yes`), for the components alone.
pub fn scrub(surroundings: &mut Surroundings) {
    surroundings.env.retain(|name, _| !SCRUBBED.iter().any(|scrubbed| name == scrubbed));
}

/// Our own binary as other processes can execute it: its path, or where that is another file by now, its entry in
/// `/proc`.
#[must_use]
pub fn own_binary() -> PathBuf {
    let by_pid = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    let same = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        let (Ok(there), Ok(here)) = (fs::metadata(path), fs::metadata(&by_pid)) else {
            return false;
        };
        (there.dev(), there.ino()) == (here.dev(), here.ino())
    };
    fs::read_link("/proc/self/exe").ok().filter(|path| same(path)).unwrap_or(by_pid)
}

fn find_shell(surroundings: &Surroundings) -> Option<Shell> {
    let bash = BASH.iter().map(PathBuf::from).find(|path| is_program(path));
    if let Some(path) = bash.or_else(|| find_in_path("bash", surroundings)) {
        return Some(Shell { path, keeps_all_names: true });
    }
    let sh = Some(PathBuf::from("/bin/sh")).filter(|path| is_program(path));
    let path = sh.or_else(|| find_in_path("sh", surroundings))?;
    Some(Shell { path, keeps_all_names: false })
}

fn find_in_path(name: &str, surroundings: &Surroundings) -> Option<PathBuf> {
    let path = surroundings.env.get(OsStr::new("PATH"))?;
    let folders = path.as_bytes().split(|byte| *byte == b':').filter(|folder| !folder.is_empty());
    folders
        .map(|folder| Path::new(OsStr::from_bytes(folder)).join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// Removes the named pipe at the step's end.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn make_pipe(path: &Path) -> io::Result<(pipe::Receiver, Removed)> {
    // One that a killed boot left would still have its reader's rights, but may be anything.
    let _ = fs::remove_file(path);
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let removed = Removed(path.to_owned());
    Ok((pipe::OpenOptions::new().open_receiver(path)?, removed))
}

/// What the shell executes. POSIX text that no shell reads differently; `case` because it is no command that the text
/// could redefine. The variable is not exported (`set -a` comes too late for it).
fn script(binary: &Path, pipe: &Path) -> OsString {
    let send = [
        quoted(binary.as_os_str().as_bytes()),
        capture::ARG.as_bytes().to_vec(),
        quoted(pipe.as_os_str().as_bytes()),
        b"||:".to_vec(),
    ]
    .join(&b' ');
    let trap = [b"case $?$__jjobs_init_sent in 0) ".as_slice(), &send, b";; esac"].concat();
    let lines = [
        b"__jjobs_init_sent=".to_vec(),
        b"set -e".to_vec(),
        [b"trap ".as_slice(), &quoted(&trap), b" EXIT"].concat(),
        b"eval \"$CUSTOM_COMMAND\"".to_vec(),
        send,
        b"__jjobs_init_sent=yes".to_vec(),
    ];
    OsString::from_vec(lines.join(&b'\n'))
}

/// `text` as one word of a shell.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in text {
        match byte {
            b'\'' => quoted.extend(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Takes out of `left` what belongs to the shell itself. `PWD`, `OLDPWD` and `SHLVL` stay: today's components, started
/// by the shell that evaluated the text, see them too.
fn inherited(mut left: Surroundings, before: &Surroundings, keeps_all_names: bool) -> Surroundings {
    // `_` names the last command, which was ours.
    left.env.retain(|name, _| name != "_" && !name.as_bytes().starts_with(b"__jjobs_init_"));
    let restored = |name: &OsStr| name == "_" || !(keeps_all_names || is_shell_name(name));
    for (name, value) in before.env.iter().filter(|(name, _)| restored(name)) {
        left.env.entry(name.clone()).or_insert_with(|| value.clone());
    }
    if left.folder.is_none() {
        tracing::warn!(
            "the folder that the custom command changed to is gone; components start in the one before"
        );
        left.folder.clone_from(&before.folder);
    }
    left
}

fn is_shell_name(name: &OsStr) -> bool {
    name.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && !name.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(vars: &[(&str, &str)]) -> Surroundings {
        Surroundings {
            env: vars.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            folder: Some("/".into()),
            ..Surroundings::default()
        }
    }

    #[test]
    fn scrubbing_removes_the_token_and_the_passwords_and_nothing_else() {
        let mut given = surroundings(&[
            ("API_PRIVATE_TOKEN", "x"),
            ("DB_PASSWD", "x"),
            ("ENCRYPTED_DB_PASSWD", "x"),
            ("DB_USER", "x"),
            ("JDBC_URL", "x"),
        ]);
        scrub(&mut given);
        assert_eq!(given, surroundings(&[("DB_USER", "x"), ("JDBC_URL", "x")]));
    }

    #[test]
    fn names_that_only_bash_keeps_come_back_after_another_shell() {
        let before = surroundings(&[("a.b", "1"), ("GONE", "1"), ("_", "/entry")]);
        let left = surroundings(&[("NEW", "1"), ("_", "/ours"), ("__jjobs_init_sent", "")]);
        let expected = surroundings(&[("NEW", "1"), ("a.b", "1"), ("_", "/entry")]);
        assert_eq!(inherited(left.clone(), &before, false), expected);
        let expected = surroundings(&[("NEW", "1"), ("_", "/entry")]);
        assert_eq!(inherited(left, &before, true), expected);
    }

    #[test]
    fn a_quoted_text_is_one_word() {
        assert_eq!(quoted(b"it's a \"$x\""), b"'it'\\''s a \"$x\"'");
    }
}

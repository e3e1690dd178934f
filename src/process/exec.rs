//! The child's side of starting a process: makes the session, sets mask and limits, becomes the program.
//!
//! `main` comes here when it was called as [`ARG0`]. Nothing may be printed here but the reason why the program could not
//! be executed; then the exit code is a shell's: 127 not found, 126 found but not executable.

use super::Surroundings;
use nix::{
    errno::Errno,
    sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask},
    unistd::execvp,
};
use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, chdir, getpid, setpgid, setrlimit, setsid, umask},
    termios::tcsetpgrp,
};
use std::{
    ffi::{CString, OsStr, OsString},
    io::{self, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
    sync::Arc,
};

/// `argv[0]` of our binary when it only starts another program.
pub const ARG0: &str = "jjobs-init-exec";

/// The resource limits that a shell's `ulimit` may set, by the names used between our two sides.
pub const LIMITS: [(&str, Resource); 15] = [
    ("cpu", Resource::Cpu),
    ("fsize", Resource::Fsize),
    ("data", Resource::Data),
    ("stack", Resource::Stack),
    ("core", Resource::Core),
    ("rss", Resource::Rss),
    ("nproc", Resource::Nproc),
    ("nofile", Resource::Nofile),
    ("memlock", Resource::Memlock),
    ("as", Resource::As),
    ("locks", Resource::Locks),
    ("sigpending", Resource::Sigpending),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("rtprio", Resource::Rtprio),
];

/// The arguments by which [`run`] learns what to set.
pub(super) fn arguments(surroundings: &Surroundings) -> Vec<OsString> {
    let mut arguments = Vec::new();
    if let Some(folder) = &surroundings.folder {
        // Entered by the child alone: whoever starts it would wait with it for a volume that hangs.
        let mut argument = OsString::from(FOLDER);
        argument.push(folder);
        arguments.push(argument);
    }
    if let Some(mask) = surroundings.umask {
        arguments.push(format!("umask={mask:o}").into());
    }
    for (name, soft, hard) in &surroundings.limits {
        let limit = format!("limit={name}:{}:{}", limit_text(*soft), limit_text(*hard));
        arguments.push(limit.into());
    }
    arguments
}

const FOLDER: &str = "folder=";

/// The argument that asks for what `run` needs instead of a session: a process group in the terminal's foreground, and
/// the signal mask that we were started with.
pub(super) const FOREGROUND: &str = "foreground";

/// Becomes the program named after `--`; returns the exit code if that is not possible.
#[must_use]
pub fn run(args: impl Iterator<Item = OsString>) -> u8 {
    let mut args = args;
    let settings: Vec<OsString> = args.by_ref().take_while(|arg| arg != "--").collect();
    if settings.iter().any(|setting| setting == FOREGROUND) {
        take_foreground();
    } else {
        // EPERM: we lead a group already, which is as good. The mask stays as it was given to us: empty.
        let _ = setsid();
    }
    for setting in &settings {
        match (setting.as_bytes().strip_prefix(FOLDER.as_bytes()), setting.to_str()) {
            (Some(folder), _) => enter(Path::new(OsStr::from_bytes(folder))),
            (None, Some(setting)) => apply(setting),
            (None, None) => {}
        }
    }
    let words: Result<Vec<CString>, _> = args.map(|arg| CString::new(arg.into_vec())).collect();
    // An argument cannot hold a NUL, and the program is always there: our own side wrote the line.
    let Ok(words) = words else { return 127 };
    let Some(program) = words.first() else { return 127 };
    failure(program, execute(program, &words))
}

/// Executes `program`, by a shell if it is a script without an interpreter line, as a shell would.
fn execute(program: &CString, words: &[CString]) -> Errno {
    // Rust ignores SIGPIPE, and programs expect its default. An exec gives handled signals their default back, ignored
    // ones stay ignored (signal(7)): so a handler for the moment between is the way that needs no `unsafe`.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGPIPE, Arc::default());
    let Err(error) = execvp(program, words);
    if error != Errno::ENOEXEC {
        return error;
    }
    for shell in [c"/bin/bash", c"/bin/sh"] {
        let words: Vec<CString> =
            std::iter::once(shell.to_owned()).chain(words.iter().cloned()).collect();
        let Err(_) = execvp(shell, &words);
    }
    error
}

fn take_foreground() {
    let stdin = io::stdin();
    let own = getpid();
    // Started in the background (`… &` in a shell), the terminal is somebody else's.
    let is_ours = super::terminal::is_in_foreground();
    let _ = setpgid(None, None);
    if is_ours {
        // A background process that takes the terminal gets SIGTTOU; blocked, the call just succeeds (tcsetpgrp(3)).
        let mut only_ttou = SigSet::empty();
        only_ttou.add(Signal::SIGTTOU);
        let mut before = SigSet::empty();
        let _ = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&only_ttou), Some(&mut before));
        let _ = tcsetpgrp(&stdin, own);
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    }
}

/// Says why `program` could not be executed; returns a shell's code for it.
fn failure(program: &CString, error: Errno) -> u8 {
    let _ = writeln!(
        io::stderr(),
        "jjobs-init: cannot execute {}: {}",
        program.to_string_lossy(),
        error.desc()
    );
    if matches!(error, Errno::ENOENT | Errno::ENOTDIR) { 127 } else { 126 }
}

/// Goes to the working folder. One that is gone is no reason not to start: the program then begins where we are.
fn enter(folder: &Path) {
    if let Err(error) = chdir(folder) {
        let _ = writeln!(
            io::stderr(),
            "jjobs-init: cannot enter the working folder {}: {error}",
            folder.display()
        );
    }
}

fn apply(setting: &str) {
    let (kind, value) = setting.split_once('=').unwrap_or_default();
    match kind {
        "umask" => {
            if let Ok(mask) = u32::from_str_radix(value, 8) {
                umask(Mode::from_bits_truncate(mask));
            }
        }
        "mask" => block(u64::from_str_radix(value, 16).unwrap_or(0)),
        "limit" => {
            let mut parts = value.split(':');
            let name = parts.next().unwrap_or_default();
            let current = parts.next().and_then(|text| text.parse().ok());
            let maximum = parts.next().and_then(|text| text.parse().ok());
            if let Some((_, resource)) = LIMITS.iter().find(|(known, _)| *known == name) {
                // Only a limit above our own can be refused, and nobody could have set such a one below us.
                let _ = setrlimit(*resource, Rlimit { current, maximum });
            }
        }
        _ => {}
    }
}

/// Blocks the signals of `set` (bit n-1 is signal n) and no other; real-time ones have no name here and stay open.
fn block(set: u64) {
    let named = Signal::iterator().filter(|signal| set & (1 << (*signal as u32 - 1)) != 0);
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&named.collect()), None);
}

fn limit_text(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

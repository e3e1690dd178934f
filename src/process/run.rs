//! Plain init for any command: reaping, signal forwarding, exact exit code (`jjobs-init run -- CMD`).
//!
//! No supervisor, no thread, no runtime: a command under `docker run … bash`, a Job or a `CronJob` pays for nothing else.

use super::{
    ProcessEnd, exec,
    signals::{self, Held, Signals},
    terminal,
};
use nix::{
    sys::signal::{Signal as Named, kill},
    unistd::Pid as NixPid,
};
use rustix::process::{
    Pid, Signal, WaitOptions, getgid, getpid, kill_process, set_child_subreaper,
};
use rustix_libc_wrappers::process::SignalExt;
use signal_hook::consts::{SIGBUS, SIGCHLD, SIGCONT, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP};
use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// From TERM to KILL for what the command leaves behind.
const GRACE: Duration = Duration::from_secs(5);
/// From KILL to our end: the kernel needs a moment, and a process in an uninterruptible wait must not hold us.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// SIGKILL and SIGSTOP cannot be caught, SIGCHLD is ours, and the others say that we ourselves are broken: a handler that
/// returns would only run into the same instruction again.
const NOT_FORWARDED: [i32; 7] = [SIGKILL, SIGSTOP, SIGCHLD, SIGSEGV, SIGBUS, SIGFPE, SIGILL];

/// Runs `command` (not empty) to its end and returns the code to exit with. `held`: signals so far, ours from now on.
///
/// # Errors
/// When the operating system refuses handlers or a process.
pub fn run(trampoline: &Path, command: &[OsString], held: Held) -> io::Result<u8> {
    let signals = Signals::install(&forwarded())?;
    // Before the command is started, which inherits the mask.
    drop(held);
    if getpid() != Pid::INIT {
        // Orphans would go to the real PID 1 otherwise.
        set_child_subreaper(Some(getpid()))?;
    }
    let child = Command::new(trampoline)
        // Changes nothing, but makes std fork instead of posix_spawn(3), which gives our handlers their defaults back
        // before it executes: a Ctrl-Z just then would stop the child while we wait for it, for ever.
        .gid(getgid().as_raw())
        .arg0(exec::ARG0)
        .args([
            exec::FOREGROUND.to_owned(),
            format!("mask={:x}", status_set("SigBlk:")),
            "--".to_owned(),
        ])
        .args(command)
        .spawn()?;
    let child = Pid::from_child(&child);
    let end = wait_for(child, &signals);
    stop_the_rest(&signals);
    Ok(end.shell_code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

/// Every signal that we can pass on. One that we were started with ignored stays ignored, for us and for the command:
/// a handler of ours would turn into the default action there.
fn forwarded() -> Vec<i32> {
    let ignored = ignored();
    // 32 to 34 belong to the C library's threads.
    (1..=31)
        .chain(35..=64)
        .filter(|signal| !NOT_FORWARDED.contains(signal) && ignored & (1 << (signal - 1)) == 0)
        .chain([SIGCHLD])
        .collect()
}

/// The signals that we were started with ignored, but SIGPIPE: Rust's start-up ignores that one.
fn ignored() -> u64 {
    status_set("SigIgn:") & !(1 << (signal_hook::consts::SIGPIPE - 1))
}

/// A set of signals from our own status (proc(5)): bit n-1 is signal n.
fn status_set(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    u64::from_str_radix(set.trim(), 16).unwrap_or(0)
}

fn wait_for(child: Pid, signals: &Signals) -> ProcessEnd {
    loop {
        for signal in signals.wait(None) {
            if signal == SIGCONT {
                // A shell's `fg`.
                terminal::hand_to(child);
            }
            if signal != SIGCHLD {
                forward(child, signal);
            }
        }
        match collect(Some(child)) {
            Collected::Ended(end) => return end,
            Collected::Stopped(signal) => terminal::stopped(child, signal),
            Collected::SomeLive | Collected::NoneLives => {}
        }
    }
}

enum Collected {
    Ended(ProcessEnd),
    /// By this signal; it lives.
    Stopped(i32),
    SomeLive,
    NoneLives,
}

/// Collects all that has ended; tells whether `wanted` was among them.
fn collect(wanted: Option<Pid>) -> Collected {
    let mut found = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            Ok(Some((pid, status))) if Some(pid) == wanted => {
                let stopped = status.stopping_signal().map(Collected::Stopped);
                found = ProcessEnd::from_status(status).map(Collected::Ended).or(stopped).or(found);
            }
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return found.unwrap_or(Collected::SomeLive),
            Err(_) => return found.unwrap_or(Collected::NoneLives),
        }
    }
}

/// Passes a signal on to the command's process alone: what it started is its own affair.
fn forward(child: Pid, signal: i32) {
    let Some(known) = Signal::from_raw(signal) else { return };
    if let Err(error) = kill_process(child, known)
        && error != rustix::io::Errno::SRCH
    {
        let _ =
            writeln!(io::stderr(), "jjobs-init: cannot forward {}: {error}", signals::name(signal));
    }
}

fn stop_the_rest(signals: &Signals) {
    for (signal, time) in [(Named::SIGTERM, GRACE), (Named::SIGKILL, AFTER_KILL)] {
        let until = Instant::now() + time;
        if matches!(collect(None), Collected::NoneLives) {
            return;
        }
        signal_the_rest(signal);
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let _ = signals.wait(Some(left));
            if matches!(collect(None), Collected::NoneLives) {
                return;
            }
        }
    }
}

fn signal_the_rest(signal: Named) {
    if getpid() == Pid::INIT {
        // Everything in the namespace but ourselves (kill(2)).
        let _ = kill(NixPid::from_raw(-1), signal);
        return;
    }
    for pid in super::procfs::descendants() {
        let _ = kill(NixPid::from_raw(pid.as_raw_pid()), signal);
    }
}

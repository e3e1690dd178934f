//! Whose turn it is at the terminal: job control for a command that has a process group of its own.
//!
//! Without it, a command that a Ctrl-Z has stopped would leave the shell that started us waiting for ever, because we are
//! not stopped; and a command started in the background would take the terminal away from the shell.

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::{Pid, getpgrp, getpid, getsid, tcgetpgrp, tcsetpgrp},
};
use rustix::process::Pid as ProcessId;
use std::io;

/// Whether our process group may read from the terminal on stdin; false where that is none, or not our session's.
pub(super) fn is_in_foreground() -> bool {
    tcgetpgrp(io::stdin()) == Ok(getpgrp())
}

/// Gives the terminal to the group that `leader` leads, if it is ours to give.
pub(super) fn hand_to(leader: ProcessId) {
    if is_in_foreground() {
        let _ = tcsetpgrp(io::stdin(), Pid::from_raw(leader.as_raw_pid()));
    }
}

/// What to do when `leader`, and with it perhaps its whole group, was stopped by `signal`.
///
/// Where a shell started us, we stop too, so that it knows, and go on together with the group. Where nobody is there who
/// could let the group go on (we lead the session, as in `docker run -it`), a Ctrl-Z is undone, as if the command were PID 1.
/// Without a terminal somebody stopped the command on purpose, and will let it go on.
pub(super) fn stopped(leader: ProcessId, signal: i32) {
    let by_terminal = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];
    if tcgetpgrp(io::stdin()).is_err() || !by_terminal.iter().any(|stop| *stop as i32 == signal) {
        return;
    }
    let group = Pid::from_raw(leader.as_raw_pid());
    let is_alone = getsid(None) == Ok(getpid()) || getpid() == Pid::from_raw(1);
    if !is_alone {
        let _ = kill(getpid(), Signal::SIGSTOP);
        hand_to(leader);
    } else if signal != Signal::SIGTSTP as i32 {
        // It would be stopped again at once.
        return;
    }
    if killpg(group, Signal::SIGCONT).is_err() {
        // So young that it has no group yet.
        let _ = kill(group, Signal::SIGCONT);
    }
}

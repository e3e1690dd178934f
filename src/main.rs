//! argv and environment in, exit code out; nothing else.

use jjobs_init::{
    applet::{self, Applet},
    boot::custom_command::capture,
    cli::Command,
    clients, entrypoint,
    exit::ExitCode,
    process::{
        exec, run,
        signals::{self, Held, Signals},
    },
};
use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::Path,
    process::ExitCode as Exit,
};

/// Our own binary, whatever its path is and even if it was replaced.
const OWN_BINARY: &str = "/proc/self/exe";

/// By what our own binary can be started again; where `/proc` is not mounted only the path that we were called by is left.
fn own_binary(called_as: &OsStr) -> &Path {
    let own = Path::new(OWN_BINARY);
    if own.exists() { own } else { Path::new(called_as) }
}

fn main() -> Exit {
    let mut args = std::env::args_os();
    let called_as = args.next().unwrap_or_default();
    if called_as == exec::ARG0 {
        return Exit::from(exec::run(args));
    }
    let mut args = args.peekable();
    if args.next_if(|arg| arg == capture::ARG).is_some() {
        return Exit::from(capture::main(args, std::env::vars_os()));
    }
    let args: Vec<OsString> = args.collect();
    // A probe takes the short way; it is never PID 1.
    if let Some(command) = applet::quick(&called_as, &args) {
        return Exit::from(clients::run(&command, std::env::vars_os()));
    }
    // Before anything slow: the kernel drops a signal to PID 1 that has no handler.
    let held = Held::all();
    match applet::choose(&called_as, &args) {
        Applet::Command(Command::Boot) => boot(own_binary(&called_as), held),
        Applet::Command(Command::Run { command }) => {
            match run::run(own_binary(&called_as), &command, held) {
                Ok(code) => Exit::from(code),
                Err(error) => refused(&error),
            }
        }
        Applet::Command(Command::Check { format }) => {
            Exit::from(entrypoint::check(std::env::vars_os(), format))
        }
        Applet::Command(command) => {
            drop(held);
            Exit::from(clients::run(&command, std::env::vars_os()))
        }
        Applet::Say(error, exit_code) => say(&error, exit_code),
    }
}

fn boot(own_binary: &Path, held: Held) -> Exit {
    match Signals::install(&signals::SUPERVISOR) {
        Ok(signals) => {
            drop(held);
            Exit::from(entrypoint::boot(std::env::vars_os(), signals, own_binary))
        }
        Err(error) => refused(&error),
    }
}

fn say(error: &clap::Error, exit_code: ExitCode) -> Exit {
    let _ = error.print();
    Exit::from(exit_code.code())
}

fn refused(error: &io::Error) -> Exit {
    let _ = writeln!(
        io::stderr(),
        "error: the operating system refuses what we need\ncaused by: {error}"
    );
    Exit::from(ExitCode::System.code())
}

//! The command line.

use crate::{check::Format, control::message::Target, status};
use clap::{
    Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use std::ffi::OsString;

/// Our own name in help and errors, whatever we were called by.
pub const NAME: &str = "jjobs-init";

/// PID 1 of a J-Jobs container, and the tool inside it.
#[derive(Debug, Parser)]
#[command(name = NAME, version, about)]
#[command(
    after_help = "Without a command: boot. As /entrypoint.sh, any other first word is a command to run."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Our commands.
#[derive(Debug, Subcommand, PartialEq, Eq)]
pub enum Command {
    /// Install, configure and start J-Jobs as the environment says, then live as PID 1
    Boot,
    /// Check the whole environment; print every problem and the plan (exit code 0 or 78)
    Check {
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Plain init for any command: reaps, forwards signals, ends with the command's exit code
    #[command(override_usage = "jjobs-init run [--] CMD [ARG]...")]
    Run {
        /// The command and its arguments, as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = false, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Ask PID 1 to drain and stop everything, and wait for that (the kubelet's preStop)
    PreStop,
    /// Wait until PID 1 has released what it should (the kubelet's postStart)
    PostStart,
    /// Does everything run that should?
    Liveness,
    /// The same for the agent alone
    Healthcheck,
    /// Does everything answer as ready?
    Readiness,
    /// Show what PID 1 knows: phase, components, runtimes, drain, holds
    Status {
        /// Again each second, until interrupted
        #[arg(long)]
        watch: bool,
        /// How to print it
        #[arg(long, value_enum, default_value_t = status::Format::Text)]
        format: status::Format,
    },
    /// Start a component
    Start {
        /// What to start
        #[arg(value_name = "COMPONENT", value_parser = target())]
        target: Target,
    },
    /// Stop a component; what runs on it may finish. Liveness stays green
    Stop {
        /// What to stop
        #[arg(value_name = "COMPONENT", value_parser = target())]
        target: Target,
        /// Do not hold a server and wait for its requests
        #[arg(long)]
        now: bool,
    },
    /// Stop and start a component
    Restart {
        /// What to restart
        #[arg(value_name = "COMPONENT", value_parser = target())]
        target: Target,
        /// Do not hold a server and wait for its requests
        #[arg(long)]
        now: bool,
    },
    /// Drain and stop everything; the container stays
    Drain {
        /// What else to do with a drain
        #[command(subcommand)]
        what: Option<DrainCommand>,
    },
}

/// What can be done with a drain.
#[derive(Clone, Copy, Debug, Subcommand, PartialEq, Eq)]
pub enum DrainCommand {
    /// How far has it come?
    Status,
    /// Take it back: start again what it stopped, and go on working
    Abort,
    /// Let nothing finish any more: stop now
    Force,
}

fn target() -> impl TypedValueParser<Value = Target> {
    PossibleValuesParser::new(Target::ALL.map(Target::name)).map(|word| {
        // The parser lets no other word through.
        Target::ALL.into_iter().find(|target| target.name() == word).unwrap_or(Target::All)
    })
}

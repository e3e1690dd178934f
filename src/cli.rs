//! The command line.

use crate::check::Format;
use clap::{Parser, Subcommand};
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
}

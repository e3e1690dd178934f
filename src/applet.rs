//! Which command this run is. One binary, many names.
//!
//! The image keeps the paths that manifests in the field already name as symlinks (`/entrypoint.sh ->
//! /usr/local/bin/jjobs-init`). The name we were called by wins; under our own name the first argument decides. After
//! `/entrypoint.sh`, a first word that is no command of ours is a command to run, as with any image's entrypoint.

use crate::cli::{self, Cli, Command};
use clap::{CommandFactory, Parser, error::ErrorKind};
use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

/// What this run is to do.
#[derive(Debug)]
pub enum Applet {
    /// One of our commands.
    Command(Command),
    /// Help, a version, or a usage error: print it and end with this code.
    Say(clap::Error),
}

/// Decides by the name we were called by, then by the arguments.
#[must_use]
pub fn choose(called_as: &OsStr, args: &[OsString]) -> Applet {
    if stem(called_as) == Some("entrypoint")
        && let Some(command) = foreign_command(args)
    {
        return Applet::Command(Command::Run { command });
    }
    if let Some(command) = command_to_run(args) {
        return Applet::Command(Command::Run { command });
    }
    let own_name = OsString::from(cli::NAME);
    match Cli::try_parse_from(std::iter::once(&own_name).chain(args)) {
        Ok(Cli { command: Some(Command::Run { command }) }) if command.is_empty() => Applet::Say(
            Cli::command().error(ErrorKind::MissingRequiredArgument, "run needs a command to run"),
        ),
        Ok(cli) => Applet::Command(cli.command.unwrap_or(Command::Boot)),
        Err(error) => Applet::Say(error),
    }
}

/// The words to run, if the first one is neither an option nor a command of ours.
fn foreign_command(args: &[OsString]) -> Option<Vec<OsString>> {
    let first = args.first()?;
    if first == "--" {
        return args.get(1..).filter(|rest| !rest.is_empty()).map(<[OsString]>::to_vec);
    }
    let is_ours = first.to_str().is_some_and(|word| {
        word.starts_with('-') || word == "help" || Cli::command().find_subcommand(word).is_some()
    });
    (!is_ours).then(|| args.to_vec())
}

/// The words behind `run` or `run --`. Not left to clap, which would take a later `--` out: argv is passed on exactly.
fn command_to_run(args: &[OsString]) -> Option<Vec<OsString>> {
    let [run, rest @ ..] = args else { return None };
    let command = match rest {
        [dashes, command @ ..] if dashes == "--" => command,
        [first, ..] if first.to_str().is_some_and(|first| first.starts_with('-')) => return None,
        command => command,
    };
    (run == "run" && !command.is_empty()).then(|| command.to_vec())
}

fn stem(called_as: &OsStr) -> Option<&str> {
    Path::new(called_as).file_stem()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn chosen(called_as: &str, args: &str) -> String {
        match choose(OsStr::new(called_as), &words(args)) {
            Applet::Command(command) => format!("{command:?}"),
            Applet::Say(error) => format!("{:?}", error.kind()),
        }
    }

    #[test]
    fn the_name_decides_before_the_first_argument() {
        let cases = [
            ("/entrypoint.sh", "", "Boot"),
            ("/entrypoint.sh", "boot", "Boot"),
            ("/entrypoint.sh", "bash -c ls", r#"Run { command: ["bash", "-c", "ls"] }"#),
            ("/entrypoint.sh", "-- check", r#"Run { command: ["check"] }"#),
            ("/entrypoint.sh", "--version", "DisplayVersion"),
            ("/usr/local/bin/jjobs-init", "", "Boot"),
            ("jjobs-init", "boot", "Boot"),
            ("jjobs-init", "run -- ls -l", r#"Run { command: ["ls", "-l"] }"#),
            ("jjobs-init", "run ls -l --help", r#"Run { command: ["ls", "-l", "--help"] }"#),
            ("jjobs-init", "run sh -- -x", r#"Run { command: ["sh", "--", "-x"] }"#),
            ("jjobs-init", "run -- -- -x", r#"Run { command: ["--", "-x"] }"#),
            ("jjobs-init", "run --help", "DisplayHelp"),
            ("jjobs-init", "run", "MissingRequiredArgument"),
            ("jjobs-init", "bash", "InvalidSubcommand"),
            ("jjobs-init", "check --format json", "Check { format: Json }"),
        ];
        for (called_as, args, wanted) in cases {
            assert_eq!(chosen(called_as, args), wanted, "{called_as} {args}");
        }
    }
}

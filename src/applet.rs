//! Which command this run is. One binary, many names.
//!
//! The image keeps the paths that manifests in the field already name as symlinks (`/entrypoint.sh ->
//! /usr/local/bin/jjobs-init`). The name we were called by wins; under our own name the first argument decides. After
//! `/entrypoint.sh`, a first word that is no command of ours is a command to run, as with any image's entrypoint.
//!
//! Hooks and probes are found without the parser of command lines: a probe runs every few seconds for years. Words
//! after a name like `/working/liveness.sh` are ignored, as the scripts of that name have always done, and a hook or probe
//! whose words are wrong says no like at any other failure: its only codes are 0 and 1.

use crate::{
    cli::{self, Cli, Command},
    control::message::Target,
    exit::ExitCode,
};
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
    Say(clap::Error, ExitCode),
}

/// The hook or probe that this run is, if it is one: by the name we were called by, or by the only argument.
#[must_use]
pub fn quick(called_as: &OsStr, args: &[OsString]) -> Option<Command> {
    if let Some(command) = stem(called_as).and_then(hook_or_probe) {
        return Some(command);
    }
    match args {
        [word] if all_of_stop_or_start(called_as).is_none() => hook_or_probe(word.to_str()?),
        _ => None,
    }
}

fn hook_or_probe(word: &str) -> Option<Command> {
    match word {
        "pre-stop" => Some(Command::PreStop),
        "post-start" => Some(Command::PostStart),
        "liveness" => Some(Command::Liveness),
        "agent-healthcheck" | "healthcheck" => Some(Command::Healthcheck),
        "readiness" => Some(Command::Readiness),
        _ => None,
    }
}

/// What stands for the name `start-all.sh` or `stop-all.sh`.
fn all_of_stop_or_start(called_as: &OsStr) -> Option<[OsString; 2]> {
    let verb = match stem(called_as)? {
        "start-all" => "start",
        "stop-all" => "stop",
        _ => return None,
    };
    Some([verb.into(), Target::All.name().into()])
}

/// Decides by the name we were called by, then by the arguments.
#[must_use]
pub fn choose(called_as: &OsStr, args: &[OsString]) -> Applet {
    if let Some(command) = quick(called_as, args) {
        return Applet::Command(command);
    }
    if let Some(verb) = all_of_stop_or_start(called_as) {
        return parse(&[&verb, args].concat());
    }
    if stem(called_as) == Some("entrypoint")
        && let Some(command) = foreign_command(args)
    {
        return Applet::Command(Command::Run { command });
    }
    if let Some(command) = command_to_run(args) {
        return Applet::Command(Command::Run { command });
    }
    parse(args)
}

fn parse(args: &[OsString]) -> Applet {
    let own_name = OsString::from(cli::NAME);
    match Cli::try_parse_from(std::iter::once(&own_name).chain(args)) {
        Ok(Cli { command: Some(Command::Run { command }) }) if command.is_empty() => Applet::Say(
            Cli::command().error(ErrorKind::MissingRequiredArgument, "run needs a command to run"),
            ExitCode::Usage,
        ),
        Ok(cli) => Applet::Command(cli.command.unwrap_or(Command::Boot)),
        Err(error) if !error.use_stderr() => Applet::Say(error, ExitCode::Done),
        Err(error) => {
            let word = args.first().and_then(|word| word.to_str());
            let is_hook_or_probe = word.and_then(hook_or_probe).is_some();
            Applet::Say(error, if is_hook_or_probe { ExitCode::No } else { ExitCode::Usage })
        }
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
            Applet::Say(error, code) => format!("{:?} {}", error.kind(), code.code()),
        }
    }

    #[test]
    fn the_name_decides_before_the_first_argument() {
        let cases = [
            ("/entrypoint.sh", "", "Boot"),
            ("/entrypoint.sh", "boot", "Boot"),
            ("/entrypoint.sh", "bash -c ls", r#"Run { command: ["bash", "-c", "ls"] }"#),
            ("/entrypoint.sh", "-- check", r#"Run { command: ["check"] }"#),
            ("/entrypoint.sh", "--version", "DisplayVersion 0"),
            ("/usr/local/bin/jjobs-init", "", "Boot"),
            ("jjobs-init", "boot", "Boot"),
            ("jjobs-init", "run -- ls -l", r#"Run { command: ["ls", "-l"] }"#),
            ("jjobs-init", "run ls -l --help", r#"Run { command: ["ls", "-l", "--help"] }"#),
            ("jjobs-init", "run sh -- -x", r#"Run { command: ["sh", "--", "-x"] }"#),
            ("jjobs-init", "run -- -- -x", r#"Run { command: ["--", "-x"] }"#),
            ("jjobs-init", "run --help", "DisplayHelp 0"),
            ("jjobs-init", "run", "MissingRequiredArgument 64"),
            ("jjobs-init", "bash", "InvalidSubcommand 64"),
            ("jjobs-init", "check --format json", "Check { format: Json }"),
            ("/pre-stop.sh", "", "PreStop"),
            ("/post-start.sh", "", "PostStart"),
            ("/working/liveness.sh", "", "Liveness"),
            ("/working/liveness.sh", "--help 3 run", "Liveness"),
            ("/working/readiness.sh", "boot", "Readiness"),
            ("/working/agent-healthcheck.sh", "", "Healthcheck"),
            ("/engn001/jjobs/agent/healthcheck.sh", "", "Healthcheck"),
            ("/working/start-all.sh", "", "Start { target: All }"),
            ("/working/stop-all.sh", "--now", "Stop { target: All, now: true }"),
            ("/working/stop-all.sh", "liveness", "UnknownArgument 64"),
            ("jjobs-init", "liveness", "Liveness"),
            ("jjobs-init", "liveness --help", "DisplayHelp 0"),
            ("jjobs-init", "liveness now", "UnknownArgument 1"),
            ("jjobs-init", "pre-stop --now", "UnknownArgument 1"),
            ("/entrypoint.sh", "liveness", "Liveness"),
            ("/entrypoint.sh", "status --watch", "Status { watch: true, format: Text }"),
            ("/entrypoint.sh", "-- liveness", r#"Run { command: ["liveness"] }"#),
            ("jjobs-init", "run liveness", r#"Run { command: ["liveness"] }"#),
            ("jjobs-init", "status --format json", "Status { watch: false, format: Json }"),
            ("jjobs-init", "start server", "Start { target: Server }"),
            ("jjobs-init", "stop agent --now", "Stop { target: Agent, now: true }"),
            ("jjobs-init", "restart all", "Restart { target: All, now: false }"),
            ("jjobs-init", "restart web", "InvalidValue 64"),
            ("jjobs-init", "stop", "MissingRequiredArgument 64"),
            ("jjobs-init", "drain", "Drain { what: None }"),
            ("jjobs-init", "drain status", "Drain { what: Some(Status) }"),
            ("jjobs-init", "drain abort", "Drain { what: Some(Abort) }"),
            ("jjobs-init", "drain force", "Drain { what: Some(Force) }"),
            ("jjobs-init", "drain now", "InvalidSubcommand 64"),
        ];
        for (called_as, args, wanted) in cases {
            assert_eq!(chosen(called_as, args), wanted, "{called_as} {args}");
        }
    }
}

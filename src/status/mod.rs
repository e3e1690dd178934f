//! `status` and `drain status`: what PID 1 knows, for people or for programs.

mod text;

use crate::{
    control::{
        client::{self, Options, explain, say_error},
        message::{Answer, Request},
        report::Status,
    },
    exit::ExitCode,
};
use std::{
    io::{self, IsTerminal},
    thread::sleep,
    time::Duration,
};

/// PID 1 knows it all at once, but for a look at the processes.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often `--watch` asks.
const PERIOD: Duration = Duration::from_secs(1);
/// Cursor home, then everything below it erased: no flicker, as erasing first would bring.
const REDRAW: &str = "\x1b[H\x1b[J";

/// What is shown, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// How it is printed.
    pub format: Format,
    /// Again each second, until interrupted.
    pub watch: bool,
    /// The drain alone.
    pub drain_only: bool,
}

/// What the status looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: keys are added and never renamed or removed
    Json,
}

/// Shows it; returns the exit code: 0, or 1 where PID 1 does not answer.
#[must_use]
pub fn show(view: View, options: &Options) -> u8 {
    let is_terminal = view.watch && io::stdout().is_terminal();
    let mut is_first = true;
    loop {
        let shown = match picture(view, options) {
            Ok(picture) if is_terminal => format!("{REDRAW}{picture}"),
            // What a file or a pipe gets stays readable.
            Ok(picture) if !is_first && view.format == Format::Text => format!("\n{picture}"),
            Ok(picture) => picture,
            Err(text) => {
                say_error(&text);
                return ExitCode::No.code();
            }
        };
        let is_read = client::show(&shown);
        if !view.watch || !is_read {
            return ExitCode::Done.code();
        }
        is_first = false;
        sleep(PERIOD);
    }
}

/// One look, without a line break at its end.
fn picture(view: View, options: &Options) -> Result<String, String> {
    let request = if view.drain_only { Request::DrainStatus } else { Request::Status };
    let mut status = None;
    let deadline = client::after(options.probe_timeout.saturating_add(ANSWER_WITHIN));
    let told = client::ask(options, options.probe_timeout, (request, Some(deadline)), |answer| {
        if let Answer::Status { status: told } = answer {
            status = Some(told);
        }
    });
    let done = told.map_err(|error| explain(&error, ANSWER_WITHIN))?;
    match status {
        _ if done.exit_code != ExitCode::Done.code() => Err(done.text),
        Some(status) => print(view, &status),
        None if view.drain_only => Ok(done.text),
        None => Err("PID 1 has told nothing".to_owned()),
    }
}

fn print(view: View, status: &Status) -> Result<String, String> {
    let json = match view.format {
        Format::Text if view.drain_only => return Ok(text::drain(status)),
        Format::Text => return Ok(text::status(status)),
        // A line for each, for programs that read as it comes.
        Format::Json if view.watch => serde_json::to_string(status),
        Format::Json => serde_json::to_string_pretty(status),
    };
    json.map_err(|error| error.to_string())
}

//! The operator's verbs: `start`, `stop`, `restart`, `drain` and what belongs to it.
//!
//! PID 1 does them. An operator who presses Ctrl-C stops watching and nothing else.

use crate::{
    control::{
        client::{self, Options, say, say_error},
        message::{Answer, Done, Request},
    },
    exit::ExitCode,
};

/// Asks for `request` and waits for its end; returns the exit code: 0 done, 1 not done, 64 not possible for this container.
#[must_use]
pub fn run(request: Request, options: &Options) -> u8 {
    let told = client::ask(options, options.probe_timeout, (request, None), |answer| {
        if let Answer::Progress { text } = answer {
            say(&text);
        }
    });
    match told {
        Ok(Done { exit_code: 0, text }) => {
            say(&text);
            ExitCode::Done
        }
        Ok(Done { exit_code, text }) => {
            say_error(&text);
            if exit_code == ExitCode::Usage.code() { ExitCode::Usage } else { ExitCode::No }
        }
        Err(error) => {
            say_error(&error.to_string());
            ExitCode::No
        }
    }
    .code()
}

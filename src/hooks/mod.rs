//! The kubelet's hooks: PID 1 does the work and knows how far it is, we wait for its last word and show what it tells.
//!
//! A hook that is killed changes nothing of what PID 1 does, and one that is called again finds the same work under way.

use crate::{
    control::{
        client::{self, Options, explain, say},
        message::{Answer, Request},
    },
    exit::ExitCode,
};
use std::time::{Duration, Instant};

/// A hook is told to run once, and its failure costs a container: it looks for PID 1 longer than a probe does.
const FIND_WITHIN: Duration = Duration::from_secs(10);
/// What PID 1 may take beyond its own limit of a post-start. The kubelet has none, and a loop that hangs must not keep the
/// pod from being probed.
const POST_START_EXTRA: Duration = Duration::from_secs(30);

/// Which hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Before the container is stopped.
    PreStop,
    /// After it was started.
    PostStart,
}

/// Runs it; returns the exit code, 0 or 1.
#[must_use]
pub fn run(hook: Hook, options: &Options) -> u8 {
    let (request, limit) = match hook {
        // A drain takes as long as the jobs do; the kubelet ends it when the grace period is over.
        Hook::PreStop => (Request::PreStop, None),
        Hook::PostStart => {
            let limit = options.post_start_timeout.saturating_add(FIND_WITHIN + POST_START_EXTRA);
            (Request::PostStart, Some(limit))
        }
    };
    let deadline: Option<Instant> = limit.map(client::after);
    let told = client::ask(options, FIND_WITHIN, (request, deadline), |answer| {
        if let Answer::Progress { text } = answer {
            say(&text);
        }
    });
    match told {
        Ok(done) => {
            say(&done.text);
            if done.exit_code == ExitCode::Done.code() { ExitCode::Done } else { ExitCode::No }
        }
        Err(error) => {
            say(&explain(&error, limit.unwrap_or_default()));
            ExitCode::No
        }
    }
    .code()
}

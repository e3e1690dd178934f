//! The asking side: blocking, one thread, no runtime, nothing forked. A liveness probe is nearly free.
//!
//! The kubelet gives a probe a time limit and the exec that is cut off by it leaves its process running, so every wait
//! here, that for a place in PID 1's queue included, has the caller's deadline.

mod answers;
mod connect;
mod say;

pub use self::{
    answers::{Answers, Lost},
    say::{explain, say, say_error, show},
};

use super::message::{Answer, Done, Question, Request, VERSION};
use crate::{contract::Own, run_dir};
use std::{
    fmt,
    io::{self, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

/// PID 1 may be a few milliseconds old: looked for again after this, then less and less often.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// Further away than any container lives.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

/// What our variables say to a client.
#[derive(Debug, Clone)]
pub struct Options {
    /// `JJOBS_INIT_RUN_DIR`.
    pub run_dir: Option<PathBuf>,
    /// `JJOBS_INIT_PROBE_TIMEOUT`.
    pub probe_timeout: Duration,
    /// `JJOBS_INIT_POST_START_TIMEOUT`.
    pub post_start_timeout: Duration,
}

impl From<Own> for Options {
    fn from(own: Own) -> Self {
        Self {
            run_dir: own.run_dir,
            probe_timeout: own.probe_timeout,
            post_start_timeout: own.post_start_timeout,
        }
    }
}

/// A connection to PID 1.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
}

/// Nobody answers where PID 1 should.
#[derive(Debug, thiserror::Error)]
pub struct NoSupervisor {
    /// Where it was looked for, and what was wrong there.
    looked: Vec<(PathBuf, io::Error)>,
}

impl fmt::Display for NoSupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no supervisor answers: ")?;
        for (number, (folder, error)) in self.looked.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{} ({})", folder.display(), in_words(error))?;
        }
        Ok(())
    }
}

/// In words that fit what was tried; the numbers of the operating system help nobody.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "not there".to_owned(),
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_some() => {
            "permission denied".to_owned()
        }
        io::ErrorKind::ConnectionRefused => "left by an earlier life".to_owned(),
        _ => error.to_string(),
    }
}

/// Why there is no last word of PID 1's.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// There is nobody to ask.
    #[error(transparent)]
    NoSupervisor(#[from] NoSupervisor),
    /// There is, and the conversation broke off.
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl Client {
    /// Connects to PID 1. It is looked for again until `within` is over: a probe may come before PID 1 listens.
    ///
    /// # Errors
    /// When it is not found by then: where was looked, and what was wrong there.
    pub fn find(given: Option<&Path>, within: Duration) -> Result<Self, NoSupervisor> {
        let deadline = after(within);
        let mut pause = FIRST_PAUSE;
        loop {
            let mut looked = Vec::new();
            for folder in run_dir::candidates(given) {
                match connect::connect(&folder, deadline) {
                    Ok(stream) => return Ok(Self { stream }),
                    Err(error) => looked.push((folder, error)),
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoSupervisor { looked });
            }
            sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Asks; what PID 1 says comes from the iterator. `deadline` limits all of it together.
    ///
    /// # Errors
    /// When PID 1 does not take the question.
    pub fn ask(mut self, request: Request, deadline: Option<Instant>) -> Result<Answers, Lost> {
        let question = Question { version: VERSION, request };
        let mut line = serde_json::to_vec(&question).map_err(io::Error::from)?;
        line.push(b'\n');
        // Far shorter than a socket's buffer: this never waits.
        match self.stream.write_all(&line) {
            // It may have said why before it closed.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
        Ok(Answers::new(self.stream, deadline))
    }
}

/// Finds PID 1 within `find_within`, asks, hands everything but the last word to `each`, and returns the last word.
///
/// # Errors
/// When nobody is found, or the conversation breaks off.
pub fn ask(
    options: &Options,
    find_within: Duration,
    (request, deadline): (Request, Option<Instant>),
    mut each: impl FnMut(Answer),
) -> Result<Done, Unanswered> {
    let client = Client::find(options.run_dir.as_deref(), find_within)?;
    for answer in client.ask(request, deadline)? {
        match answer? {
            Answer::Done(done) => return Ok(done),
            answer => each(answer),
        }
    }
    Err(Lost::Closed.into())
}

/// The instant that is `time` from now, whatever an operator has set it to.
#[must_use]
pub fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time.min(FOR_EVER)).unwrap_or(now)
}

#[cfg(test)]
mod tests;

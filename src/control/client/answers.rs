//! Reading what PID 1 says.

use super::connect::SHORTEST;
use crate::control::message::{Answer, Reply, VERSION};
use serde::Deserialize;
use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    time::Instant,
};

/// Far more than any answer: a PID 1 that has gone mad shall not take the probe's memory too.
const LONGEST: usize = 4 * 1024 * 1024;

/// Why a conversation broke off.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The deadline has passed.
    #[error("PID 1 did not answer in time")]
    Deadline,
    /// PID 1 has closed the connection, or has ended.
    #[error("the connection to PID 1 was lost before it had answered")]
    Closed,
    /// PID 1 speaks another version.
    #[error(
        "PID 1 speaks version {0} of our language and this client version {VERSION}; use the jjobs-init that the container was started with"
    )]
    Version(u32),
    /// It is no answer.
    #[error("what PID 1 says is not understood ({0})")]
    Unintelligible(String),
    /// The operating system has something against it.
    #[error("the connection to PID 1 broke: {0}")]
    Io(#[from] io::Error),
}

/// What PID 1 says, line by line; ends after the last word, or after an error.
#[derive(Debug)]
pub struct Answers {
    stream: UnixStream,
    deadline: Option<Instant>,
    bytes: Vec<u8>,
    is_over: bool,
}

impl Answers {
    pub(super) fn new(stream: UnixStream, deadline: Option<Instant>) -> Self {
        Self { stream, deadline, bytes: Vec::new(), is_over: false }
    }

    fn read_answer(&mut self) -> Result<Answer, Lost> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.bytes[seen..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=seen + at).collect();
                return parse(&line);
            }
            seen = self.bytes.len();
            if seen > LONGEST {
                return Err(Lost::Unintelligible(format!("a line of more than {LONGEST} bytes")));
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<(), Lost> {
        limit(&self.stream, self.deadline)?;
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(Lost::Closed),
            Ok(read) => {
                self.bytes.extend_from_slice(&bytes[..read]);
                Ok(())
            }
            Err(error) => match error.kind() {
                // The next round finds the deadline passed.
                io::ErrorKind::Interrupted
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut => Ok(()),
                io::ErrorKind::ConnectionReset => Err(Lost::Closed),
                _ => Err(error.into()),
            },
        }
    }
}

impl Iterator for Answers {
    type Item = Result<Answer, Lost>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let answer = self.read_answer();
        self.is_over = matches!(answer, Err(_) | Ok(Answer::Done(_)));
        Some(answer)
    }
}

/// Limits the next read to what is left until `deadline`. Without one there is none from before.
fn limit(stream: &UnixStream, deadline: Option<Instant>) -> Result<(), Lost> {
    let Some(deadline) = deadline else { return Ok(()) };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Lost::Deadline);
    }
    Ok(stream.set_read_timeout(Some(left.max(SHORTEST)))?)
}

/// Of any version's answer.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

fn parse(line: &[u8]) -> Result<Answer, Lost> {
    match serde_json::from_slice::<Reply>(line) {
        // Another version's last word is still for people.
        Ok(Reply { version, answer })
            if version == VERSION || matches!(answer, Answer::Done(_)) =>
        {
            Ok(answer)
        }
        Ok(Reply { version, .. }) => Err(Lost::Version(version)),
        Err(error) => match serde_json::from_slice::<Head>(line) {
            Ok(Head { version }) if version != VERSION => Err(Lost::Version(version)),
            _ => Err(Lost::Unintelligible(error.to_string())),
        },
    }
}

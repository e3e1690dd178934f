//! Reading what a client asks.

use crate::{
    control::message::{Done, Question, Request, VERSION},
    exit::ExitCode,
};
use serde::Deserialize;
use std::{io, time::Duration};
use tokio::{net::UnixStream, time::timeout};

/// A client writes its line at once.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);
/// Far more than any question needs.
const LONGEST: usize = 64 * 1024;
/// What is told of somebody else's words is cut after this many bytes.
const LONGEST_TOLD: usize = 300;

/// Why there is no request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    /// The client has hung up.
    Gone,
    /// It cannot be understood; this is the answer.
    Refused(Done),
}

/// Reads the one line.
pub(super) async fn hear(stream: &UnixStream) -> Result<Request, Unheard> {
    match timeout(QUESTION_LIMIT, read_line(stream)).await {
        Ok(line) => parse(&line?).map_err(Unheard::Refused),
        Err(_) => Err(refused(format!("no request came within {} s", QUESTION_LIMIT.as_secs()))),
    }
}

async fn read_line(stream: &UnixStream) -> Result<Vec<u8>, Unheard> {
    let mut line = Vec::new();
    let mut bytes = [0; 512];
    loop {
        stream.readable().await.map_err(|_| Unheard::Gone)?;
        let read = match stream.try_read(&mut bytes) {
            Ok(0) => return Err(Unheard::Gone),
            Ok(read) => read,
            Err(error) if is_temporary(&error) => continue,
            Err(_) => return Err(Unheard::Gone),
        };
        let read = &bytes[..read];
        // What follows the line is not for us.
        let end = read.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&read[..end.unwrap_or(read.len())]);
        if line.len() > LONGEST {
            return Err(refused(format!("the request is longer than {LONGEST} bytes")));
        }
        if end.is_some() {
            return Ok(line);
        }
    }
}

pub(super) fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Of any version's question.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

fn parse(line: &[u8]) -> Result<Request, Done> {
    let not_understood = |reason: String| {
        let cut = &reason[..reason.floor_char_boundary(LONGEST_TOLD)];
        not_understood(format!("the request is not understood by PID 1: {cut}"))
    };
    let text = std::str::from_utf8(line).map_err(|error| not_understood(error.to_string()))?;
    let Head { version } =
        serde_json::from_str(text).map_err(|error| not_understood(error.to_string()))?;
    if version != VERSION {
        return Err(not_understood(format!(
            "the client speaks version {version} of our language and PID 1 version {VERSION}; \
             use the jjobs-init that the container was started with"
        )));
    }
    let question: Question =
        serde_json::from_str(text).map_err(|error| not_understood(error.to_string()))?;
    Ok(question.request)
}

fn refused(text: String) -> Unheard {
    Unheard::Refused(not_understood(text))
}

fn not_understood(text: String) -> Done {
    Done { exit_code: ExitCode::Usage.code(), text }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use crate::control::message::Target;

    #[test]
    fn every_request_is_understood_as_it_is_written() {
        let requests = [
            Request::Liveness,
            Request::Readiness { within_ms: 4000 },
            Request::Stop { target: Target::Agent, now: true },
            Request::DrainForce,
        ];
        for request in requests {
            let line = serde_json::to_vec(&Question { version: VERSION, request }).unwrap();
            assert_eq!(parse(&line).unwrap(), request);
        }
        let short = br#"{"version":1,"request":"restart","target":"server"}"#;
        let wanted = Request::Restart { target: Target::Server, now: false };
        assert_eq!(parse(short).unwrap(), wanted);
    }

    #[test]
    fn what_is_not_understood_is_answered_with_64_and_why() {
        let deep = "[".repeat(60_000);
        let cases: [(&[u8], &str); 8] = [
            (b"", "EOF"),
            (b"hello", "expected value"),
            (b"{\"version\":1}", "request"),
            (b"{\"version\":1,\"request\":\"explode\"}", "explode"),
            (b"{\"version\":1,\"request\":\"start\",\"target\":\"web\"}", "web"),
            (
                b"{\"version\":7,\"request\":\"liveness\"}",
                "version 7 of our language and PID 1 version 1",
            ),
            (b"{\"version\":1,\"request\":\"\xff\"}", "utf-8"),
            (deep.as_bytes(), "invalid type"),
        ];
        for (line, wanted) in cases {
            let refusal = parse(line).unwrap_err();
            assert_eq!(refusal.exit_code, 64);
            assert!(refusal.text.contains(wanted), "{wanted:?} is not in {refusal:?}");
            assert!(refusal.text.len() < 400 && !refusal.text.contains('\n'));
        }
    }
}

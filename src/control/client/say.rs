//! What clients print. A reader that has gone away changes nothing of what they do and how they end.

use super::{Lost, Unanswered};
use std::{
    io::{self, Write},
    time::Duration,
};

/// One line to stdout; nothing for an empty text.
pub fn say(text: &str) {
    if !text.is_empty() {
        let _ = write(&mut io::stdout(), text);
    }
}

/// Lines to stdout. False if they cannot be written: nobody reads them any more.
#[must_use]
pub fn show(text: &str) -> bool {
    write(&mut io::stdout(), text).is_ok()
}

/// One line to stderr; nothing for an empty text.
pub fn say_error(text: &str) {
    if !text.is_empty() {
        let _ = write(&mut io::stderr(), text);
    }
}

fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    let mut line = String::with_capacity(text.len() + 1);
    line.push_str(text);
    line.push('\n');
    // In one piece: lines of two hooks may go to one reader.
    to.write_all(line.as_bytes())?;
    to.flush()
}

/// Why there is no answer, for one who wanted it within `limit`: a loop that does not answer is worth its own words.
#[must_use]
pub fn explain(error: &Unanswered, limit: Duration) -> String {
    match error {
        Unanswered::Lost(Lost::Deadline) => {
            let limit = limit.as_secs_f64();
            format!("no answer within {limit} s: PID 1's loop does not answer")
        }
        _ => error.to_string(),
    }
}

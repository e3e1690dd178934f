//! How one event looks: a line of text for people, or one JSON object.
//!
//! A field's value may be anything a server, a file name or a component made up. No control character of it reaches a
//! terminal, and no line of it can pass for an event of its own.

use crate::contract::LogFormat;
use serde_json::{Map, Value};
use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tracing::Level;

/// Longer values are cut: a log line is not a place for a whole response body.
const LONGEST_VALUE: usize = 8 << 10;

/// An event, masked already.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) at: SystemTime,
    pub(super) level: Level,
    pub(super) message: &'a str,
    pub(super) fields: &'a Map<String, Value>,
}

impl Line<'_> {
    /// The line, with its line end. Colours are for terminals only.
    pub(super) fn render(&self, format: LogFormat, has_colours: bool) -> String {
        match format {
            LogFormat::Text => self.text(has_colours),
            LogFormat::Json => self.json(),
        }
    }

    fn text(&self, has_colours: bool) -> String {
        let mut out = timestamp(self.at);
        let (on, off) = if has_colours { (colour(self.level), "\x1b[0m") } else { ("", "") };
        let _ = write!(out, " {on}{:<5}{off} ", self.level.as_str());
        escape(cut(self.message), &mut out);
        for (name, value) in self.fields {
            let _ = write!(out, " {name}=");
            match value {
                Value::String(text) => value_text(cut(text), &mut out),
                other => {
                    let _ = write!(out, "{other}");
                }
            }
        }
        out.push('\n');
        out
    }

    fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("timestamp".to_owned(), timestamp(self.at).into());
        object.insert("level".to_owned(), self.level.as_str().into());
        object.insert("message".to_owned(), cut(self.message).into());
        for (name, value) in self.fields {
            // Ours come first and are never replaced.
            let name =
                if object.contains_key(name) { format!("field_{name}") } else { name.clone() };
            let value = value.as_str().map_or_else(|| value.clone(), |text| cut(text).into());
            object.insert(name, value);
        }
        let mut out = Value::Object(object).to_string();
        out.push('\n');
        out
    }
}

/// What is said, once there is room again, about lines that there was no room for.
pub(super) fn dropped_notice(format: LogFormat, lines: u64) -> String {
    let at = SystemTime::now();
    let noun = if lines == 1 { "line" } else { "lines" };
    match format {
        LogFormat::Text => {
            format!("{} WARN  {lines} {noun} dropped while the log was blocked\n", timestamp(at))
        }
        LogFormat::Json => {
            let fields = Map::from_iter([("lines".to_owned(), lines.into())]);
            let message = "lines dropped while the log was blocked";
            Line { at, level: Level::WARN, message, fields: &fields }.json()
        }
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

/// Bare where nothing can be misread, else quoted.
fn value_text(text: &str, out: &mut String) {
    let is_plain = |letter: char| {
        !letter.is_whitespace() && !matches!(letter, '"' | '=' | '\\') && !is_unsafe(letter)
    };
    if !text.is_empty() && text.chars().all(is_plain) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        escape_letter(letter, out);
    }
    out.push('"');
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        escape_letter(letter, out);
    }
}

fn escape_letter(letter: char, out: &mut String) {
    if is_unsafe(letter) {
        out.extend(letter.escape_default());
    } else {
        out.push(letter);
    }
}

/// Control characters, and those that reorder or break a line as it is shown.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_VALUE)]
}

/// RFC 3339, UTC, with milliseconds.
fn timestamp(at: SystemTime) -> String {
    // A clock before 1970 is a machine without a clock; any time will do.
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The date that is `days` after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let mut year = 1970 + days / DAYS_IN_400_YEARS * 400;
    let mut left = days % DAYS_IN_400_YEARS;
    while left >= days_in_year(year) {
        left -= days_in_year(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(7)
    }

    fn fields(pairs: &[(&str, Value)]) -> Map<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn timestamps_know_leap_years_and_centuries() {
        for (seconds, wanted) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_709_251_199, "2024-02-29T23:59:59.007Z"),
            (1_767_225_599, "2025-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
            (16_725_225_600, "2500-01-01T00:00:00.007Z"),
        ] {
            assert_eq!(timestamp(at(seconds)), wanted);
        }
    }

    #[test]
    fn text_reads_as_message_then_fields() {
        let fields = fields(&[
            ("component", "server".into()),
            ("pid", 42.into()),
            ("hint", "look here".into()),
        ]);
        let line =
            Line { at: at(0), level: Level::INFO, message: "process started", fields: &fields };
        assert_eq!(
            line.render(LogFormat::Text, false),
            "1970-01-01T00:00:00.007Z INFO  process started component=server pid=42 hint=\"look here\"\n"
        );
    }

    #[test]
    fn a_value_cannot_forge_a_line_or_reach_the_terminal() {
        let evil = "x\n1970-01-01T00:00:00.007Z ERROR \x1b[2J\u{9b}31m\r\u{202e}\"q\" \\";
        let fields = fields(&[("error", evil.into())]);
        let line = Line { at: at(0), level: Level::WARN, message: "a\tb", fields: &fields };
        let text = line.render(LogFormat::Text, false);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(!text.trim_end().contains(is_unsafe), "{text:?}");
        assert!(
            text.contains(
                r#"error="x\n1970-01-01T00:00:00.007Z ERROR \u{1b}[2J\u{9b}31m\r\u{202e}\"q\" \\""#
            ),
            "{text}"
        );
        let json = line.render(LogFormat::Json, true);
        assert_eq!(json.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["error"], evil);
    }

    #[test]
    fn json_is_flat_and_keeps_our_names() {
        let fields = fields(&[("level", "deep".into()), ("elapsed_ms", 12.into())]);
        let line = Line { at: at(0), level: Level::ERROR, message: "m", fields: &fields };
        assert_eq!(
            line.render(LogFormat::Json, false),
            "{\"timestamp\":\"1970-01-01T00:00:00.007Z\",\"level\":\"ERROR\",\"message\":\"m\",\"field_level\":\"deep\",\"elapsed_ms\":12}\n"
        );
    }

    #[test]
    fn a_huge_value_is_cut() {
        let fields = fields(&[("error", "한".repeat(1 << 20).into())]);
        let line = Line { at: at(0), level: Level::ERROR, message: "m", fields: &fields };
        assert!(line.render(LogFormat::Json, false).len() < LONGEST_VALUE + 200);
    }
}

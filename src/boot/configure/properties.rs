//! Java properties files, edited in place.
//!
//! Read as `java.util.Properties.load` reads them
//! (<https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)>): logical
//! lines, escapes, three separators. Only the values asked for are rewritten; bytes are never decoded, so comments
//! may be in any encoding.

use super::xml::{Span, Splices};
use std::fmt::Write;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A key with its value somewhere in the file.
struct Entry {
    key: String,
    /// From behind the separator to the end of the logical line, continuations included.
    value: Span,
    text: String,
    /// Whether anything separates key and value: a key alone on its line has an empty value.
    has_separator: bool,
    /// Whether the file's byte-order mark stands before the key: then Java reads another key.
    behind_bom: bool,
}

/// A key with its value in a comment line.
struct Commented {
    key: String,
    /// Just behind the line, terminator included.
    end: usize,
}

struct Parsed {
    entries: Vec<Entry>,
    commented: Vec<Commented>,
    /// Whether the last logical line would swallow a line appended to the file.
    is_continued: bool,
}

/// Makes each key of `wanted` have its value: every active occurrence is rewritten; without one, a line is added below
/// the last commented-out one, else at the end.
pub(crate) fn set(bytes: &[u8], wanted: &[(&str, &str)]) -> Vec<u8> {
    let parsed = parse(bytes);
    let newline = newline(bytes);
    let mut splices = Splices::default();
    let mut appended = String::new();
    for &(key, value) in wanted {
        for entry in parsed.entries.iter().filter(|entry| entry.key == key && entry.text != value) {
            let separator = if entry.has_separator { "" } else { "=" };
            splices.replace(entry.value.clone(), format!("{separator}{}", escape(value)));
        }
        if parsed.entries.iter().any(|entry| entry.key == key && !entry.behind_bom) {
            continue;
        }
        let line = format!("{key}={}{newline}", escape(value));
        match parsed.commented.iter().rfind(|commented| commented.key == key) {
            Some(commented)
                if bytes[..commented.end].ends_with(b"\n")
                    || bytes[..commented.end].ends_with(b"\r") =>
            {
                splices.insert(commented.end, line);
            }
            _ => appended.push_str(&line),
        }
    }
    if !appended.is_empty() {
        let is_ended =
            bytes.is_empty() || bytes.ends_with(b"\n") || bytes.ends_with(b"\r") || bytes == BOM;
        let end = if is_ended { "" } else { newline };
        let guard = if parsed.is_continued { newline } else { "" };
        splices.insert(bytes.len(), format!("{end}{guard}{appended}"));
    }
    splices.apply(bytes)
}

/// The line ending of the file: that of its first line.
pub(crate) fn newline(bytes: &[u8]) -> &'static str {
    match bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        Some(at) if bytes[at..].starts_with(b"\r\n") => "\r\n",
        Some(at) if bytes[at] == b'\r' => "\r",
        _ => "\n",
    }
}

/// A value as Java reads it back, in ASCII: Java takes the file for Latin-1 or UTF-8, depending on who loads it.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len() + 8);
    for (index, character) in value.chars().enumerate() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            // Behind a key that only white space separates, these would be read as the separator.
            ' ' | '=' | ':' if index == 0 => escaped.extend(['\\', character]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            ' '..='~' => escaped.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(escaped, "\\u{unit:04X}");
                }
            }
        }
    }
    escaped
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed { entries: Vec::new(), commented: Vec::new(), is_continued: false };
    let start = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
    let mut at = start;
    while at < bytes.len() {
        let line = at;
        at += bytes[at..].iter().take_while(|byte| is_space(**byte)).count();
        match bytes.get(at) {
            None => break,
            Some(b'\n' | b'\r') => at = terminator_end(bytes, at),
            Some(b'#' | b'!') => {
                let length = bytes[at..].iter().take_while(|byte| !is_terminator(**byte)).count();
                let marks = bytes[at..]
                    .iter()
                    .take_while(|byte| is_space(**byte) || matches!(byte, b'#' | b'!'))
                    .count();
                let end = terminator_end(bytes, at + length);
                parsed
                    .commented
                    .extend(commented(&bytes[at + marks..(at + length).max(at + marks)], end));
                at = end;
            }
            Some(_) => {
                let logical = Logical::read(bytes, at);
                parsed.entries.push(logical.entry(line == start && start > 0));
                parsed.is_continued = logical.is_continued;
                at = terminator_end(bytes, logical.end);
            }
        }
    }
    parsed
}

/// The key in a comment's text, if that text is `key=value`. Prose is not: it has a space behind its first word.
fn commented(text: &[u8], end: usize) -> Option<Commented> {
    let separator = text.iter().position(|byte| matches!(byte, b'=' | b':'))?;
    let key = std::str::from_utf8(text[..separator].trim_ascii()).ok()?;
    let is_key = !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || c == '\\');
    is_key.then(|| Commented { key: key.to_owned(), end })
}

/// A logical line: its bytes without continuations, each with its place in the file.
struct Logical {
    bytes: Vec<(u8, usize)>,
    /// Where its last natural line ends, before the terminator.
    end: usize,
    is_continued: bool,
}

impl Logical {
    fn read(file: &[u8], start: usize) -> Self {
        let mut logical = Self { bytes: Vec::new(), end: file.len(), is_continued: false };
        let mut at = start;
        while let Some(&byte) = file.get(at) {
            match (byte, file.get(at + 1)) {
                (b'\\', None) => {
                    // Java drops a lone backslash at the end of the file.
                    logical.is_continued = true;
                    at += 1;
                }
                (b'\\', Some(b'\n' | b'\r')) => {
                    at = terminator_end(file, at + 1);
                    logical.is_continued = at >= file.len();
                    at += file[at..].iter().take_while(|byte| is_space(**byte)).count();
                }
                (b'\\', Some(&escaped)) => {
                    logical.bytes.extend([(byte, at), (escaped, at + 1)]);
                    at += 2;
                }
                (b'\n' | b'\r', _) => {
                    logical.end = at;
                    break;
                }
                _ => {
                    logical.bytes.push((byte, at));
                    at += 1;
                }
            }
        }
        logical
    }

    fn entry(&self, behind_bom: bool) -> Entry {
        let mut key_length = 0;
        while let Some(&(byte, _)) = self.bytes.get(key_length) {
            match byte {
                b'=' | b':' | b' ' | b'\t' | 0x0C => break,
                b'\\' => key_length += 2,
                _ => key_length += 1,
            }
        }
        let key_length = key_length.min(self.bytes.len());
        let mut value = key_length + self.spaces(key_length);
        if matches!(self.bytes.get(value), Some((b'=' | b':', _))) {
            value += 1;
            value += self.spaces(value);
        }
        let start = match self.bytes.get(value) {
            Some(&(_, place)) => place,
            // An empty value: what stands behind the separator are continuations, which go with it.
            None => self.bytes.last().map_or(self.end, |&(_, place)| place + 1),
        };
        Entry {
            key: unescape(&self.bytes[..key_length]),
            value: start..self.end,
            text: unescape(&self.bytes[value.min(self.bytes.len())..]),
            has_separator: value > key_length,
            behind_bom,
        }
    }

    fn spaces(&self, from: usize) -> usize {
        self.bytes.iter().skip(from).take_while(|(byte, _)| is_space(*byte)).count()
    }
}

/// Escapes resolved; bytes beyond ASCII become characters of their own, which equal no wanted text and do no harm.
fn unescape(bytes: &[(u8, usize)]) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&(byte, _)) = bytes.get(at) {
        at += 1;
        if byte != b'\\' {
            units.push(u16::from(byte));
            continue;
        }
        let Some(&(escaped, _)) = bytes.get(at) else { break };
        at += 1;
        units.push(match escaped {
            b'n' => 0x0A,
            b'r' => 0x0D,
            b't' => 0x09,
            b'f' => 0x0C,
            b'u' => {
                let digits: String =
                    bytes.iter().skip(at).take(4).map(|&(digit, _)| char::from(digit)).collect();
                at += 4;
                u16::from_str_radix(&digits, 16).unwrap_or(0xFFFD)
            }
            other => u16::from(other),
        });
    }
    String::from_utf16_lossy(&units)
}

fn terminator_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let length = if rest.starts_with(b"\r\n") {
        2
    } else {
        usize::from(rest.first().is_some_and(|b| is_terminator(*b)))
    };
    at + length
}

fn is_terminator(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0C)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn one(bytes: &str, value: &str) -> String {
        String::from_utf8(set(bytes.as_bytes(), &[("a.b", value)])).unwrap()
    }

    #[test]
    fn only_the_value_changes() {
        for (before, after) in [
            ("a.b=1\n", "a.b=9\n"),
            ("# c\r\n a.b : 1\r\nx=y\r\n", "# c\r\n a.b : 9\r\nx=y\r\n"),
            ("a.b 1", "a.b 9"),
            ("a.b", "a.b=9"),
            ("a.b=\\", "a.b=9"),
            ("a\\.b=1\n", "a\\.b=9\n"),
            ("\\u0061.b=1\n", "\\u0061.b=9\n"),
            ("a.b=1\\\n  2\\\n  3\nc=d\n", "a.b=9\nc=d\n"),
            ("a.b=1\na.b = 2\n", "a.b=9\na.b = 9\n"),
            ("a.bc=1\na.b=9\n", "a.bc=1\na.b=9\n"),
            ("x=\\\na.b=1\na.b=1\n", "x=\\\na.b=1\na.b=9\n"),
        ] {
            assert_eq!(one(before, "9"), after, "{before:?}");
            assert_eq!(one(after, "9"), after, "again: {before:?}");
        }
    }

    #[test]
    fn a_missing_key_is_added_where_it_belongs() {
        for (before, after) in [
            ("", "a.b=9\n"),
            ("x=y", "x=y\na.b=9\n"),
            ("x=y\r\n", "x=y\r\na.b=9\r\n"),
            ("x=y\\", "x=y\\\n\na.b=9\n"),
            ("x=y\\\n", "x=y\\\n\na.b=9\n"),
            ("#a.b=1\nx=y\n", "#a.b=1\na.b=9\nx=y\n"),
            ("# a.b is a key: set it\nx=y\n", "# a.b is a key: set it\nx=y\na.b=9\n"),
            ("#a.b=1", "#a.b=1\na.b=9\n"),
            ("\u{FEFF}a.b=1\n", "\u{FEFF}a.b=9\na.b=9\n"),
        ] {
            assert_eq!(one(before, "9"), after, "{before:?}");
            assert_eq!(one(after, "9"), after, "again: {before:?}");
        }
    }

    #[test]
    fn bytes_of_another_encoding_stay() {
        let before = b"# \xB7\xCE\xB1\xD7\na.b=1\nk=\xB0\xA1\\\n";
        assert_eq!(set(before, &[("a.b", "2")]), b"# \xB7\xCE\xB1\xD7\na.b=2\nk=\xB0\xA1\\\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Another reader of properties finds the wanted values and every other key as before.
        #[test]
        fn another_reader_finds_what_was_set(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "a.b", "=", ":", " ", "1", "\n", "\r\n", "\\\n", "#", "!", "x", "\\u0041", "\\\\", "\\ ", "\t", "k=v\n", "a.b=2\n",
            ]), 0..14),
            value in "[ -~가\t\n]{0,8}",
        ) {
            let before = parts.concat();
            let read = |bytes: &[u8]| -> HashMap<String, String> { java_properties::read(bytes).unwrap() };
            let after = set(before.as_bytes(), &[("a.b", &value)]);
            let mut wanted = read(before.as_bytes());
            wanted.insert("a.b".to_owned(), value.clone());
            prop_assert_eq!(read(&after), wanted, "{:?} became {:?}", before, String::from_utf8_lossy(&after));
            prop_assert_eq!(set(&after, &[("a.b", &value)]), after);
        }
    }
}

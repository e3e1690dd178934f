//! Replacing byte ranges, and writing values so that every encoding reads them.

use super::Span;
use std::fmt::Write;

/// Replacements that are made all at once, so that positions stay those of the file as read.
#[derive(Debug, Default)]
pub(crate) struct Splices(Vec<(Span, Vec<u8>)>);

impl Splices {
    /// Puts `text` in the place of `span`.
    pub(crate) fn replace(&mut self, span: Span, text: impl Into<Vec<u8>>) {
        self.0.push((span, text.into()));
    }

    /// Puts `text` before what stands at `at`; of two insertions at one place the first comes first.
    pub(crate) fn insert(&mut self, at: usize, text: impl Into<Vec<u8>>) {
        self.replace(at..at, text);
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The file with everything replaced. Of two ranges that overlap only the first is replaced.
    pub(crate) fn apply(mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.sort_by_key(|(span, _)| (span.start, span.end));
        let mut edited = Vec::with_capacity(bytes.len() + 256);
        let mut at = 0;
        for (span, text) in self.0 {
            if span.start < at {
                continue;
            }
            edited.extend_from_slice(&bytes[at..span.start]);
            edited.extend_from_slice(&text);
            at = span.end;
        }
        edited.extend_from_slice(&bytes[at..]);
        edited
    }
}

/// `text` as attribute value or element text, whatever quotes and encoding the file has.
///
/// Characters beyond ASCII become numeric references: right in UTF-8 and EUC-KR alike. So do tabs and line ends,
/// which a parser would turn into spaces in an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            ' '..='~' => escaped.push(character),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "&#x{:X};", u32::from(other));
            }
        }
    }
    escaped
}

/// The value behind `raw`: predefined entities and character references resolved, all else as it stands.
pub(crate) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(ampersand) = rest.iter().position(|&byte| byte == b'&') {
        value.extend_from_slice(&rest[..ampersand]);
        rest = &rest[ampersand..];
        let reference = rest.iter().position(|&byte| byte == b';').and_then(|semicolon| {
            let name = std::str::from_utf8(&rest[1..semicolon]).ok()?;
            Some((semicolon, character(name)?))
        });
        if let Some((semicolon, character)) = reference {
            value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[semicolon + 1..];
        } else {
            value.push(b'&');
            rest = &rest[1..];
        }
    }
    value.extend_from_slice(rest);
    value
}

/// The character that `&name;` stands for; `None` for an entity of the file's own.
pub(super) fn character(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(hex), _) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                u32::from_str_radix(hex, 16).ok()?
            }
            (None, Some(decimal)) if decimal.bytes().all(|byte| byte.is_ascii_digit()) => {
                decimal.parse().ok()?
            }
            _ => return None,
        },
    };
    // https://www.w3.org/TR/xml/#NT-Char
    char::from_u32(code)
        .filter(|&c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_as_it_was_whatever_it_holds() {
        for value in [
            "",
            "?sslmode=require&a='b'\"<c>",
            "tab\tline\nend\r",
            "비밀번호",
            "]]>",
            "&amp;",
            "𠮷",
        ] {
            assert_eq!(unescape(escape(value).as_bytes()), value.as_bytes(), "{value:?}");
            assert!(escape(value).is_ascii());
        }
    }

    #[test]
    fn what_is_no_known_reference_stays_as_it_stands() {
        for raw in ["&vendor;", "&", "a & b", "&#x;", "&#0;", "&#xD800;", "&#+5;"] {
            assert_eq!(unescape(raw.as_bytes()), raw.as_bytes(), "{raw:?}");
        }
    }

    #[test]
    fn insertions_at_one_place_keep_their_order() {
        let mut splices = Splices::default();
        splices.insert(1, "1");
        splices.insert(1, "2");
        splices.replace(2..3, "");
        assert_eq!(splices.apply(b"abcd"), b"a12bd");
    }
}

//! Finding passwords inside longer text, and making text fit to print.
//!
//! Hiding errs on the side of too much: a URL in which the password was not encoded, so that no parser could say
//! where it ends, is hidden up to the last place where it could.

use super::secret::Secret;
use std::{fmt::Write, ops::Range};

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Passwords are looked for in this much of a text. The search takes the square of it, and no URL is that long.
const SEARCHED_BYTES: usize = 4 * 1024;

/// No URL holds more; a text made to be slow could.
const MAX_RANGES: usize = 64;

/// Longer values are cut: a manifest's mistake is at the beginning, and a log line should stay one.
const SHOWN_CHARS: usize = 120;

/// Byte ranges of `text` that may be a password: in `user:password@` of URLs, in Oracle's `user/password@`, and in
/// parameters and attributes named like one (`password=…`). Ranges may overlap where several readings are possible.
/// Only the first 4 KiB are searched.
#[must_use]
pub fn password_ranges(text: &str) -> Vec<Range<usize>> {
    let text = &text[..text.floor_char_boundary(SEARCHED_BYTES)];
    let mut ranges = Vec::new();
    in_user_info(text, &mut ranges);
    in_oracle_login(text, &mut ranges);
    in_parameters(text, &mut ranges);
    ranges.retain(|range| !range.is_empty());
    ranges.truncate(MAX_RANGES);
    ranges
}

/// `text` with every password in it replaced.
#[must_use]
pub fn without_passwords(text: &str) -> String {
    let mut ranges = password_ranges(text);
    ranges.sort_by_key(|range| range.start);
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        if range.start >= from {
            shown.push_str(&text[from..range.start]);
            shown.push_str(REDACTED);
        }
        from = from.max(range.end);
    }
    shown.push_str(&text[from..]);
    shown
}

/// `text` fit to print: passwords and `secrets` replaced, then control characters escaped, then cut.
#[must_use]
pub fn printable(text: &str, secrets: &[Secret]) -> String {
    let mut hidden = text.to_owned();
    // The longest come first, so that no secret is cut apart by one that it contains.
    for secret in secrets {
        if hidden.contains(secret.expose()) {
            hidden = hidden.replace(secret.expose(), REDACTED);
        }
    }
    let ranges = password_ranges(&hidden);
    if hidden.len() > SEARCHED_BYTES || ranges.len() >= MAX_RANGES {
        // Too much to be searched: only what comes before the first password is shown.
        let first = ranges.iter().map(|range| range.start).min().unwrap_or(hidden.len());
        let shown: String =
            hidden[..first].chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
        return format!("{shown}… ({} bytes)", text.len());
    }
    cut(&without_passwords(&hidden))
}

/// `text` with control characters escaped and cut to a line's length, saying how long it was.
#[must_use]
pub fn cut(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_CHARS {
            let _ = write!(shown, "… ({} bytes)", text.len());
            break;
        }
        match c {
            // These three are escaped by `escape_debug` for the sake of Rust literals alone.
            '\'' | '"' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// `//user:password@host`, several hosts with their own, and a lone `//token@host`.
fn in_user_info(text: &str, ranges: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("//") {
        let start = at + 2;
        let to =
            |ends: fn(char) -> bool| text[start..].find(ends).map_or(text.len(), |n| start + n);
        let word = to(char::is_whitespace);
        let unquoted = to(|c| c.is_whitespace() || matches!(c, '\'' | '"'));
        in_authority(text, start..unquoted, ranges);
        if word != unquoted {
            in_authority(text, start..word, ranges);
        }
    }
}

/// The passwords in `text[part]`, what follows `//`.
fn in_authority(text: &str, part: Range<usize>, ranges: &mut Vec<Range<usize>>) {
    let start = part.start;
    let rest = &text[part];
    for last in last_ats(rest).into_iter().flatten() {
        let user_info = &rest[..last];
        match user_info.find(':') {
            Some(colon) => ranges.push(start + colon + 1..start + last),
            None if user_info.len() >= 16 && !user_info.contains('/') => {
                ranges.push(start..start + last);
            }
            None => {}
        }
        let mut from = 0;
        for entry in user_info.split(',') {
            let host = entry.rfind('@').unwrap_or(entry.len());
            if let Some(colon) = entry[..host].find(':') {
                ranges.push(start + from + colon + 1..start + from + host);
            }
            from += entry.len() + 1;
        }
    }
}

/// Where the user info of `rest` may end: at the last `@` before the query, or, if what looks like a query may be part
/// of the password, at the last one of all.
fn last_ats(rest: &str) -> [Option<usize>; 2] {
    let query = rest.find('?').unwrap_or(rest.len());
    let in_query = rest[query..].rfind('@').map(|at| query + at).filter(|at| {
        let port = rest[..query]
            .split_once(':')
            .map(|(_, port)| port.split(['/', ',']).next().unwrap_or_default());
        let is_port = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()));
        !rest[query..*at].contains('=') || !is_port && !rest.starts_with('[')
    });
    [rest[..query].rfind('@'), in_query]
}

/// `jdbc:oracle:thin:user/password@…`.
fn in_oracle_login(text: &str, ranges: &mut Vec<Range<usize>>) {
    let lower = text.to_ascii_lowercase();
    let Some(start) = lower.find("jdbc:oracle:").map(|at| at + 12) else { return };
    let Some(start) = text[start..].find(':').map(|at| start + at + 1) else { return };
    let Some(slash) = text[start..].find(['/', '@']).map(|at| start + at) else { return };
    if text[slash..].starts_with('@') {
        return;
    }
    let from = slash + 1;
    // A descriptor may hold an `@` in the name of a certificate; anything else behind the last one is an address.
    let descriptor = lower[from..].find("(description").map_or(text.len(), |at| from + at);
    let ends = [
        text[from..].find('@').map(|at| from + at),
        text[from..descriptor].rfind('@').map(|at| from + at),
    ];
    for end in ends.into_iter().flatten() {
        ranges.push(from..end);
        let word = &text[from..end];
        if let Some(bare) = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
            ranges.push(from + 1..from + 1 + bare.len());
        }
    }
}

/// `password=…` in a query, in an option, in `address=(password=…)`, in `(host=h,password=…)`.
fn in_parameters(text: &str, ranges: &mut Vec<Range<usize>>) {
    for (equals, _) in text.match_indices('=') {
        let before = text[..equals].trim_end();
        let key_start = before
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        if !is_password_key(&before[key_start..]) {
            continue;
        }
        let value = equals + 1;
        let rest = &text[value..];
        let to = |wanted: &[char]| rest.find(wanted).map_or(text.len(), |at| value + at);
        let ends: [usize; 2] = match before[..key_start].chars().next_back() {
            Some('(') => [to(&[')']), to(&[')', ','])],
            Some(',') => [to(&[')', ',', '&']), to(&[')', ',', '&'])],
            _ => [to(&['&']), to(&['&', ';', ' ', '\t', '\n', '\'', '"'])],
        };
        for end in ends {
            if !matches!(&text[value..end], "true" | "false") {
                ranges.push(value..end);
            }
        }
    }
}

/// Names of parameters whose values are nobody's business; `password2` and the like included.
fn is_password_key(key: &str) -> bool {
    const ENDINGS: [&str; 11] = [
        "password",
        "passwd",
        "pwd",
        "pass",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "api_key",
        "signature",
        "credential",
    ];
    let key = key.to_ascii_lowercase();
    let key = key.trim_end_matches(|c: char| c.is_ascii_digit());
    key == "sig" || ENDINGS.iter().any(|ending| key.ends_with(ending))
}

/// `text` with `%41` read as `A`; `None` if that changes nothing or gives no UTF-8.
#[must_use]
pub fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped =
            hex.filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).ok().filter(|decoded| decoded != text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwords_in_urls_are_hidden() {
        for (text, expected) in [
            ("jdbc:postgresql://h/db", "jdbc:postgresql://h/db"),
            ("jdbc:postgresql://u:pw@h/db", "jdbc:postgresql://u:[redacted]@h/db"),
            ("jdbc:postgresql://u:p/w@h/db", "jdbc:postgresql://u:[redacted]@h/db"),
            ("jdbc:postgresql://u:p?w@h/db", "jdbc:postgresql://u:[redacted]@h/db"),
            (
                "jdbc:postgresql://h/db?user=u&password=p;w&ssl=true",
                "jdbc:postgresql://h/db?user=u&password=[redacted]&ssl=true",
            ),
            ("jdbc:mysql://h/db?PASSWORD=pw", "jdbc:mysql://h/db?PASSWORD=[redacted]"),
            ("jdbc:mysql://h/db?password2=pw&a=b", "jdbc:mysql://h/db?password2=[redacted]&a=b"),
            (
                "jdbc:mysql://h/db?disconnectOnExpiredPasswords=true",
                "jdbc:mysql://h/db?disconnectOnExpiredPasswords=true",
            ),
            (
                "jdbc:mysql://address=(host=h)(password=p,w)/db",
                "jdbc:mysql://address=(host=h)(password=[redacted])/db",
            ),
            (
                "jdbc:mysql://(host=h,password=pw,port=1)/db",
                "jdbc:mysql://(host=h,password=[redacted],port=1)/db",
            ),
            ("jdbc:oracle:thin:scott/tiger@//h/svc", "jdbc:oracle:thin:scott/[redacted]@//h/svc"),
            (
                "jdbc:oracle:thin:scott/\"ti@ger\"@h:1:SID",
                "jdbc:oracle:thin:scott/[redacted]@h:1:SID",
            ),
            ("jdbc:oracle:thin:@//h/svc", "jdbc:oracle:thin:@//h/svc"),
            ("https://u:p%40w@h/a?token=abc&x=1", "https://u:[redacted]@h/a?token=[redacted]&x=1"),
            ("https://ghp_0123456789abcdef@h/a", "https://[redacted]@h/a"),
            ("?sslmode=require&sslpassword=pw", "?sslmode=require&sslpassword=[redacted]"),
        ] {
            assert_eq!(without_passwords(text), expected, "{text}");
        }
    }

    #[test]
    fn long_values_are_cut_and_control_characters_escaped() {
        assert_eq!(cut("a\nb\u{1b}[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(cut("한글 'x'"), "한글 'x'");
        let long = cut(&"x".repeat(1 << 20));
        assert!(long.len() < 200 && long.ends_with("(1048576 bytes)"), "{long}");
    }

    #[test]
    fn text_made_to_be_slow_is_not() {
        for piece in ["//", "//:@", "password=", "(password=", "a@", "jdbc:oracle:thin:/@"] {
            let text = piece.repeat((1 << 20) / piece.len());
            let started = std::time::Instant::now();
            assert!(printable(&text, &[]).len() < 2000);
            assert!(password_ranges(&text).len() <= MAX_RANGES);
            assert!(started.elapsed().as_secs() < 20, "{piece}");
        }
        assert!(!printable(&format!("{}//u:Hidden@h", "x".repeat(100)), &[]).contains("Hidden"));
        assert!(
            !printable(&format!("//u:Hidden@h{}", "x".repeat(1 << 20)), &[]).contains("Hidden")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            let _ = without_passwords(&text);
            let _ = percent_decoded(&text);
            let _ = cut(&text);
        }

        #[test]
        fn text_that_looks_like_a_url_never_panics(text in "(jdbc:oracle:)?[a-zé%0-9@/:,()=?&\" ]{0,50}(password=)?[é@/&)\"]{0,9}") {
            let _ = without_passwords(&text);
        }
    }
}

//! How a secret may look in somebody's output: as it is, or escaped for the place where it was printed.
//!
//! A password that ends up in an XML attribute, a JSON body or a URL is still the password. Each form that differs from the plain
//! one is masked too.

use super::mask::SHORTEST;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use std::fmt::Write;

/// Longer secrets are masked as they are, and only so: nobody prints an escaped key file.
const ESCAPED_UP_TO: usize = 8 << 10;

/// The forms of `secret`, the plain one first.
pub(super) fn all(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    if secret.len() > ESCAPED_UP_TO {
        return forms;
    }
    let mut add = |form: String| {
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    for quotes in [
        ["&quot;", "&apos;"],
        ["&#34;", "&#39;"],
        ["&quot;", "&#39;"],
        ["\"", "'"],
        ["&quot;", "'"],
        ["&quot;", "&#x27;"],
    ] {
        add(xml(secret, quotes));
    }
    let json = json(secret);
    add(json.replace('/', "\\/"));
    add(html_safe(&json));
    add(ascii_only(&json));
    add(json);
    add(format!("{secret:?}").trim_matches('"').to_owned());
    add(secret.replace('\\', r"\\").replace('\'', r"\'").replace('\n', r"\n"));
    for encoded in [percent(secret, false), percent(secret, true)] {
        add(encoded.replace("%20", "+"));
        add(encoded.replace("%2F", "/").replace("%2f", "/"));
        add(encoded);
    }
    add(secret.replace('\'', r"'\''"));
    add(secret.replace('\'', r#"'"'"'"#));
    add(shell_escaped(secret));
    add(secret.replace('\n', "\r\n"));
    add(java_property(secret));
    add(ascii_only(&java_property(secret)));
    add(STANDARD_NO_PAD.encode(secret));
    // Line by line, where something is put before or behind each line.
    for line in secret.lines().filter(|_| secret.contains('\n')).map(str::trim) {
        if line.len() >= SHORTEST {
            add(line.to_owned());
        }
    }
    forms
}

/// As `\uXXXX`, in UTF-16, what is not ASCII: Java's properties, Python's JSON.
fn ascii_only(text: &str) -> String {
    let mut units = [0; 2];
    text.chars().fold(String::new(), |mut out, letter| {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}

/// A backslash before each character that a shell would read otherwise (`printf %q`).
fn shell_escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, letter| {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && !"%+,-./:=@_".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
        out
    })
}

fn xml(text: &str, [double, single]: [&str; 2]) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // Safe in this order: no replacement holds a quote unless it is the quote itself.
    text.replace('"', double).replace('\'', single)
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// As JSON writers do that expect to end up inside HTML (Gson's default).
fn html_safe(json: &str) -> String {
    json.chars().fold(String::new(), |mut out, letter| {
        match letter {
            '<' | '>' | '&' | '=' | '\'' => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
        out
    })
}

fn percent(text: &str, lower_case: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
                Ok(())
            }
            _ if lower_case => write!(out, "%{byte:02x}"),
            _ => write!(out, "%{byte:02X}"),
        };
        out
    })
}

fn java_property(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, letter| {
        if matches!(letter, '\\' | ':' | '=' | '#' | '!') {
            out.push('\\');
        }
        out.push(letter);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_word_has_no_escaped_form_but_base64() {
        assert_eq!(all("s3cretword"), ["s3cretword", "czNjcmV0d29yZA"]);
    }

    #[test]
    fn special_characters_are_known_in_each_place_they_may_be_printed() {
        let forms = all(r#"a&b<c>"d'/e\ f=%"#);
        for wanted in [
            r#"a&b<c>"d'/e\ f=%"#,
            r"a&amp;b&lt;c&gt;&quot;d&apos;/e\ f=%",
            r"a&amp;b&lt;c&gt;&quot;d&#39;/e\ f=%",
            r#"a&amp;b&lt;c&gt;"d'/e\ f=%"#,
            r#"a&b<c>\"d'/e\\ f=%"#,
            r#"a&b<c>\"d'\/e\\ f=%"#,
            r#"a\u0026b\u003cc\u003e\"d\u0027/e\\ f\u003d%"#,
            r"a%26b%3Cc%3E%22d%27%2Fe%5C%20f%3D%25",
            r"a%26b%3cc%3e%22d%27%2fe%5c%20f%3d%25",
            r"a%26b%3Cc%3E%22d%27%2Fe%5C+f%3D%25",
            r#"a&b<c>"d'\''/e\ f=%"#,
            r#"a&b<c>"d'"'"'/e\ f=%"#,
            r#"a&b<c>"d\'/e\\ f=%"#,
            r#"a\&b\<c\>\"d\'/e\\\ f=%"#,
            "a&amp;b&lt;c&gt;&quot;d&#x27;/e\\ f=%",
            "a%26b%3Cc%3E%22d%27/e%5C%20f%3D%25",
            "YSZiPGM+ImQnL2VcIGY9JQ",
        ] {
            assert!(forms.iter().any(|form| form == wanted), "{wanted} is not among {forms:#?}");
        }
    }

    #[test]
    fn other_scripts_are_known_as_ascii_too() {
        let forms = all("비밀 ü\u{1f511}");
        assert!(forms.iter().any(|form| form == r"\ube44\ubc00 \u00fc\ud83d\udd11"), "{forms:#?}");
    }

    #[test]
    fn each_line_of_a_secret_that_is_long_enough_is_one() {
        let forms = all("first line\r\nshort\nlast line");
        for wanted in ["first line", "last line"] {
            assert!(forms.iter().any(|form| form == wanted), "{forms:#?}");
        }
        assert!(!forms.iter().any(|form| form == "short"));
    }

    #[test]
    fn a_huge_secret_is_not_multiplied() {
        assert_eq!(all(&"&".repeat(ESCAPED_UP_TO + 1)).len(), 1);
    }
}

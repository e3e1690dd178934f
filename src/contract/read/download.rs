//! `WGET_*`: what is downloaded at every boot.

use super::{
    reader::Reader,
    values::{Parsed, Refused, absolute_path, duration, file_name, sha256, size},
};
use crate::contract::{Download, secret::Secret};
use std::path::Path;

/// The three that are set together or not at all.
const TOGETHER: [&str; 3] = ["WGET_URL", "WGET_FOLDER_PATH", "WGET_FILE_NAME"];

/// What only a download needs, and nobody sets without one.
const EXTRAS: [&str; 3] = ["WGET_SHA256", "WGET_HEADER", "WGET_TIMEOUT"];

/// A J-Jobs plug-in archive has some hundred megabytes; this stops a bomb before it fills a node.
const DEFAULT_MAX_BYTES: u64 = 20 << 30;

/// Reads the variables of the download.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Download> {
    let missing: Vec<&'static str> =
        TOGETHER.into_iter().filter(|name| reader.raw(name).is_none()).collect();
    let is_off = missing.len() == TOGETHER.len();
    if is_off {
        reader.switch_off(&EXTRAS);
        reader.switch_off(&["WGET_MAX_BYTES"]);
    }
    let url = reader.optional("WGET_URL", url);
    let folder = reader.optional("WGET_FOLDER_PATH", absolute_path);
    let name = reader.optional("WGET_FILE_NAME", file_name);
    let sha256 = reader.optional("WGET_SHA256", sha256);
    let header = reader.optional("WGET_HEADER", header);
    let timeout = reader.optional("WGET_TIMEOUT", duration).filter(|timeout| !timeout.is_zero());
    let max_bytes = reader.value("WGET_MAX_BYTES", DEFAULT_MAX_BYTES, size);

    if is_off {
        for extra in EXTRAS {
            if reader.raw(extra).is_some() && !reader.is_refused(extra) {
                reader.warn_of_name(
                    extra,
                    "has no effect: WGET_URL is not set, so nothing is downloaded",
                    None,
                );
            }
        }
        return None;
    }
    for name in missing {
        reader.refuse(
            name,
            Refused::hinting("set all of WGET_URL, WGET_FOLDER_PATH and WGET_FILE_NAME, or none"),
        );
    }
    if folder.as_deref() == Some(Path::new("/")) {
        reader.warn(
            "WGET_FOLDER_PATH",
            "is the root of the file system: an archive may replace anything",
            None,
        );
    }
    Some(Download {
        url: Secret::new(url?),
        folder: folder?,
        file_name: name?,
        sha256,
        header,
        timeout,
        max_bytes,
    })
}

fn url(text: &str) -> Parsed<String> {
    let refused = |hint: &str| Err(Refused::hinting(hint));
    match reqwest::Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            refused("only http and https can be downloaded from")
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => refused("the URL names no host"),
        Ok(_) if text.chars().any(|c| c.is_control() || c == ' ') => refused(
            "there is a space or a control character in it, perhaps a line break at its end",
        ),
        Ok(_) => Ok(text.to_owned()),
        Err(_) if !text.contains("://") => {
            refused("the URL does not begin with http:// or https://")
        }
        Err(_) => refused(
            "this is not a URL; characters such as / ? @ in a password must be percent-encoded",
        ),
    }
}

/// `Name: value` with a name of token characters (RFC 9110) and a value that stays on its line.
fn header(text: &str) -> Parsed<(String, Secret)> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(Refused::hinting("there is no colon between the name and the value"));
    };
    let value = value.trim_matches([' ', '\t']);
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return Err(Refused::hinting("the part before the colon is no header name"));
    }
    if value.is_empty() || !value.chars().all(|c| c == '\t' || c == ' ' || c.is_ascii_graphic()) {
        return Err(Refused::hinting(
            "the part after the colon is empty or holds a line break or another character that no header may have",
        ));
    }
    Ok((name.to_owned(), Secret::new(value)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn a_header_is_a_name_a_colon_and_a_value() {
        let (name, value) = header("Authorization:  Bearer a:b ").unwrap();
        assert_eq!((name.as_str(), value.expose()), ("Authorization", "Bearer a:b"));
        for text in ["", "x", ": v", "a b: v", "a:", "a: ", "a: b\r\nc: d", "a: é", "é: a"] {
            assert!(header(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_http_urls_are_downloaded() {
        for text in [
            "ftp://h/x",
            "h/x",
            "http://",
            "https:///",
            "file:///etc/passwd",
            "http://h/a\nb",
            "http://h/a b",
            "http://u:p@ss@/",
        ] {
            assert!(url(text).is_err(), "{text:?}");
        }
        for text in ["http://h/x", "HTTPS://u:p@h:8443/x?y=z", "http://[::1]/한글"] {
            assert_eq!(url(text).unwrap(), text);
        }
    }
}

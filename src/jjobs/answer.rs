//! What the bodies of answers say.
//!
//! Tolerant about what is not needed, strict about what is: an answer that does not say how many requests there are
//! must never read as "none", because a server would be stopped with jobs running.

use super::error::Failure;
use flate2::read::GzDecoder;
use reqwest::{Response, header::CONTENT_ENCODING};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use std::{borrow::Cow, io::Read};

/// A list of ten thousand requests fits; what is larger is no answer to our question.
const MOST_BYTES: usize = 4 << 20;

/// A status is a letter or a word.
const LONGEST_STATUS: usize = 64;

/// The body of a 200, unpacked. It must be complete.
pub(super) async fn body(mut response: Response) -> Result<Vec<u8>, Failure> {
    let encoding = response
        .headers()
        .get(CONTENT_ENCODING)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase());
    let host = response.url().host_str().unwrap_or_default().to_owned();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::of(&error, &host))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    decoded(encoding.as_deref(), body)
}

/// Some proxies compress although nobody asked for it.
fn decoded(encoding: Option<&str>, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match encoding {
        None | Some("" | "identity") => Ok(body),
        Some("gzip" | "x-gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(body.as_slice())
                .take(MOST_BYTES as u64 + 1)
                .read_to_end(&mut plain)
                .map_err(|error| {
                    Failure::Answer(format!("the answer is no valid gzip: {error}"))
                })?;
            if plain.len() > MOST_BYTES { Err(too_large()) } else { Ok(plain) }
        }
        Some(other) => {
            let named: String = other.chars().filter(char::is_ascii_graphic).take(20).collect();
            Err(Failure::Answer(format!("the answer is encoded as {named}, unasked")))
        }
    }
}

fn too_large() -> Failure {
    Failure::Answer(format!("the answer is larger than {} MiB", MOST_BYTES >> 20))
}

/// Whether a 200 to a wish is one: a login or error page that some proxy sends with a 200 is not.
pub(super) fn granted(body: &[u8]) -> Result<(), Failure> {
    if is_page(body) { Err(page()) } else { Ok(()) }
}

/// How many requests a server works on: the length of `.list`.
pub(super) fn working_requests(body: &[u8]) -> Result<usize, Failure> {
    #[derive(Deserialize)]
    struct Requests {
        list: Vec<IgnoredAny>,
    }
    let text = json_text(body)?;
    // An array would do for the struct, too.
    if !text.trim_start().starts_with('{') {
        return Err(Failure::Answer("it is no JSON object".to_owned()));
    }
    let requests: Requests = serde_json::from_str(&text).map_err(|error| {
        // The library's text quotes values of the answer; its place in it is enough.
        let (line, column) = (error.line(), error.column());
        if error.is_data() {
            Failure::Answer(format!("there is no list of requests in it (column {column})"))
        } else {
            Failure::Answer(format!("it is no valid JSON (line {line}, column {column})"))
        }
    })?;
    Ok(requests.list.len())
}

/// The status of the server `number`: `.list.group.g1.s<number>.status`.
pub(super) fn server_status(body: &[u8], number: u64) -> Result<String, Failure> {
    status(body, &format!("/list/group/g1/s{number}/status"))
}

/// The status of an agent: `.vo.status`.
pub(super) fn agent_status(body: &[u8]) -> Result<String, Failure> {
    status(body, "/vo/status")
}

fn status(body: &[u8], pointer: &str) -> Result<String, Failure> {
    let text = json_text(body)?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|_| Failure::Answer("it is no valid JSON".to_owned()))?;
    let named = pointer.replace('/', ".");
    match value.pointer(pointer) {
        Some(Value::String(status)) if is_word(status) => Ok(status.clone()),
        Some(_) => Err(Failure::Answer(format!("{named} is no status"))),
        None => Err(Failure::Answer(format!("there is no {named} in it"))),
    }
}

/// It goes to logs and is compared: something else than a word is neither for the one nor for the other.
fn is_word(status: &str) -> bool {
    (1..=LONGEST_STATUS).contains(&status.len()) && status.chars().all(|c| c.is_ascii_graphic())
}

/// The body as text. A name in another character set than UTF-8 must not make the rest unreadable.
fn json_text(body: &[u8]) -> Result<Cow<'_, str>, Failure> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(Failure::Answer("it is empty".to_owned()));
    }
    if is_page(body) {
        return Err(page());
    }
    Ok(String::from_utf8_lossy(body))
}

fn is_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    body.first() == Some(&b'<')
}

fn page() -> Failure {
    Failure::Answer("it is a web page (HTML), not an answer of the REST API".to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    #[test]
    fn requests_are_counted_whatever_they_look_like() {
        for (body, count) in [
            (r#"{"list":[]}"#, 0),
            (r#" {"extra":{"list":[1,2]},"list":[{"a":"\u0000"}],"total":"1"} "#, 1),
            (r#"{"list":[null,1,"x",[],{}]}"#, 5),
            ("\u{feff}{\"list\":[]}", 0),
        ] {
            assert_eq!(working_requests(body.as_bytes()).unwrap(), count, "{body}");
        }
        // A name in EUC-KR.
        assert_eq!(working_requests(b"{\"name\":\"\xc7\xd1\",\"list\":[{}]}").unwrap(), 1);
    }

    #[test]
    fn what_does_not_say_how_many_requests_there_are_is_no_zero() {
        for body in [
            "",
            "  \r\n",
            "{}",
            "null",
            "[]",
            "0",
            r#"{"list":null}"#,
            r#"{"list":{}}"#,
            r#"{"list":""}"#,
            r#"{"list":0}"#,
            r#"{"List":[]}"#,
            r#"{"vo":{"list":[]}}"#,
            r#"{"list":[],"list":[1]}"#,
            r#"{"list":["#,
            r#"{"list":[]} and more"#,
            "[[]]",
            r#"{"list":[]}{"list":[{}]}"#,
            "<html>login</html>",
            "\n<!DOCTYPE html>",
        ] {
            let failure = working_requests(body.as_bytes()).unwrap_err();
            assert!(matches!(failure, Failure::Answer(_)), "{body}: {failure:?}");
        }
    }

    #[test]
    fn a_status_is_found_in_its_place_only() {
        let list = br#"{"list":{"group":{"g1":{"name":1,"s1":{"status":"R","x":[]},"s12":{"status":"W"}}}}}"#;
        assert_eq!(server_status(list, 1).unwrap(), "R");
        assert_eq!(server_status(list, 12).unwrap(), "W");
        assert!(server_status(list, 2).unwrap_err().to_string().contains("g1.s2.status"));
        assert_eq!(agent_status(br#"{"vo":{"status":"RUNNING"}}"#).unwrap(), "RUNNING");
        for body in [
            r#"{"vo":null}"#,
            r#"{"vo":{"status":null}}"#,
            r#"{"vo":{"status":""}}"#,
            r#"{"vo":{"status":"A\nB"}}"#,
            r#"{"vo":{"status":7}}"#,
            r#"{"status":"RUNNING"}"#,
            "[",
        ] {
            assert!(agent_status(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_gzip_bomb_is_not_unpacked() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&vec![b' '; MOST_BYTES + 1]).unwrap();
        let bomb = encoder.finish().unwrap();
        assert!(matches!(decoded(Some("gzip"), bomb), Err(Failure::Answer(_))));
        assert!(decoded(Some("gzip"), b"plain".to_vec()).is_err());
        assert!(decoded(Some("br"), b"{}".to_vec()).is_err());
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        let deep = "[".repeat(1 << 20);
        assert!(working_requests(deep.as_bytes()).is_err());
        assert!(agent_status(deep.as_bytes()).is_err());
        let deep = format!("{{\"list\":{deep}");
        assert!(working_requests(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_makes_us_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (granted(&body), working_requests(&body), server_status(&body, 1), agent_status(&body));
            let _ = decoded(Some("gzip"), body);
        }

        #[test]
        fn nothing_but_a_list_is_counted(value in json()) {
            let body = value.to_string();
            let list = value.get("list").and_then(Value::as_array).map(Vec::len);
            prop_assert_eq!(working_requests(body.as_bytes()).ok(), list);
            let _ = (server_status(body.as_bytes(), 1), agent_status(body.as_bytes()));
        }
    }

    /// JSON whose keys are often those that we look for.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        let key = prop_oneof!["list|group|g1|s1|vo|status", ".{0,4}"];
        leaf.prop_recursive(5, 30, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }
}

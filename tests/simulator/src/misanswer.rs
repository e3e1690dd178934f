//! The wrong answers that a server or something between may give: what each word of the fault `answer` means.

use crate::http::Answer;
use serde_json::json;

/// How a request is answered.
pub(crate) enum Manner {
    /// By what the component says.
    Truly,
    /// By what it says, one byte a second.
    Slowly,
    /// By something else, while the component never hears of the request.
    Instead(Answer),
    /// By bytes that are no HTTP.
    Raw(&'static [u8]),
    /// Not at all, while the connection stays open.
    Hang,
    /// Not at all.
    Close,
}

/// An unknown word changes nothing.
pub(crate) fn manner(word: &str) -> Manner {
    let (name, value) = word.split_once(':').unwrap_or((word, ""));
    let answer = match name {
        "hang" => return Manner::Hang,
        "close" => return Manner::Close,
        "slow" => return Manner::Slowly,
        "garbage" => return Manner::Raw(b"this is not HTTP\r\n\r\n"),
        // A promise that is not kept, of a hold above all.
        "forget" => Answer::json(200, &json!({ "result": "OK" })),
        "null-list" => Answer::json(200, &json!({ "list": null })),
        "empty-json" => Answer::json(200, &json!({})),
        "json" => Answer { body: value.to_owned(), ..Answer::json(200, &json!({})) },
        "login" => Answer::html(
            200,
            "<form action=\"/login\"><input name=\"user\"><input type=\"password\" name=\"password\"></form>",
        ),
        "redirect" => {
            let target = if value.is_empty() { "/jjob-manager/login" } else { value };
            Answer::html(302, "moved").with_header(format!("Location: {target}"))
        }
        "502-html" => Answer::html(502, "<h1>502 Bad Gateway</h1><hr>proxy"),
        number => match number.parse() {
            Ok(status) => Answer::html(status, "on request"),
            Err(_) => return Manner::Truly,
        },
    };
    Manner::Instead(answer)
}

//! The smallest HTTP client that will do: one request per connection, the whole answer in memory.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The body; bytes that are not UTF-8 are replaced.
    pub body: String,
}

struct HttpRequest<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

/// Sends `request` over an open connection and reads until the other side closes it.
fn ask(mut stream: TcpStream, request: &HttpRequest<'_>) -> io::Result<HttpAnswer> {
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let mut text = format!(
        "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n",
        request.method,
        request.path,
        request.body.len()
    );
    for (name, value) in request.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.push_str(request.body);
    stream.write_all(text.as_bytes())?;

    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

/// `GET` of that path.
pub(crate) fn get(stream: TcpStream, path: &str) -> io::Result<HttpAnswer> {
    ask(stream, &HttpRequest { method: "GET", path, headers: &[], body: "" })
}

/// A request with the REST API's headers: `private-token` and a JSON body.
pub(crate) fn api(
    stream: TcpStream,
    (method, path): (&str, &str),
    token: &str,
    body: &str,
) -> io::Result<HttpAnswer> {
    let headers = [("private-token", token), ("Content-Type", "application/json")];
    ask(stream, &HttpRequest { method, path, headers: &headers, body })
}

fn parse(answer: &str) -> Option<HttpAnswer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split_whitespace().nth(1)?.parse().ok()?;
    Some(HttpAnswer { status, body: body.to_owned() })
}

//! A plain HTTP client: one request, one answer, the connection closed.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// Asks `url` (`http://HOST:PORT/PATH`) and returns the status and the body.
pub(crate) fn request(
    method: &str,
    url: &str,
    body: &str,
    limit: Duration,
) -> io::Result<(u16, String)> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let rest = url.strip_prefix("http://").ok_or_else(|| invalid("only http:// is spoken here"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut tries =
        host.to_socket_addrs()?.map(|address| TcpStream::connect_timeout(&address, limit));
    // `localhost` may be ::1 first while only 127.0.0.1 answers.
    let mut stream = tries
        .by_ref()
        .find(Result::is_ok)
        .ok_or_else(|| io::Error::new(io::ErrorKind::ConnectionRefused, "nobody answers"))??;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| invalid("not an answer"))?;
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Ok((status.ok_or_else(|| invalid("no status"))?, body.to_owned()))
}

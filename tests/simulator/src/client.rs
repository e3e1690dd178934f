//! A plain HTTP client: one request, one answer, the connection closed.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// For a connection to one address: a name may have others.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

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
    let mut stream = connect(host, limit.min(CONNECT_LIMIT))?;
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

/// To any of the host's addresses, each time with another one first, as DNS deals those of a headless service out.
fn connect(host: &str, limit: Duration) -> io::Result<TcpStream> {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let addresses: Vec<_> = host.to_socket_addrs()?.collect();
    let first = TURN.fetch_add(1, Ordering::Relaxed) % addresses.len().max(1);
    let mut last = io::Error::new(io::ErrorKind::ConnectionRefused, "nobody answers");
    for address in addresses.iter().cycle().skip(first).take(addresses.len()) {
        match TcpStream::connect_timeout(address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

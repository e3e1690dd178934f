//! A plain HTTP server: a thread per connection, one request each.

use crate::fault::Faults;
use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

/// Enough for any request of ours; a longer body is refused.
const BODY_LIMIT: usize = 1 << 20;

/// Threads of the simulator do little and there are many of them.
pub(crate) const STACK_SIZE: usize = 256 << 10;

pub(crate) struct Request {
    pub(crate) method: String,
    /// The path without the query.
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
    connection: TcpStream,
}

impl Request {
    /// Whether the other side still waits for the answer.
    pub(crate) fn is_awaited(&self) -> bool {
        is_open(&self.connection)
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, kind: "application/json;charset=UTF-8", body: body.to_string() }
    }

    pub(crate) fn html(status: u16, text: &str) -> Self {
        let body = format!("<html><body>{text}</body></html>\n");
        Self { status, kind: "text/html;charset=UTF-8", body }
    }
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// Serves `listener` for ever, on threads of its own.
pub(crate) fn serve(
    listener: TcpListener,
    faults: Faults,
    handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) {
    let handler: Arc<Handler> = Arc::new(handler);
    spawn(move || {
        for stream in listener.incoming().flatten() {
            let (handler, faults) = (Arc::clone(&handler), faults.clone());
            spawn(move || {
                let _ = converse(stream, &faults, &handler);
            });
        }
    });
}

/// A thread with a small stack; where the system allows no more threads the work is dropped.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().stack_size(STACK_SIZE).spawn(work);
}

fn converse(mut stream: TcpStream, faults: &Faults, handler: &Arc<Handler>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let Some(request) = read(&stream)? else { return Ok(()) };
    if let Some(delay) = faults.seconds("answer_delay") {
        thread::sleep(delay);
    }
    // What only tests ask stays truthful whatever the component is told to do.
    let wanted =
        if request.path.starts_with("/sim/") { None } else { faults.answer(&request.path) };
    let answer = match wanted.as_deref() {
        Some("hang") => {
            // As long as the fault lasts or the other side waits.
            while faults.answer(&request.path).as_deref() == Some("hang") && request.is_awaited() {
                thread::sleep(Duration::from_millis(250));
            }
            handler(&request)
        }
        Some("close") => return Ok(()),
        Some("garbage") => return stream.write_all(b"this is not HTTP\r\n\r\n"),
        Some(status) => match status.parse() {
            Ok(status) => Answer::html(status, "on request"),
            Err(_) => handler(&request),
        },
        None => handler(&request),
    };
    write!(
        stream,
        "HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        answer.kind,
        answer.body.len()
    )?;
    if request.method != "HEAD" {
        stream.write_all(answer.body.as_bytes())?;
    }
    stream.flush()
}

fn is_open(stream: &TcpStream) -> bool {
    let mut byte = [0];
    let _ = stream.set_nonblocking(true);
    let is_open = match stream.peek(&mut byte) {
        Ok(count) => count > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    };
    let _ = stream.set_nonblocking(false);
    is_open
}

fn read(stream: &TcpStream) -> io::Result<Option<Request>> {
    let mut reader = BufReader::new(stream).take((BODY_LIMIT * 2) as u64);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        headers: HashMap::new(),
        body: String::new(),
        connection: stream.try_clone()?,
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length =
        request.headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; if length > BODY_LIMIT { 0 } else { length }];
    reader.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(request))
}

//! A plain HTTP server, with or without TLS: a thread per connection, one request each.

use crate::{
    fault::Faults,
    misanswer::{self, Manner},
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

/// Enough for any request of ours; a longer body is refused.
const BODY_LIMIT: usize = 1 << 20;

/// Threads of the simulator do little and there are many of them.
pub(crate) const STACK_SIZE: usize = 256 << 10;

/// Between two bytes of a slow answer.
const TRICKLE: Duration = Duration::from_secs(1);

pub(crate) struct Request {
    pub(crate) method: String,
    /// The path without the query.
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
    /// Who asks.
    pub(crate) peer: IpAddr,
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
    /// One more header, with its name.
    pub(crate) header: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        let kind = "application/json;charset=UTF-8";
        Self { status, kind, header: None, body: body.to_string() }
    }

    pub(crate) fn html(status: u16, text: &str) -> Self {
        let body = format!("<html><body>{text}</body></html>\n");
        Self { status, kind: "text/html;charset=UTF-8", header: None, body }
    }

    pub(crate) fn with_header(self, header: String) -> Self {
        Self { header: Some(header), ..self }
    }

    fn bytes(&self, with_body: bool) -> Vec<u8> {
        let header = self.header.as_ref().map(|header| format!("{header}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {} X\r\nContent-Type: {}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.status,
            self.kind,
            self.body.len()
        );
        [head.as_bytes(), if with_body { self.body.as_bytes() } else { b"" }].concat()
    }
}

/// What is served, apart from the answers.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) faults: Faults,
    /// Where there is one, only what tests ask (`/sim/`) is answered without TLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// Serves `listener` for ever, on threads of its own.
pub(crate) fn serve(
    listener: TcpListener,
    site: Site,
    handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) {
    let handler: Arc<Handler> = Arc::new(handler);
    spawn(move || {
        for stream in listener.incoming().flatten() {
            let (handler, site) = (Arc::clone(&handler), site.clone());
            spawn(move || {
                let _ = converse(stream, &site, &handler);
            });
        }
    });
}

/// A thread with a small stack; where the system allows no more threads the work is dropped.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().stack_size(STACK_SIZE).spawn(work);
}

/// A connection, with or without TLS.
enum Wire {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    /// A TLS conversation begins with a byte that no HTTP method begins with.
    fn open(stream: TcpStream, site: &Site) -> io::Result<Self> {
        let mut first = [0];
        stream.peek(&mut first)?;
        match &site.tls {
            Some(config) if first == [0x16] => {
                let session =
                    ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Ok(Self::Secure(Box::new(StreamOwned::new(session, stream))))
            }
            _ => Ok(Self::Plain(stream)),
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => &stream.sock,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Secure(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Says that nothing was cut off.
    fn close(mut self) {
        if let Self::Secure(stream) = &mut self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

fn converse(stream: TcpStream, site: &Site, handler: &Arc<Handler>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let faults = &site.faults;
    let mut wire = Wire::open(stream, site)?;
    let request = match read(&mut wire) {
        Ok(Some(request)) => request,
        Ok(None) => return Ok(()),
        // What is not HTTP, such as TLS where none is spoken, is told so as by Tomcat.
        Err(_) => return wire.send(&Answer::html(400, "Bad Request").bytes(true)),
    };
    if let Some(delay) = faults.seconds("answer_delay") {
        thread::sleep(delay);
    }
    let is_tests_own = request.path.starts_with("/sim/");
    if site.tls.is_some() && !is_tests_own && matches!(wire, Wire::Plain(_)) {
        let text = "Bad Request: This combination of host and port requires TLS.";
        return wire.send(&Answer::html(400, text).bytes(true));
    }
    // What only tests ask stays truthful whatever the component is told to do.
    let wanted = if is_tests_own { None } else { faults.answer(&request.path) };
    if let Some(wanted) = &wanted {
        wanted.spend();
    }
    let manner = wanted.as_ref().map_or(Manner::Truly, |wanted| misanswer::manner(&wanted.word));
    let is_slow = matches!(manner, Manner::Slowly);
    let answer = match manner {
        Manner::Close => return Ok(()),
        Manner::Raw(bytes) => return wire.send(bytes),
        Manner::Instead(answer) => answer,
        Manner::Hang => {
            // As long as the fault lasts or the other side waits.
            let is_wanted = || faults.answer(&request.path).is_some_and(|now| now.word == "hang");
            while is_wanted() && request.is_awaited() {
                thread::sleep(Duration::from_millis(250));
            }
            handler(&request)
        }
        Manner::Truly | Manner::Slowly => handler(&request),
    };
    let bytes = answer.bytes(request.method != "HEAD");
    if is_slow {
        for byte in bytes.chunks(1) {
            wire.send(byte)?;
            thread::sleep(TRICKLE);
        }
    } else {
        wire.send(&bytes)?;
    }
    wire.close();
    Ok(())
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

fn read(wire: &mut Wire) -> io::Result<Option<Request>> {
    let connection = wire.socket().try_clone()?;
    let peer = connection
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical());
    let mut reader = BufReader::new(wire).take((BODY_LIMIT * 2) as u64);
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
        peer,
        connection,
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

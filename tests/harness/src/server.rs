//! A scripted HTTP server, with TLS or without: the REST API, a Kubernetes API server, a proxy.
//!
//! It understands the requests of well-behaved clients (a body with a length) and answers whatever the test wants, byte by
//! byte where a test is about broken answers.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What a client asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Method and target.
    pub line: String,
    headers: Vec<(String, String)>,
    /// Its body; bytes that are not UTF-8 are replaced.
    pub body: String,
}

impl Asked {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A connection, encrypted or not.
pub trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}

/// Whether a connection takes another request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It does.
    Keep,
    /// It does not.
    Close,
}

type Answer = dyn Fn(&Asked, &mut dyn ReadWrite) -> Then + Send + Sync;
type Wrap = dyn Fn(TcpStream) -> Box<dyn ReadWrite> + Send + Sync;

/// A server whose answers are written by a function. It ends with the test.
#[derive(Clone)]
pub struct Server {
    /// Where it listens.
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    behaviour: Arc<Mutex<(Arc<Wrap>, Arc<Answer>)>>,
}

impl Server {
    /// A server on a loopback port of its own.
    pub fn start(
        answer: impl Fn(&Asked, &mut dyn ReadWrite) -> Then + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1:0", answer).unwrap()
    }

    /// A server at `address`, such as `[::1]:0`.
    pub fn start_at(
        address: &str,
        answer: impl Fn(&Asked, &mut dyn ReadWrite) -> Then + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        Self::serving(TcpListener::bind(address)?, answer)
    }

    /// A server on a listener that is there already, such as a container's.
    pub fn serving(
        listener: TcpListener,
        answer: impl Fn(&Asked, &mut dyn ReadWrite) -> Then + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let plain: Arc<Wrap> = Arc::new(|stream| Box::new(stream));
        let server = Self {
            port: listener.local_addr()?.port(),
            asked: Arc::default(),
            connections: Arc::default(),
            behaviour: Arc::new(Mutex::new((plain, Arc::new(answer)))),
        };
        let this = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                this.connections.fetch_add(1, Ordering::SeqCst);
                let this = this.clone();
                std::thread::spawn(move || this.serve(stream));
            }
        });
        Ok(server)
    }

    /// The same answer to every request, with keep-alive.
    pub fn answering(status: u16, body: &'static str) -> Self {
        Self::start(move |_, stream| response(stream, status, &[], body.as_bytes()))
    }

    /// From the next connection on it speaks TLS.
    pub fn speak_tls(&self, config: Arc<rustls::ServerConfig>) {
        let wrap: Arc<Wrap> = Arc::new(move |stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(rustls::StreamOwned::new(connection, stream))
        });
        self.behaviour.lock().unwrap().0 = wrap;
    }

    /// From the next connection on it speaks what the client speaks.
    pub fn speak_either(&self, config: Arc<rustls::ServerConfig>) {
        let wrap: Arc<Wrap> = Arc::new(move |stream| {
            let mut first = [0];
            let is_tls = stream.peek(&mut first).is_ok() && first[0] == 0x16;
            if !is_tls {
                return Box::new(stream);
            }
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(rustls::StreamOwned::new(connection, stream))
        });
        self.behaviour.lock().unwrap().0 = wrap;
    }

    /// From the next connection on it does not.
    pub fn speak_plainly(&self) {
        self.behaviour.lock().unwrap().0 = Arc::new(|stream| Box::new(stream));
    }

    fn serve(&self, stream: TcpStream) {
        // A test that failed must not leave threads waiting for ever.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let (wrap, answer) = self.behaviour.lock().unwrap().clone();
        let mut stream = wrap(stream);
        loop {
            match read_request(&mut *stream) {
                Ok(request) => {
                    self.asked.lock().unwrap().push(request.clone());
                    if answer(&request, &mut *stream) == Then::Close {
                        return;
                    }
                    let _ = stream.flush();
                }
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    // What Tomcat says to TLS on its http port.
                    response(&mut *stream, 400, &[], b"");
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn read_request(stream: &mut dyn ReadWrite) -> std::io::Result<Asked> {
    let invalid = || std::io::Error::from(ErrorKind::InvalidData);
    let mut reader = BufReader::with_capacity(1, stream);
    let mut line = || {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line)?;
        String::from_utf8(line).map_err(|_| invalid())
    };
    let first = line()?;
    if first.is_empty() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let request = first.trim_end().strip_suffix(" HTTP/1.1").ok_or_else(invalid)?.to_owned();
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.trim_end().split_once(": ") {
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut asked = Asked { line: request, headers, body: String::new() };
    let mut body = Vec::new();
    let length = asked.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Ok(asked)
}

/// Status, headers and the end of headers.
pub fn response_head(stream: &mut dyn ReadWrite, status: u16, headers: &[(&str, &str)]) {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        text = format!("{text}{name}: {value}\r\n");
    }
    let _ = stream.write_all((text + "\r\n").as_bytes());
    let _ = stream.flush();
}

/// A complete answer.
pub fn response(
    stream: &mut dyn ReadWrite,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Then {
    let length = body.len().to_string();
    response_head(stream, status, &[headers, &[("Content-Length", length.as_str())]].concat());
    let _ = stream.write_all(body);
    let _ = stream.flush();
    Then::Keep
}

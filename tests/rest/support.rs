//! A scripted server on a loopback address, and certificates for it.

use jjobs_init::{
    contract::{TokenSource, secret::Secret},
    jjobs::api::{Api, ApiSettings, Scheme},
};
use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

pub(crate) const TOKEN: &str = "secret-token-1";

/// What a client asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Method and target.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

pub(crate) trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}

/// Whether a connection takes another request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Keep,
    Close,
}

type Answer = dyn Fn(&Asked, &mut dyn ReadWrite) -> Then + Send + Sync;
type Wrap = dyn Fn(TcpStream) -> Box<dyn ReadWrite> + Send + Sync;

/// A server whose answers are written by a function. It ends with the test.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    behaviour: Arc<Mutex<(Arc<Wrap>, Arc<Answer>)>>,
}

impl Server {
    pub(crate) fn start(
        answer: impl Fn(&Asked, &mut dyn ReadWrite) -> Then + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1:0", answer).unwrap()
    }

    pub(crate) fn start_at(
        address: &str,
        answer: impl Fn(&Asked, &mut dyn ReadWrite) -> Then + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
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
    pub(crate) fn answering(status: u16, body: &'static str) -> Self {
        Self::start(move |_, stream| reply(stream, status, &[], body.as_bytes()))
    }

    /// From the next connection on it speaks TLS.
    pub(crate) fn speak_tls(&self, config: Arc<rustls::ServerConfig>) {
        let wrap: Arc<Wrap> = Arc::new(move |stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(rustls::StreamOwned::new(connection, stream))
        });
        self.behaviour.lock().unwrap().0 = wrap;
    }

    /// From the next connection on it speaks what the client speaks.
    pub(crate) fn speak_either(&self, config: Arc<rustls::ServerConfig>) {
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
    pub(crate) fn speak_plainly(&self) {
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
                    reply(&mut *stream, 400, &[], b"");
                    return;
                }
                Err(_) => return,
            }
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// A client for it, with a time limit that no healthy answer needs.
    pub(crate) fn api(&self) -> Api {
        Api::new(self.settings("127.0.0.1", Scheme::Http))
    }

    pub(crate) fn settings(&self, host: &str, scheme: Scheme) -> ApiSettings {
        ApiSettings {
            host: host.to_owned(),
            port: self.port,
            scheme,
            token: TokenSource::Value(Secret::new(TOKEN)),
            ca_file: None,
        }
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
    let length = asked.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_string(&mut asked.body)?;
    Ok(asked)
}

/// Status, headers and the end of headers.
pub(crate) fn head(stream: &mut dyn ReadWrite, status: u16, headers: &[(&str, &str)]) {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        text = format!("{text}{name}: {value}\r\n");
    }
    let _ = stream.write_all((text + "\r\n").as_bytes());
    let _ = stream.flush();
}

/// A complete answer.
pub(crate) fn reply(
    stream: &mut dyn ReadWrite,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Then {
    let length = body.len().to_string();
    head(stream, status, &[headers, &[("Content-Length", length.as_str())]].concat());
    let _ = stream.write_all(body);
    let _ = stream.flush();
    Then::Keep
}

/// On a runtime like PID 1's, and never for ever.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let value = runtime.block_on(async {
        let tasks = tokio::task::LocalSet::new();
        let limit = tokio::time::timeout(Duration::from_mins(1), future);
        tasks.run_until(limit).await.unwrap()
    });
    // A read of a file that hangs must not keep the test.
    runtime.shutdown_background();
    value
}

/// A CA, and servers' certificates issued by it.
pub(crate) struct Ca {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub(crate) pem: String,
}

impl Ca {
    pub(crate) fn new() -> Self {
        Self::named("CA")
    }

    pub(crate) fn named(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    /// A server's side with a certificate for `names`, which expired with that year's begin if one is given.
    pub(crate) fn server(&self, names: &[&str], expired: Option<i32>) -> Arc<rustls::ServerConfig> {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        if let Some(year) = expired {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
        }
        server_config(&params.signed_by(&key, &self.issuer).unwrap(), &key)
    }
}

/// The server's side of a certificate.
pub(crate) fn server_config(
    certificate: &rcgen::Certificate,
    key: &rcgen::KeyPair,
) -> Arc<rustls::ServerConfig> {
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

//! Where the server is, whether it speaks http or https, and the connections to it.
//!
//! Nobody tells an agent which of the two its server speaks: `test.jsp` is tried with http, then with https. What was
//! found is kept until connections begin to fail, because a server may come back installed with the other.

use super::{
    FileThread,
    api::{ApiSettings, Scheme},
    client_builder,
    error::{ApiError, Failure},
    tls, web,
};
use reqwest::{Client, Response, Url, header::LOCATION};
use rustls::RootCertStore;
use std::{
    error::Error,
    fmt,
    net::Ipv6Addr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// Idle connections are closed before Tomcat does it (20 s), so that no request meets a connection that is just ending.
const IDLE: Duration = Duration::from_secs(5);

/// Where `test.jsp` is.
pub(super) const TEST_PAGE: &str = "/jjob-server/test.jsp";

/// What is spoken on the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Https,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// One server, and what is known of it.
#[derive(Debug)]
pub(super) struct Address {
    /// As it stands in a URL.
    host: String,
    port: u16,
    scheme: Scheme,
    ca_file: Option<PathBuf>,
    known: Mutex<Known>,
    files: FileThread,
}

#[derive(Debug, Default)]
struct Known {
    protocol: Option<Protocol>,
    plain: Option<Client>,
    tls: Option<Client>,
}

impl Address {
    pub(super) fn new(settings: &ApiSettings) -> Self {
        let host = settings.host.trim_start_matches('[').trim_end_matches(']');
        let is_ipv6 = host.parse::<Ipv6Addr>().is_ok();
        Self {
            host: if is_ipv6 { format!("[{host}]") } else { host.to_owned() },
            port: settings.port,
            scheme: settings.scheme,
            ca_file: settings.ca_file.clone(),
            known: Mutex::default(),
            files: FileThread::new(),
        }
    }

    /// As URLs and certificates name it.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The URL of `path` for people.
    pub(super) fn shown(&self, path: &str) -> String {
        let Self { host, port, .. } = self;
        match self.known_protocol() {
            Some(protocol) => format!("{protocol}://{host}:{port}{path}"),
            None => format!("http(s)://{host}:{port}{path}"),
        }
    }

    pub(super) fn url(&self, protocol: Protocol, target: &str) -> Result<Url, Failure> {
        let Self { host, port, .. } = self;
        // Any of these would make another host, or another path, of what follows.
        let odd = host.is_empty() || host.contains(['/', '\\', '@', '?', '#', '%']);
        let url = Url::parse(&format!("{protocol}://{host}:{port}{target}"));
        let url = url.ok().filter(|_| !odd);
        let url = url.ok_or_else(|| Failure::Setup(format!("{host:?} is no host name")))?;
        // A name of dots would lead elsewhere.
        if Some(url.path()) != target.split('?').next() {
            return Err(Failure::Setup(format!("there can be no {target:?}")));
        }
        Ok(url)
    }

    /// What the server speaks, if that is known.
    fn known_protocol(&self) -> Option<Protocol> {
        match self.scheme {
            Scheme::Http => Some(Protocol::Http),
            Scheme::Find => self.with_known(|known| known.protocol),
        }
    }

    pub(super) fn is_protocol_known(&self) -> bool {
        self.known_protocol().is_some()
    }

    /// What the server speaks; asks it if that is not known. `patience` is for http, so that there is time left for https.
    ///
    /// # Errors
    /// Where neither of the two answers: the one that tells more.
    pub(super) async fn protocol(&self, patience: Duration) -> Result<Protocol, ApiError> {
        if let Some(known) = self.known_protocol() {
            return Ok(known);
        }
        let found = self.find(patience).await?;
        tracing::debug!(url = self.shown(""), %found, "found what the server speaks");
        self.with_known(|known| known.protocol = Some(found));
        Ok(found)
    }

    async fn find(&self, patience: Duration) -> Result<Protocol, ApiError> {
        let failed = |protocol, failure| {
            let (host, port) = (&self.host, self.port);
            Err(ApiError::new(format!("GET {protocol}://{host}:{port}{TEST_PAGE}"), failure))
        };
        let http = timeout(patience, self.test_page(Protocol::Http)).await;
        let http = match http.unwrap_or(Err(Failure::TimedOut(patience))) {
            // Some proxies answer http on their https port by sending the client to https.
            Ok(response) if leads_to_https(&response) => None,
            Ok(_) => return Ok(Protocol::Http),
            Err(failure) if failure.is_before_any_scheme() => {
                return failed(Protocol::Http, failure);
            }
            Err(failure) => Some(failure),
        };
        match (http, self.test_page(Protocol::Https).await) {
            (_, Ok(_)) => Ok(Protocol::Https),
            (None, Err(_)) => Ok(Protocol::Http),
            // Somebody spoke TLS with us, so http was the wrong question.
            (Some(_), Err(https @ (Failure::Tls { .. } | Failure::Status(_)))) => {
                self.learn_from(&https);
                failed(Protocol::Https, https)
            }
            // http was not understood, and https was not even tried.
            (Some(http), Err(https @ Failure::Trust(_))) if http.may_be_wrong_scheme() => {
                failed(Protocol::Https, https)
            }
            (Some(http), Err(_)) => failed(Protocol::Http, http),
        }
    }

    /// Asks for `test.jsp`, without a token.
    ///
    /// # Errors
    /// When there is no answer, or another than 2xx and 3xx.
    pub(super) async fn test_page(&self, protocol: Protocol) -> Result<Response, Failure> {
        let url = self.url(protocol, TEST_PAGE)?;
        let response = self.client(protocol).await?.get(url).send().await;
        let response = response.map_err(|error| Failure::of(&error, &self.host))?;
        match response.status() {
            status if web::is_success(status) => Ok(response),
            status => Err(Failure::Status(status.as_u16())),
        }
    }

    /// The client for a protocol; made at its first use.
    pub(super) async fn client(&self, protocol: Protocol) -> Result<Client, Failure> {
        let known = self.with_known(|known| match protocol {
            Protocol::Http => known.plain.clone(),
            Protocol::Https => known.tls.clone(),
        });
        if let Some(client) = known {
            return Ok(client);
        }
        let client = match protocol {
            Protocol::Http => build(RootCertStore::empty(), super::connect_limit(false))?,
            Protocol::Https => {
                let ca_file = self.ca_file.clone();
                let making = self.files.run(move || trusting(ca_file.as_deref()));
                making.await.map_err(Failure::Setup)??
            }
        };
        let kept = client.clone();
        self.with_known(|known| match protocol {
            Protocol::Http => known.plain = Some(kept),
            Protocol::Https => known.tls = Some(kept),
        });
        Ok(client)
    }

    /// Forgets what a failure puts in doubt: what the server speaks, and whom to trust (the bundle may have been renewed).
    pub(super) fn learn_from(&self, failure: &Failure) {
        self.with_known(|known| {
            if failure.may_be_wrong_scheme() {
                known.protocol = None;
            }
            if matches!(failure, Failure::Tls { .. }) {
                known.tls = None;
            }
        });
    }

    fn with_known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A client for https. Blocks.
fn trusting(ca_file: Option<&Path>) -> Result<Client, Failure> {
    let roots = tls::roots(ca_file).map_err(|error| Failure::Trust(error.to_string()))?;
    if roots.is_empty() {
        return Err(Failure::Trust("there is no CA certificate in this container".to_owned()));
    }
    build(roots, super::connect_limit(true))
}

fn build(roots: RootCertStore, connect: Duration) -> Result<Client, Failure> {
    let failed = |error: &dyn Error| Failure::Setup(error.to_string());
    client_builder(roots)
        .map_err(|error| failed(&error))?
        .user_agent(concat!("jjobs-init/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|error| failed(&error))
}

fn leads_to_https(response: &Response) -> bool {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let scheme = location.and_then(|location| location.split_once(':')).map(|(scheme, _)| scheme);
    response.status().is_redirection() && scheme.is_some_and(|s| s.eq_ignore_ascii_case("https"))
}

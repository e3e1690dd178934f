//! Whether a component's web part is up (contract.md §8).

use reqwest::{Client, StatusCode, redirect::Policy};
use rustls::{ClientConfig, RootCertStore};
use std::{
    error::Error,
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// One try may take this long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// What is asked, and which answer means "up".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    url: String,
    any_answer: bool,
}

impl Url {
    /// The manager's start page: any HTTP answer at all will do.
    #[must_use]
    pub fn manager(port: u16) -> Self {
        Self { url: format!("http://localhost:{port}/jjob-manager/"), any_answer: true }
    }

    /// The server's `test.jsp`: 2xx or 3xx will do.
    #[must_use]
    pub fn server(port: u16) -> Self {
        Self { url: format!("http://localhost:{port}/jjob-server/test.jsp"), any_answer: false }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// A client for the container's own web ports: no proxy, no redirect, no TLS.
#[derive(Debug)]
pub struct Web(Client);

impl Web {
    /// Makes a client.
    ///
    /// # Errors
    /// When the HTTP library cannot be set up.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        // Never used, but the library wants one, and its own would fail on a machine without any CA file.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let no_tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        // Both addresses of localhost are known: no resolver, hence no thread for one.
        let localhost: [SocketAddr; 2] =
            [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(ATTEMPT_TIMEOUT)
            .pool_max_idle_per_host(0)
            .resolve_to_addrs("localhost", &localhost)
            .tls_backend_preconfigured(no_tls)
            .build()?;
        Ok(Self(client))
    }

    /// Asks once.
    pub async fn is_up(&self, url: &Url) -> bool {
        match self.0.get(&url.url).send().await {
            Ok(answer) => url.any_answer || is_success(answer.status()),
            Err(error) => {
                tracing::trace!(%url, %error, "no answer");
                false
            }
        }
    }
}

fn is_success(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

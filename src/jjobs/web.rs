//! Whether a component's web part is up (contract.md §8).

use reqwest::{Client, StatusCode};
use rustls::RootCertStore;
use std::{error::Error, fmt, time::Duration};

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
        let client = super::client_builder(RootCertStore::empty())?
            .timeout(ATTEMPT_TIMEOUT)
            .pool_max_idle_per_host(0)
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

/// What `test.jsp` answers of a server that is up (contract.md §8).
pub(super) fn is_success(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

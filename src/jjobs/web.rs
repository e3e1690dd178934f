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

/// Why it is not up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotUp {
    /// Nobody listens, or nothing came in time.
    NoAnswer,
    /// The web server runs, and what should be there does not: a Tomcat whose application could not start answers 404.
    Answers(StatusCode),
}

impl fmt::Display for NotUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => f.write_str("does not answer"),
            Self::Answers(status) => write!(f, "answers {}", status.as_u16()),
        }
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
        self.ask(url).await.is_ok()
    }

    /// Asks once, and tells what came where it is not up.
    ///
    /// # Errors
    /// It is not up.
    pub async fn ask(&self, url: &Url) -> Result<(), NotUp> {
        match self.0.get(&url.url).send().await {
            Ok(answer) if url.any_answer || is_success(answer.status()) => Ok(()),
            Ok(answer) => Err(NotUp::Answers(answer.status())),
            Err(error) => {
                tracing::trace!(%url, %error, "no answer");
                Err(NotUp::NoAnswer)
            }
        }
    }
}

/// What `test.jsp` answers of a server that is up (contract.md §8).
pub(super) fn is_success(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

//! The REST API of a J-Jobs server (contract.md §8): one attempt per call.
//!
//! A call never uses a proxy, never follows a redirect and never outlasts its time limit, which covers reading the
//! token's file, finding out whether the server speaks https, resolving, connecting and the whole answer. Whoever
//! insists waits in between as [`retry::Backoff`](super::retry::Backoff) says.

use super::{
    address::{Address, Protocol, TEST_PAGE},
    answer,
    error::{ApiError, Failure},
    token::Token,
};
use crate::{contract::TokenSource, log::Mask};
use reqwest::{
    Method, Response,
    header::{ACCEPT_ENCODING, CONTENT_TYPE},
};
use serde_json::json;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::timeout;

/// For one attempt, all of it, unless told otherwise.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Before the path of every call.
const ROOT: &str = "/jjob-server/api/v1";

/// The token's header.
const TOKEN_HEADER: &str = "private-token";

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// `localhost` or `JJOBS_SERVER_IP`; an IPv6 address without brackets.
    pub host: String,
    /// `SERVER_WEB_PORT`.
    pub port: u16,
    /// What the server speaks.
    pub scheme: Scheme,
    /// `API_PRIVATE_TOKEN` or its file, which is read anew for every call.
    pub token: TokenSource,
    /// `JJOBS_INIT_CA_FILE`: certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// http, or whatever the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The server of this container.
    Http,
    /// An agent's server: what it speaks is found out, and found out again when connections begin to fail.
    Find,
}

/// A client for one server; cheap to clone, all clones share connections and what was found out.
#[derive(Debug, Clone)]
pub struct Api {
    server: Arc<Address>,
    token: Arc<Token>,
    attempt: Duration,
}

/// One request. Its `target` begins below [`ROOT`] and may have a query.
struct Call<'a> {
    method: Method,
    target: &'a str,
    body: Option<String>,
}

impl Api {
    /// Reads and connects nothing yet.
    #[must_use]
    pub fn new(settings: ApiSettings) -> Self {
        Self {
            server: Arc::new(Address::new(&settings)),
            token: Arc::new(Token::new(settings.token)),
            attempt: ATTEMPT_TIMEOUT,
        }
    }

    /// The same client with another time limit for each attempt.
    #[must_use]
    pub fn with_attempt_timeout(&self, attempt: Duration) -> Self {
        Self { attempt, ..self.clone() }
    }

    /// The time limit of each attempt.
    #[must_use]
    pub fn attempt_timeout(&self) -> Duration {
        self.attempt
    }

    /// The same client; `mask` learns every token that is read from a file: it may have been renewed since the boot.
    #[must_use]
    pub fn with_mask(&self, mask: Mask) -> Self {
        Self { token: Arc::new(self.token.masked_by(mask)), ..self.clone() }
    }

    /// Whether the server's web answers: `test.jsp` with 2xx or 3xx, asked without a token.
    pub async fn is_server_up(&self) -> bool {
        match timeout(self.attempt, self.look_at_test_page()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::trace!(%error, "server not up");
                false
            }
            Err(_) => {
                tracing::trace!(url = self.server.shown(TEST_PAGE), "server not up in time");
                false
            }
        }
    }

    async fn look_at_test_page(&self) -> Result<(), ApiError> {
        let found_now = !self.server.is_protocol_known();
        let protocol = self.server.protocol(self.attempt / 2).await?;
        if found_now {
            // By asking for this very page.
            return Ok(());
        }
        self.server.test_page(protocol).await.map(drop).map_err(|failure| {
            let asked = format!("GET {}", self.server.shown(TEST_PAGE));
            self.server.learn_from(&failure);
            ApiError::new(asked, failure)
        })
    }

    /// Makes the server `number` (from 1) accept no more requests.
    ///
    /// # Errors
    /// Of this attempt. It may have had its effect all the same; asking twice does no harm.
    pub async fn hold_server(&self, number: u64) -> Result<(), ApiError> {
        self.set_server_hold(number, "Y").await
    }

    /// Makes it accept requests again.
    ///
    /// # Errors
    /// Of this attempt. It may have had its effect all the same; asking twice does no harm.
    pub async fn release_server(&self, number: u64) -> Result<(), ApiError> {
        self.set_server_hold(number, "N").await
    }

    async fn set_server_hold(&self, number: u64, hold: &str) -> Result<(), ApiError> {
        let body = json!({ "groupId": 1, "serverId": number, "holdWorkerYn": hold }).to_string();
        let target = "/serversetting/server/hold";
        self.attempt(Call { method: Method::PUT, target, body: Some(body) }, answer::granted).await
    }

    /// Makes the agent take no new jobs and end by itself when those that run are done.
    ///
    /// # Errors
    /// Of this attempt. It may have had its effect all the same; asking twice does no harm.
    pub async fn hold_and_stop_agent(&self, name: &str) -> Result<(), ApiError> {
        self.set_agent("/serversetting/agent/holdAndStopAgent", name).await
    }

    /// Makes the agent take jobs again.
    ///
    /// # Errors
    /// Of this attempt. It may have had its effect all the same; asking twice does no harm.
    pub async fn release_agent(&self, name: &str) -> Result<(), ApiError> {
        self.set_agent("/serversetting/agent/releaseAgent", name).await
    }

    async fn set_agent(&self, target: &str, name: &str) -> Result<(), ApiError> {
        let body = json!({ "groupId": 1, "agentGroupId": null, "agentName": name }).to_string();
        self.attempt(Call { method: Method::POST, target, body: Some(body) }, answer::granted).await
    }

    /// How many requests the server `number` (from 1) is working on.
    ///
    /// # Errors
    /// Of this attempt: the number is unknown then, and nobody may take it for zero.
    pub async fn working_requests(&self, number: u64) -> Result<usize, ApiError> {
        let target = format!("/statusmonitor/selectWorkingRequestList?groupId=1&serverId={number}");
        self.attempt(get(&target), answer::working_requests).await
    }

    /// The status of the server `number` (from 1): `R` and `W` mean ready. Printable ASCII, 64 characters at most.
    ///
    /// # Errors
    /// Of this attempt; also when the answer does not know that server.
    pub async fn server_status(&self, number: u64) -> Result<String, ApiError> {
        self.attempt(get("/statusmonitor/list"), |body| answer::server_status(body, number)).await
    }

    /// The status of the agent `name`: `RUNNING` means ready. Printable ASCII, 64 characters at most.
    ///
    /// # Errors
    /// Of this attempt; also when the answer does not know that agent.
    pub async fn agent_status(&self, name: &str) -> Result<String, ApiError> {
        let target = format!("/agentmonitor/{}", path_segment(name));
        self.attempt(get(&target), answer::agent_status).await
    }

    /// Asks once and reads the answer, within the time limit.
    async fn attempt<T>(
        &self,
        call: Call<'_>,
        read: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, ApiError> {
        let body = match timeout(self.attempt, self.ask(&call)).await {
            Ok(body) => body?,
            Err(_) => return Err(self.failed(&call, Failure::TimedOut(self.attempt))),
        };
        read(&body).map_err(|failure| self.failed(&call, failure))
    }

    /// The body of a 200.
    async fn ask(&self, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        let token = self.token.header(self.attempt / 2).await;
        let token = token.map_err(|why| self.failed(call, Failure::TokenMissing(why)))?;
        let protocol = self.server.protocol(self.attempt / 2).await?;
        let answer = async {
            let response = self.send(call, protocol, token).await?;
            match response.status().as_u16() {
                200 => answer::body(response).await,
                status @ (401 | 403) => Err(Failure::Refused(status)),
                status => Err(Failure::Status(status)),
            }
        };
        answer.await.map_err(|failure| self.failed(call, failure))
    }

    async fn send(
        &self,
        call: &Call<'_>,
        protocol: Protocol,
        token: reqwest::header::HeaderValue,
    ) -> Result<Response, Failure> {
        let url = self.server.url(protocol, &format!("{ROOT}{}", call.target))?;
        let mut request = self
            .server
            .client(protocol)
            .await?
            .request(call.method.clone(), url)
            .header(TOKEN_HEADER, token)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT_ENCODING, "identity");
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|error| Failure::of(&error, self.server.host()))
    }

    fn failed(&self, call: &Call<'_>, failure: Failure) -> ApiError {
        let path = call.target.split('?').next().unwrap_or_default();
        let asked = format!("{} {}", call.method, self.server.shown(&format!("{ROOT}{path}")));
        self.server.learn_from(&failure);
        ApiError::new(asked, failure)
    }
}

fn get(target: &str) -> Call<'_> {
    Call { method: Method::GET, target, body: None }
}

/// A name as one segment of a path: everything else than RFC 3986's unreserved characters is escaped.
fn path_segment(name: &str) -> String {
    use std::fmt::Write;
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => {
                segment.push(char::from(byte));
            }
            // Writing into a string cannot fail.
            _ => drop(write!(segment, "%{byte:02X}")),
        }
    }
    segment
}

//! One GET, with redirects: what is sent where, and which answers are worth another try.
//!
//! TLS is set up only when an https URL (or proxy) needs it, with our own root store: plain http must work in an
//! image without a single CA certificate.

use super::{
    DownloadError, Request, Timing,
    retry::{is_transient, retry_after},
};
use crate::jjobs::tls::{self, CaFileError};
use reqwest::{
    Client, Response, Url,
    header::{
        ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, IF_RANGE, LOCATION,
        RANGE, RETRY_AFTER,
    },
    redirect::Policy,
};
use rustls::RootCertStore;
use std::{
    error::Error,
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// More than any sane chain, the same as wget's and curl's tens.
const MOST_REDIRECTS: usize = 10;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request got no usable answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another try would end the same way.
    Fatal(DownloadError),
    /// The connection could not be made or was lost.
    Lost(BoxError),
    /// A status that may be different the next time, and how long the server wants to be left alone.
    Busy(u16, Option<Duration>),
    /// 416: the file is shorter than the part that we have.
    NoSuchRange,
}

/// From where on the file is wanted, provided it still is the one that the validator names.
#[derive(Debug, Clone)]
pub(super) struct Resume {
    pub(super) offset: u64,
    pub(super) validator: HeaderValue,
}

/// What every request of one download has in common.
#[derive(Debug)]
pub(super) struct Http {
    url: Url,
    shown: String,
    credentials: Option<(String, Option<String>)>,
    header: Option<(HeaderName, HeaderValue)>,
    proxies: Vec<reqwest::Proxy>,
    proxy_needs_tls: bool,
    ca_file: Option<PathBuf>,
    timing: Timing,
    plain: Option<Client>,
    tls: Option<Client>,
}

impl Http {
    pub(super) fn new(request: &Request) -> Result<Self, DownloadError> {
        let text = request.url.expose();
        let Ok(mut url) = Url::parse(text) else {
            // Not shown: it may hold a password in a place that cannot be told.
            return Err(DownloadError::Url {
                url: "of WGET_URL".to_owned(),
                why: "it cannot be read",
            });
        };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            let why = "only http and https URLs with a host can be downloaded";
            return Err(DownloadError::Url { url: shown(&url), why });
        }
        let credentials = (!url.username().is_empty() || url.password().is_some())
            .then(|| (decoded(url.username()), url.password().map(decoded)));
        strip_credentials(&mut url);
        let header = request.header.as_ref().map(|(name, value)| {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| DownloadError::Header)?;
            let mut value =
                HeaderValue::from_str(value.expose()).map_err(|_| DownloadError::Header)?;
            value.set_sensitive(true);
            Ok::<_, DownloadError>((name, value))
        });
        let proxies = &request.proxies;
        let is_tls = |proxy: &crate::contract::secret::Secret| proxy.expose().starts_with("https:");
        Ok(Self {
            shown: shown(&url),
            url,
            credentials,
            header: header.transpose()?,
            proxy_needs_tls: [&proxies.http, &proxies.https, &proxies.all]
                .into_iter()
                .flatten()
                .any(is_tls),
            proxies: proxies.rules()?,
            ca_file: request.ca_file.clone(),
            timing: request.timing.clone(),
            plain: None,
            tls: None,
        })
    }

    /// The URL for logs and errors: no query, no password.
    pub(super) fn shown_url(&self) -> &str {
        &self.shown
    }

    /// Asks for the file, or for the rest of it, and follows redirects. The answer is 200, or 206 if `resume` is given.
    pub(super) async fn get(&mut self, resume: Option<&Resume>) -> Result<Response, Failure> {
        let mut url = self.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(&url, resume).await?;
            let status = response.status().as_u16();
            match status {
                200 => return Ok(response),
                206 if resume.is_some() => return Ok(response),
                301 | 302 | 303 | 307 | 308 => url = redirected(&url, response.headers())?,
                416 if resume.is_some() => return Err(Failure::NoSuchRange),
                _ if is_transient(status) => {
                    let wait =
                        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                    let wait = wait.and_then(|value| retry_after(value, SystemTime::now()));
                    return Err(Failure::Busy(status, wait));
                }
                _ => {
                    return Err(Failure::Fatal(DownloadError::Status {
                        url: shown(&url),
                        status,
                        attempts: 1,
                        header_withheld: self.has_secrets() && !same_origin(&url, &self.url),
                    }));
                }
            }
        }
        Err(Failure::Fatal(DownloadError::Redirect {
            url: self.shown.clone(),
            why: "there are more than ten in a row",
        }))
    }

    fn has_secrets(&self) -> bool {
        self.header.is_some() || self.credentials.is_some()
    }

    async fn send(&mut self, url: &Url, resume: Option<&Resume>) -> Result<Response, Failure> {
        let mut builder = self.client(url).map_err(Failure::Fatal)?.get(url.clone());
        // The file itself is wanted: a server that compresses on the way would break checksum and resuming.
        builder = builder.header(ACCEPT_ENCODING, "identity");
        if let Some(Resume { offset, validator }) = resume {
            builder = builder
                .header(RANGE, format!("bytes={offset}-"))
                .header(IF_RANGE, validator.clone());
        }
        // Secrets of one server are none of another's business, even if the first sends us there.
        if same_origin(url, &self.url) {
            let own = self.header.as_ref().is_some_and(|(name, _)| name == AUTHORIZATION);
            if let Some((user, password)) = self.credentials.as_ref().filter(|_| !own) {
                builder = builder.basic_auth(user, password.as_ref());
            }
            if let Some((name, value)) = &self.header {
                let mut headers = HeaderMap::new();
                headers.insert(name, value.clone());
                // Replaces what is there of the same name.
                builder = builder.headers(headers);
            }
        }
        builder.send().await.map_err(|error| failure(error, url))
    }

    fn client(&mut self, url: &Url) -> Result<Client, DownloadError> {
        let needs_tls = url.scheme() == "https" || self.proxy_needs_tls;
        let known = if needs_tls { &self.tls } else { &self.plain };
        if let Some(client) = known {
            return Ok(client.clone());
        }
        let roots = if needs_tls {
            tls::roots(self.ca_file.as_deref()).map_err(|CaFileError { path, why }| {
                DownloadError::CaFile { path, source: why.into() }
            })?
        } else {
            RootCertStore::empty()
        };
        if needs_tls && roots.is_empty() {
            return Err(DownloadError::NoCertificates);
        }
        let client = self.build(roots).map_err(DownloadError::Setup)?;
        *(if needs_tls { &mut self.tls } else { &mut self.plain }) = Some(client.clone());
        Ok(client)
    }

    fn build(&self, roots: RootCertStore) -> Result<Client, BoxError> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls::config(roots)?)
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(self.timing.connect)
            // Each attempt gets a new connection: the old one may be the problem.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("jjobs-init/", env!("CARGO_PKG_VERSION")));
        for proxy in &self.proxies {
            builder = builder.proxy(proxy.clone());
        }
        Ok(builder.build()?)
    }
}

fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
    let failed = |why| Failure::Fatal(DownloadError::Redirect { url: shown(from), why });
    let location = headers.get(LOCATION).ok_or_else(|| failed("it does not say where to"))?;
    // Servers send raw UTF-8 here although they should not.
    let location = std::str::from_utf8(location.as_bytes())
        .map_err(|_| failed("its target cannot be read"))?;
    let mut to = from.join(location).map_err(|_| failed("its target cannot be read"))?;
    if !matches!(to.scheme(), "http" | "https") || !to.has_host() {
        return Err(failed("its target is neither http nor https"));
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(failed("it leads from https to http, where anyone could change the file"));
    }
    strip_credentials(&mut to);
    tracing::debug!(from = shown(from), to = shown(&to), "redirect followed");
    Ok(to)
}

fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

fn strip_credentials(url: &mut Url) {
    // Refused only by URLs without a host, which have no credentials either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

fn decoded(text: &str) -> String {
    let hex = |byte: Option<&u8>| {
        byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok())
    };
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) =
            (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2)))
        {
            plain.push(high * 16 + low);
            at += 3;
        } else {
            plain.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// A URL for people and logs.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    strip_credentials(&mut url);
    url.into()
}

fn failure(error: reqwest::Error, url: &Url) -> Failure {
    let error = error.without_url();
    if error.is_builder() {
        return Failure::Fatal(DownloadError::Setup(error.into()));
    }
    match certificate_error(&error) {
        Some(why) => {
            Failure::Fatal(DownloadError::Certificate { url: shown(url), source: Box::new(why) })
        }
        None => Failure::Lost(error.into()),
    }
}

/// Looks for a refused certificate below `error`.
fn certificate_error(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    let refused = |tls: &&rustls::Error| matches!(tls, rustls::Error::InvalidCertificate(_));
    tls::failure_below(error).filter(refused).cloned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::*;

    #[test]
    fn what_is_shown_of_a_url_holds_no_secret() {
        let url = Url::parse("https://user:pass@host:8443/a/b.zip?sig=secret#x").unwrap();
        assert_eq!(shown(&url), "https://host:8443/a/b.zip");
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        let url = |text| Url::parse(text).unwrap();
        assert!(same_origin(&url("https://h/a"), &url("https://h:443/b")));
        assert!(!same_origin(&url("https://h/a"), &url("https://h:444/a")));
        assert!(!same_origin(&url("http://h/a"), &url("https://h/a")));
        assert!(!same_origin(&url("https://h/a"), &url("https://g/a")));
    }

    #[test]
    fn percent_signs_of_a_password_are_decoded() {
        assert_eq!(decoded("a%40b%2"), "a@b%2");
    }
}

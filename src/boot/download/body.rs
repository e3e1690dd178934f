//! The file's bytes in order, over as many connections as it takes.
//!
//! A lost connection is taken up where it was lost if the server gave something to tell the file by (a strong
//! `ETag`, or `Last-Modified`) and answers a range of that very file. Otherwise the reader is told once, by
//! [`Interruption::Restart`], that the bytes begin again.

use super::{
    DownloadError, Timing,
    feed::{Counters, Interruption},
    http::{Failure, Http, Resume},
};
use reqwest::{
    Response,
    header::{
        ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap,
        HeaderName, HeaderValue, LAST_MODIFIED,
    },
};
use std::{
    error::Error,
    io::{self, BufRead, Read},
    sync::Arc,
    time::Duration,
};
use tokio::{runtime::Runtime, sync::watch, time::timeout};

/// What the first answer said about the file.
#[derive(Debug, Default)]
struct Known {
    total: Option<u64>,
    validator: Option<HeaderValue>,
    encoding: Option<String>,
}

/// The bytes of one file.
#[derive(Debug)]
pub(super) struct Body {
    runtime: Option<Runtime>,
    stop: watch::Receiver<()>,
    transfer: Transfer,
    piece: Piece,
}

/// The part of the last chunk that was not read yet.
#[derive(Debug, Default)]
struct Piece {
    data: Option<Box<dyn AsRefBytes>>,
    used: usize,
}

/// The chunk type belongs to a crate that is not ours to name.
trait AsRefBytes: AsRef<[u8]> + std::fmt::Debug + Send {}
impl<T: AsRef<[u8]> + std::fmt::Debug + Send> AsRefBytes for T {}

#[derive(Debug)]
struct Transfer {
    http: Http,
    timing: Timing,
    counters: Arc<Counters>,
    response: Option<Response>,
    known: Known,
    offset: u64,
    failures: usize,
    over: bool,
}

impl Body {
    pub(super) fn new(
        http: Http,
        timing: Timing,
        counters: Arc<Counters>,
        stop: watch::Receiver<()>,
    ) -> Result<Self, DownloadError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| DownloadError::Setup(error.into()))?;
        let transfer = Transfer {
            http,
            timing,
            counters,
            response: None,
            known: Known::default(),
            offset: 0,
            failures: 0,
            over: false,
        };
        Ok(Self { runtime: Some(runtime), stop, transfer, piece: Piece::default() })
    }

    /// Waits for the answer's headers and tells the file's `Content-Encoding`, in lower case.
    pub(super) fn open(&mut self) -> io::Result<Option<String>> {
        self.fill_buf()?;
        Ok(self.transfer.known.encoding.clone())
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.rest().is_empty() {
            let Some(runtime) = &self.runtime else { return Ok(&[]) };
            let (transfer, stop) = (&mut self.transfer, &mut self.stop);
            self.piece = runtime.block_on(async {
                tokio::select! {
                    piece = transfer.next() => piece,
                    // Nobody wants the bytes any more.
                    _ = stop.changed() => Err(Interruption::Failed(DownloadError::Cancelled)),
                }
            })?;
        }
        Ok(self.piece.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.piece.used += amount;
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        super::read_buffered(self, buffer)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // A name resolution that hangs must not hold up anybody.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Piece {
    fn rest(&self) -> &[u8] {
        let data = self.data.as_deref().map_or(&[][..], AsRef::as_ref);
        data.get(self.used..).unwrap_or_default()
    }
}

impl Transfer {
    /// The next bytes, or an empty piece at the end.
    async fn next(&mut self) -> Result<Piece, Interruption> {
        while !self.over {
            let Some(response) = &mut self.response else {
                self.connect().await?;
                continue;
            };
            let lost: Box<dyn Error + Send + Sync> =
                match timeout(self.timing.idle, response.chunk()).await {
                    Ok(Ok(Some(chunk))) => {
                        self.offset += chunk.len() as u64;
                        self.counters.add_received(chunk.len() as u64);
                        return Ok(Piece { data: Some(Box::new(chunk)), used: 0 });
                    }
                    Ok(Ok(None)) if self.known.total.is_none_or(|total| total == self.offset) => {
                        self.over = true;
                        break;
                    }
                    Ok(Ok(None)) => {
                        "the server closed the connection before the end of the file".into()
                    }
                    Ok(Err(error)) => error.without_url().into(),
                    Err(_) => idle(self.timing.idle),
                };
            self.response = None;
            self.failed(Failure::Lost(lost)).await?;
        }
        Ok(Piece::default())
    }

    /// Gets an answer that continues what is known of the file, or begins it again.
    async fn connect(&mut self) -> Result<(), Interruption> {
        let resume = self.resume();
        if resume.is_none() && self.offset > 0 {
            return Err(self.begin_again());
        }
        self.counters.add_attempt();
        let answer = match timeout(self.timing.idle, self.http.get(resume.as_ref())).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Lost(idle(self.timing.idle))),
        };
        match answer {
            Ok(response) if response.status() == 206 => {
                if !self.continues(response.headers()) {
                    return Err(self.begin_again());
                }
                tracing::info!(
                    url = self.http.shown_url(),
                    bytes = self.offset,
                    "download resumed"
                );
                self.counters.set_resumed();
                self.response = Some(response);
                Ok(())
            }
            Ok(response) => {
                let again = (self.offset > 0).then(|| self.begin_again());
                self.known = Known::of(response.headers());
                self.counters.set_total(self.known.total);
                self.response = Some(response);
                again.map_or(Ok(()), Err)
            }
            Err(Failure::NoSuchRange) => {
                let again = self.begin_again();
                self.failed(Failure::Lost("the file on the server has changed".into())).await?;
                Err(again)
            }
            Err(failure) => self.failed(failure).await,
        }
    }

    fn resume(&self) -> Option<Resume> {
        let validator = self.known.validator.clone().filter(|_| self.offset > 0)?;
        Some(Resume { offset: self.offset, validator })
    }

    fn begin_again(&mut self) -> Interruption {
        self.offset = 0;
        self.known = Known::default();
        self.counters.begin_again();
        Interruption::Restart
    }

    /// Whether a partial answer is the rest of the file that we know.
    fn continues(&self, headers: &HeaderMap) -> bool {
        let Some((start, total)) = text(headers, &CONTENT_RANGE).and_then(content_range) else {
            return false;
        };
        let same_total = match (self.known.total, total) {
            (Some(known), Some(now)) => known == now,
            _ => true,
        };
        // The one that we asked by; a server may leave it out.
        let same_file = [ETAG, LAST_MODIFIED].iter().all(|name| {
            let now = headers.get(name);
            now.is_none()
                || is_weak(now)
                || self.known.validator.as_ref().is_none_or(|known| {
                    Some(known) == now || known.as_bytes().starts_with(b"\"") != (*name == ETAG)
                })
        });
        start == self.offset && same_total && same_file
    }

    /// Counts a failure and pauses, unless it was the last or cannot get better.
    async fn failed(&mut self, failure: Failure) -> Result<(), Interruption> {
        let attempts = self.counters.attempts();
        let (retry_after, problem) = match &failure {
            Failure::Fatal(_) | Failure::NoSuchRange => (None, None),
            Failure::Lost(error) => (None, Some(chain(error.as_ref()))),
            Failure::Busy(status, wait) => (*wait, Some(format!("the server answered {status}"))),
        };
        if let Some(problem) = problem {
            self.failures += 1;
            if let Some(delay) = self.timing.pause(self.failures, retry_after) {
                tracing::warn!(
                    url = self.http.shown_url(),
                    attempt = attempts,
                    delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    bytes = self.offset,
                    error = problem,
                    "will retry"
                );
                tokio::time::sleep(delay).await;
                return Ok(());
            }
        }
        let url = self.http.shown_url().to_owned();
        Err(Interruption::Failed(match failure {
            Failure::Fatal(DownloadError::Status { url, status, header_withheld, .. }) => {
                DownloadError::Status { url, status, attempts, header_withheld }
            }
            Failure::Fatal(error) => error,
            Failure::Busy(status, _) => {
                DownloadError::Status { url, status, attempts, header_withheld: false }
            }
            Failure::Lost(source) => {
                DownloadError::Connection { url, attempts, received: self.offset, source }
            }
            Failure::NoSuchRange => {
                DownloadError::Status { url, status: 416, attempts, header_withheld: false }
            }
        }))
    }
}

impl Known {
    fn of(headers: &HeaderMap) -> Self {
        let ranges =
            text(headers, &ACCEPT_RANGES).is_none_or(|value| !value.eq_ignore_ascii_case("none"));
        let strong = headers
            .get(ETAG)
            .filter(|etag| !is_weak(Some(*etag)) && etag.as_bytes().starts_with(b"\""));
        let encoding =
            text(headers, &CONTENT_ENCODING).map(|value| value.trim().to_ascii_lowercase());
        Self {
            total: text(headers, &CONTENT_LENGTH).and_then(|value| value.parse().ok()),
            validator: strong.or_else(|| headers.get(LAST_MODIFIED)).filter(|_| ranges).cloned(),
            encoding: encoding.filter(|value| !value.is_empty() && value != "identity"),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_weak(etag: Option<&HeaderValue>) -> bool {
    etag.is_some_and(|etag| etag.as_bytes().starts_with(b"W/"))
}

/// Start and total of `bytes 100-199/200`; the total may be `*`.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let start = range.split_once('-')?.0.trim().parse().ok()?;
    let total = if total.trim() == "*" { None } else { Some(total.trim().parse().ok()?) };
    Some((start, total))
}

fn idle(limit: Duration) -> Box<dyn Error + Send + Sync> {
    format!("the server sent nothing for {} s", limit.as_secs_f64()).into()
}

/// An error with all its causes, for one log field.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn content_ranges_are_read_or_refused() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 100-199/*"), Some((100, None)));
        assert_eq!(content_range("bytes */200"), None);
        assert_eq!(content_range("items 1-2/3"), None);
    }
}

//! The queue between the network's thread and the one that writes files.
//!
//! The network's thread may hang in the kernel or in a pause; the reading side never waits longer than a moment
//! without looking at the stop flag and the time limit. When the reading side goes away, the other one ends.

use super::{DownloadError, Request, body::Body, http::Http, progress::Progress, source::Source};
use crate::boot::{
    cancel::Cancel,
    unpack::{Kind, Refusal, UnpackError},
};
use std::{
    fmt,
    io::{self, BufRead, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Bytes that travel together. Large enough that a wake-up of the other thread costs nothing beside them.
pub(super) const PIECE: usize = 256 << 10;
/// Pieces in the queue. With the two at its ends this bounds our memory at 2.5 MiB.
const QUEUE: usize = 8;
/// How long a stop may go unnoticed.
const TICK: Duration = Duration::from_millis(100);
const UNKNOWN: u64 = u64::MAX;

/// SHA-256 of the file, if it was asked for.
pub(super) type Digest = Option<[u8; 32]>;

/// What ends a stream of bytes before its end.
#[derive(Debug)]
pub(super) enum Interruption {
    /// The bytes begin again: what came so far is void.
    Restart,
    /// There will be no more.
    Failed(DownloadError),
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart => f.write_str("the download starts again"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Interruption {}

impl From<Interruption> for io::Error {
    fn from(interruption: Interruption) -> Self {
        Self::other(interruption)
    }
}

impl Interruption {
    /// The interruption that `error` carries.
    pub(super) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// As [`of`](Self::of), by value.
    pub(super) fn take(error: io::Error) -> Result<Self, io::Error> {
        error.downcast()
    }
}

/// What both threads know of the transfer.
#[derive(Debug)]
pub(super) struct Counters {
    received: AtomicU64,
    total: AtomicU64,
    attempts: AtomicU32,
    resumed: AtomicBool,
}

impl Counters {
    fn new() -> Self {
        Self {
            received: AtomicU64::new(0),
            total: AtomicU64::new(UNKNOWN),
            attempts: AtomicU32::new(0),
            resumed: AtomicBool::new(false),
        }
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|total| *total != UNKNOWN)
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub(super) fn resumed(&self) -> bool {
        self.resumed.load(Ordering::Relaxed)
    }

    pub(super) fn add_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_resumed(&self) {
        self.resumed.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_total(&self, total: Option<u64>) {
        self.total.store(total.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    pub(super) fn begin_again(&self) {
        self.received.store(0, Ordering::Relaxed);
        self.resumed.store(false, Ordering::Relaxed);
    }
}

/// What travels through the queue.
pub(super) enum Message {
    Data(Vec<u8>),
    Restart,
    Failed(DownloadError),
    /// What arrived is not what its name says or is damaged; with the file's digest, if that was wanted.
    Refused(Refusal, Digest),
    End(Digest),
}

/// The reading end: the archive's bytes, inflated.
pub(super) struct Feed {
    messages: Receiver<Message>,
    empties: SyncSender<Vec<u8>>,
    data: Vec<u8>,
    used: usize,
    end: Option<Digest>,
    cancel: Cancel,
    limit: Option<(Instant, Duration)>,
    counters: Arc<Counters>,
    progress: Progress,
    discarding: Arc<AtomicBool>,
    shown_url: String,
    /// Dropping it ends the other thread.
    _stop: watch::Sender<()>,
}

impl Feed {
    /// Starts the network's thread.
    pub(super) fn start(
        request: &Request,
        kind: Kind,
        cancel: Cancel,
    ) -> Result<Self, DownloadError> {
        let http = Http::new(request)?;
        let shown_url = http.shown_url().to_owned();
        let counters = Arc::new(Counters::new());
        let discarding = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = watch::channel(());
        let (sender, messages) = sync_channel(QUEUE);
        let (empties, returned) = sync_channel(QUEUE + 2);
        let body = Body::new(http, request.timing.clone(), Arc::clone(&counters), stopped)?;
        let source = Source {
            kind,
            keeps_gzip: [".gz", ".tgz"].iter().any(|end| request.file_name.ends_with(end)),
            wants_digest: request.sha256.is_some(),
            max_bytes: request.max_bytes,
            discarding: Arc::clone(&discarding),
            sender,
            returned,
        };
        std::thread::Builder::new()
            .name("download".to_owned())
            .spawn(move || source.run(body))
            .map_err(|error| DownloadError::Setup(error.into()))?;
        Ok(Self {
            messages,
            empties,
            data: Vec::new(),
            used: 0,
            end: None,
            cancel,
            limit: request
                .timeout
                .and_then(|limit| Some((Instant::now().checked_add(limit)?, limit))),
            progress: Progress::new(request, &shown_url),
            counters,
            discarding,
            shown_url,
            _stop: stop,
        })
    }

    pub(super) fn shown_url(&self) -> &str {
        &self.shown_url
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn end_progress(&mut self) {
        self.progress.end();
    }

    /// Fails if the step was asked to end or took too long.
    pub(super) fn go_on(&self) -> io::Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Interruption::Failed(DownloadError::Cancelled).into());
        }
        match self.limit {
            Some((deadline, limit)) if Instant::now() >= deadline => {
                Err(Interruption::Failed(DownloadError::Timeout { limit }).into())
            }
            _ => Ok(()),
        }
    }

    /// Reads to the end, ignoring up to `most` bytes, and tells the file's digest, if one was asked for.
    pub(super) fn finish(&mut self, most: u64) -> io::Result<Digest> {
        let mut left = most;
        loop {
            let length = self.fill_buf()?.len();
            if length == 0 {
                return Ok(self.end.flatten());
            }
            self.consume(length);
            // Padding has its limit, too: compressed, endless zeros are small.
            left = left
                .checked_sub(length as u64)
                .ok_or_else(|| io::Error::other(UnpackError::Archive(Refusal::TooLarge(most))))?;
        }
    }

    /// As [`finish`](Self::finish), after the bytes turned out to be useless: nothing more is inflated.
    pub(super) fn discard(&mut self) -> io::Result<Digest> {
        self.discarding.store(true, Ordering::Relaxed);
        self.finish(u64::MAX)
    }

    fn next(&mut self) -> io::Result<()> {
        while self.end.is_none() {
            self.go_on()?;
            self.progress.tick(&self.counters);
            match self.messages.recv_timeout(TICK) {
                Ok(Message::Data(data)) => {
                    // If the queue of empty ones is full or closed, the buffer is simply freed.
                    let _ = self.empties.try_send(std::mem::replace(&mut self.data, data));
                    self.used = 0;
                    return Ok(());
                }
                Ok(Message::Restart) => {
                    self.used = self.data.len();
                    return Err(Interruption::Restart.into());
                }
                Ok(Message::Failed(error)) => return Err(Interruption::Failed(error).into()),
                Ok(Message::Refused(why, digest)) => {
                    self.end = Some(digest);
                    return Err(io::Error::other(UnpackError::Archive(why)));
                }
                Ok(Message::End(digest)) => self.end = Some(digest),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(unexpected(io::ErrorKind::BrokenPipe.into()).into());
                }
            }
        }
        Ok(())
    }
}

fn unexpected(error: io::Error) -> Interruption {
    Interruption::Failed(DownloadError::Setup(error.into()))
}

impl BufRead for Feed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used >= self.data.len() {
            self.data.clear();
            self.next()?;
        }
        Ok(self.data.get(self.used..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.used += amount;
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        super::read_buffered(self, buffer)
    }
}

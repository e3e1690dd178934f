//! Downloading `WGET_URL` and, if its name says that it is an archive, unpacking it.
//!
//! # Theory of operation
//!
//! Two threads. One ([`feed`]) talks to the network, retries, resumes, hashes and inflates; the caller's
//! thread takes the bytes from a short queue and writes files. So inflating and writing overlap, an archive is never stored
//! but for a zip, and the caller sees a stop within a fraction of a second even while the network hangs.
//!
//! Nothing is moved into the target folder before the whole file has arrived, its checksum is right and, for an
//! archive, all of it is unpacked beside (see [`unpack`](super::unpack)).
//!
//! Exit codes: 22 whenever what was downloaded is not at fault (network, status, length, checksum, the operating
//! system, a stop), 23 when the archive is.

mod body;
mod error;
mod feed;
mod gzip;
mod http;
mod progress;
mod proxy;
mod retry;
mod source;

pub use error::DownloadError;
pub use proxy::Proxies;
pub use retry::Timing;

use self::feed::{Feed, Interruption};
use super::{
    cancel::Cancel,
    unpack::{
        Kind, Refusal, UnpackError,
        merge::move_in,
        staging::Staging,
        tar,
        tree::{Tree, Unpacked},
        zip,
    },
};
use crate::contract::{Contract, secret::Secret};
use std::{
    fs::File,
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

/// One download, as plain data.
#[derive(Debug, Clone)]
pub struct Request {
    /// `WGET_URL`: http or https.
    pub url: Secret,
    /// `WGET_FOLDER_PATH`; made if it is missing.
    pub folder: PathBuf,
    /// `WGET_FILE_NAME`: one plain file name, whose ending decides what is done with the file.
    pub file_name: String,
    /// `WGET_SHA256` of the file as downloaded.
    pub sha256: Option<[u8; 32]>,
    /// `WGET_HEADER`: sent to the URL's own host alone.
    pub header: Option<(String, Secret)>,
    /// `WGET_TIMEOUT`: limit of everything until the file is complete and unpacked.
    pub timeout: Option<Duration>,
    /// `WGET_MAX_BYTES`: limit of the unpacked size, or of the file where it is kept.
    pub max_bytes: u64,
    /// `JJOBS_INIT_CA_FILE`: certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The pod's name, which is part of the staging folder's.
    pub hostname: String,
    /// Proxies from the environment.
    pub proxies: Proxies,
    /// Whether files are given to the owners that an archive names, as tar does for root.
    pub as_root: bool,
    /// Whether progress is shown as a bar on standard error instead of log lines.
    pub progress_bar: bool,
    /// Limits and pauses of the network side.
    pub timing: Timing,
}

/// What a download came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What was done with the file.
    pub kind: OutcomeKind,
    /// Bytes that came over the network, repeated ones not counted.
    pub received: u64,
    /// From the first request to the last file in place.
    pub elapsed: Duration,
    /// Requests that were sent, redirects not counted.
    pub attempts: u32,
    /// Whether a lost connection was taken up in the middle of the file.
    pub resumed: bool,
}

/// What was done with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// Its entries are in the folder, the archive itself is not.
    Unpacked {
        /// Entries of the archive.
        entries: u64,
        /// Their size, holes of sparse files included.
        bytes: u64,
    },
    /// It is in the folder as it is.
    Kept {
        /// Its size.
        bytes: u64,
    },
}

impl Request {
    /// What the contract asks for, if it asks for a download.
    #[must_use]
    pub fn from_contract(contract: &Contract) -> Option<Self> {
        let download = contract.download.as_ref()?;
        Some(Self {
            url: download.url.clone(),
            folder: download.folder.clone(),
            file_name: download.file_name.clone(),
            sha256: download.sha256,
            header: download.header.clone(),
            timeout: download.timeout,
            max_bytes: download.max_bytes,
            ca_file: contract.own.ca_file.clone(),
            hostname: contract.hostname.0.clone(),
            proxies: Proxies::from_env(&contract.env),
            as_root: rustix::process::geteuid().is_root(),
            progress_bar: std::io::stderr().is_terminal(),
            timing: Timing::default(),
        })
    }
}

/// Reads by way of the reader's own buffer: what a `BufRead` of ours does as a `Read`.
fn read_buffered(from: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let data = from.fill_buf()?;
    let take = data.len().min(buffer.len());
    buffer[..take].copy_from_slice(&data[..take]);
    from.consume(take);
    Ok(take)
}

/// Downloads and, for an archive, unpacks; blocks until that is done, failed or cancelled.
pub fn run(request: &Request, cancel: &Cancel) -> Result<Outcome, DownloadError> {
    let started = Instant::now();
    let mut staging = Staging::open(&request.folder, &request.hostname)?;
    let mut feed = Feed::start(request, Kind::of(&request.file_name), cancel.clone())?;
    tracing::info!(url = feed.shown_url(), path = %request.folder.join(&request.file_name).display(), "download started");
    let job = Job { request, kind: Kind::of(&request.file_name) };
    let kind = loop {
        match job.attempt(&mut feed, &mut staging) {
            Err(error) if is_restart(&error) => {
                tracing::warn!(
                    url = feed.shown_url(),
                    "server cannot resume, download starts again"
                );
            }
            other => break other.map_err(|error| job.verdict(error, &mut feed))?,
        }
    };
    staging.close();
    feed.end_progress();
    let counters = feed.counters();
    let outcome = Outcome {
        kind,
        received: counters.received(),
        elapsed: started.elapsed(),
        attempts: counters.attempts(),
        resumed: counters.resumed(),
    };
    tracing::info!(
        url = feed.shown_url(),
        bytes = outcome.received,
        attempts = outcome.attempts,
        elapsed_ms = u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX),
        "download finished"
    );
    Ok(outcome)
}

struct Job<'a> {
    request: &'a Request,
    kind: Kind,
}

impl Job<'_> {
    fn attempt(&self, feed: &mut Feed, staging: &mut Staging) -> Result<OutcomeKind, UnpackError> {
        match self.kind {
            Kind::Tar | Kind::TarGz => {
                let mut tree = self.tree(staging)?;
                tar::unpack(feed, &mut tree)?;
                self.complete(feed)?;
                self.place(tree, feed, staging)
            }
            Kind::Zip => {
                let mut file = staging.file()?;
                self.store(feed, &mut file)?;
                self.complete(feed)?;
                let mut tree = self.tree(staging)?;
                zip::unpack(&file, &mut tree, &|| feed.go_on().map_err(UnpackError::Read))?;
                drop(file);
                staging.drop_file()?;
                self.place(tree, feed, staging)
            }
            Kind::Plain => {
                let mut file = staging.file()?;
                let bytes = self.store(feed, &mut file)?;
                self.complete(feed)?;
                feed.go_on().map_err(UnpackError::Read)?;
                staging.keep_file(&self.request.file_name)?;
                Ok(OutcomeKind::Kept { bytes })
            }
        }
    }

    fn tree(&self, staging: &Staging) -> Result<Tree, UnpackError> {
        Tree::new(staging.tree()?, self.request.max_bytes, self.request.as_root)
    }

    /// The last step, which is not interrupted: it is short, and half of it would be worse than all of it.
    fn place(
        &self,
        tree: Tree,
        feed: &Feed,
        staging: &mut Staging,
    ) -> Result<OutcomeKind, UnpackError> {
        let mut tree: Unpacked = tree.finish()?;
        feed.go_on().map_err(UnpackError::Read)?;
        let target = staging.target()?;
        let moved = move_in(&mut tree, &target, &self.request.folder.display().to_string());
        if matches!(moved, Ok(()) | Err(UnpackError::Move { .. })) {
            staging.keep_target();
        }
        moved.map(|()| OutcomeKind::Unpacked { entries: tree.entries, bytes: tree.bytes })
    }

    /// Writes the file as it arrives.
    fn store(&self, feed: &mut Feed, file: &mut File) -> Result<u64, UnpackError> {
        let mut bytes = 0;
        loop {
            let data = feed.fill_buf().map_err(UnpackError::Read)?;
            let length = data.len();
            if length == 0 {
                return Ok(bytes);
            }
            bytes += length as u64;
            if bytes > self.request.max_bytes {
                return Err(UnpackError::Archive(Refusal::TooLarge(self.request.max_bytes)));
            }
            file.write_all(data).map_err(|source| UnpackError::Os {
                action: "write into",
                path: self.request.folder.display().to_string(),
                source,
            })?;
            feed.consume(length);
        }
    }

    /// Reads what is left (padding after an archive's end), and checks the whole file.
    fn complete(&self, feed: &mut Feed) -> Result<(), UnpackError> {
        // Tapes were written in records; nobody pads more than some hundred KiB.
        let padding = self.request.max_bytes.max(1 << 20);
        let digest = feed.finish(padding).map_err(UnpackError::Read)?;
        self.check_digest(digest).map_err(|error| UnpackError::Read(error.into()))
    }

    fn check_digest(&self, found: Option<[u8; 32]>) -> Result<(), Interruption> {
        match (self.request.sha256, found) {
            (Some(wanted), Some(found)) if wanted != found => {
                Err(Interruption::Failed(DownloadError::Checksum {
                    wanted: hex(&wanted),
                    found: hex(&found),
                }))
            }
            _ => Ok(()),
        }
    }

    /// What really went wrong: an archive that is broken because the file is not the one that was meant
    /// is a matter of the checksum, which is then awaited.
    fn verdict(&self, error: UnpackError, feed: &mut Feed) -> DownloadError {
        feed.end_progress();
        let error = DownloadError::from(error);
        let Some(why) = error.refusal() else { return error };
        if self.kind == Kind::Plain && matches!(why, Refusal::TooLarge(_)) {
            return DownloadError::TooLarge { limit: self.request.max_bytes };
        }
        tracing::debug!(error = %error, "archive refused");
        if self.request.sha256.is_some()
            && let Ok(digest) = feed.discard()
            && let Err(Interruption::Failed(checksum)) = self.check_digest(digest)
        {
            return checksum;
        }
        error
    }
}

fn is_restart(error: &UnpackError) -> bool {
    matches!(error, UnpackError::Read(io) if Interruption::of(io).is_some_and(|it| matches!(it, Interruption::Restart)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

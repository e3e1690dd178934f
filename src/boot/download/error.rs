//! Why a download failed, with the exit code and what the operator can do.

use super::feed::Interruption;
use crate::{
    boot::unpack::{Refusal, UnpackError},
    exit::ExitCode,
};
use std::{error::Error, path::PathBuf, time::Duration};

/// What went wrong with a download.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// `WGET_URL`, or a redirect, is no http or https URL.
    #[error("cannot use the URL {url}: {why}")]
    Url {
        /// The URL without query and password.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `WGET_HEADER` cannot be sent.
    #[error("cannot send WGET_HEADER: it is no valid HTTP header")]
    Header,
    /// A proxy variable is no usable proxy.
    #[error("cannot use the proxy of {var}: {why}")]
    Proxy {
        /// The variable's name.
        var: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The extra CA bundle cannot be read.
    #[error("cannot read the CA bundle {}", path.display())]
    CaFile {
        /// `JJOBS_INIT_CA_FILE`.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// https is needed, and no CA certificate was found anywhere.
    #[error("cannot check certificates: there is no CA certificate in this container")]
    NoCertificates,
    /// The HTTP client or its thread could not be set up.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] Box<dyn Error + Send + Sync>),
    /// The server's certificate is not trusted.
    #[error("cannot trust the certificate of {url}")]
    Certificate {
        /// The URL without query and password.
        url: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection could not be made, or was lost, and trying again did not help.
    #[error(
        "cannot download {url}: gave up after {attempts} attempts, with {received} bytes received"
    )]
    Connection {
        /// The URL without query and password.
        url: String,
        /// Requests sent.
        attempts: u32,
        /// Bytes that had arrived.
        received: u64,
        /// What the last attempt died of.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server answered with a status that is no success.
    #[error("cannot download {url}: the server answered {status} (attempt {attempts})")]
    Status {
        /// The URL without query and password.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Requests sent.
        attempts: u32,
        /// Whether `WGET_HEADER` was left out because a redirect led to another host.
        header_withheld: bool,
    },
    /// Redirects that lead nowhere good.
    #[error("cannot follow the redirect of {url}: {why}")]
    Redirect {
        /// The URL that redirected, without query and password.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The server encoded the file in a way that nobody asked for.
    #[error(
        "cannot read the server's answer: it is encoded as {encoding:?} although that was not asked for"
    )]
    Encoding {
        /// `Content-Encoding`.
        encoding: String,
    },
    /// `WGET_TIMEOUT` passed.
    #[error("cannot finish the download within WGET_TIMEOUT ({} s)", limit.as_secs_f64())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// A kept file is larger than `WGET_MAX_BYTES`.
    #[error("cannot keep the file: it is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The file is not the one that was meant.
    #[error("the downloaded file has the wrong checksum: expected {wanted}, found {found}")]
    Checksum {
        /// `WGET_SHA256`.
        wanted: String,
        /// What arrived.
        found: String,
    },
    /// The step was asked to end.
    #[error("the download was stopped")]
    Cancelled,
    /// The archive was refused, or the operating system refused writing it.
    #[error(transparent)]
    Unpack(UnpackError),
}

impl From<UnpackError> for DownloadError {
    /// An error that only passed through the unpacker is the download's own again.
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Read(io) => match Interruption::take(io) {
                Ok(Interruption::Failed(own)) => own,
                Ok(Interruption::Restart) => {
                    Self::Setup("the download started again unasked".into())
                }
                Err(io) => Self::Unpack(io.downcast().unwrap_or_else(UnpackError::Read)),
            },
            other => Self::Unpack(other),
        }
    }
}

impl DownloadError {
    /// 23 where the archive is at fault, else 22.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unpack(error) => error.exit_code(),
            _ => ExitCode::DownloadFailed,
        }
    }

    /// Why the archive was refused, if it was.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Unpack(UnpackError::Entry { why, .. } | UnpackError::Archive(why)) => Some(why),
            _ => None,
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCertificates => Some(
                "install ca-certificates in the image, or mount a bundle and set JJOBS_INIT_CA_FILE to it",
            ),
            Self::Certificate { .. } => Some(
                "if the server's CA is a private one, mount its certificate and set JJOBS_INIT_CA_FILE to it; \
                 check the container's clock, too",
            ),
            Self::CaFile { .. } => {
                Some("JJOBS_INIT_CA_FILE must be a readable file with PEM certificates")
            }
            Self::Status { header_withheld: true, .. } => Some(
                "WGET_HEADER and the URL's password are not sent to another host after a redirect; \
                 set WGET_URL to where it leads",
            ),
            Self::Status { status: 401 | 403, .. } => Some(
                "the server wants a login: set WGET_HEADER (for example \"Authorization: Bearer …\")",
            ),
            Self::Status { status: 404 | 410, .. } => Some("check WGET_URL"),
            Self::Status { status: 407, .. } => {
                Some("give the proxy's user and password in its URL")
            }
            Self::Connection { .. } => Some(
                "check WGET_URL, DNS, network policies and HTTPS_PROXY/NO_PROXY of this container",
            ),
            Self::Timeout { .. } => Some("raise WGET_TIMEOUT if the server is only slow"),
            Self::TooLarge { .. } => {
                Some("raise WGET_MAX_BYTES if the file is meant to be that large")
            }
            Self::Checksum { .. } => {
                Some("either the file on the server has changed or WGET_SHA256 is of another one")
            }
            Self::Redirect { why, .. } if why.contains("https") => {
                Some("set WGET_URL to a place that does not leave https")
            }
            Self::Unpack(error) => error.hint(),
            _ => None,
        }
    }
}

//! Why unpacking failed: the archive's fault, or the operating system's.

use crate::exit::ExitCode;
use std::io;

/// What went wrong while unpacking.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// One entry is not acceptable.
    #[error("refused the archive because of its entry {entry:?}: {why}")]
    Entry {
        /// The entry's name as the archive spells it.
        entry: String,
        /// What is wrong with it.
        why: Refusal,
    },
    /// The archive as a whole is not acceptable.
    #[error("refused the archive: {0}")]
    Archive(Refusal),
    /// The operating system refused something in or below the target folder.
    #[error("cannot {action} {path}")]
    Os {
        /// What we were doing.
        action: &'static str,
        /// To what.
        path: String,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// Moving the unpacked entries to their places stopped half-way.
    #[error("cannot move {path} into place; already moved: {moved}")]
    Move {
        /// The entry that could not be moved.
        path: String,
        /// What stands in its place already, as a list for people.
        moved: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The stream that the archive is read from ended with an error of its own.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
}

/// What is wrong with an archive or with one entry of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Refusal {
    #[error("its name leads upwards with \"..\"")]
    Upwards,
    #[error("its name is absolute")]
    Absolute,
    #[error("its name is empty")]
    EmptyName,
    #[error("its name or link target holds a NUL byte")]
    Nul,
    #[error("its name or link target is longer than the system allows")]
    TooLong,
    #[error("it is nested more than {0} folders deep")]
    TooDeep(usize),
    #[error("it leads through the symlink {0:?}")]
    ThroughSymlink(String),
    #[error("it leads through {0:?}, which is no folder")]
    ThroughFile(String),
    #[error("the archive has the same name both as a folder and as something else")]
    KindConflict,
    #[error("it is a hard link to {0:?}, which is not in the archive before it")]
    HardLinkMissing(String),
    #[error("it is a hard link to {0:?}, which leads out of the archive")]
    HardLinkOutside(String),
    #[error("it is a hard link to {0:?}, which is no regular file")]
    HardLinkToOther(String),
    #[error("it is {0}")]
    Special(&'static str),
    #[error("it is of the unknown type {0:?}")]
    UnknownType(char),
    #[error("unpacked, the archive is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the archive has more than {0} entries")]
    TooMany(u64),
    #[error("it is encrypted")]
    Encrypted,
    #[error("it is compressed with {0}, which is not supported")]
    Compression(String),
    #[error("it is truncated")]
    Truncated,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it should be {expected} by its name, but it is {found}")]
    NotWhatItsNameSays { expected: &'static str, found: &'static str },
    #[error("a folder that is not empty stands in its place in {0}")]
    FolderInTheWay(String),
}

impl Refusal {
    /// This reason, said of the entry `name`.
    pub(crate) fn of(self, name: &[u8]) -> UnpackError {
        UnpackError::Entry { entry: shown(name), why: self }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TooLarge(_) => {
                Some("raise WGET_MAX_BYTES if the archive is meant to be that large")
            }
            Self::NotWhatItsNameSays { found, .. } if found.starts_with("an HTML") => Some(
                "open WGET_URL by hand; the server may want a login (WGET_HEADER) or the file may have moved",
            ),
            Self::NotWhatItsNameSays { .. } => Some(
                "WGET_FILE_NAME decides how the file is unpacked: let its ending say what the file is",
            ),
            Self::Truncated | Self::Damaged(_) => Some(
                "the file on the server is damaged or not finished; upload it again, and set WGET_SHA256",
            ),
            Self::Encrypted => Some("pack it without a password"),
            Self::Compression(_) => Some("pack it with the usual \"deflate\" method"),
            Self::FolderInTheWay(_) => Some("remove that folder, or pack the archive otherwise"),
            Self::ThroughSymlink(_) => Some("pack the entry below the folder's real name"),
            _ => None,
        }
    }
}

impl UnpackError {
    /// For `map_err` after a system call on `path`.
    pub(crate) fn os(action: &'static str, path: &[u8]) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = shown(path);
        move |errno| Self::Os { action, path, source: errno.into() }
    }

    /// Exit 23 where the archive is at fault, 22 where the operating system or the stream is.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Entry { .. } | Self::Archive(_) => ExitCode::ArchiveRefused,
            Self::Os { .. } | Self::Move { .. } | Self::Read(_) => ExitCode::DownloadFailed,
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Entry { why, .. } | Self::Archive(why) => why.hint(),
            Self::Os { source, .. } | Self::Move { source, .. } => os_hint(source),
            Self::Read(_) => None,
        }
    }
}

fn os_hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
            "the volume of WGET_FOLDER_PATH is full: the unpacked files need room beside the old ones",
        ),
        io::ErrorKind::PermissionDenied => {
            Some("the container's user must be able to write to WGET_FOLDER_PATH")
        }
        io::ErrorKind::ReadOnlyFilesystem => Some("WGET_FOLDER_PATH must be on a writable volume"),
        _ => None,
    }
}

/// A name from an archive, for people: cut where it is absurdly long.
pub(crate) fn shown(name: &[u8]) -> String {
    const LONGEST: usize = 300;
    let text = String::from_utf8_lossy(name.get(..LONGEST).unwrap_or(name)).into_owned();
    if name.len() > LONGEST { text + "…" } else { text }
}

//! The file itself. All that touches the volume is in here, and each call of the file system is timed.
//!
//! # Theory of operation
//!
//! The file is opened anew for each batch and closed again: what an NFS server refuses is told at `fsync` and `close`, and
//! nothing of ours keeps a volume from being unmounted. Each line is one `O_APPEND` write. Whoever finds that the file does
//! not end with a line's end (a writer was killed, the disk was full) begins with one, so that only the torn line is lost.
//!
//! A file that has grown is replaced by a shorter one. Another container may want to write meanwhile, so who writes has a
//! shared lock and who replaces an exclusive one; and who has written looks whether the file is still the one at that path,
//! else it writes again. A line may then be there twice; its number tells ([`story`](super::story)).
//!
//! Where there are no locks, or somebody was frozen with one, everybody goes on without: who replaces the file then copies
//! what was added to the old one after it was read. Such a line may come after its life's next one, and is then not believed.

use super::{queue::Queue, story::Story};
use rustix::{
    fs::{CWD, FlockOperation, Mode, OFlags, fdatasync, flock, openat},
    io::Errno,
};
use std::{
    fs::{self, DirBuilder, File, Metadata},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// The file's name in the state folder.
pub(super) const NAME: &str = "ledger.jsonl";

/// How the names of files end that are to replace the ledger.
const NEW: &str = ".new";

/// Years of a quiet life, and read in no time.
const LIMIT: u64 = 1 << 20;

/// The latest days of a busy life.
const RECENT: usize = 256 << 10;

/// No more is ever read of a file, from its end.
const READ_LIMIT: u64 = 4 << 20;

/// So often, and with such pauses, a lock is tried for: a second.
const LOCK_TRIES: usize = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// So often a line is written to a file that was replaced at that moment. Several lives of one name may replace it in turns; more often
/// than this it is somebody who does nothing else.
const REPLACED_AT_MOST: usize = 100;

const APPENDING: OFlags = OFlags::RDWR.union(OFlags::APPEND).union(OFlags::CREATE);

const FOLDER_MODE: u32 = 0o700;

/// Why the ledger cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("cannot make folder {}", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    #[error("cannot open {}", .0.display())]
    Open(PathBuf, #[source] io::Error),
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    #[error("{} is replaced again and again", .0.display())]
    Replaced(PathBuf),
}

impl FileError {
    /// What an operator can do.
    pub(super) fn hint(&self) -> &'static str {
        let (Self::Folder(_, error)
        | Self::Open(_, error)
        | Self::Read(_, error)
        | Self::Write(_, error)) = self
        else {
            return "remove what is in its place, or set JJOBS_INIT_STATE_DIR to a folder of this pod's own";
        };
        match Errno::from_io_error(error) {
            Some(Errno::NOSPC | Errno::DQUOT) => "make room on the volume of JJOBS_INIT_STATE_DIR",
            Some(Errno::ROFS) => "set JJOBS_INIT_STATE_DIR to a folder that can be written",
            Some(Errno::ACCESS | Errno::PERM) => {
                "let this user write there (fsGroup, or the owner of the folder), or set JJOBS_INIT_STATE_DIR"
            }
            Some(Errno::LOOP) => "a symlink is in its place, remove it",
            _ => "check the volume of JJOBS_INIT_STATE_DIR",
        }
    }

    /// With its causes, for people.
    pub(super) fn told(&self) -> String {
        std::error::Error::source(self)
            .map_or_else(|| self.to_string(), |cause| format!("{self}: {cause}"))
    }
}

/// The file, open or not.
pub(super) struct LedgerFile<'a> {
    folder: PathBuf,
    path: PathBuf,
    new: PathBuf,
    timed: &'a Queue,
    /// A larger file is replaced by a shorter one.
    pub(super) limit: u64,
    /// So much of the latest lines that one keeps whatever they say, for people.
    pub(super) recent: usize,
    /// What the last replacement came to: where that much is worth keeping, replacing again at once would not help.
    floor: u64,
}

impl<'a> LedgerFile<'a> {
    /// `mark` tells apart those that replace the file at once.
    pub(super) fn new(folder: &Path, mark: &str, timed: &'a Queue) -> Self {
        Self {
            folder: folder.to_owned(),
            path: folder.join(NAME),
            new: folder.join(format!("{NAME}.{mark}{NEW}")),
            timed,
            limit: LIMIT,
            recent: RECENT,
            floor: 0,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The end of the file, from a line's begin; `None` if there is no file. Makes the folder.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, FileError> {
        self.make_folder()?;
        match self.open(OFlags::RDONLY) {
            Ok((file, meta)) => self.read_end(&file, meta.len()).map(|(bytes, _)| Some(bytes)),
            Err(FileError::Open(_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds `lines`, each with its end. The number is of those that are known to be written, whatever came then.
    pub(super) fn append(&mut self, lines: &[Vec<u8>]) -> (usize, Result<(), FileError>) {
        // Replacing comes first and is not repeated: the lines may go to a file that somebody else has just replaced.
        match self.replace_if_large() {
            Ok(()) => self.append_small(lines),
            Err(error) => (0, Err(error)),
        }
    }

    fn append_small(&self, lines: &[Vec<u8>]) -> (usize, Result<(), FileError>) {
        for _ in 0..REPLACED_AT_MOST {
            let (written, result) = match self.open(APPENDING) {
                Ok((file, _)) => {
                    // Without the lock it goes on as well, see the theory above.
                    let _ = self.lock(&file, FlockOperation::NonBlockingLockShared);
                    self.append_to(&file, lines)
                }
                Err(error) => return (0, Err(error)),
            };
            match result {
                Ok(false) => {}
                Ok(true) => return (written, Ok(())),
                Err(error) => return (written, Err(error)),
            }
        }
        (0, Err(FileError::Replaced(self.path.clone())))
    }

    fn replace_if_large(&mut self) -> Result<(), FileError> {
        self.make_folder()?;
        let (file, meta) = self.open(APPENDING)?;
        if meta.len() > self.limit.max(self.floor.saturating_mul(2)) {
            self.replace(&file)?;
        }
        Ok(())
    }

    fn append_to(&self, file: &File, lines: &[Vec<u8>]) -> (usize, Result<bool, FileError>) {
        let mut written = 0;
        let result = self.timed.during(|| {
            end_line(file)?;
            for line in lines {
                write_at_once(file, line)?;
                written += 1;
            }
            Ok(())
        });
        // The lines before the one that failed are there and need not be written again, unless this says otherwise.
        let synced = self.timed.during(|| fdatasync(file).map_err(io::Error::from));
        if synced.is_err() {
            written = 0;
        }
        let is_same = self.timed.during(|| self.is_at_path(file));
        match (result.and(synced), is_same) {
            (Err(error), true) => (written, Err(FileError::Write(self.path.clone(), error))),
            (Err(error), false) => (0, Err(FileError::Write(self.path.clone(), error))),
            (Ok(()), is_same) => (written, Ok(is_same)),
        }
    }

    /// Tries for a while: whoever has it needs it for a few calls only, unless it was frozen just then.
    fn lock(&self, file: &File, how: FlockOperation) -> rustix::io::Result<()> {
        let mut tries = 0;
        loop {
            let result = self.timed.during(|| flock(file, how));
            tries += 1;
            if result != Err(Errno::WOULDBLOCK) || tries >= LOCK_TRIES {
                return result;
            }
            thread::sleep(LOCK_PAUSE);
        }
    }

    /// Replaces the file by one with what is worth keeping, unless somebody else is doing that, or has.
    fn replace(&mut self, old: &File) -> Result<(), FileError> {
        let is_locked = match self.lock(old, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => true,
            Err(Errno::WOULDBLOCK) => return Ok(()),
            // No locks here. Lines of another container could get lost: better than a file without end.
            Err(_) => false,
        };
        if !self.timed.during(|| self.is_at_path(old)) {
            return Ok(());
        }
        if is_locked {
            self.timed.during(|| remove_left_overs(&self.folder));
        }
        // From here on what stands behind the last line's end is being written; whoever does that will look again.
        let ended = self.timed.during(|| end_line(old));
        ended.map_err(|error| FileError::Write(self.path.clone(), error))?;
        let from = self.size_of(old)?;
        let (mut bytes, mut read_to) = self.read_end(old, from)?;
        let unfinished = bytes.len() - complete(&bytes);
        bytes.truncate(bytes.len() - unfinished);
        read_to -= unfinished as u64;
        let kept = Story::of(&bytes).keep(&bytes, self.recent);
        let replaced = self.timed.during(|| self.write_new(&kept, old));
        if let Err(error) = replaced {
            let _ = self.timed.during(|| fs::remove_file(&self.new));
            // A full disk is no reason not to try a single line.
            tracing::debug!(path = %self.path.display(), %error, "cannot shorten the ledger");
            return Ok(());
        }
        self.floor = kept.len() as u64;
        tracing::debug!(path = %self.path.display(), from, to = self.floor, "ledger shortened");
        self.copy_added(old, read_to)
    }

    fn write_new(&self, kept: &[u8], old: &File) -> io::Result<()> {
        match fs::remove_file(&self.new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut new = File::from(openat(CWD, &self.new, flags, Mode::RUSR | Mode::WUSR)?);
        new.write_all(kept)?;
        fdatasync(&new)?;
        if !self.is_at_path(old) {
            return Err(io::Error::other("it was replaced by another"));
        }
        fs::rename(&self.new, &self.path)
    }

    /// Copies the lines that were written to the file between its being read and its being replaced.
    fn copy_added(&self, old: &File, from: u64) -> Result<(), FileError> {
        let to = self.size_of(old)?;
        if to <= from {
            return Ok(());
        }
        let failed = |error| FileError::Write(self.path.clone(), error);
        let mut added = vec![0; usize::try_from((to - from).min(READ_LIMIT)).unwrap_or(0)];
        self.timed.during(|| old.read_exact_at(&mut added, from)).map_err(failed)?;
        // The new file may be replaced too before these are in it.
        let lines = added[..complete(&added)].split_inclusive(|byte| *byte == b'\n');
        let lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
        self.append_small(&lines).1
    }

    fn make_folder(&self) -> Result<(), FileError> {
        let failed = |error| FileError::Folder(self.folder.clone(), error);
        self.timed.during(|| {
            if self.folder.is_dir() {
                return Ok(());
            }
            // Those above it are for all containers that share the volume, as their users' umask has it.
            if let Some(parent) = self.folder.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            match DirBuilder::new().mode(FOLDER_MODE).create(&self.folder) {
                Err(error) if !self.folder.is_dir() => Err(failed(error)),
                _ => Ok(()),
            }
        })
    }

    fn open(&self, flags: OFlags) -> Result<(File, Metadata), FileError> {
        // Somebody else's pipe in its place must not make us wait for its other end.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let failed = |error| FileError::Open(self.path.clone(), error);
        let file = self
            .timed
            .during(|| openat(CWD, &self.path, flags, Mode::RUSR | Mode::WUSR))
            .map_err(|error| failed(error.into()))?;
        let file = File::from(file);
        let meta = self.timed.during(|| file.metadata()).map_err(failed)?;
        if !meta.is_file() {
            return Err(FileError::NotAFile(self.path.clone()));
        }
        Ok((file, meta))
    }

    /// The end of the file, from a line's begin, and where it was when that was read.
    fn read_end(&self, mut file: &File, len: u64) -> Result<(Vec<u8>, u64), FileError> {
        let failed = |error| FileError::Read(self.path.clone(), error);
        let from = len.saturating_sub(READ_LIMIT);
        let mut bytes = Vec::new();
        self.timed
            .during(|| {
                file.seek(SeekFrom::Start(from))?;
                file.take(READ_LIMIT).read_to_end(&mut bytes)
            })
            .map_err(failed)?;
        let read_to = from + bytes.len() as u64;
        if from > 0 {
            // A part of a line, or by chance a whole one.
            let end = bytes.iter().position(|byte| *byte == b'\n');
            bytes.drain(..end.map_or(bytes.len(), |end| end + 1));
        }
        Ok((bytes, read_to))
    }

    fn size_of(&self, file: &File) -> Result<u64, FileError> {
        let meta = self.timed.during(|| file.metadata());
        Ok(meta.map_err(|error| FileError::Read(self.path.clone(), error))?.len())
    }

    fn is_at_path(&self, file: &File) -> bool {
        let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(&self.path)) else {
            return false;
        };
        open.dev() == named.dev() && open.ino() == named.ino()
    }
}

/// One write, for two that append at once must not share a line.
fn write_at_once(mut file: &File, line: &[u8]) -> io::Result<()> {
    let written = loop {
        match file.write(line) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    // Less is written only where there is no room for more.
    if written < line.len() { Err(Errno::NOSPC.into()) } else { Ok(()) }
}

/// Ends the line that a writer has left torn. If that one is still writing, the line's end comes after it: an empty line.
fn end_line(file: &File) -> io::Result<()> {
    let len = file.metadata()?.len();
    let Some(last) = len.checked_sub(1) else { return Ok(()) };
    let mut byte = [0];
    let is_torn = file.read_at(&mut byte, last)? == 1 && byte != *b"\n";
    if is_torn { write_at_once(file, b"\n") } else { Ok(()) }
}

/// How many of `bytes` are lines with their ends.
fn complete(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

/// Removes what was to replace the ledger when its writer was killed. Only for who has the lock.
fn remove_left_overs(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.take(1000).flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.starts_with(NAME.as_bytes()) && name.ends_with(NEW.as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

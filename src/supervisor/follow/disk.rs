//! What the follower asks of the file system; every call may hang, so each is announced to the [`Pulse`].

use super::pulse::Pulse;
use rustix::{
    fs::{AtFlags, CWD, FileType, Statx, StatxFlags, statx},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirEntryExt, FileExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

/// Whose log a line is in does not depend on its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) id: FileId,
    pub(super) born: Born,
    pub(super) stamp: Stamp,
    kind: FileType,
}

/// A file's length and the time of its last change: if both are as before, there is nothing to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    changed: (i64, i64),
}

/// When it was created, where the file system knows: an inode's number is used again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Born(Option<(i64, u32)>);

impl Born {
    /// Whether two things with one [`FileId`] are two.
    pub(super) fn differs_from(self, other: Self) -> bool {
        matches!((self.0, other.0), (Some(one), Some(two)) if one != two)
    }
}

impl Seen {
    pub(super) fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    pub(super) fn is_folder(&self) -> bool {
        self.kind == FileType::Directory
    }
}

/// The file system, through the pulse.
#[derive(Debug, Clone)]
pub(super) struct Disk(Arc<Pulse>);

impl Disk {
    pub(super) fn new(pulse: Arc<Pulse>) -> Self {
        Self(pulse)
    }

    /// Does `work`, a call about `path`.
    pub(super) fn during<T>(&self, path: &Path, work: impl FnOnce() -> T) -> T {
        self.0.during(path, work)
    }

    /// Nothing will be asked for a while.
    pub(super) fn rest(&self) {
        self.0.rest();
    }

    /// What stands at `path`, itself and not what it links to; `None` if nothing does.
    pub(super) fn look(&self, path: &Path) -> io::Result<Option<Seen>> {
        absent_as_none(self.during(path, || stat(path)))
    }

    /// Whether `path` is a folder, or leads to one.
    pub(super) fn is_folder(&self, path: &Path) -> io::Result<bool> {
        let found = absent_as_none(self.during(path, || fs::metadata(path)))?;
        Ok(found.is_some_and(|metadata| metadata.is_dir()))
    }

    /// The names in a folder, in order; `None` if there is no such folder.
    pub(super) fn names_in(&self, folder: &Path) -> io::Result<Option<Vec<OsString>>> {
        let names = self.during(folder, || -> io::Result<Vec<OsString>> {
            fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
        });
        Ok(absent_as_none(names)?.map(|mut names| {
            names.sort_unstable();
            names
        }))
    }

    /// Under which name a folder holds a file.
    pub(super) fn name_of(&self, (id, born): (FileId, Born), folder: &Path) -> Option<PathBuf> {
        let entries = self.during(folder, || {
            let same = |entry: &fs::DirEntry| entry.ino() == id.inode;
            Some(fs::read_dir(folder).ok()?.filter_map(Result::ok).filter(same).collect::<Vec<_>>())
        })?;
        let is_it = |seen: Seen| seen.id == id && !seen.born.differs_from(born) && seen.is_file();
        let mut paths = entries.into_iter().map(|entry| entry.path());
        paths.find(|path| self.look(path).is_ok_and(|seen| seen.is_some_and(is_it)))
    }

    /// Opens the file `id` at `path`; `None` if that is not what stands there.
    pub(super) fn open(&self, path: &Path, id: FileId) -> io::Result<Option<File>> {
        // Neither a link nor, in its place, a FIFO that would make us wait.
        let flags = rustix::fs::OFlags::NOFOLLOW
            | rustix::fs::OFlags::NONBLOCK
            | rustix::fs::OFlags::NOCTTY;
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        let opened = self.during(path, || {
            let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        });
        let is_it = |metadata: &fs::Metadata| {
            metadata.is_file() && FileId { device: metadata.dev(), inode: metadata.ino() } == id
        };
        Ok(absent_as_none(opened)?.filter(|(_, metadata)| is_it(metadata)).map(|(file, _)| file))
    }

    /// Reads as much of `buffer` as there is from `offset` on.
    pub(super) fn read(
        &self,
        (file, path): (&File, &Path),
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        self.during(path, || {
            let mut filled = 0;
            while filled < buffer.len() {
                match file.read_at(&mut buffer[filled..], offset + filled as u64) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if filled == 0 => return Err(error),
                    Err(_) => break,
                }
            }
            Ok(filled)
        })
    }

    /// A file's length in bytes.
    pub(super) fn length(&self, (file, path): (&File, &Path)) -> io::Result<u64> {
        Ok(self.during(path, || file.metadata())?.len())
    }
}

/// Whether a file of this name is followed: `sys_*.log`.
pub(super) fn is_log(path: &Path) -> bool {
    let name = path.file_name().map_or(&[][..], OsStr::as_bytes);
    name.starts_with(b"sys_") && name.ends_with(b".log")
}

/// The day of a day folder's name: `20260731`, or the same with `-`, `_` or `.` between its parts.
pub(super) fn day_of(name: &OsStr) -> Option<Vec<u8>> {
    let name = name.as_bytes();
    let digits: Vec<u8> = name.iter().copied().filter(u8::is_ascii_digit).collect();
    let has_only =
        name.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.'));
    (digits.len() == 8 && has_only && name[0].is_ascii_digit()).then_some(digits)
}

fn stat(path: &Path) -> io::Result<Seen> {
    match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS | StatxFlags::BTIME) {
        Ok(found) => Ok(seen(&found)),
        // A kernel or a sandbox from before statx(2).
        Err(Errno::NOSYS | Errno::PERM) => {
            let found = fs::symlink_metadata(path)?;
            let id = FileId { device: found.dev(), inode: found.ino() };
            let stamp = Stamp { length: found.len(), changed: (found.mtime(), found.mtime_nsec()) };
            Ok(Seen { id, born: Born(None), stamp, kind: FileType::from_raw_mode(found.mode()) })
        }
        Err(error) => Err(error.into()),
    }
}

fn seen(found: &Statx) -> Seen {
    let has_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    Seen {
        id: FileId {
            device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
        },
        born: Born(has_birth.then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec))),
        stamp: Stamp {
            length: found.stx_size,
            changed: (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec.into()),
        },
        kind: FileType::from_raw_mode(found.stx_mode.into()),
    }
}

/// Something that is not there is an answer; everything else is an error.
fn absent_as_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that nothing stands there, or something else than was asked for.
pub(super) fn is_absence(error: &io::Error) -> bool {
    let absences = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::NXIO];
    Errno::from_io_error(error).is_some_and(|errno| absences.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sys_logs_are_logs() {
        for (name, wanted) in [
            ("sys_agent.log", true),
            ("sys_.log", true),
            ("sys_한글 1.log", true),
            ("sys_agent.log.1", false),
            ("sys_agent.log.gz", false),
            ("job_1.log", false),
            (".sys_a.log", false),
        ] {
            assert_eq!(is_log(&Path::new("/x").join(name)), wanted, "{name}");
        }
    }

    #[test]
    fn day_folders_are_named_after_a_day() {
        for (name, wanted) in [
            ("20260731", Some("20260731")),
            ("2026-07-31", Some("20260731")),
            ("2026073", None),
            ("202607311", None),
            ("backup20260731", None),
            ("-2026731-0", None),
            ("", None),
        ] {
            assert_eq!(day_of(OsStr::new(name)).as_deref(), wanted.map(str::as_bytes), "{name}");
        }
    }
}

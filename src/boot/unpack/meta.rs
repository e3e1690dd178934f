//! Mode, owner and times of an unpacked entry, and how they get onto the file.

use rustix::{
    fs::{AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid},
    io::Errno,
};
use std::os::fd::AsFd;

/// The bits that an archive may set. Set-uid, set-gid and sticky are dropped: the archive is not trusted with them.
const PERMISSIONS: u32 = 0o777;
const SPECIAL: u32 = 0o7000;

/// What an archive says about an entry beside its content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Unix mode bits; `None` where the archive knows none (made on Windows): the umask decides.
    pub(crate) mode: Option<u32>,
    /// Numeric user and group.
    pub(crate) owner: Option<(u32, u32)>,
    /// Modification time: seconds since 1970 and nanoseconds.
    pub(crate) modified: Option<(i64, u32)>,
}

impl Meta {
    /// The mode without the bits that are dropped.
    pub(crate) fn permissions(&self) -> Option<u32> {
        self.mode.map(|mode| mode & PERMISSIONS)
    }

    /// Whether the archive asked for a bit that is dropped.
    pub(crate) fn has_special_bits(&self) -> bool {
        self.mode.is_some_and(|mode| mode & SPECIAL != 0)
    }

    fn times(&self) -> Option<Timestamps> {
        let (seconds, nanoseconds) = self.modified?;
        Some(Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
        })
    }

    pub(crate) fn set_times(&self, file: impl AsFd) -> Result<(), Errno> {
        self.times().map_or(Ok(()), |times| rustix::fs::futimens(file, &times))
    }

    pub(crate) fn set_times_at(&self, folder: impl AsFd, leaf: &[u8]) -> Result<(), Errno> {
        self.times().map_or(Ok(()), |times| {
            rustix::fs::utimensat(folder, leaf, &times, AtFlags::SYMLINK_NOFOLLOW)
        })
    }
}

/// Gives files to the owners that the archive names, as far as this container may.
#[derive(Debug)]
pub(crate) struct Owners {
    /// Whether to try: as root alone, like tar.
    pub(crate) wanted: bool,
    /// Who owns what we create, so that the call is spared where nothing would change.
    pub(crate) born: (u32, u32),
    /// Set once the system refused (no `CAP_CHOWN`, squashed NFS, unmapped id); said once.
    pub(crate) refused: bool,
}

impl Owners {
    pub(crate) fn give(&mut self, file: impl AsFd, owner: Option<(u32, u32)>) -> Result<(), Errno> {
        let Some((uid, gid)) = self.needed(owner) else { return Ok(()) };
        let answer = rustix::fs::fchown(file, Some(uid), Some(gid));
        self.judge(answer)
    }

    pub(crate) fn give_at(
        &mut self,
        folder: impl AsFd,
        leaf: &[u8],
        owner: Option<(u32, u32)>,
    ) -> Result<(), Errno> {
        let Some((uid, gid)) = self.needed(owner) else { return Ok(()) };
        let answer =
            rustix::fs::chownat(folder, leaf, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
        self.judge(answer)
    }

    fn needed(&self, owner: Option<(u32, u32)>) -> Option<(Uid, Gid)> {
        let (uid, gid) =
            owner.filter(|owner| self.wanted && !self.refused && *owner != self.born)?;
        Some((Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    fn judge(&mut self, answer: Result<(), Errno>) -> Result<(), Errno> {
        match answer {
            Err(errno @ (Errno::PERM | Errno::INVAL)) => {
                self.refused = true;
                tracing::warn!(
                    error = %errno,
                    hint = "unpacked files belong to the container's user",
                    "owners of the archive not kept"
                );
                Ok(())
            }
            other => other,
        }
    }
}

/// `bits` as the system call wants them.
pub(crate) fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits)
}

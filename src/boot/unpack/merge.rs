//! Moving a complete tree into the target folder: folders are merged, everything else is replaced.
//!
//! Two passes. The first only looks, and refuses what cannot be done (a file in the place of a folder that is
//! not empty) while the target is still untouched. The second moves, mostly by one `rename` per top-level entry.
//! A symlink that stands where the archive has a folder is replaced, never followed.

use super::{
    error::{Refusal, UnpackError, shown},
    meta::{Meta, Owners, mode},
    tree::{Unpacked, kind_of},
};
use rustix::{
    fs::{AtFlags, Dir, FileType, OFlags},
    io::Errno,
};
use std::{
    collections::BTreeMap,
    fs::File,
    os::fd::{AsFd, OwnedFd},
};

/// Folders that the archive lists itself, by path; others came about as parents and keep what they have.
pub(crate) type Folders = BTreeMap<Vec<u8>, Meta>;

/// How many moved entries an error names.
const NAMES_SHOWN: usize = 20;
/// What we need on a folder to move things into and out of it, where we are not root.
const OWN_RIGHTS: u32 = 0o700;
/// Set-uid, set-gid, sticky.
const SPECIAL: u32 = 0o7000;
const READ_FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Moves everything below `tree` into `target`, which is named `shown_target` in messages.
pub(crate) fn move_in(
    tree: &mut Unpacked,
    target: &OwnedFd,
    shown_target: &str,
) -> Result<(), UnpackError> {
    check(&*tree.root, target, &mut Path::default(), shown_target)?;
    let root = std::rc::Rc::clone(&tree.root);
    let mut mover = Mover {
        folders: &tree.folders,
        owners: &mut tree.owners,
        moved: Vec::new(),
        count: 0,
        path: Path::default(),
    };
    let finished = mover.entries(&*root, target).and_then(|()| mover.take_own_rights_back(target));
    finished.map_err(|errno| UnpackError::Move {
        path: mover.path.shown(),
        moved: mover.report(),
        source: errno.into(),
    })
}

/// The path of the entry being looked at, grown and cut as the walk goes.
#[derive(Default)]
struct Path(Vec<u8>);

impl Path {
    /// Adds a part; the answer is what [`leave`](Self::leave) wants back.
    fn enter(&mut self, part: &[u8]) -> usize {
        let before = self.0.len();
        if before > 0 {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(part);
        before
    }

    fn leave(&mut self, before: usize) {
        self.0.truncate(before);
    }

    fn shown(&self) -> String {
        shown(&self.0)
    }
}

fn check(from: impl AsFd, to: impl AsFd, path: &mut Path, target: &str) -> Result<(), UnpackError> {
    for (name, kind) in list(&from).map_err(UnpackError::os("list", &path.0))? {
        let before = path.enter(&name);
        let there = match kind_of(&to, &name) {
            Err(Errno::NOENT) => None,
            // A folder without rights for its owner, as an earlier unpacking may have left it. It is opened up
            // when it is its turn to be merged.
            Err(Errno::ACCESS) => {
                path.leave(before);
                continue;
            }
            other => Some(other.map_err(UnpackError::os("look at", &path.0))?),
        };
        if there == Some(FileType::Directory) {
            let inner = match open_folder(&to, &name) {
                Err(Errno::ACCESS) => {
                    path.leave(before);
                    continue;
                }
                other => other.map_err(UnpackError::os("open the folder", &path.0))?,
            };
            if kind == FileType::Directory {
                let from = open_folder(&from, &name)
                    .map_err(UnpackError::os("open the folder", &path.0))?;
                check(from, inner, path, target)?;
            } else if !list(&inner).map_err(UnpackError::os("list", &path.0))?.is_empty() {
                return Err(Refusal::FolderInTheWay(target.to_owned()).of(&path.0));
            }
        }
        path.leave(before);
    }
    Ok(())
}

struct Mover<'a> {
    folders: &'a Folders,
    owners: &'a mut Owners,
    moved: Vec<String>,
    count: u64,
    /// Where we are; after an error, where it happened.
    path: Path,
}

impl Mover<'_> {
    fn entries(&mut self, from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
        for (name, kind) in list(&from)? {
            let before = self.path.enter(&name);
            if kind == FileType::Directory {
                self.folder(&from, &to, &name)?;
            } else {
                self.other(&from, &to, &name, kind)?;
            }
            self.path.leave(before);
        }
        Ok(())
    }

    fn folder(&mut self, from: impl AsFd, to: impl AsFd, name: &[u8]) -> Result<(), Errno> {
        match kind_of(&to, name) {
            Ok(FileType::Directory) => return self.merge(from, to, name),
            Ok(_) => rustix::fs::unlinkat(&to, name, AtFlags::empty())?,
            Err(Errno::NOENT) => {}
            Err(other) => return Err(other),
        }
        match rustix::fs::renameat(&from, name, &to, name) {
            // The place is on another file system (a volume mounted below the target).
            Err(Errno::XDEV) => {
                rustix::fs::mkdirat(&to, name, mode(0o777))?;
                self.merge(from, to, name)
            }
            other => other.map(|()| self.note()),
        }
    }

    fn merge(&mut self, from: impl AsFd, to: impl AsFd, name: &[u8]) -> Result<(), Errno> {
        let to = open_for_writing(&to, name)?;
        self.entries(open_folder(&from, name)?, &to)?;
        // As tar does: the archive's word counts for a folder that was there, too. Its own special bits
        // are the operator's (a set-gid folder of a shared volume) and stay.
        if let Some(meta) = self.folders.get(&self.path.0).copied() {
            self.owners.give(&to, meta.owner)?;
            if let Some(bits) = meta.permissions() {
                let kept = rustix::fs::fstat(&to)?.st_mode & SPECIAL;
                rustix::fs::fchmod(&to, mode(bits | kept | OWN_RIGHTS))?;
            }
            meta.set_times(&to)?;
        }
        Ok(())
    }

    fn other(
        &mut self,
        from: impl AsFd,
        to: impl AsFd,
        name: &[u8],
        kind: FileType,
    ) -> Result<(), Errno> {
        let moved = match rustix::fs::renameat(&from, name, &to, name) {
            Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => {
                rustix::fs::unlinkat(&to, name, AtFlags::REMOVEDIR)?;
                rustix::fs::renameat(&from, name, &to, name)
            }
            other => other,
        };
        match moved {
            Err(Errno::XDEV) => copy(&from, &to, name, kind),
            other => other,
        }
        .map(|()| self.note())
    }

    /// Folders that the archive wants without all rights for their owner got them for the time of the move.
    fn take_own_rights_back(&mut self, target: &OwnedFd) -> Result<(), Errno> {
        // Children come before their parents, which can then still be passed.
        for (path, meta) in self.folders.iter().rev() {
            let Some(bits) = meta.permissions().filter(|bits| bits & OWN_RIGHTS != OWN_RIGHTS)
            else {
                continue;
            };
            self.path = Path(path.clone());
            let mut at = None;
            for part in path.split(|byte| *byte == b'/') {
                at = Some(
                    at.as_ref()
                        .map_or_else(|| open_folder(target, part), |at| open_folder(at, part))?,
                );
            }
            let Some(folder) = at else { continue };
            let kept = rustix::fs::fstat(&folder)?.st_mode & SPECIAL;
            rustix::fs::fchmod(&folder, mode(bits | kept))?;
        }
        Ok(())
    }

    fn note(&mut self) {
        self.count += 1;
        if self.moved.len() < NAMES_SHOWN {
            self.moved.push(self.path.shown());
        }
    }

    fn report(&self) -> String {
        match self.count {
            0 => "nothing".to_owned(),
            count if count > self.moved.len() as u64 => {
                format!("{} and {} more", self.moved.join(", "), count - self.moved.len() as u64)
            }
            _ => self.moved.join(", "),
        }
    }
}

/// Copies one entry to another file system: completely beside its place, then into it.
fn copy(from: impl AsFd, to: impl AsFd, name: &[u8], kind: FileType) -> Result<(), Errno> {
    const BESIDE: &str = ".jjobs-init-copy";
    let stat = rustix::fs::statat(&from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    // `as` because the kernel's types differ between processors; the values fit.
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds are below 10^9")]
    let meta = Meta {
        mode: Some(stat.st_mode & 0o777),
        owner: Some((stat.st_uid, stat.st_gid)),
        modified: Some((stat.st_mtime, stat.st_mtime_nsec as u32)),
    };
    match rustix::fs::unlinkat(&to, BESIDE, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(other) => return Err(other),
    }
    let copied = if kind == FileType::Symlink {
        rustix::fs::readlinkat(&from, name, Vec::new())
            .and_then(|link| rustix::fs::symlinkat(&link, &to, BESIDE))
            .and_then(|()| meta.set_times_at(&to, BESIDE.as_bytes()))
    } else {
        copy_file(&from, &to, (name, BESIDE), &meta)
    };
    let owned = copied.and_then(|()| {
        let owner =
            (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
        let now = rustix::fs::statat(&to, BESIDE, AtFlags::SYMLINK_NOFOLLOW)?;
        if (now.st_uid, now.st_gid) == (stat.st_uid, stat.st_gid) {
            return Ok(());
        }
        rustix::fs::chownat(&to, BESIDE, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)
    });
    let placed = owned.and_then(|()| match rustix::fs::renameat(&to, BESIDE, &to, name) {
        Err(Errno::ISDIR) => rustix::fs::unlinkat(&to, name, AtFlags::REMOVEDIR)
            .and_then(|()| rustix::fs::renameat(&to, BESIDE, &to, name)),
        other => other,
    });
    if placed.is_err() {
        let _ = rustix::fs::unlinkat(&to, BESIDE, AtFlags::empty());
    }
    placed
}

fn copy_file(
    from: impl AsFd,
    to: impl AsFd,
    names: (&[u8], &str),
    meta: &Meta,
) -> Result<(), Errno> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut source = File::from(rustix::fs::openat(from, names.0, read, mode(0))?);
    let mut copy = File::from(rustix::fs::openat(to, names.1, write, mode(0o600))?);
    std::io::copy(&mut source, &mut copy)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    rustix::fs::fchmod(&copy, mode(meta.permissions().unwrap_or(0o600)))?;
    meta.set_times(&copy)
}

fn open_folder(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, name, READ_FOLDER, mode(0))
}

/// Opens a folder of the target that something is moved into. An earlier unpacking may have left it
/// without rights for its owner, as its archive wanted.
fn open_for_writing(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if stat.st_mode & OWN_RIGHTS != OWN_RIGHTS && stat.st_uid == rustix::process::geteuid().as_raw()
    {
        rustix::fs::chmodat(
            &parent,
            name,
            mode((stat.st_mode & 0o7777) | OWN_RIGHTS),
            AtFlags::empty(),
        )?;
    }
    open_folder(parent, name)
}

/// Names and kinds of what is in a folder.
fn list(folder: impl AsFd) -> Result<Vec<(Vec<u8>, FileType)>, Errno> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => kind_of(&folder, name)?,
            known => known,
        };
        entries.push((name.to_vec(), kind));
    }
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::*;
    use crate::boot::unpack::{name::EntryName, tree::Tree};
    use std::os::unix::fs::MetadataExt;

    fn name(text: &str) -> EntryName {
        EntryName::parse(text.as_bytes()).unwrap().unwrap()
    }

    fn filled(root: &std::path::Path) -> Unpacked {
        let root = File::open(root).unwrap();
        let mut tree = Tree::new(root.into(), 1000, false).unwrap();
        let meta = Meta { mode: Some(0o640), owner: None, modified: Some((7, 0)) };
        tree.folder(&name("vol/sub"), Meta { mode: Some(0o500), ..meta }).unwrap();
        let mut file = tree.create(name("vol/sub/file"), meta).unwrap();
        tree.write(&mut file, b"new").unwrap();
        tree.close(&file).unwrap();
        tree.symlink(&name("vol/up"), b"/nowhere", &meta).unwrap();
        tree.finish().unwrap()
    }

    #[test]
    fn a_volume_below_the_target_is_filled_by_copying() {
        let Ok(there) = tempfile::tempdir_in("/dev/shm") else { return };
        let here = tempfile::tempdir().unwrap();
        if here.path().metadata().unwrap().dev() == there.path().metadata().unwrap().dev() {
            return;
        }
        std::fs::create_dir(there.path().join("vol")).unwrap();
        std::os::unix::fs::symlink("old", there.path().join("vol/up")).unwrap();
        let target = File::open(there.path()).unwrap().into();
        move_in(&mut filled(here.path()), &target, "target").unwrap();
        let at = |name: &str| there.path().join(name);
        assert_eq!(std::fs::read(at("vol/sub/file")).unwrap(), b"new");
        let file = at("vol/sub/file").metadata().unwrap();
        assert_eq!((file.mode() & 0o7777, file.mtime()), (0o640, 7));
        let folder = at("vol/sub").metadata().unwrap();
        assert_eq!((folder.mode() & 0o7777, folder.mtime()), (0o500, 7));
        assert_eq!(std::fs::read_link(at("vol/up")).unwrap(), std::path::Path::new("/nowhere"));
        std::fs::set_permissions(
            at("vol/sub"),
            std::os::unix::fs::PermissionsExt::from_mode(0o700),
        )
        .unwrap();
    }

    #[test]
    fn a_move_that_fails_half_way_names_what_is_there_already() {
        let Ok(there) = tempfile::tempdir_in("/dev/shm") else { return };
        let here = tempfile::tempdir().unwrap();
        if here.path().metadata().unwrap().dev() == there.path().metadata().unwrap().dev() {
            return;
        }
        // Where the link would be copied to there is something that cannot be removed as a file.
        std::fs::create_dir_all(there.path().join("vol/.jjobs-init-copy")).unwrap();
        let target = File::open(there.path()).unwrap().into();
        let error = move_in(&mut filled(here.path()), &target, "target").unwrap_err();
        let UnpackError::Move { path, moved, .. } = error else { unreachable!("{error}") };
        assert_eq!(path, "vol/up");
        assert_eq!(moved, "vol/sub/file");
        assert_eq!(std::fs::read(there.path().join("vol/sub/file")).unwrap(), b"new");
        assert!(!there.path().join("vol/up").exists());
    }
}

//! The tree that an archive's entries are written into, below the staging folder.
//!
//! Nothing here ever resolves more than one name at a time, and never through a symlink: a folder is
//! opened part by part with `O_NOFOLLOW`, so an entry cannot reach a place outside, not even through
//! a link that the archive itself made before.

use super::{
    error::{Refusal, UnpackError, shown},
    merge::Folders,
    meta::{Meta, Owners, mode},
    name::{EntryName, check_symlink_target},
};
use rustix::{
    fs::{AtFlags, FileType, OFlags},
    io::Errno,
};
use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
};

/// More entries than any real archive has. An empty file costs the archive little and us an inode.
const MOST_ENTRIES: u64 = 2_000_000;
/// Folders get their modes and times last, so their names are remembered; this bounds what that may take.
const MOST_FOLDER_NAME_BYTES: usize = 8 << 20;
/// Names of entries with dropped bits that the warning shows.
const NAMES_SHOWN: usize = 5;

const OPEN_FOLDER: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const CREATE_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const CHANGE_FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A tree that is being filled.
#[derive(Debug)]
pub(crate) struct Tree {
    root: Rc<OwnedFd>,
    /// The folder of the last entry: archives list files folder by folder.
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
    umask: u32,
    owners: Owners,
    folders: Folders,
    folder_name_bytes: usize,
    max_bytes: u64,
    bytes: u64,
    entries: u64,
    special: u64,
    special_names: Vec<String>,
}

/// A file of the tree that is being written.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    name: EntryName,
    meta: Meta,
}

/// A tree that is complete and waits to be moved into place.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) root: Rc<OwnedFd>,
    pub(crate) folders: Folders,
    pub(crate) owners: Owners,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Tree {
    /// Fills the empty folder `root`; `as_root` gives files to the owners that the archive names.
    pub(crate) fn new(root: OwnedFd, max_bytes: u64, as_root: bool) -> Result<Self, UnpackError> {
        // What a created file is like (umask, default ACLs, set-gid folders, squashed owners) is found by
        // looking at one, once; afterwards only what differs costs a system call.
        let sample = || -> Result<_, Errno> {
            let file = rustix::fs::openat(&root, "sample", CREATE_FILE, mode(0o777))?;
            rustix::fs::unlinkat(&root, "sample", AtFlags::empty())?;
            rustix::fs::fstat(&file)
        };
        let sample =
            sample().map_err(UnpackError::os("create a file in", b"the staging folder"))?;
        Ok(Self {
            root: Rc::new(root),
            last: None,
            umask: 0o777 & !sample.st_mode,
            owners: Owners {
                wanted: as_root,
                born: (sample.st_uid, sample.st_gid),
                refused: false,
            },
            folders: Folders::new(),
            folder_name_bytes: 0,
            max_bytes,
            bytes: 0,
            entries: 0,
            special: 0,
            special_names: Vec::new(),
        })
    }

    /// Counts one entry of the archive.
    pub(crate) fn count_entry(&mut self) -> Result<(), UnpackError> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            Err(UnpackError::Archive(Refusal::TooMany(MOST_ENTRIES)))
        } else {
            Ok(())
        }
    }

    /// Refuses at once what could only fail later: an entry that says that it is larger than what is left.
    pub(crate) fn check_size(&self, size: u64) -> Result<(), UnpackError> {
        if size > self.max_bytes - self.bytes {
            return Err(UnpackError::Archive(Refusal::TooLarge(self.max_bytes)));
        }
        Ok(())
    }

    fn count_bytes(&mut self, bytes: u64) -> Result<(), UnpackError> {
        self.check_size(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    pub(crate) fn folder(&mut self, name: &EntryName, meta: Meta) -> Result<(), UnpackError> {
        let (parent, leaf) = self.parent(name)?;
        let new_mode = if meta.mode.is_some() { 0o700 } else { 0o777 };
        match rustix::fs::mkdirat(&*parent, leaf, mode(new_mode)) {
            Err(Errno::EXIST) => {
                let found =
                    kind_of(&parent, leaf).map_err(UnpackError::os("look at", name.as_bytes()))?;
                if found != FileType::Directory {
                    return Err(Refusal::KindConflict.of(name.as_bytes()));
                }
            }
            other => other.map_err(UnpackError::os("create the folder", name.as_bytes()))?,
        }
        self.note_special_bits(name, &meta);
        if self.folders.insert(name.as_bytes().to_vec(), meta).is_none() {
            self.folder_name_bytes += name.as_bytes().len();
            if self.folder_name_bytes > MOST_FOLDER_NAME_BYTES {
                return Err(UnpackError::Archive(Refusal::TooMany(self.entries)));
            }
        }
        Ok(())
    }

    /// Starts a regular file; a file or link of that name is replaced, as tar does.
    pub(crate) fn create(&mut self, name: EntryName, meta: Meta) -> Result<OpenFile, UnpackError> {
        self.note_special_bits(&name, &meta);
        let (parent, leaf) = self.parent(&name)?;
        let bits = meta.permissions().unwrap_or(0o666);
        let fd = replacing(&parent, leaf, &name, || {
            rustix::fs::openat(&*parent, leaf, CREATE_FILE, mode(bits))
        })?;
        Ok(OpenFile { file: File::from(fd), name, meta })
    }

    /// Appends to the file.
    pub(crate) fn write(&mut self, file: &mut OpenFile, data: &[u8]) -> Result<(), UnpackError> {
        self.count_bytes(data.len() as u64)?;
        file.file.write_all(data).map_err(|source| file.failed("write", source))
    }

    /// Makes the file `bytes` longer without writing: a hole of a sparse file.
    pub(crate) fn skip(&mut self, file: &mut OpenFile, bytes: u64) -> Result<(), UnpackError> {
        self.count_bytes(bytes)?;
        let end = file
            .file
            .stream_position()
            .and_then(|now| now.checked_add(bytes).ok_or(std::io::ErrorKind::FileTooLarge.into()))
            .and_then(|end| file.file.set_len(end).map(|()| end));
        let moved = end.and_then(|end| file.file.seek(SeekFrom::Start(end)));
        moved.map(|_| ()).map_err(|source| file.failed("write", source))
    }

    /// Ends the file: owner, mode and time.
    pub(crate) fn close(&mut self, file: &OpenFile) -> Result<(), UnpackError> {
        let failed = |errno: Errno| file.failed("set the attributes of", errno.into());
        self.owners.give(&file.file, file.meta.owner).map_err(failed)?;
        if let Some(bits) = file.meta.permissions().filter(|bits| bits & self.umask != 0) {
            rustix::fs::fchmod(&file.file, mode(bits)).map_err(failed)?;
        }
        file.meta.set_times(&file.file).map_err(failed)
    }

    /// Makes a symlink. It may point anywhere: nothing is ever written through it.
    pub(crate) fn symlink(
        &mut self,
        name: &EntryName,
        target: &[u8],
        meta: &Meta,
    ) -> Result<(), UnpackError> {
        check_symlink_target(target).map_err(|why| why.of(name.as_bytes()))?;
        let (parent, leaf) = self.parent(name)?;
        replacing(&parent, leaf, name, || rustix::fs::symlinkat(target, &*parent, leaf))?;
        self.owners
            .give_at(&*parent, leaf, meta.owner)
            .and_then(|()| meta.set_times_at(&*parent, leaf))
            .map_err(UnpackError::os("set the attributes of", name.as_bytes()))
    }

    /// Makes a hard link to a regular file that came before in the same archive.
    pub(crate) fn hard_link(
        &mut self,
        name: &EntryName,
        target: &EntryName,
    ) -> Result<(), UnpackError> {
        if name == target {
            return Ok(());
        }
        let missing = || Refusal::HardLinkMissing(shown(target.as_bytes())).of(name.as_bytes());
        let (folder, leaf) = target.split();
        let from = match self.walk(folder, target, false) {
            Err(UnpackError::Os { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                return Err(missing());
            }
            other => other?,
        };
        match kind_of(&from, leaf) {
            Ok(FileType::RegularFile) => {}
            Ok(_) => {
                return Err(Refusal::HardLinkToOther(shown(target.as_bytes())).of(name.as_bytes()));
            }
            Err(Errno::NOENT) => return Err(missing()),
            Err(errno) => return Err(UnpackError::os("look at", target.as_bytes())(errno)),
        }
        let (parent, new_leaf) = self.parent(name)?;
        replacing(&parent, new_leaf, name, || {
            rustix::fs::linkat(&*from, leaf, &*parent, new_leaf, AtFlags::empty())
        })
    }

    /// Gives the folders their attributes, which filling them would have changed, and ends the tree.
    pub(crate) fn finish(mut self) -> Result<Unpacked, UnpackError> {
        if self.special > 0 {
            tracing::warn!(
                count = self.special,
                names = self.special_names.join(", "),
                "set-uid, set-gid and sticky bits of the archive dropped"
            );
        }
        let folders = std::mem::take(&mut self.folders);
        for (path, meta) in folders.iter().rev() {
            let name = EntryName::parse(path).ok().flatten();
            let Some(name) = name else { continue };
            let (parent, leaf) = self.parent(&name)?;
            rustix::fs::openat(&*parent, leaf, CHANGE_FOLDER, mode(0))
                .and_then(|folder| set_folder(&folder, meta, &mut self.owners))
                .map_err(UnpackError::os("set the attributes of", path))?;
        }
        let Self { root, owners, entries, bytes, .. } = self;
        Ok(Unpacked { root, folders, owners, entries, bytes })
    }

    fn note_special_bits(&mut self, name: &EntryName, meta: &Meta) {
        if meta.has_special_bits() {
            self.special += 1;
            if self.special_names.len() < NAMES_SHOWN {
                self.special_names.push(shown(name.as_bytes()));
            }
        }
    }

    /// The folder that holds `name`, made if it is missing, and the name inside it.
    fn parent<'n>(&mut self, name: &'n EntryName) -> Result<(Rc<OwnedFd>, &'n [u8]), UnpackError> {
        let (folder, leaf) = name.split();
        Ok((self.walk(folder, name, true)?, leaf))
    }

    fn walk(
        &mut self,
        folder: &[u8],
        entry: &EntryName,
        make: bool,
    ) -> Result<Rc<OwnedFd>, UnpackError> {
        if folder.is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        let (mut at, rest) = match &self.last {
            Some((path, fd)) if path == folder => return Ok(Rc::clone(fd)),
            Some((path, fd)) => {
                match folder.strip_prefix(path.as_slice()).and_then(|rest| rest.strip_prefix(b"/"))
                {
                    Some(rest) => (Rc::clone(fd), rest),
                    None => (Rc::clone(&self.root), folder),
                }
            }
            None => (Rc::clone(&self.root), folder),
        };
        for part in rest.split(|byte| *byte == b'/') {
            at = Rc::new(enter(&at, part, entry, make)?);
        }
        self.last = Some((folder.to_vec(), Rc::clone(&at)));
        Ok(at)
    }
}

impl OpenFile {
    fn failed(&self, action: &'static str, source: std::io::Error) -> UnpackError {
        UnpackError::Os { action, path: shown(self.name.as_bytes()), source }
    }
}

/// Opens the folder `part` of `parent`, making it if it is missing and `make` says so.
fn enter(
    parent: &OwnedFd,
    part: &[u8],
    entry: &EntryName,
    make: bool,
) -> Result<OwnedFd, UnpackError> {
    let open = || rustix::fs::openat(parent, part, OPEN_FOLDER, mode(0));
    let opened = match open() {
        Err(Errno::NOENT) if make => {
            rustix::fs::mkdirat(parent, part, mode(0o777)).and_then(|()| open())
        }
        other => other,
    };
    match opened {
        Err(Errno::NOTDIR | Errno::LOOP) => Err(match kind_of(parent, part) {
            Ok(FileType::Symlink) => Refusal::ThroughSymlink(shown(part)).of(entry.as_bytes()),
            _ => Refusal::ThroughFile(shown(part)).of(entry.as_bytes()),
        }),
        other => other.map_err(UnpackError::os("open the folder of", entry.as_bytes())),
    }
}

/// Runs `make`; where something of that name is there already, removes it first, unless it is a folder.
fn replacing<T>(
    parent: &OwnedFd,
    leaf: &[u8],
    name: &EntryName,
    make: impl Fn() -> Result<T, Errno>,
) -> Result<T, UnpackError> {
    let answer = match make() {
        Err(Errno::EXIST) => {
            if kind_of(parent, leaf) == Ok(FileType::Directory) {
                return Err(Refusal::KindConflict.of(name.as_bytes()));
            }
            // Not truncated: an earlier entry may be linked to the same file and must keep its content.
            rustix::fs::unlinkat(parent, leaf, AtFlags::empty()).and_then(|()| make())
        }
        other => other,
    };
    answer.map_err(UnpackError::os("create", name.as_bytes()))
}

/// What `leaf` is, itself: a symlink is a symlink.
pub(crate) fn kind_of(parent: impl AsFd, leaf: &[u8]) -> Result<FileType, Errno> {
    let stat = rustix::fs::statat(parent, leaf, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

/// Attributes of a folder in the staging tree, except that we keep all rights of our own until it is in place.
fn set_folder(folder: &OwnedFd, meta: &Meta, owners: &mut Owners) -> Result<(), Errno> {
    owners.give(folder, meta.owner)?;
    if let Some(bits) = meta.permissions() {
        rustix::fs::fchmod(folder, mode(bits | 0o700))?;
    }
    meta.set_times(folder)
}

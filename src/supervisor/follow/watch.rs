//! Which folders are watched, and what their events mean.
//!
//! Folders are watched, never files: one watch serves a thousand logs. Where inotify is refused the same questions are answered by
//! looking.

use super::disk::{Disk, is_absence};
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use rustix::fd::{AsFd, BorrowedFd};
use std::{
    collections::{BTreeMap, HashMap},
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Room for a few hundred events.
const BUFFER: usize = 32 << 10;

/// At most this many buffers are emptied before what they say is looked at.
const MOST_READS: usize = 64;

/// Why a folder is watched; one folder may have several reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// Something of this name leads to a root.
    Awaits(OsString),
    /// Day folders appear in it.
    Root,
    /// Logs, whose label this is, are written in it.
    Day(Arc<str>),
}

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Folders came or went, or events were lost: everything must be looked at.
    pub(super) is_survey_due: bool,
    /// A name has come that was not there before.
    pub(super) has_new_name: bool,
    /// Names in day folders, with their label.
    pub(super) names: BTreeMap<PathBuf, Arc<str>>,
}

/// The watched folders.
pub(super) enum Watcher {
    Inotify { inotify: Inotify, folders: HashMap<WatchDescriptor, Folder>, buffer: Vec<u8> },
    Polling,
}

/// A watched folder.
pub(super) struct Folder {
    path: PathBuf,
    reasons: Vec<Reason>,
    /// Named again by the survey that goes on.
    is_current: bool,
}

impl Watcher {
    /// Fails where inotify is refused.
    pub(super) fn inotify() -> io::Result<Self> {
        let inotify = Inotify::init()?;
        Ok(Self::Inotify { inotify, folders: HashMap::new(), buffer: vec![0; BUFFER] })
    }

    pub(super) fn is_polling(&self) -> bool {
        matches!(self, Self::Polling)
    }

    /// What poll(2) should wait for.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Inotify { inotify, .. } => Some(inotify.as_fd()),
            Self::Polling => None,
        }
    }

    /// Begins a survey: folders that it does not name are no longer watched after [`end`](Self::end).
    pub(super) fn begin(&mut self) {
        if let Self::Inotify { folders, .. } = self {
            for folder in folders.values_mut() {
                folder.is_current = false;
                folder.reasons.clear();
            }
        }
    }

    /// Watches a folder from here on; false if there is none. An error means that it cannot be watched.
    pub(super) fn watch(&mut self, path: &Path, reason: Reason, disk: &Disk) -> io::Result<bool> {
        let Self::Inotify { inotify, folders, .. } = self else {
            // What cannot be looked at now is looked at again in a second.
            return Ok(disk.is_folder(path).unwrap_or(false));
        };
        let mask = WatchMask::ATTRIB
            | WatchMask::CREATE
            | WatchMask::MODIFY
            | WatchMask::MOVE
            | WatchMask::DELETE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        match disk.during(path, || inotify.watches().add(path, mask)) {
            Ok(descriptor) => {
                let folder = folders.entry(descriptor).or_insert_with(|| Folder {
                    path: path.to_owned(),
                    reasons: Vec::new(),
                    is_current: true,
                });
                folder.is_current = true;
                path.clone_into(&mut folder.path);
                folder.reasons.push(reason);
                Ok(true)
            }
            Err(error) if is_absence(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends a survey.
    pub(super) fn end(&mut self) {
        if let Self::Inotify { inotify, folders, .. } = self {
            folders.retain(|descriptor, folder| {
                if !folder.is_current {
                    // It fails where the folder is gone, and its watch with it.
                    let _ = inotify.watches().remove(descriptor.clone());
                }
                folder.is_current
            });
        }
    }

    /// Takes what has happened since the last call; never waits.
    pub(super) fn events(&mut self) -> Events {
        let mut events = Events::default();
        let Self::Inotify { inotify, folders, buffer } = self else { return events };
        for _ in 0..MOST_READS {
            match inotify.read_events(buffer) {
                Ok(read) => {
                    for event in read {
                        let folder = folders.get(&event.wd);
                        note(&mut events, folder, event.mask, event.name);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nothing more, or nothing sensible: what was heard is looked at.
                Err(error) => {
                    events.is_survey_due |= error.kind() != io::ErrorKind::WouldBlock;
                    break;
                }
            }
        }
        events
    }
}

fn note(events: &mut Events, folder: Option<&Folder>, mask: EventMask, name: Option<&OsStr>) {
    if mask.contains(EventMask::Q_OVERFLOW) {
        events.is_survey_due = true;
        return;
    }
    // An event of a watch that was given up.
    let Some(folder) = folder else { return };
    let about_itself =
        EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::IGNORED | EventMask::UNMOUNT;
    if mask.intersects(about_itself) {
        events.is_survey_due = true;
    }
    let Some(name) = name else {
        // Its own permissions, for example.
        events.is_survey_due |= mask.contains(EventMask::ATTRIB);
        return;
    };
    let is_folder = mask.contains(EventMask::ISDIR);
    for reason in &folder.reasons {
        match reason {
            // Not necessarily a folder: it may be a link to one.
            Reason::Awaits(awaited) => events.is_survey_due |= awaited == name,
            Reason::Root => events.is_survey_due |= is_folder,
            Reason::Day(label) => {
                if !is_folder {
                    events.has_new_name |= mask.intersects(EventMask::CREATE | EventMask::MOVED_TO);
                    events.names.insert(folder.path.join(name), Arc::clone(label));
                }
            }
        }
    }
}

//! All followed files, and the one routine that decides what a name that was heard of means.

use super::{
    Notice, Settings,
    disk::{Born, FileId, Seen, is_log},
    file::{Followed, Place, Reader, Start, Turn},
};
use crate::log::Output;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Descriptors kept open; the longest unused one is closed first. A file that is written to seldom is opened for each look.
const MOST_OPEN: usize = 32;

/// How many files that ended are remembered.
const MOST_ENDED: usize = 4096;

/// A name that is worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) path: PathBuf,
    /// Whose root it is below.
    pub(super) label: Arc<str>,
    pub(super) start: Start,
}

/// The followed files.
pub(super) struct Files {
    by_id: HashMap<FileId, Followed>,
    names: HashMap<PathBuf, FileId>,
    /// By the name it had: a file that goes on under a name that is no log's, until its successor appears.
    renamed: HashMap<PathBuf, FileId>,
    queue: VecDeque<FileId>,
    /// Files that ended, and how far they were read: a move that we saw half of must not show them again.
    ended: VecDeque<(FileId, Born, Place)>,
    /// Files with an open descriptor, the longest unused first.
    open: VecDeque<FileId>,
    output: Output,
    troubles: Troubles,
}

/// What cannot be read, said once for each path.
pub(super) struct Troubles {
    known: HashSet<PathBuf>,
    is_retry_due: bool,
    notify: Arc<dyn Fn(Notice) + Send + Sync>,
}

impl Troubles {
    /// `result`'s value, if it is one; an error is said once for each `path`.
    pub(super) fn check<T>(&mut self, path: &Path, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => {
                self.known.remove(path);
                Some(value)
            }
            Err(error) => {
                // A change of permissions is heard of; everything else may heal unheard.
                self.is_retry_due |= error.kind() != io::ErrorKind::PermissionDenied;
                if self.known.insert(path.to_owned()) {
                    (self.notify)(Notice::Unreadable {
                        path: path.to_owned(),
                        error: error.to_string(),
                    });
                }
                None
            }
        }
    }

    /// Whether there is none left.
    pub(super) fn are_over(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether something failed since the last call that may work later.
    pub(super) fn take_retry(&mut self) -> bool {
        std::mem::take(&mut self.is_retry_due)
    }
}

type Sight = (Hint, Option<Seen>);

impl Files {
    pub(super) fn new(settings: &Settings) -> Self {
        let troubles = Troubles {
            known: HashSet::new(),
            is_retry_due: false,
            notify: Arc::clone(&settings.notify),
        };
        Self {
            by_id: HashMap::new(),
            names: HashMap::new(),
            renamed: HashMap::new(),
            queue: VecDeque::new(),
            ended: VecDeque::new(),
            open: VecDeque::new(),
            output: settings.output.clone(),
            troubles,
        }
    }

    pub(super) fn troubles(&mut self) -> &mut Troubles {
        &mut self.troubles
    }

    /// Whether a name is one of ours, or should become one.
    pub(super) fn is_of_interest(&self, path: &Path) -> bool {
        is_log(path) || self.names.contains_key(path)
    }

    /// Every followed name that is not among `found`, which names all that is there: its file is gone.
    pub(super) fn missing_from(&self, found: &[Hint]) -> Vec<Hint> {
        let found: HashSet<&Path> = found.iter().map(|hint| hint.path.as_path()).collect();
        let missing = self.names.iter().filter(|(path, _)| !found.contains(path.as_path()));
        missing
            .filter_map(|(path, id)| {
                let label = Arc::clone(&self.by_id.get(id)?.label);
                Some(Hint { path: path.clone(), label, start: Start::Beginning })
            })
            .collect()
    }

    /// Whether a file waits for its turn to be read.
    pub(super) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Looks at names and does what follows: takes up new files, recognises renamed ones, finishes those that are gone or were
    /// replaced, and queues all others for reading. Looking twice changes nothing.
    pub(super) fn settle(&mut self, hints: Vec<Hint>, reader: &mut Reader<'_>) {
        let sights: Vec<Sight> = hints
            .into_iter()
            .filter_map(|hint| {
                let seen = reader.disk.look(&hint.path);
                let seen = self.troubles.check(&hint.path, seen)?;
                Some((hint, seen.filter(Seen::is_file)))
            })
            .collect();
        // In this order: a file that moved must be known under its new name before its old one is found empty, and what
        // a replaced file still holds comes before its successor's first line.
        let mut displaced = self.recognise(&sights);
        displaced.extend(self.miss(&sights));
        for (id, path, has_successor) in displaced {
            self.let_go(id, &path, has_successor, reader);
        }
        for (hint, seen) in sights {
            if let Some(seen) = seen {
                self.take_up(hint, seen, reader);
            }
        }
    }

    /// Gives the next waiting file its turn.
    pub(super) fn read_next(&mut self, reader: &mut Reader<'_>) {
        let Some(id) = self.queue.pop_front() else { return };
        let Some(file) = self.by_id.get_mut(&id) else { return };
        file.is_queued = false;
        let result = file.read(reader);
        let path = file.path.clone();
        self.note_use(id);
        if self.troubles.check(&path, result) == Some(Turn::More) {
            self.enqueue(id);
        }
    }

    /// Reads everything to its end, as long as the deadline allows.
    pub(super) fn finish(&mut self, reader: &mut Reader<'_>) {
        let mut files: Vec<Followed> = self.by_id.drain().map(|(_, file)| file).collect();
        files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        for file in files {
            file.finish(reader);
        }
    }

    /// Files found under another name than the one they had keep their place. Returns those whose name they took.
    fn recognise(&mut self, sights: &[Sight]) -> Vec<(FileId, PathBuf, bool)> {
        let now: HashMap<&Path, FileId> = sights
            .iter()
            .filter_map(|(hint, seen)| Some((hint.path.as_path(), seen.as_ref()?.id)))
            .collect();
        let mut displaced = Vec::new();
        for (hint, seen) in sights {
            let Some(seen) = seen else { continue };
            let Some(file) = self.by_id.get(&seen.id) else { continue };
            // A second link to a file that still has its first name is not a new name.
            let has_moved =
                file.path != hint.path && now.get(file.path.as_path()) != Some(&seen.id);
            if has_moved && !file.born.differs_from(seen.born) && self.is_of_interest(&hint.path) {
                displaced.extend(self.rename(seen.id, &hint.path));
            }
        }
        displaced
    }

    /// Names whose file is no longer there.
    fn miss(&mut self, sights: &[Sight]) -> Vec<(FileId, PathBuf, bool)> {
        let mut missed = Vec::new();
        for (hint, seen) in sights {
            let Some(&id) = self.names.get(&hint.path) else { continue };
            let is_there = seen.as_ref().is_some_and(|seen| {
                let is_other =
                    self.by_id.get(&id).is_none_or(|file| file.born.differs_from(seen.born));
                seen.id == id && !is_other
            });
            if !is_there {
                self.names.remove(&hint.path);
                missed.push((id, hint.path.clone(), seen.is_some()));
            }
        }
        missed
    }

    /// A file lost the name `path`: it goes on under another one in its folder, or ends.
    fn let_go(&mut self, id: FileId, path: &Path, has_successor: bool, reader: &mut Reader<'_>) {
        if self.by_id.get(&id).is_none_or(|file| file.path != path) {
            return;
        }
        let born = self.by_id.get(&id).map(|file| file.born);
        let found = path
            .parent()
            .zip(born)
            .and_then(|(folder, born)| reader.disk.name_of((id, born), folder));
        let found = found.filter(|found| found != path);
        let Some(found) = found else { return self.finish_one(id, reader) };
        let (goes_on, is_log) = (!has_successor, is_log(&found));
        if let Some((other, name, _)) = self.rename(id, &found) {
            self.let_go(other, &name, true, reader);
        }
        if is_log {
            self.enqueue(id);
        } else if goes_on {
            if let Some(earlier) = self.renamed.insert(path.to_owned(), id) {
                self.finish_one(earlier, reader);
            }
            self.enqueue(id);
        } else {
            self.finish_one(id, reader);
        }
    }

    fn take_up(&mut self, hint: Hint, seen: Seen, reader: &mut Reader<'_>) {
        if !self.by_id.contains_key(&seen.id) {
            if !is_log(&hint.path) {
                return;
            }
            if let Some(predecessor) = self.renamed.remove(&hint.path) {
                self.finish_one(predecessor, reader);
            }
            tracing::debug!(path = %hint.path.display(), "log file found");
            let stream = self.output.stream(&hint.label).without_tail();
            let mut file = Followed::new(&hint, &seen, stream);
            let known = |(id, born, _): &(FileId, Born, Place)| {
                *id == seen.id && !born.differs_from(seen.born)
            };
            if let Some((_, _, place)) =
                self.ended.iter().position(known).and_then(|at| self.ended.remove(at))
            {
                file.resume(place);
            }
            self.by_id.insert(seen.id, file);
            self.names.insert(hint.path, seen.id);
        }
        if let Some(file) = self.by_id.get_mut(&seen.id)
            && file.stamp.replace(seen.stamp) != Some(seen.stamp)
        {
            self.enqueue(seen.id);
        }
    }

    /// Moves a file to another name. Returns the file that had that name.
    fn rename(&mut self, id: FileId, path: &Path) -> Option<(FileId, PathBuf, bool)> {
        let file = self.by_id.get_mut(&id)?;
        let old = std::mem::replace(&mut file.path, path.to_owned());
        if self.names.get(&old) == Some(&id) {
            self.names.remove(&old);
        }
        let other = self.names.insert(path.to_owned(), id).filter(|other| *other != id)?;
        Some((other, path.to_owned(), true))
    }

    /// Shows what is left of a file and forgets it.
    fn finish_one(&mut self, id: FileId, reader: &mut Reader<'_>) {
        let Some(file) = self.by_id.remove(&id) else { return };
        self.troubles.known.remove(&file.path);
        tracing::debug!(path = %file.path.display(), "log file ended");
        if self.names.get(&file.path) == Some(&id) {
            self.names.remove(&file.path);
        }
        let born = file.born;
        let place = file.finish(reader);
        if !place.is_beginning() {
            self.ended.truncate(MOST_ENDED - 1);
            self.ended.push_front((id, born, place));
        }
        self.renamed.retain(|_, other| *other != id);
        self.open.retain(|other| *other != id);
    }

    fn enqueue(&mut self, id: FileId) {
        if let Some(file) = self.by_id.get_mut(&id)
            && !std::mem::replace(&mut file.is_queued, true)
        {
            self.queue.push_back(id);
        }
    }

    /// Keeps the number of open descriptors small.
    fn note_use(&mut self, id: FileId) {
        self.open.retain(|other| *other != id);
        if self.by_id.get(&id).is_some_and(Followed::is_open) {
            self.open.push_back(id);
        }
        if self.open.len() > MOST_OPEN
            && let Some(unused) = self.open.pop_front()
            && let Some(file) = self.by_id.get_mut(&unused)
        {
            file.close();
        }
    }
}

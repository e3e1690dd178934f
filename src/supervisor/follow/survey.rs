//! Looking at everything: the way down to each root, its day folders, their logs.
//!
//! Each folder is watched before it is read, so whatever appears in between is heard of.

use super::{
    Settings,
    disk::{Born, Disk, FileId, Seen, day_of, is_log},
    file::Start,
    files::{Hint, Troubles},
    watch::{Reason, Watcher},
};
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A root, and which of its day folders are not ours.
pub(super) struct KnownRoot {
    path: PathBuf,
    label: Arc<str>,
    /// Folders on the way to it, from the base on, each with the name that is looked for in it.
    way: Vec<(PathBuf, OsString)>,
    /// It was looked at before, so what appears from now on is new.
    is_decided: bool,
    /// Day folders that were there before us, but for the newest.
    passed_over: Vec<(FileId, Born)>,
}

/// One look at everything.
pub(super) struct Survey<'a> {
    pub(super) disk: &'a Disk,
    pub(super) watcher: &'a mut Watcher,
    pub(super) troubles: &'a mut Troubles,
    /// What was found.
    pub(super) hints: Vec<Hint>,
}

impl KnownRoot {
    pub(super) fn all(settings: &Settings) -> Vec<Self> {
        let known = |root: &super::Root| Self {
            path: root.path.clone(),
            label: Arc::from(root.label.as_str()),
            way: way(&settings.base, &root.path),
            is_decided: false,
            passed_over: Vec::new(),
        };
        settings.roots.iter().map(known).collect()
    }
}

impl Survey<'_> {
    /// Looks at everything; an error means that the folders cannot be watched.
    pub(super) fn run(&mut self, roots: &mut [KnownRoot]) -> io::Result<()> {
        self.watcher.begin();
        for root in roots {
            self.look_at_root(root)?;
        }
        self.watcher.end();
        Ok(())
    }

    fn look_at_root(&mut self, root: &mut KnownRoot) -> io::Result<()> {
        if !self.go_down(&root.way)? || !self.watcher.watch(&root.path, Reason::Root, self.disk)? {
            root.is_decided = true;
            return Ok(());
        }
        let Some(days) = self.day_folders(root) else { return Ok(()) };
        let start = if root.is_decided { Start::Beginning } else { Start::LastLines };
        if !root.is_decided {
            let newest = days.iter().map(|day| &day.digits).max();
            root.passed_over = days
                .iter()
                .filter(|day| Some(&day.digits) != newest)
                .map(|day| (day.id, day.born))
                .collect();
            root.is_decided = true;
        }
        let is_passed_over = |day: &Day| {
            root.passed_over.iter().any(|(id, born)| *id == day.id && !born.differs_from(day.born))
        };
        let (passed_over, ours): (Vec<Day>, Vec<Day>) = days.into_iter().partition(is_passed_over);
        // Only those that still exist: an inode's number is used again.
        root.passed_over = passed_over.into_iter().map(|day| (day.id, day.born)).collect();
        for day in ours {
            self.look_at_day(&day.path, root, start)?;
        }
        Ok(())
    }

    /// Watches what leads to a root; false if it ends before it.
    fn go_down(&mut self, way: &[(PathBuf, OsString)]) -> io::Result<bool> {
        let Some((base, _)) = way.first() else { return Ok(true) };
        if !self.watch_step(&way[0])? {
            // Before the base exists, the nearest folder above it tells when it may.
            self.watch_above(base)?;
            if !self.watch_step(&way[0])? {
                return Ok(false);
            }
        }
        for step in &way[1..] {
            if !self.watch_step(step)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Watches the folders above `base`, from the nearest that exists down to the last that does.
    fn watch_above(&mut self, base: &Path) -> io::Result<()> {
        let steps: Vec<_> = steps_to(base).collect();
        let mut found = steps.len();
        for (at, step) in steps.iter().enumerate() {
            if self.watch_step(step)? {
                found = at;
                break;
            }
        }
        // What has appeared since it was missed.
        for step in steps[..found].iter().rev() {
            if !self.watch_step(step)? {
                break;
            }
        }
        Ok(())
    }

    fn watch_step(&mut self, (folder, name): &(PathBuf, OsString)) -> io::Result<bool> {
        self.watcher.watch(folder, Reason::Awaits(name.clone()), self.disk)
    }

    fn day_folders(&mut self, root: &KnownRoot) -> Option<Vec<Day>> {
        let names = self.disk.names_in(&root.path);
        let names = self.troubles.check(&root.path, names)?.unwrap_or_default();
        let mut days = Vec::new();
        for name in names {
            let Some(digits) = day_of(&name) else { continue };
            let path = root.path.join(name);
            let seen = self.disk.look(&path);
            if let Some(seen) = self.troubles.check(&path, seen)?.filter(Seen::is_folder) {
                days.push(Day { path, digits, id: seen.id, born: seen.born });
            }
        }
        Some(days)
    }

    fn look_at_day(&mut self, day: &Path, root: &KnownRoot, start: Start) -> io::Result<()> {
        if !self.watcher.watch(day, Reason::Day(Arc::clone(&root.label)), self.disk)? {
            return Ok(());
        }
        let names = self.disk.names_in(day);
        for name in self.troubles.check(day, names).flatten().unwrap_or_default() {
            let path = day.join(name);
            if is_log(&path) {
                self.hints.push(Hint { path, label: Arc::clone(&root.label), start });
            }
        }
        Ok(())
    }
}

struct Day {
    path: PathBuf,
    digits: Vec<u8>,
    id: FileId,
    born: Born,
}

/// The folders from `base` to just above `root`, each with the next name. A root that is not below `base` has only its parent.
fn way(base: &Path, root: &Path) -> Vec<(PathBuf, OsString)> {
    let is_below = root.starts_with(base);
    let mut way: Vec<_> = steps_to(root)
        .enumerate()
        .take_while(|(at, (folder, _))| if is_below { folder.starts_with(base) } else { *at == 0 })
        .map(|(_, step)| step)
        .collect();
    way.reverse();
    way
}

/// Each folder above `path`, the nearest first, with the name that leads on to `path`.
fn steps_to(path: &Path) -> impl Iterator<Item = (PathBuf, OsString)> {
    path.ancestors()
        .filter_map(|path| Some((path.parent()?.to_owned(), path.file_name()?.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_root_begins_at_the_base() {
        let steps = |base: &str, root: &str| -> Vec<String> {
            way(Path::new(base), Path::new(root))
                .into_iter()
                .map(|(folder, name)| format!("{} {}", folder.display(), name.display()))
                .collect()
        };
        assert_eq!(steps("/l", "/l/agent/h/logs"), ["/l agent", "/l/agent h", "/l/agent/h logs"]);
        assert_eq!(steps("/l", "/other/logs"), ["/other logs"]);
        assert_eq!(steps("/l/logs", "/l/logs"), Vec::<String>::new());
    }
}

//! The hidden folder inside the target where an archive is unpacked before anything is moved.
//!
//! Its name holds the pod's name, because several pods may share the target: each removes the leftovers of
//! its own earlier lives (a SIGKILL leaves one), and never touches another's. The part after the pod's name
//! has a fixed length and no dot, so pod `a` does not take the folder of pod `a.b` for its own.

use super::error::UnpackError;
use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, OpenOptionsExt},
        },
    },
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const PREFIX: &str = ".jjobs-init-staging.";
/// Letters and digits after the pod's name.
const RANDOM: usize = 16;
/// A longer pod name would make the folder's name too long for the file system.
const LONGEST_HOST: usize = 200;
const ARCHIVE: &str = "archive";
const TREE: &str = "tree";

/// A staging folder. Dropping it removes it with all that is in it.
#[derive(Debug)]
pub(crate) struct Staging {
    target: PathBuf,
    folder: Option<TempDir>,
    /// Folders that did not exist before us, outermost first; removed again if nothing came into them.
    made: Vec<PathBuf>,
}

impl Staging {
    /// Makes the target folder if needed, removes what earlier lives of `hostname` left in it, and makes a new
    /// staging folder.
    pub(crate) fn open(target: &Path, hostname: &str) -> Result<Self, UnpackError> {
        let made = make_folder(target)?;
        let prefix = prefix(hostname);
        remove_leftovers(target, &prefix);
        let mut staging = Self { target: target.to_owned(), folder: None, made };
        let folder = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(RANDOM)
            .tempdir_in(target)
            .map_err(|source| failed("create a staging folder in", target, source))?;
        staging.folder = Some(folder);
        Ok(staging)
    }

    fn path(&self) -> &Path {
        self.folder.as_ref().map_or(self.target.as_path(), TempDir::path)
    }

    /// The target folder, opened. It is the operator's word, so it may be a symlink to a folder.
    pub(crate) fn target(&self) -> Result<OwnedFd, UnpackError> {
        File::open(&self.target)
            .map(OwnedFd::from)
            .map_err(|source| failed("open", &self.target, source))
    }

    /// A new, empty tree for the entries; what an earlier try left there is removed.
    pub(crate) fn tree(&self) -> Result<OwnedFd, UnpackError> {
        let path = self.path().join(TREE);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("empty", &path, error));
            }
            _ => {}
        }
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .and_then(|()| File::open(&path))
            .map(OwnedFd::from)
            .map_err(|source| failed("create", &path, source))
    }

    /// A new, empty file for the bytes as they were downloaded.
    pub(crate) fn file(&self) -> Result<File, UnpackError> {
        let path = self.path().join(ARCHIVE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &path, error));
            }
            _ => {}
        }
        // 0644 whatever it was: the file is for other users' programs too. The umask is honoured.
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&path)
            .map_err(|source| failed("create", &path, source))
    }

    /// Removes the file's bytes, so that an unpacked archive is gone before its entries are moved.
    pub(crate) fn drop_file(&self) -> Result<(), UnpackError> {
        let path = self.path().join(ARCHIVE);
        std::fs::remove_file(&path).map_err(|source| failed("remove", &path, source))
    }

    /// Moves the file to `name` in the target, replacing what is there.
    pub(crate) fn keep_file(&mut self, name: &str) -> Result<(), UnpackError> {
        let place = self.target.join(name);
        std::fs::rename(self.path().join(ARCHIVE), &place)
            .map_err(|source| failed("write", &place, source))?;
        self.made.clear();
        Ok(())
    }

    /// Says that entries were moved into the target: it stays even if it was made by us.
    pub(crate) fn keep_target(&mut self) {
        self.made.clear();
    }

    /// Removes the staging folder, reporting what [`Drop`] would only log.
    pub(crate) fn close(mut self) {
        self.remove();
    }

    fn remove(&mut self) {
        if let Some(folder) = self.folder.take() {
            let path = folder.path().to_owned();
            if let Err(error) = folder.close() {
                tracing::warn!(path = %path.display(), error = %error, "cannot remove the staging folder");
            }
        }
        for folder in self.made.drain(..).rev() {
            // Not empty means that somebody else uses it by now.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What the names of this pod's staging folders start with.
fn prefix(hostname: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let host: String = hostname.chars().map(plain).take(LONGEST_HOST).collect();
    format!("{PREFIX}{host}.")
}

fn is_leftover(name: &[u8], prefix: &str) -> bool {
    name.strip_prefix(prefix.as_bytes())
        .is_some_and(|rest| rest.len() == RANDOM && rest.iter().all(u8::is_ascii_alphanumeric))
}

/// Leftovers cost room and nothing else, so trouble with one is no reason to fail.
fn remove_leftovers(target: &Path, prefix: &str) {
    let Ok(entries) = std::fs::read_dir(target) else { return };
    for entry in entries.flatten().filter(|entry| is_leftover(entry.file_name().as_bytes(), prefix))
    {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed =
            if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match removed {
            Ok(()) => tracing::info!(path = %path.display(), "leftover of an earlier life removed"),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = %error, "cannot remove a leftover of an earlier life");
            }
        }
    }
}

/// `mkdir -p`, telling which folders are new, outermost first.
fn make_folder(target: &Path) -> Result<Vec<PathBuf>, UnpackError> {
    let missing: Vec<PathBuf> =
        target.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
    std::fs::create_dir_all(target)
        .map_err(|source| failed("create the folder", target, source))?;
    Ok(missing.into_iter().rev().collect())
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> UnpackError {
    UnpackError::Os { action, path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::*;

    #[test]
    fn only_the_own_pods_leftovers_are_removed() {
        let target = tempfile::tempdir().unwrap();
        let others = [
            ".jjobs-init-staging.a-1.0123456789abcdef",
            ".jjobs-init-staging.a.b.0123456789abcdef",
            ".jjobs-init-staging.a.0123456789abcdef.0123456789abcdef",
            ".jjobs-init-staging.a.short",
            "file",
        ];
        for name in others.iter().chain(&[".jjobs-init-staging.a.0123456789abcdef"]) {
            std::fs::create_dir_all(target.path().join(name).join("tree")).unwrap();
        }
        Staging::open(target.path(), "a").unwrap().close();
        for name in others {
            assert!(target.path().join(name).exists(), "{name}");
        }
        assert!(!target.path().join(".jjobs-init-staging.a.0123456789abcdef").exists());
    }

    #[test]
    fn a_target_that_was_made_for_nothing_is_removed_again() {
        let base = tempfile::tempdir().unwrap();
        let target = base.path().join("x/y/z");
        drop(Staging::open(&target, "a").unwrap());
        assert!(!base.path().join("x").exists());

        let mut staging = Staging::open(&target, "a").unwrap();
        staging.file().unwrap();
        staging.keep_file("kept").unwrap();
        drop(staging);
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 1);
    }

    #[test]
    fn a_long_or_odd_pod_name_still_makes_a_folder() {
        let base = tempfile::tempdir().unwrap();
        for host in ["x".repeat(1000), "../../a/b".to_owned(), String::new()] {
            Staging::open(base.path(), &host).unwrap().close();
        }
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }
}

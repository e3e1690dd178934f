//! Replacing a file's content so that whoever looks, also after `kill -9`, sees the old or the new one.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

/// Replaces the content of the existing file at `path`, keeping its mode and, where we may, its owner.
///
/// A symbolic link stays one: the file it leads to is replaced. Not synced to disk: a container's file system does
/// not outlive a crash of its machine.
///
/// # Errors
/// The file cannot be found, or its folder does not take a new file. The old content is then untouched.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path)?;
    let old = fs::metadata(&target)?;
    if !old.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let temporary = beside(&target)?;
    let mut file = create(&temporary, 0o600)?;
    let written = (|| {
        file.write_all(content)?;
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid())
            && let Err(error) = fchown(&file, Some(old.uid()), Some(old.gid()))
        {
            // Only root may give files away; without root the content matters more than the owner.
            tracing::debug!(path = %target.display(), %error, "file owner not kept");
        }
        // After the owner: changing that clears set-id bits.
        file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        fs::rename(&temporary, &target)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes a file of our own, new or not, in one go.
///
/// # Errors
/// Its folder does not take a new file.
pub(crate) fn put(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let temporary = beside(path)?;
    let mut file = create(&temporary, mode)?;
    let written = file.write_all(content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A hidden name in the same folder. Always the same one, so that what a killed run left is overwritten, not piled up.
pub(crate) fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".jjobs-init");
    Ok(path.with_file_name(hidden))
}

/// A new file: never one that somebody put there before us.
fn create(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn mode_and_links_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("real/start.sh");
        fs::create_dir(folder.path().join("real")).unwrap();
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o751)).unwrap();
        let link = folder.path().join("start.sh");
        symlink("real/start.sh", &link).unwrap();

        replace(&link, b"new").unwrap();

        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o751);
        assert_eq!(fs::read_dir(folder.path().join("real")).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.xml");
        fs::write(&file, "old").unwrap();
        // A folder where the temporary file should go: refused for root, too.
        fs::create_dir_all(beside(&file).unwrap().join("taken")).unwrap();

        assert!(replace(&file, b"new").is_err());

        assert_eq!(fs::read(&file).unwrap(), b"old");
    }

    #[test]
    fn what_a_killed_run_left_does_not_stand_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.xml");
        fs::write(&file, "old").unwrap();
        symlink("/dev/full", beside(&file).unwrap()).unwrap();

        replace(&file, b"new").unwrap();

        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(!beside(&file).unwrap().is_symlink());
    }
}

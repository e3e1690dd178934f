//! The folder for what PID 1 needs while it lives (socket, pipes): never kept, never shared.

use rustix::process::geteuid;
use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

const MODE: u32 = 0o700;
const RUN: &str = "/run/jjobs-init";
const TMP: &str = "/tmp";
const PREFIX: &str = "jjobs-init-";
/// There is one PID 1; `/tmp` is everybody's, and nobody may keep a probe busy there.
const MOST_OTHERS: usize = 16;

/// Makes the first of these that can be had: `given` (`JJOBS_INIT_RUN_DIR`) alone if it is given, else
/// `/run/jjobs-init`, else `/tmp/jjobs-init-<uid>` (a read-only root, or not root).
///
/// # Errors
/// Why the last one cannot be had: another owner, a symlink or a file in its place, a read-only file system.
pub fn make(given: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(given) = given {
        return claim(given).map(|()| given.to_owned());
    }
    let run = PathBuf::from(RUN);
    if claim(&run).is_ok() {
        return Ok(run);
    }
    let tmp = in_tmp(geteuid().as_raw());
    claim(&tmp).map(|()| tmp)
}

/// Where a client may find the run folder of its PID 1, best guess first: `given` alone if it is given. PID 1 may run as
/// another user than an operator's shell, and one that could not have `/run` made a folder of its own uid. Nothing is
/// looked up before it is asked for; folders that others could have made up are left out.
pub fn candidates(given: Option<&Path>) -> impl Iterator<Item = PathBuf> {
    let own = geteuid();
    let usual = match given {
        Some(given) => vec![given.to_owned()],
        None => vec![PathBuf::from(RUN), in_tmp(own.as_raw())],
    };
    // Root's probe beside a PID 1 without privileges. Nobody else could open such a folder.
    let others = (given.is_none() && own.is_root())
        .then(|| std::iter::once_with(|| others_in(Path::new(TMP))).flatten());
    usual.into_iter().chain(others.into_iter().flatten())
}

/// Whether `folder` can be what [`make`] made, for a client: a folder of root's or of ours; root trusts any owner's that it
/// was told of or that bears its owner's name. Returns the owner's uid.
///
/// # Errors
/// Why not.
pub fn check(folder: &Path) -> io::Result<u32> {
    let meta = fs::symlink_metadata(folder)?;
    let own = geteuid();
    let is_trusted = own.is_root() || meta.uid() == 0 || meta.uid() == own.as_raw();
    if meta.is_dir() && is_trusted {
        return Ok(meta.uid());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is neither root's folder nor ours"))
}

/// The folders of other users' PID 1s.
fn others_in(tmp: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(tmp) else { return Vec::new() };
    let own = geteuid().as_raw();
    let owned = |entry: fs::DirEntry| {
        let uid: u32 = entry.file_name().to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
        // Not followed: a link is its maker's.
        let meta = entry.metadata().ok()?;
        (uid != own && meta.is_dir() && meta.uid() == uid).then(|| entry.path())
    };
    entries.flatten().filter_map(owned).take(MOST_OTHERS).collect()
}

fn in_tmp(uid: u32) -> PathBuf {
    Path::new(TMP).join(format!("{PREFIX}{uid}"))
}

/// Makes `folder` ours alone. One that others could have prepared for us (`/tmp` is everybody's) is refused.
fn claim(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(false).mode(MODE).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let meta = fs::symlink_metadata(folder)?;
    if !meta.is_dir() || meta.uid() != geteuid().as_raw() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is not a folder of our own",
        ));
    }
    if meta.mode() & 0o777 != MODE {
        fs::set_permissions(folder, Permissions::from_mode(MODE))?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_for_us_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        fs::create_dir(&folder).unwrap();
        make(Some(&folder)).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, MODE);
    }

    #[test]
    fn a_symlink_in_its_place_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join("run");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();
        assert!(make(Some(&link)).is_err());
    }

    #[test]
    fn a_given_folder_is_the_only_place_to_look_at() {
        let given = Path::new("/some/where");
        assert_eq!(candidates(Some(given)).collect::<Vec<_>>(), [given]);
        let usual: Vec<PathBuf> = candidates(None).take(2).collect();
        assert_eq!(usual[0], Path::new(RUN));
        assert_eq!(usual[1], in_tmp(geteuid().as_raw()));
    }

    #[test]
    fn a_folder_that_bears_anothers_name_is_not_looked_into() {
        let tmp = tempfile::tempdir().unwrap();
        for name in ["jjobs-init-4711", "jjobs-init-x", "other"] {
            fs::create_dir(tmp.path().join(name)).unwrap();
        }
        assert!(others_in(tmp.path()).is_empty(), "it is ours, and we are not 4711");
        if geteuid().is_root() {
            let path = tmp.path().join("jjobs-init-4711");
            std::os::unix::fs::chown(&path, Some(4711), None).unwrap();
            assert_eq!(others_in(tmp.path()), [path]);
        }
    }

    #[test]
    fn a_client_does_not_follow_a_symlink() {
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join("run");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();
        assert!(check(&link).is_err());
        check(parent.path()).unwrap();
    }
}

//! The folder for what PID 1 needs while it lives (socket, pipes): never kept, never shared.

use rustix::process::geteuid;
use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

const MODE: u32 = 0o700;

/// Makes the first of these that can be had: `given` (`JJOBS_INIT_RUN_DIR`) alone if it is given, else
/// `/run/jjobs-init`, else `/tmp/jjobs-init-<uid>` (a read-only root, or not root).
///
/// # Errors
/// Why the last one cannot be had: another owner, a symlink or a file in its place, a read-only file system.
pub fn make(given: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(given) = given {
        return claim(given).map(|()| given.to_owned());
    }
    let run = PathBuf::from("/run/jjobs-init");
    if claim(&run).is_ok() {
        return Ok(run);
    }
    let tmp = PathBuf::from(format!("/tmp/jjobs-init-{}", geteuid().as_raw()));
    claim(&tmp).map(|()| tmp)
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
}

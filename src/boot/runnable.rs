//! Whether a file can be executed, and if not, why: an exit code of 126 or 127 tells an operator too little.

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

/// Why a file cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum NotRunnable {
    /// There is none.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// It cannot be looked at.
    #[error("cannot look at {}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a folder, a device or such.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// It has no content.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// Its mode does not allow it to us.
    #[error("{} is not executable", .0.display())]
    NotExecutable(PathBuf),
    /// Its file system does not allow it to anybody.
    #[error("{} lies on a file system that is mounted noexec", .0.display())]
    NoExec(PathBuf),
    /// The program that its first line names is not there.
    #[error("{} needs {interpreter:?}, which does not exist", path.display())]
    NoInterpreter {
        /// The file.
        path: PathBuf,
        /// What its first line names.
        interpreter: PathBuf,
    },
}

impl NotRunnable {
    /// What an operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotExecutable(path) => Some(format!("chmod +x {}", path.display())),
            Self::NoExec(_) => {
                Some("put it into the image or mount its volume with exec".to_owned())
            }
            Self::Empty(_) => Some("it was probably not copied or mounted completely".to_owned()),
            Self::NoInterpreter { interpreter, .. }
                if interpreter.as_os_str().as_bytes().ends_with(b"\r") =>
            {
                Some("the file has Windows line endings: convert it (dos2unix)".to_owned())
            }
            Self::NoInterpreter { .. } => Some("install that program into the image".to_owned()),
            Self::Missing(_) | Self::Unknown { .. } | Self::NotAFile(_) => None,
        }
    }
}

/// Checks that `path` can be executed by us.
///
/// # Errors
/// When it cannot.
pub(super) fn check(path: &Path) -> Result<(), NotRunnable> {
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            NotRunnable::Missing(path.to_owned())
        }
        _ => NotRunnable::Unknown { path: path.to_owned(), source },
    })?;
    if !metadata.is_file() {
        return Err(NotRunnable::NotAFile(path.to_owned()));
    }
    if metadata.len() == 0 {
        return Err(NotRunnable::Empty(path.to_owned()));
    }
    // access(2) refuses on a noexec mount too, whatever the mode.
    if access(path, Access::EXEC_OK).is_err() {
        let noexec = statvfs(path).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::NOEXEC));
        let may = metadata.permissions().mode() & 0o111 != 0;
        return Err(if noexec && may {
            NotRunnable::NoExec(path.to_owned())
        } else {
            NotRunnable::NotExecutable(path.to_owned())
        });
    }
    match interpreter(path) {
        Some(interpreter) if !interpreter.exists() => {
            Err(NotRunnable::NoInterpreter { path: path.to_owned(), interpreter })
        }
        _ => Ok(()),
    }
}

/// What the first line names after `#!`; a file that cannot be read is left to the kernel to judge.
fn interpreter(path: &Path) -> Option<PathBuf> {
    // As much as the kernel looks at (execve(2)).
    let mut start = Vec::new();
    File::open(path).ok()?.take(255).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.sh");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn an_executable_script_is_fine_with_or_without_an_interpreter_line() {
        for content in
            ["#!/bin/sh\nexit 0\n", "#! /bin/sh -e\nexit 0\n", "exit 0\n", "#!\n", "#!/bin/sh"]
        {
            let (_folder, path) = file(content, 0o755);
            assert!(check(&path).is_ok(), "{content:?}");
        }
    }

    #[test]
    fn what_keeps_a_file_from_being_executed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(check(&folder.path().join("none")), Err(NotRunnable::Missing(_))));
        assert!(matches!(check(folder.path()), Err(NotRunnable::NotAFile(_))));
        let (_folder, path) = file("#!/bin/sh\n", 0o644);
        let error = check(&path).unwrap_err();
        assert!(matches!(error, NotRunnable::NotExecutable(_)));
        assert!(error.hint().unwrap().starts_with("chmod"));
        let (_folder, path) = file("", 0o755);
        assert!(matches!(check(&path), Err(NotRunnable::Empty(_))));
        let (_folder, path) = file("#!/no/such/shell -e\n", 0o755);
        assert!(matches!(check(&path), Err(NotRunnable::NoInterpreter { .. })));
    }

    #[test]
    fn windows_line_endings_get_a_hint_of_their_own() {
        let (_folder, path) = file("#!/bin/sh\r\nexit 0\r\n", 0o755);
        assert!(check(&path).unwrap_err().hint().unwrap().contains("Windows line endings"));
    }
}

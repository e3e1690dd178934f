//! The note that says which installation is done: `$JJOBS_BASE/.jjobs-init/installed.json`.
//!
//! It is written after a successful installation and removed before the next, so a killed installer leaves none. What
//! the installer was told stands in it only as keyed digests: the passwords among its arguments could otherwise be
//! guessed from the file. A note that cannot be read, or is of another version, counts as none.
//!
//! It is not synced to the disk on purpose: after a power failure a note without its tree would be worse than none.

use super::arguments::Argument;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ring::{
    hmac::{self, HMAC_SHA256, Key},
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// Of the file's format.
const VERSION: u32 = 1;
const FOLDER: &str = ".jjobs-init";
const FILE: &str = "installed.json";

/// Which installer file it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InstallerFile {
    size: u64,
    modified_seconds: i64,
    modified_nanoseconds: i64,
}

impl InstallerFile {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            size: metadata.size(),
            modified_seconds: metadata.mtime(),
            modified_nanoseconds: metadata.mtime_nsec(),
        })
    }
}

/// A done installation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Marker {
    version: u32,
    installer: InstallerFile,
    /// Random, in base64.
    key: String,
    /// The digest of each argument, in base64, by its flag.
    arguments: BTreeMap<String, String>,
}

impl Marker {
    /// Describes an installation with `arguments` by `installer`.
    ///
    /// # Errors
    /// When the operating system has no random numbers.
    pub(super) fn new(installer: InstallerFile, arguments: &[Argument]) -> io::Result<Self> {
        let mut key = [0; 32];
        SystemRandom::new()
            .fill(&mut key)
            .map_err(|_| io::Error::other("the operating system gives no random numbers"))?;
        let digests = Key::new(HMAC_SHA256, &key);
        let arguments =
            arguments.iter().map(|argument| (argument.0.to_owned(), digest(&digests, argument)));
        Ok(Self {
            version: VERSION,
            installer,
            key: BASE64.encode(key),
            arguments: arguments.collect(),
        })
    }

    /// The one below `jjobs_base`, if there is one that can be understood.
    pub(super) fn read(jjobs_base: &Path) -> Option<Self> {
        let text = fs::read(path(jjobs_base)).ok()?;
        let marker: Self = serde_json::from_slice(&text).ok()?;
        (marker.version == VERSION).then_some(marker)
    }

    /// What is different now, for people: names, never values.
    pub(super) fn differences(
        &self,
        installer: &InstallerFile,
        arguments: &[Argument],
    ) -> Vec<String> {
        // What is not base64 makes a wrong key, with which no digest agrees.
        let key = BASE64.decode(&self.key).unwrap_or_default();
        let key = Key::new(HMAC_SHA256, &key);
        let now: BTreeMap<&str, String> =
            arguments.iter().map(|argument| (argument.0, digest(&key, argument))).collect();
        let flags: BTreeSet<&str> =
            now.keys().copied().chain(self.arguments.keys().map(String::as_str)).collect();
        let mut differences = Vec::new();
        if self.installer != *installer {
            differences.push("installer file changed".to_owned());
        }
        for flag in flags {
            match (self.arguments.get(flag), now.get(flag)) {
                (Some(before), Some(now)) if before == now => {}
                (Some(_), Some(_)) => differences.push(format!("{flag} changed")),
                (None, _) => differences.push(format!("{flag} added")),
                (_, None) => differences.push(format!("{flag} removed")),
            }
        }
        differences
    }

    /// Puts it below `jjobs_base`: whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, jjobs_base: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(jjobs_base.join(FOLDER)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let path = path(jjobs_base);
        let new = path.with_extension("new");
        // A leftover of a killed boot is not reused: its mode may be anything.
        remove_file(&new)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(&new, &path)
    }
}

/// Forgets what is installed below `jjobs_base`.
///
/// # Errors
/// When the note is there and cannot be removed.
pub(super) fn remove(jjobs_base: &Path) -> io::Result<()> {
    remove_file(&path(jjobs_base))
}

/// Where the note is.
pub(super) fn path(jjobs_base: &Path) -> PathBuf {
    jjobs_base.join(FOLDER).join(FILE)
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error)
            if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

fn digest(key: &Key, (flag, value): &Argument) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(flag.as_bytes());
    // No flag holds a NUL, so a flag without a value is not a flag with an empty one.
    if let Some(value) = value {
        context.update(b"\0");
        context.update(value.as_bytes());
    }
    BASE64.encode(context.sign())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn installer() -> InstallerFile {
        InstallerFile { size: 3, modified_seconds: 1, modified_nanoseconds: 5 }
    }

    fn arguments(url: &str) -> Vec<Argument> {
        vec![
            ("--use_mysql", None),
            ("--jdbc_url", Some(url.into())),
            ("--dbms_pswd", Some("hush".into())),
        ]
    }

    #[test]
    fn the_same_installation_is_recognised_and_any_other_is_named() {
        let base = tempfile::tempdir().unwrap();
        Marker::new(installer(), &arguments("a")).unwrap().write(base.path()).unwrap();
        let marker = Marker::read(base.path()).unwrap();
        assert_eq!(marker.differences(&installer(), &arguments("a")), Vec::<String>::new());
        assert_eq!(marker.differences(&installer(), &arguments("b")), ["--jdbc_url changed"]);
        let newer = InstallerFile { modified_nanoseconds: 6, ..installer() };
        assert_eq!(marker.differences(&newer, &arguments("a")), ["installer file changed"]);
        let mut other = arguments("a");
        other[0].0 = "--use_oracle";
        assert_eq!(
            marker.differences(&installer(), &other),
            ["--use_mysql removed", "--use_oracle added"]
        );
    }

    #[test]
    fn the_file_is_ours_alone_and_tells_no_value() {
        let base = tempfile::tempdir().unwrap();
        Marker::new(installer(), &arguments("a")).unwrap().write(base.path()).unwrap();
        let path = path(base.path());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert!(!fs::read_to_string(&path).unwrap().contains("hush"));
    }

    #[test]
    fn a_torn_foreign_or_removed_note_is_none() {
        let base = tempfile::tempdir().unwrap();
        assert!(Marker::read(base.path()).is_none());
        let marker = Marker::new(installer(), &arguments("a")).unwrap();
        marker.write(base.path()).unwrap();
        let path = path(base.path());
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(Marker::read(base.path()).is_none());
        fs::write(&path, whole.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert!(Marker::read(base.path()).is_none());
        marker.write(base.path()).unwrap();
        assert!(Marker::read(base.path()).is_some());
        remove(base.path()).unwrap();
        remove(base.path()).unwrap();
        assert!(Marker::read(base.path()).is_none());
    }
}

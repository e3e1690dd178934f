//! Unpacking a web application archive, so that its files can be edited before Tomcat reads them.
//!
//! # Theory of operation
//!
//! A WAR is unpacked into a staging folder, with a marker that holds the WAR's size and time, and the folder is then
//! renamed (exchanged, where there is an old one). So a folder with a fitting marker is complete, and whoever is
//! killed in between leaves the old folder, the new one, or none, never half of one. Tomcat, for its part, compares the
//! time of `META-INF/war-tracker` with the WAR's and unpacks again, over our edits, if they differ
//! (`org.apache.catalina.startup.ExpandWar`): we write that file, too.

use crate::boot::cancel::Cancel;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, FileTimes, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Component, Path, PathBuf},
};
use zip::{ZipArchive, result::ZipError};

/// A web application is some hundred megabytes; what unpacks to more is an attack or an accident.
const MAX_UNPACKED_BYTES: u64 = 4 << 30;
/// The largest applications have some ten thousand files.
const MAX_ENTRIES: usize = 200_000;
/// `WEB-INF` is never served.
const MARKER: &str = "WEB-INF/.jjobs-init-unpacked";
const TRACKER: &str = "META-INF/war-tracker";

/// What was found and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpacked {
    /// The folder is new: the WAR was unpacked.
    Now,
    /// The folder is that of this WAR.
    Before,
    /// There is no WAR; the vendor ships the folder itself.
    ByVendor,
}

/// Why a WAR is not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WarError {
    #[error("the WAR is missing, and so is its unpacked folder")]
    Missing,
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("cannot be unpacked: {0}")]
    Archive(#[from] ZipError),
    #[error("is refused: entry {name:?} {why}")]
    Refused { name: String, why: &'static str },
    #[error("cannot be unpacked to {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("unpacking was interrupted")]
    Cancelled,
}

/// Makes `folder` hold what `war` holds. `before_swap` runs just before an unpacked folder takes its place.
pub(crate) fn unpack(
    war: &Path,
    folder: &Path,
    limit: Limit<'_>,
    before_swap: impl FnOnce(),
) -> Result<Unpacked, WarError> {
    let write_error = |path: &Path, source| WarError::Write { path: path.to_path_buf(), source };
    let staging = staging_folder(folder).map_err(|source| write_error(folder, source))?;
    let at_staging = |source| write_error(&staging, source);
    // What a killed run left, be it half of a new folder or all of an old one.
    remove_all(&staging).map_err(at_staging)?;
    let metadata = match fs::metadata(war) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => {
            return Err(WarError::Read(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            )));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let is_there = folder.join("WEB-INF").is_dir();
            return if is_there { Ok(Unpacked::ByVendor) } else { Err(WarError::Missing) };
        }
        Err(error) => return Err(WarError::Read(error)),
    };
    let stamp = format!("{} {}.{:09}\n", metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    if fs::read(folder.join(MARKER)).is_ok_and(|marker| marker == stamp.as_bytes()) {
        return Ok(Unpacked::Before);
    }
    if is_unpacked_by_tomcat(folder, &metadata) {
        return Ok(Unpacked::Before);
    }
    let unpacked = extract(war, &staging, limit).and_then(|()| {
        mark(&staging, &stamp, &metadata).map_err(at_staging)?;
        before_swap();
        swap(&staging, folder).map_err(at_staging)
    });
    let removed = remove_all(&staging);
    unpacked?;
    removed.map_err(at_staging)?;
    Ok(Unpacked::Now)
}

/// What ends an unpacking early.
#[derive(Clone, Copy)]
pub(crate) struct Limit<'c> {
    /// A stop of the boot.
    pub(crate) cancel: &'c Cancel,
    /// How many bytes may be unpacked.
    pub(crate) bytes: u64,
}

impl<'c> Limit<'c> {
    /// The usual limits.
    pub(crate) fn new(cancel: &'c Cancel) -> Self {
        Self { cancel, bytes: MAX_UNPACKED_BYTES }
    }
}

/// Tomcat writes its tracker last, so a folder with a fitting one is complete: an operator started by hand before.
fn is_unpacked_by_tomcat(folder: &Path, war: &Metadata) -> bool {
    fs::metadata(folder.join(TRACKER)).is_ok_and(|tracker| tracker.mtime() == war.mtime())
        && !folder.join(MARKER).exists()
        && folder.join("WEB-INF").is_dir()
}

/// A folder on the same file system, and not in `webapps` if that can be: Tomcat would take it for an application.
fn staging_folder(folder: &Path) -> io::Result<PathBuf> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "no folder for the application");
    let webapps = folder.parent().ok_or_else(invalid)?;
    let name = folder.file_name().ok_or_else(invalid)?.to_string_lossy();
    let hidden = format!(".{name}.jjobs-init");
    let outside = webapps.parent().filter(|parent| {
        matches!((fs::metadata(parent), fs::metadata(webapps)), (Ok(a), Ok(b)) if a.dev() == b.dev())
    });
    Ok(outside.unwrap_or(webapps).join(hidden))
}

fn extract(war: &Path, staging: &Path, limit: Limit<'_>) -> Result<(), WarError> {
    let file = File::open(war).map_err(WarError::Read)?;
    let mut archive = ZipArchive::new(io::BufReader::new(file))?;
    if archive.len() > MAX_ENTRIES {
        return Err(WarError::Refused {
            name: archive.len().to_string(),
            why: "is one of too many",
        });
    }
    make_folder(staging)?;
    let mut left = limit.bytes;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let raw = entry.name_raw().to_vec();
        let refuse =
            |why| WarError::Refused { name: String::from_utf8_lossy(&raw).into_owned(), why };
        let Some(relative) = safe_path(&raw) else { return Err(refuse("leads out of the folder")) };
        if entry.is_symlink() {
            return Err(refuse("is a symbolic link"));
        }
        let path = staging.join(relative);
        if raw.ends_with(b"/") || raw.ends_with(b"\\") {
            make_folder(&path)?;
            continue;
        }
        if entry.size() > left {
            return Err(refuse("is larger than the limit allows"));
        }
        make_folder(path.parent().unwrap_or(staging))?;
        // Only the owner's execute bit says anything; a web application has few programs.
        let mode =
            if entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0) { 0o755 } else { 0o644 };
        // Never over another entry: two of one name are two readings of one archive.
        let at_path = |source| WarError::Write { path: path.clone(), source };
        let output = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(at_path)?;
        left = copy(&mut entry, output, left, limit.cancel).map_err(|error| match error {
            CopyError::TooLarge => refuse("is larger than the limit allows"),
            CopyError::Cancelled => WarError::Cancelled,
            CopyError::Read(error) => WarError::Archive(ZipError::Io(error)),
            CopyError::Write(source) => WarError::Write { path: path.clone(), source },
        })?;
    }
    Ok(())
}

enum CopyError {
    TooLarge,
    Cancelled,
    Read(io::Error),
    Write(io::Error),
}

/// Copies an entry, whatever size it claims to have; says how many bytes are left.
fn copy(
    entry: &mut impl Read,
    mut output: File,
    mut left: u64,
    cancel: &Cancel,
) -> Result<u64, CopyError> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        if cancel.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        let length = entry.read(&mut buffer).map_err(CopyError::Read)?;
        if length == 0 {
            return Ok(left);
        }
        left = left.checked_sub(length as u64).ok_or(CopyError::TooLarge)?;
        output.write_all(&buffer[..length]).map_err(CopyError::Write)?;
    }
}

/// An entry's place below the folder, by its bytes (names may be in any encoding); `None` if it is not below.
fn safe_path(raw: &[u8]) -> Option<PathBuf> {
    // Archives made on Windows may hold backslashes.
    let name: Vec<u8> = raw.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
    let is_drive = matches!(name.as_slice(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    if name.contains(&0) || is_drive {
        return None;
    }
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(&name)).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!path.as_os_str().is_empty()).then_some(path)
}

fn make_folder(path: &Path) -> Result<(), WarError> {
    let write = |source| WarError::Write { path: path.to_path_buf(), source };
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(write)
}

/// Notes which WAR the folder is of, for us and for Tomcat.
fn mark(staging: &Path, stamp: &str, war: &Metadata) -> io::Result<()> {
    for file in [MARKER, TRACKER] {
        let path = staging.join(file);
        DirBuilder::new().recursive(true).mode(0o755).create(path.parent().unwrap_or(staging))?;
        let content = if file == MARKER { stamp.as_bytes() } else { b"" };
        // The archive may hold a tracker of its own: that of the machine where it was packed.
        fs::write(&path, content)?;
    }
    let times = FileTimes::new().set_modified(war.modified()?);
    File::options().write(true).open(staging.join(TRACKER))?.set_times(times)
}

/// Puts `new` in the place of `folder`; the old one, if any, ends up at `new`'s place.
fn swap(new: &Path, folder: &Path) -> io::Result<()> {
    if folder.symlink_metadata().is_err() {
        return fs::rename(new, folder);
    }
    if renameat_with(CWD, new, CWD, folder, RenameFlags::EXCHANGE).is_ok() {
        return Ok(());
    }
    // A file system without exchange (NFS, some overlays): for a moment there is no folder, and the next boot makes it.
    remove_all(folder)?;
    fs::rename(new, folder)
}

fn remove_all(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use std::time::{Duration, SystemTime};
    use zip::{ZipWriter, write::SimpleFileOptions};

    struct Webapps {
        _server: tempfile::TempDir,
        war: PathBuf,
        folder: PathBuf,
    }

    fn webapps(entries: &[(&str, &[u8])]) -> Webapps {
        let server = tempfile::tempdir().unwrap();
        let folder = server.path().join("webapps");
        fs::create_dir(&folder).unwrap();
        let made =
            Webapps { war: folder.join("app.war"), folder: folder.join("app"), _server: server };
        write(&made.war, entries);
        made
    }

    fn write(war: &Path, entries: &[(&str, &[u8])]) {
        let mut writer = ZipWriter::new(File::create(war).unwrap());
        for (name, content) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap();
    }

    fn run(webapps: &Webapps) -> Result<Unpacked, WarError> {
        unpack(
            &webapps.war,
            &webapps.folder,
            Limit { cancel: &Cancel::default(), bytes: 1 << 20 },
            || (),
        )
    }

    fn is_clean(webapps: &Webapps) -> bool {
        let server = webapps.folder.parent().unwrap().parent().unwrap();
        fs::read_dir(server).unwrap().count() == 1
    }

    #[test]
    fn a_war_is_unpacked_once_and_again_when_it_changed() {
        let webapps = webapps(&[
            ("WEB-INF/web.xml", b"1"),
            ("META-INF/war-tracker", b"x"),
            ("한글/a\\b.txt", b"k"),
        ]);
        assert_eq!(run(&webapps).unwrap(), Unpacked::Now);
        assert_eq!(fs::read(webapps.folder.join("한글/a/b.txt")).unwrap(), b"k");
        let tracker = fs::metadata(webapps.folder.join(TRACKER)).unwrap();
        assert_eq!(
            tracker.modified().unwrap(),
            fs::metadata(&webapps.war).unwrap().modified().unwrap()
        );

        fs::write(webapps.folder.join("WEB-INF/web.xml"), "by hand").unwrap();
        assert_eq!(run(&webapps).unwrap(), Unpacked::Before);
        assert_eq!(fs::read(webapps.folder.join("WEB-INF/web.xml")).unwrap(), b"by hand");

        write(&webapps.war, &[("WEB-INF/web.xml", b"22")]);
        assert_eq!(run(&webapps).unwrap(), Unpacked::Now);
        assert_eq!(fs::read(webapps.folder.join("WEB-INF/web.xml")).unwrap(), b"22");
        assert!(!webapps.folder.join("한글").exists());
        assert!(is_clean(&webapps));
    }

    #[test]
    fn a_folder_without_a_marker_is_not_taken_for_done() {
        let webapps = webapps(&[("WEB-INF/web.xml", b"1")]);
        fs::create_dir_all(webapps.folder.join("WEB-INF")).unwrap();
        assert_eq!(run(&webapps).unwrap(), Unpacked::Now);
        assert!(webapps.folder.join("WEB-INF/web.xml").exists());
    }

    #[test]
    fn a_folder_that_tomcat_or_the_vendor_unpacked_is_taken() {
        let webapps = webapps(&[("WEB-INF/web.xml", b"1")]);
        for folder in ["WEB-INF", "META-INF"] {
            fs::create_dir_all(webapps.folder.join(folder)).unwrap();
        }
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for path in [webapps.war.clone(), webapps.folder.join(TRACKER)] {
            let file = File::options().create(true).append(true).open(path).unwrap();
            file.set_modified(then).unwrap();
        }
        assert_eq!(run(&webapps).unwrap(), Unpacked::Before);
        fs::remove_file(&webapps.war).unwrap();
        assert_eq!(run(&webapps).unwrap(), Unpacked::ByVendor);
        fs::remove_dir_all(&webapps.folder).unwrap();
        assert!(matches!(run(&webapps), Err(WarError::Missing)));
    }

    #[test]
    fn a_hostile_war_leaves_the_old_folder_and_nothing_else() {
        let webapps = webapps(&[("WEB-INF/web.xml", b"old")]);
        run(&webapps).unwrap();
        let large = vec![0; 2 << 20];
        let hostile: [&[(&str, &[u8])]; 6] = [
            &[("a", b""), ("../out", b"x")],
            &[("/tmp/out", b"x")],
            &[("a/..\\..\\..\\out", b"x")],
            &[("C:\\out", b"x")],
            &[("a", b"x"), ("a/b", b"x")],
            &[("bomb", &large)],
        ];
        for entries in hostile {
            write(&webapps.war, entries);
            assert!(run(&webapps).is_err(), "{:?}", entries[0].0);
            assert_eq!(fs::read(webapps.folder.join("WEB-INF/web.xml")).unwrap(), b"old");
            assert!(is_clean(&webapps));
        }
        let mut writer = ZipWriter::new(File::create(&webapps.war).unwrap());
        writer.add_symlink("link", "/etc", SimpleFileOptions::default()).unwrap();
        writer.finish().unwrap();
        assert!(matches!(run(&webapps), Err(WarError::Refused { .. })));
        fs::write(&webapps.war, "no archive").unwrap();
        assert!(matches!(run(&webapps), Err(WarError::Archive(_))));
    }

    #[test]
    fn a_stop_ends_the_unpacking_and_leaves_nothing() {
        let webapps = webapps(&[("WEB-INF/web.xml", b"1")]);
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(matches!(
            unpack(&webapps.war, &webapps.folder, Limit::new(&cancel), || ()),
            Err(WarError::Cancelled)
        ));
        assert!(!webapps.folder.exists() && is_clean(&webapps));
    }
}

//! What we remember of a file that we configured: the vendor's bytes, and ours.
//!
//! With both, a boot with another hostname, other parameters or a feature switched off starts again from the vendor's
//! file, so nothing has to be found and taken back, and nothing is ever applied twice. Records live in a hidden
//! folder of ours below `JJOBS_BASE`, so they come and go with the tree they speak of. Their names are digests:
//! nobody who searches the tree for `log4j2.xml` finds one.

use super::write;
use std::{
    ffi::OsStr,
    fs::{self, DirBuilder},
    io,
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
};

/// Our folder below `JJOBS_BASE`.
pub(crate) const FOLDER: &str = ".jjobs-init";

const MAGIC: &str = "jjobs-init configured file 1";

/// The memory of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The file before our first edit (or what an operator's later changes made of that).
    pub(crate) vendor: Vec<u8>,
    /// What we wrote, newest last. Two, because a run may be killed between noting and writing.
    pub(crate) written: Vec<Vec<u8>>,
}

/// All records of a tree.
#[derive(Debug)]
pub(crate) struct Records {
    folder: PathBuf,
}

impl Records {
    pub(crate) fn new(jjobs_base: &Path) -> Self {
        Self { folder: jjobs_base.join(FOLDER).join("configured") }
    }

    /// The record of the file at `relative`; an unreadable or torn one counts as none.
    pub(crate) fn load(&self, relative: &Path) -> Option<Record> {
        decode(&fs::read(self.path(relative)).ok()?, relative)
    }

    /// Notes what is about to be written.
    ///
    /// # Errors
    /// Our folder cannot be made or written.
    pub(crate) fn store(&self, relative: &Path, record: &Record) -> io::Result<()> {
        // Records hold what the files hold, logins included.
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        write::put(&self.path(relative), &encode(record, relative), 0o600)
    }

    /// Forgets a file.
    pub(crate) fn remove(&self, relative: &Path) {
        let _ = fs::remove_file(self.path(relative));
    }

    /// Forgets every file below a folder.
    pub(crate) fn remove_below(&self, folder: &Path) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_below = fs::read(&path).is_ok_and(|bytes| {
                let relative = bytes.split(|&byte| byte == b'\n').nth(1).unwrap_or_default();
                Path::new(OsStr::from_bytes(relative)).starts_with(folder)
            });
            if is_below {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn path(&self, relative: &Path) -> PathBuf {
        let digest =
            ring::digest::digest(&ring::digest::SHA256, relative.as_os_str().as_encoded_bytes());
        let name = digest
            .as_ref()
            .iter()
            .take(12)
            .fold(String::new(), |name, byte| name + &format!("{byte:02x}"));
        self.folder.join(name)
    }
}

fn encode(record: &Record, relative: &Path) -> Vec<u8> {
    let lengths: Vec<String> = std::iter::once(&record.vendor)
        .chain(&record.written)
        .map(|part| part.len().to_string())
        .collect();
    let mut bytes =
        format!("{MAGIC}\n{}\n{}\n", relative.display(), lengths.join(" ")).into_bytes();
    bytes.extend_from_slice(&record.vendor);
    bytes.extend(record.written.iter().flatten());
    bytes
}

fn decode(bytes: &[u8], relative: &Path) -> Option<Record> {
    let mut parts = bytes.splitn(4, |&byte| byte == b'\n');
    let is_ours = parts.next()? == MAGIC.as_bytes()
        && parts.next()? == relative.display().to_string().as_bytes();
    let lengths = std::str::from_utf8(parts.next()?).ok()?;
    let mut rest = parts.next()?;
    let mut contents = Vec::new();
    for length in lengths.split(' ') {
        let (content, behind) = rest.split_at_checked(length.parse().ok()?)?;
        contents.push(content.to_vec());
        rest = behind;
    }
    let vendor = contents.remove(0);
    (is_ours && rest.is_empty() && !contents.is_empty())
        .then_some(Record { vendor, written: contents })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn a_record_comes_back_and_a_torn_one_counts_as_none() {
        let base = tempfile::tempdir().unwrap();
        let records = Records::new(base.path());
        let relative = Path::new("server/conf/context.xml");
        let record = Record {
            vendor: b"a\n\nb".to_vec(),
            written: vec![b"".to_vec(), b"\xB0\xA1\n".to_vec()],
        };

        assert_eq!(records.load(relative), None);
        records.store(relative, &record).unwrap();
        assert_eq!(records.load(relative), Some(record));

        let path = records.path(relative);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(records.load(relative), None);
    }
}

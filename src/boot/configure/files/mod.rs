//! The installed tree as a set of files to edit: reading, editing from the vendor's bytes, writing, reporting.
//!
//! # Theory of operation
//!
//! An editor is a function from a file's bytes to new bytes. It always starts from the vendor's bytes, never from its own
//! result:
//!
//! | the file on disk is | the editor starts from |
//! |---|---|
//! | unknown to us | it: these are the vendor's bytes |
//! | the vendor's, as noted | them |
//! | what we wrote last | the vendor's bytes, as noted |
//! | anything else: an operator edited it | the vendor's bytes with the operator's changes ([`merge`]) |
//!
//! So a second run gives the same bytes, a changed value replaces the old one, a feature that is switched off leaves no
//! trace, and an operator's edit stays. Editors also recognise their own result, for the case that the record is gone.

pub(crate) mod merge;
pub(crate) mod record;
pub(crate) mod write;

use self::record::{Record, Records};
use super::error::{Missing, Report};
use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// No configuration file comes near this size; a larger one is something else.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// How much a missing thing matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// A component would run wrongly without it.
    Error,
    /// It runs, and somebody should know.
    Warning,
}

/// Something that an editor looked for in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What it is.
    pub(crate) thing: String,
    /// How much it matters.
    pub(crate) severity: Severity,
}

/// What an editor made of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The new content.
    pub(crate) bytes: Vec<u8>,
    /// The things that were edited, for the log.
    pub(crate) things: Vec<&'static str>,
    /// The things that were not found.
    pub(crate) findings: Vec<Finding>,
}

impl Edit {
    /// Nothing edited yet.
    pub(crate) fn unchanged(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), ..Self::default() }
    }

    /// `thing` was looked for in vain.
    pub(crate) fn miss(&mut self, severity: Severity, thing: impl Into<String>) {
        self.findings.push(Finding { thing: thing.into(), severity });
    }

    fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// The installed tree, while it is being configured.
pub(crate) struct Tree<'t> {
    base: &'t Path,
    records: Records,
    /// What is wrong so far.
    pub(crate) errors: Vec<Missing>,
    /// What was done so far.
    pub(crate) report: Report,
}

impl<'t> Tree<'t> {
    /// The tree below `base`.
    pub(crate) fn new(base: &'t Path) -> Self {
        Self { base, records: Records::new(base), errors: Vec::new(), report: Report::default() }
    }

    /// The place of a file of the tree.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.base.join(relative)
    }

    /// Edits the file at `relative` (below the tree). `severity` is that of its being missing or unreadable.
    pub(crate) fn edit(
        &mut self,
        relative: &Path,
        severity: Severity,
        editor: impl Fn(&[u8]) -> Edit,
    ) {
        let path = self.path(relative);
        let current = match read(&path) {
            Ok(current) => current,
            Err(error) => return self.miss(severity, &path, unreadable(&error)),
        };
        let record = self.records.load(relative);
        let vendor = starting_point(record.as_ref(), &current);
        let mut vendor_bytes = vendor.unwrap_or_else(|| current.clone());
        let mut edit = editor(&vendor_bytes);
        if edit.has_errors() && vendor_bytes != current {
            // A merge may come out wrong; then the file as it stands is the better start.
            let again = editor(&current);
            if !again.has_errors() {
                (edit, vendor_bytes) = (again, current.clone());
            }
        }
        for finding in std::mem::take(&mut edit.findings) {
            self.miss(finding.severity, &path, finding.thing);
        }
        // A file is edited wholly or not at all.
        if !self.errors.iter().any(|missing| missing.path == path) && edit.bytes != current {
            self.write(relative, record, &Change { current, vendor: vendor_bytes, edit });
        }
    }

    /// Gives the file at `relative` back its vendor's content, where an earlier run edited it and there is now nothing
    /// to edit.
    pub(crate) fn restore(&mut self, relative: &Path) {
        if self.records.load(relative).is_some() && self.path(relative).exists() {
            self.edit(relative, Severity::Warning, |bytes| Edit {
                things: vec!["vendor's content"],
                ..Edit::unchanged(bytes)
            });
        }
    }

    /// Forgets what earlier runs knew about the files of a folder that is about to be replaced by the vendor's.
    pub(crate) fn forget_below(&self, folder: &Path) {
        self.records.remove_below(folder);
    }

    /// Notes that `thing` of the file at `path` is missing.
    pub(crate) fn miss(&mut self, severity: Severity, path: &Path, thing: impl Into<String>) {
        let missing = Missing { path: path.to_path_buf(), thing: thing.into() };
        match severity {
            Severity::Error => self.errors.push(missing),
            Severity::Warning => {
                tracing::warn!(path = %missing.path.display(), thing = missing.thing, "cannot configure");
                self.report.warnings.push(missing);
            }
        }
    }

    /// Notes that `thing` was done to the file or folder at `path`.
    pub(crate) fn done(&mut self, path: &Path, thing: &'static str) {
        tracing::debug!(path = %path.display(), thing, "file edited");
        self.report.edits += 1;
    }

    fn write(&mut self, relative: &Path, record: Option<Record>, change: &Change) {
        let path = self.path(relative);
        // The current content stays known until the new one is there: a run may be killed in between.
        let known = record.is_some_and(|record| record.written.contains(&change.current));
        let mut written = if known { vec![change.current.clone()] } else { Vec::new() };
        written.push(change.edit.bytes.clone());
        let record = Record { vendor: change.vendor.clone(), written };
        if let Err(error) = self.records.store(relative, &record) {
            let thing = format!("record of the vendor's content cannot be written: {error}");
            self.miss(Severity::Warning, &path, thing);
        }
        if let Err(error) = write::replace(&path, &change.edit.bytes) {
            return self.miss(Severity::Error, &path, format!("cannot be written: {error}"));
        }
        for thing in &change.edit.things {
            self.done(&path, thing);
        }
        if change.edit.bytes == change.vendor {
            self.records.remove(relative);
        }
    }
}

/// A file that is about to be written.
struct Change {
    current: Vec<u8>,
    vendor: Vec<u8>,
    edit: Edit,
}

/// The vendor's bytes behind `current`, where they are not `current` itself.
fn starting_point(record: Option<&Record>, current: &Vec<u8>) -> Option<Vec<u8>> {
    let record = record?;
    if record.vendor == *current {
        return None;
    }
    if record.written.contains(current) {
        return Some(record.vendor.clone());
    }
    let newest = record.written.last()?;
    Some(merge::merge(newest, &record.vendor, current))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "too large to be a configuration file",
        ));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        "the file is missing".to_owned()
    } else {
        format!("cannot be read: {error}")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn append(bytes: &[u8], text: &str) -> Edit {
        Edit {
            bytes: [bytes, text.as_bytes()].concat(),
            things: vec!["text"],
            findings: Vec::new(),
        }
    }

    fn configure(base: &Path, text: &str) -> Vec<u8> {
        let mut tree = Tree::new(base);
        tree.edit(Path::new("a"), Severity::Error, |bytes| append(bytes, text));
        assert!(tree.errors.is_empty());
        fs::read(base.join("a")).unwrap()
    }

    #[test]
    fn a_second_run_changes_nothing_and_a_changed_value_replaces_the_old_one() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("a"), "v\n").unwrap();

        assert_eq!(configure(base.path(), "1\n"), b"v\n1\n");
        assert_eq!(configure(base.path(), "1\n"), b"v\n1\n");
        assert_eq!(configure(base.path(), "2\n"), b"v\n2\n");
        assert_eq!(configure(base.path(), ""), b"v\n");
        assert_eq!(configure(base.path(), "3\n"), b"v\n3\n");
    }

    #[test]
    fn an_operators_edit_in_between_stays() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("a"), "v\nw\n").unwrap();
        configure(base.path(), "1\n");
        fs::write(base.path().join("a"), "v\nby hand\nw\n1\n").unwrap();

        assert_eq!(configure(base.path(), "1\n"), b"v\nby hand\nw\n1\n");
        assert_eq!(configure(base.path(), "2\n"), b"v\nby hand\nw\n2\n");
        assert_eq!(configure(base.path(), "2\n"), b"v\nby hand\nw\n2\n");
    }

    #[test]
    fn a_run_killed_between_noting_and_writing_is_made_good() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("a"), "v\n").unwrap();
        configure(base.path(), "1\n");
        let records = Records::new(base.path());
        let mut record = records.load(Path::new("a")).unwrap();
        record.written.push(b"v\n2\n".to_vec());
        records.store(Path::new("a"), &record).unwrap();

        assert_eq!(configure(base.path(), "3\n"), b"v\n3\n");
    }

    #[test]
    fn a_file_with_an_error_is_not_touched() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("a"), "v").unwrap();
        let mut tree = Tree::new(base.path());

        tree.edit(Path::new("a"), Severity::Warning, |bytes| {
            let mut edit = append(bytes, "half");
            edit.miss(Severity::Error, "other half");
            edit
        });

        assert_eq!(tree.errors.len(), 1);
        assert_eq!(fs::read(base.path().join("a")).unwrap(), b"v");
    }
}

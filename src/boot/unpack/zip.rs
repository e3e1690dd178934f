//! Unpacking a zip from a file: its table of contents stands at its end, so it cannot be unpacked as it arrives.
//!
//! (Unpacking by the headers between the data, as some tools do, loses all modes and symlinks.)

use super::{
    error::{Refusal, UnpackError, shown},
    name::EntryName,
    sniff,
    tree::Tree,
    zip_meta::{ZipKind, attributes, name},
};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};
use zip::{ZipArchive, read::ZipFile, result::ZipError};

/// How much is inflated and written at a time.
const PIECE: usize = 128 << 10;
/// How much of the archive is read at a time.
const WINDOW: usize = 128 << 10;
/// A symlink's content is its target; longer ones cannot be made.
const LONGEST_TARGET: u64 = 4096;

/// Unpacks `archive` into `tree`, asking `go_on` between two pieces of work.
pub(crate) fn unpack(
    archive: &File,
    tree: &mut Tree,
    go_on: &dyn Fn() -> Result<(), UnpackError>,
) -> Result<(), UnpackError> {
    let mut window = Window::new(archive).map_err(UnpackError::Read)?;
    let mut first = [0; sniff::WANTED];
    let got = window.read(&mut first).map_err(UnpackError::Read)?;
    // Files that unpack themselves have a program first; they are zips as well, but nothing else is.
    let found = sniff::describe(&first[..got]);
    if !matches!(found, "a zip archive" | "an empty zip archive" | "something else") {
        return Err(not_a_zip(found));
    }
    let mut zip = match ZipArchive::new(window) {
        Ok(zip) => zip,
        Err(_) if found == "something else" => return Err(not_a_zip(found)),
        // It starts like one, but the table at its end is missing or senseless.
        Err(error) => return Err(archive_error(&error)),
    };
    let mut buffer = vec![0; PIECE];
    for index in 0..zip.len() {
        go_on()?;
        tree.count_entry()?;
        let raw_name =
            zip.name_for_index(index).and_then(Result::ok).map(std::borrow::Cow::into_owned);
        let mut entry = zip
            .by_index(index)
            .map_err(|error| entry_error(&error, raw_name.unwrap_or_default().as_bytes()))?;
        member(&mut entry, tree, &mut buffer, go_on)?;
    }
    Ok(())
}

fn member(
    entry: &mut ZipFile<'_, Window<'_>>,
    tree: &mut Tree,
    buffer: &mut [u8],
    go_on: &dyn Fn() -> Result<(), UnpackError>,
) -> Result<(), UnpackError> {
    let raw_name = name(entry.name_raw(), entry.system(), entry.extra_data_fields());
    let refused = |why: Refusal| why.of(&raw_name);
    let system = (entry.system(), entry.external_attributes());
    let (kind, meta) =
        attributes(&raw_name, system, entry.extra_data_fields(), entry.last_modified());
    let Some(name) = EntryName::parse(&raw_name).map_err(refused)? else {
        return if kind == ZipKind::Folder { Ok(()) } else { Err(refused(Refusal::EmptyName)) };
    };
    match kind {
        ZipKind::Folder => tree.folder(&name, meta),
        ZipKind::Special(what) => Err(refused(Refusal::Special(what))),
        ZipKind::Symlink => {
            let mut target = Vec::new();
            let read = entry.by_ref().take(LONGEST_TARGET + 1).read_to_end(&mut target);
            read.map_err(|error| read_error(error, &raw_name))?;
            tree.symlink(&name, &target, &meta)
        }
        ZipKind::File => {
            let size = entry.size();
            tree.check_size(size)?;
            let mut file = tree.create(name, meta)?;
            let mut written = 0;
            loop {
                let got = entry.read(buffer).map_err(|error| read_error(error, &raw_name))?;
                if got == 0 {
                    break;
                }
                go_on()?;
                written += got as u64;
                tree.write(&mut file, &buffer[..got])?;
            }
            if written != size {
                return Err(refused(Refusal::Damaged(format!(
                    "{written} bytes instead of {size}"
                ))));
            }
            tree.close(&file)
        }
    }
}

fn not_a_zip(found: &'static str) -> UnpackError {
    UnpackError::Archive(Refusal::NotWhatItsNameSays { expected: "a zip archive", found })
}

fn archive_error(error: &ZipError) -> UnpackError {
    match error {
        ZipError::Io(io) if io.raw_os_error().is_some() => UnpackError::Read(clone_of(io)),
        other => UnpackError::Archive(Refusal::Damaged(other.to_string())),
    }
}

fn entry_error(error: &ZipError, name: &[u8]) -> UnpackError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => Refusal::Encrypted.of(name),
        ZipError::CompressionMethodNotSupported(method) => {
            Refusal::Compression(method_name(*method)).of(name)
        }
        ZipError::Io(io) if io.raw_os_error().is_some() => UnpackError::Read(clone_of(io)),
        other => Refusal::Damaged(other.to_string()).of(name),
    }
}

fn read_error(error: io::Error, name: &[u8]) -> UnpackError {
    if error.raw_os_error().is_some() {
        return UnpackError::Read(error);
    }
    Refusal::Damaged(shown(error.to_string().as_bytes())).of(name)
}

fn clone_of(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

fn method_name(method: u16) -> String {
    let name = match method {
        1 => "shrink",
        6 => "implode",
        9 => "deflate64",
        12 => "bzip2",
        14 => "lzma",
        93 => "zstd",
        95 => "xz",
        98 => "ppmd",
        99 => "aes",
        _ => return format!("method {method}"),
    };
    name.to_owned()
}

/// The archive with a window on it: the reader of zips seeks before each entry, mostly by a few bytes, which would
/// empty an ordinary buffer each time.
struct Window<'a> {
    file: &'a File,
    length: u64,
    position: u64,
    start: u64,
    data: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, length: file.metadata()?.len(), position: 0, start: 0, data: Vec::new() })
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let inside = |window: &Self| {
            let at = usize::try_from(window.position.checked_sub(window.start)?).ok()?;
            (at < window.data.len()).then_some(at)
        };
        let at = if let Some(at) = inside(self) {
            at
        } else {
            self.data.resize(WINDOW, 0);
            self.start = self.position;
            let got = self.file.read_at(&mut self.data, self.start)?;
            self.data.truncate(got);
            0
        };
        let data = &self.data[at..];
        let take = data.len().min(buffer.len());
        buffer[..take].copy_from_slice(&data[..take]);
        self.position += take as u64;
        Ok(take)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

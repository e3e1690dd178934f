//! One followed file: how far it was read, and reading on.

use super::{
    Control,
    disk::{Born, Disk, FileId, Seen, Stamp},
    files::Hint,
};
use crate::log::Stream;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Bytes read at once.
const BLOCK: usize = 64 << 10;

/// Bytes of one file before another one has its turn.
const TURN: usize = 1 << 20;

/// How many bytes before our place are remembered, to notice that a file was begun anew.
const TRAIL: usize = 64;

/// Lines shown of a file that was there before us.
const FIRST_LINES: usize = 100;

/// They are looked for within this much of its end.
const FIRST_BYTES: u64 = 8 << 20;

/// The buffer that all files share.
pub(super) const BUFFER: usize = TRAIL + BLOCK;

/// Where a file that is new to us is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Beginning,
    /// Its last 100 lines.
    LastLines,
}

/// What reading needs beside the file.
pub(super) struct Reader<'a> {
    pub(super) disk: &'a Disk,
    pub(super) control: &'a Control,
    pub(super) buffer: &'a mut [u8],
}

/// What a turn of reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There may be more.
    More,
    /// All that stood in it was read.
    UpToDate,
}

/// A file and our place in it.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) path: PathBuf,
    pub(super) label: Arc<str>,
    pub(super) born: Born,
    /// What it was like when it was last given a turn; `None` gives it one at the next look.
    pub(super) stamp: Option<Stamp>,
    /// It waits for its turn.
    pub(super) is_queued: bool,
    id: FileId,
    stream: Stream,
    start: Start,
    place: Place,
    /// It was emptied, and a writer that does not append may have left a hole: what it does not hold is not shown.
    skips_hole: bool,
    handle: Option<File>,
}

/// How far a file was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    offset: u64,
    /// The bytes just before `offset`.
    trail: Vec<u8>,
}

impl Followed {
    pub(super) fn new(hint: &Hint, seen: &Seen, stream: Stream) -> Self {
        Self {
            path: hint.path.clone(),
            label: Arc::clone(&hint.label),
            born: seen.born,
            stamp: None,
            is_queued: false,
            id: seen.id,
            stream,
            start: hint.start,
            place: Place::default(),
            skips_hole: false,
            handle: None,
        }
    }

    /// Goes on where it was left.
    pub(super) fn resume(&mut self, place: Place) {
        self.place = place;
        self.start = Start::Beginning;
    }

    pub(super) fn is_open(&self) -> bool {
        self.handle.is_some()
    }

    /// Gives the descriptor back; the place is kept.
    pub(super) fn close(&mut self) {
        self.handle = None;
    }

    /// Reads what has been added, at most one turn's worth.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> io::Result<Turn> {
        let result = self.try_read(reader);
        if result.is_err() {
            self.stamp = None;
        }
        result
    }

    /// Reads to the end and shows also a last line without its end. For a file that goes away. Returns how far it was read.
    pub(super) fn finish(mut self, reader: &mut Reader<'_>) -> Place {
        while reader.control.is_patient() {
            if !matches!(self.read(reader), Ok(Turn::More)) {
                break;
            }
        }
        self.stream.finish();
        self.place
    }

    fn try_read(&mut self, reader: &mut Reader<'_>) -> io::Result<Turn> {
        let Some(file) = self.opened(reader)? else {
            self.stamp = None;
            return Ok(Turn::UpToDate);
        };
        // A handle that fails may be stale (NFS), and is not kept: the next turn opens anew.
        let turn = self.read_from(&file, reader)?;
        self.handle = Some(file);
        Ok(turn)
    }

    fn opened(&mut self, reader: &mut Reader<'_>) -> io::Result<Option<File>> {
        if let Some(file) = self.handle.take() {
            return Ok(Some(file));
        }
        let Some(file) = reader.disk.open(&self.path, self.id)? else { return Ok(None) };
        if self.start == Start::LastLines {
            let offset = last_lines((&file, &self.path), reader)?;
            let mut trail = vec![0; usize::try_from(offset).unwrap_or(TRAIL).min(TRAIL)];
            let from = offset - trail.len() as u64;
            let read = reader.disk.read((&file, &self.path), from, &mut trail)?;
            trail.truncate(read);
            self.resume(Place { offset, trail });
        }
        Ok(Some(file))
    }

    fn read_from(&mut self, file: &File, reader: &mut Reader<'_>) -> io::Result<Turn> {
        let mut done = 0;
        while done < TURN {
            let from = self.place.offset - self.place.trail.len() as u64;
            let read = reader.disk.read((file, &self.path), from, reader.buffer)?;
            let (trail, fresh) = reader.buffer[..read].split_at(read.min(self.place.trail.len()));
            if trail != self.place.trail {
                self.begin_anew(trail);
                done += BLOCK;
                continue;
            }
            if fresh.is_empty() {
                return Ok(Turn::UpToDate);
            }
            done += fresh.len();
            self.place.advance(fresh);
            self.show(fresh, reader.control);
            if !reader.control.is_patient() {
                break;
            }
        }
        Ok(Turn::More)
    }

    /// Shows new bytes; waits for room, since the file keeps what we do not show yet.
    fn show(&mut self, fresh: &[u8], control: &Control) {
        let hole =
            if self.skips_hole { fresh.iter().take_while(|byte| **byte == 0).count() } else { 0 };
        let shown = &fresh[hole..];
        if !shown.is_empty() {
            self.skips_hole = false;
            self.stream.write_waiting(shown, &|| control.is_patient());
        }
    }

    /// What we read is no longer there; `found` is what stands in its place.
    fn begin_anew(&mut self, found: &[u8]) {
        self.stream.finish();
        self.skips_hole = true;
        // Our place may be within the hole already: then nothing before it needs to be read.
        let is_hole = found.len() == self.place.trail.len() && found.iter().all(|byte| *byte == 0);
        self.place = if is_hole {
            Place { offset: self.place.offset, trail: found.to_vec() }
        } else {
            Place::default()
        };
    }
}

impl Place {
    pub(super) fn is_beginning(&self) -> bool {
        self.offset == 0
    }

    fn advance(&mut self, fresh: &[u8]) {
        self.offset += fresh.len() as u64;
        if fresh.len() >= TRAIL {
            self.trail.clear();
        } else {
            let excess = (self.trail.len() + fresh.len()).saturating_sub(TRAIL);
            self.trail.drain(..excess);
        }
        self.trail.extend_from_slice(&fresh[fresh.len().saturating_sub(TRAIL)..]);
    }
}

/// Where the last 100 lines begin, a line without its end counting as one.
fn last_lines((file, path): (&File, &Path), reader: &mut Reader<'_>) -> io::Result<u64> {
    let length = reader.disk.length((file, path))?;
    let earliest = length.saturating_sub(FIRST_BYTES);
    let (mut end, mut newlines) = (length, 0);
    while end > earliest {
        let begin = end.saturating_sub(BLOCK as u64).max(earliest);
        let size = usize::try_from(end - begin).unwrap_or(BLOCK);
        let read = reader.disk.read((file, path), begin, &mut reader.buffer[..size])?;
        for (at, byte) in reader.buffer[..read].iter().enumerate().rev() {
            let place = begin + at as u64 + 1;
            // The line end of the last line does not begin another one.
            if *byte == b'\n' && place != length {
                newlines += 1;
                if newlines == FIRST_LINES {
                    return Ok(place);
                }
            }
        }
        end = begin;
    }
    Ok(earliest)
}

//! Reading a tar stream: ustar, GNU and PAX, as far as real archives go, and strict about the rest.
//!
//! The `tar` crate knows the layout of the headers. The walk through the archive is ours, because we must
//! tell a complete archive from one that was cut off between two entries (the end marker is missing), must bound
//! what a header may make us keep in memory, and need PAX sparse files, which the crate's own walk does not have.

use super::{
    error::{Refusal, UnpackError},
    meta::Meta,
    name::{EntryName, hard_link_target},
    sniff,
    tar_header::{BLOCK, Block, SIZE, TYPE, checksum_fits, meta, number, padded},
    tar_pax::{Piece, Records, decimal, pieces},
    tree::{OpenFile, Tree},
};
use std::io::{self, BufRead};
use tar::{GnuExtSparseHeader, Header};

/// Long names, PAX records and sparse maps are kept in memory; real ones are a few hundred bytes.
const LARGEST_EXTENSION: u64 = 1 << 20;

/// An entry may have several; an endless row of them is no archive.
const MOST_HEADERS: u64 = 10_000_000;

/// Unpacks the archive that `source` yields into `tree`, up to its end marker.
///
/// What follows the marker (padding of the tape's record size) is left to the caller.
pub(crate) fn unpack(source: &mut dyn BufRead, tree: &mut Tree) -> Result<(), UnpackError> {
    let mut reader = Reader { source, tree, global: Records::default(), headers: 0 };
    let mut first = true;
    while let Some(block) = reader.header(first)? {
        first = false;
        reader.entry(&block)?;
    }
    Ok(())
}

/// Headers that come before the one they are about.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Option<Records>,
}

struct Reader<'a> {
    source: &'a mut dyn BufRead,
    tree: &'a mut Tree,
    global: Records,
    headers: u64,
}

impl Reader<'_> {
    /// The next header, or `None` at the end marker.
    fn header(&mut self, first: bool) -> Result<Option<Block>, UnpackError> {
        self.headers += 1;
        if self.headers > MOST_HEADERS {
            return Err(UnpackError::Archive(Refusal::TooMany(MOST_HEADERS)));
        }
        let mut block = [0; BLOCK];
        let got = self.fill(&mut block)?;
        if first && got < BLOCK {
            let found = if got == 0 { "an empty file" } else { sniff::describe(&block[..got]) };
            return Err(not_a_tar(found));
        }
        if got < BLOCK {
            return Err(UnpackError::Archive(Refusal::Truncated));
        }
        if block.iter().all(|byte| *byte == 0) {
            // GNU tar, too, takes a single zero block for the end.
            return Ok(None);
        }
        if !checksum_fits(&block) {
            return Err(if first {
                not_a_tar(sniff::describe(&block))
            } else {
                damaged("the checksum of a header does not fit")
            });
        }
        Ok(Some(block))
    }

    /// Handles the entry that starts with `block`, with all headers that belong to it.
    fn entry(&mut self, block: &Block) -> Result<(), UnpackError> {
        let mut block = *block;
        let mut before = Before::default();
        loop {
            let size = number(&block[SIZE]).ok_or_else(|| damaged("a header has no size"))?;
            match block[TYPE] {
                b'L' => before.name = Some(without_nul(self.extension(size)?)),
                b'K' => before.link = Some(without_nul(self.extension(size)?)),
                // `X` is what Solaris called it before it became a standard.
                b'x' | b'X' => {
                    let data = self.extension(size)?;
                    let records = before.records.get_or_insert_with(|| self.global.clone());
                    records.read(&data).map_err(UnpackError::Archive)?;
                }
                b'g' => {
                    let data = self.extension(size)?;
                    self.global.read(&data).map_err(UnpackError::Archive)?;
                    // Nothing has to follow global records.
                    if before.is_empty() {
                        return Ok(());
                    }
                }
                // A volume's label is no file.
                b'V' => return self.pass(padded(size)?),
                _ => {
                    self.tree.count_entry()?;
                    return self.member(&block, before);
                }
            }
            block = self.header(false)?.ok_or(UnpackError::Archive(Refusal::Truncated))?;
        }
    }

    /// Handles a header that stands for something in the file system.
    fn member(&mut self, block: &Block, before: Before) -> Result<(), UnpackError> {
        let header = Header::from_byte_slice(block);
        let records = before.records.unwrap_or_else(|| self.global.clone());
        let raw_name = records
            .sparse
            .name
            .clone()
            .or_else(|| records.path.clone())
            .or(before.name)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let raw_link = records
            .link
            .clone()
            .or(before.link)
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default();
        let size = records.size.or_else(|| number(&block[SIZE])).unwrap_or_default();
        let meta = meta(block, &records).map_err(|why| why.of(&raw_name))?;
        let is_file = matches!(block[TYPE], b'0' | 0 | b'7' | b'S');
        // Before there was a type for folders, a slash at the end said it.
        let is_folder =
            block[TYPE] == b'5' || block[TYPE] == b'D' || (is_file && raw_name.ends_with(b"/"));
        // Like GNU tar and libarchive: whatever size these say, no data follows.
        let data_after = if block[TYPE] == b'5' { 0 } else { padded(size)? };
        let parsed = EntryName::parse(&raw_name).map_err(|why| why.of(&raw_name))?;
        let Some(name) = parsed else {
            // The archive's root is the target, which is the operator's.
            return if is_folder {
                self.pass(data_after)
            } else {
                Err(Refusal::EmptyName.of(&raw_name))
            };
        };
        match block[TYPE] {
            _ if is_folder => {
                self.tree.folder(&name, meta)?;
                self.pass(data_after)
            }
            _ if is_file => self.file(block, (name, meta), size, &records),
            b'1' => {
                let target = hard_link_target(&raw_link).map_err(|why| why.of(&raw_name))?;
                self.tree.hard_link(&name, &target)
            }
            b'2' => self.tree.symlink(&name, &raw_link, &meta),
            b'3' => Err(Refusal::Special("a character device").of(&raw_name)),
            b'4' => Err(Refusal::Special("a block device").of(&raw_name)),
            b'6' => Err(Refusal::Special("a named pipe").of(&raw_name)),
            b'M' => Err(Refusal::Special("the rest of a file from another volume").of(&raw_name)),
            other => Err(Refusal::UnknownType(char::from(other)).of(&raw_name)),
        }
    }

    fn file(
        &mut self,
        block: &Block,
        (name, meta): (EntryName, Meta),
        size: u64,
        records: &Records,
    ) -> Result<(), UnpackError> {
        let raw_name = name.as_bytes().to_vec();
        let (pieces, real_size, size) =
            self.layout(block, size, records).map_err(|error| match error {
                UnpackError::Archive(why) => why.of(&raw_name),
                other => other,
            })?;
        self.tree.check_size(real_size)?;
        let padding = padded(size)? - size;
        let mut file = self.tree.create(name, meta)?;
        let mut end = 0;
        for piece in pieces {
            if piece.offset > end {
                self.tree.skip(&mut file, piece.offset - end)?;
            }
            self.copy(&mut file, piece.length)?;
            end = piece.offset + piece.length;
        }
        if real_size > end {
            self.tree.skip(&mut file, real_size - end)?;
        }
        self.tree.close(&file)?;
        self.pass(padding)
    }

    /// Where a file's data goes: its pieces, its size, and how many bytes of data are still to come.
    fn layout(
        &mut self,
        block: &Block,
        size: u64,
        records: &Records,
    ) -> Result<(Vec<Piece>, u64, u64), UnpackError> {
        let sparse = &records.sparse;
        let (numbers, real_size, size) = if block[TYPE] == b'S' {
            let real_size =
                number(&block[483..495]).ok_or_else(|| damaged("a sparse file has no size"))?;
            (self.old_gnu_map(block)?, real_size, size)
        } else if sparse.map_in_data {
            let (numbers, used) = self.map_in_data(size)?;
            (numbers, sparse.real_size.unwrap_or_default(), size - used)
        } else if let Some(real_size) = sparse.real_size {
            (sparse.numbers.clone(), real_size, size)
        } else {
            return Ok((vec![Piece { offset: 0, length: size }], size, size));
        };
        Ok((pieces(&numbers, real_size, size).map_err(UnpackError::Archive)?, real_size, size))
    }

    /// The map of GNU's own sparse header: four pieces in it, then blocks of twenty-one.
    fn old_gnu_map(&mut self, block: &Block) -> Result<Vec<u64>, UnpackError> {
        let mut numbers = Vec::new();
        add_pieces(&mut numbers, &block[386..482])?;
        let mut more = block[482] != 0;
        while more {
            let mut next = GnuExtSparseHeader::new();
            self.exact(next.as_mut_bytes())?;
            add_pieces(&mut numbers, &next.as_bytes()[..504])?;
            more = next.is_extended();
            if numbers.len() as u64 * 8 > LARGEST_EXTENSION {
                return Err(damaged("the map of a sparse file is too large"));
            }
        }
        Ok(numbers)
    }

    /// The map that stands before the data: decimal lines, the first one their number of pairs, in whole blocks.
    fn map_in_data(&mut self, size: u64) -> Result<(Vec<u64>, u64), UnpackError> {
        let broken = || damaged("the map of a sparse file cannot be read");
        let (mut used, mut wanted) = (0, None);
        let mut numbers = Vec::new();
        let mut line = Vec::new();
        loop {
            let mut block = [0; BLOCK];
            used += BLOCK as u64;
            if used > size || used > LARGEST_EXTENSION {
                return Err(broken());
            }
            self.exact(&mut block)?;
            for byte in block {
                if wanted.is_some_and(|wanted| numbers.len() as u64 >= wanted) {
                    break;
                }
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                let value = decimal(&line).ok_or_else(broken)?;
                line.clear();
                match wanted {
                    None => wanted = Some(value.checked_mul(2).ok_or_else(broken)?),
                    Some(_) => numbers.push(value),
                }
            }
            if wanted.is_some_and(|wanted| numbers.len() as u64 >= wanted) {
                return Ok((numbers, used));
            }
        }
    }

    /// The content of a header that is about the next one.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, UnpackError> {
        if size > LARGEST_EXTENSION {
            return Err(damaged("a long name or PAX header is larger than 1 MiB"));
        }
        let mut data = vec![0; usize::try_from(size).unwrap_or_default()];
        self.exact(&mut data)?;
        self.pass(padded(size)? - size)?;
        Ok(data)
    }

    fn copy(&mut self, file: &mut OpenFile, mut left: u64) -> Result<(), UnpackError> {
        while left > 0 {
            let data = self.source.fill_buf().map_err(UnpackError::Read)?;
            if data.is_empty() {
                return Err(UnpackError::Archive(Refusal::Truncated));
            }
            let take = usize::try_from(left).map_or(data.len(), |left| left.min(data.len()));
            self.tree.write(file, &data[..take])?;
            self.source.consume(take);
            left -= take as u64;
        }
        Ok(())
    }

    fn pass(&mut self, mut left: u64) -> Result<(), UnpackError> {
        while left > 0 {
            let data = self.source.fill_buf().map_err(UnpackError::Read)?;
            if data.is_empty() {
                return Err(UnpackError::Archive(Refusal::Truncated));
            }
            let take = usize::try_from(left).map_or(data.len(), |left| left.min(data.len()));
            self.source.consume(take);
            left -= take as u64;
        }
        Ok(())
    }

    fn exact(&mut self, buffer: &mut [u8]) -> Result<(), UnpackError> {
        if self.fill(buffer)? < buffer.len() {
            return Err(UnpackError::Archive(Refusal::Truncated));
        }
        Ok(())
    }

    /// Fills as much of the buffer as there is.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        let mut got = 0;
        while got < buffer.len() {
            match io::Read::read(&mut self.source, &mut buffer[got..]) {
                Ok(0) => break,
                Ok(read) => got += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::Read(error)),
            }
        }
        Ok(got)
    }
}

impl Before {
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.records.is_none()
    }
}

/// Adds the offset and length fields of GNU's sparse header; unused ones are empty.
fn add_pieces(numbers: &mut Vec<u64>, fields: &[u8]) -> Result<(), UnpackError> {
    for field in fields.chunks_exact(24).filter(|field| field[12] != 0) {
        for half in [&field[..12], &field[12..]] {
            numbers.push(
                number(half).ok_or_else(|| damaged("the map of a sparse file cannot be read"))?,
            );
        }
    }
    Ok(())
}

fn not_a_tar(found: &'static str) -> UnpackError {
    UnpackError::Archive(Refusal::NotWhatItsNameSays { expected: "a tar archive", found })
}

fn damaged(what: &str) -> UnpackError {
    UnpackError::Archive(Refusal::Damaged(what.to_owned()))
}

fn without_nul(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

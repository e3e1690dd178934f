//! Inflating a gzip file that may have several members (pigz, `cat a.gz b.gz`) and padding after the last.

use crate::boot::unpack::sniff::GZIP;
use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// The inflated content of all members.
///
/// Damage and an early end are errors of kind `InvalidData`, `InvalidInput` or `UnexpectedEof`; errors of the
/// source pass through.
pub(super) struct Members<R: BufRead> {
    state: State<R>,
}

enum State<R: BufRead> {
    Inside(Box<GzDecoder<Peek<R>>>),
    Over,
}

impl<R: BufRead> Members<R> {
    /// `source` is known to start with a gzip header.
    pub(super) fn new(source: R) -> Self {
        Self { state: State::Inside(Box::new(GzDecoder::new(Peek::new(source)))) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let State::Inside(decoder) = &mut self.state {
            let got = decoder.read(buffer)?;
            if got > 0 || buffer.is_empty() {
                return Ok(got);
            }
            // The end of a member. Like gzip, take what follows for padding unless it is one more member.
            let State::Inside(decoder) = std::mem::replace(&mut self.state, State::Over) else {
                break;
            };
            let mut rest = decoder.into_inner();
            if rest.peek(GZIP.len())? == GZIP {
                self.state = State::Inside(Box::new(GzDecoder::new(rest)));
            }
        }
        Ok(0)
    }
}

/// A reader whose next bytes can be looked at, however few the source yields at a time.
pub(super) struct Peek<R> {
    ahead: Vec<u8>,
    used: usize,
    source: R,
}

impl<R: BufRead> Peek<R> {
    pub(super) fn new(source: R) -> Self {
        Self { ahead: Vec::new(), used: 0, source }
    }

    pub(super) fn into_inner(self) -> R {
        self.source
    }

    /// The next `wanted` bytes, or fewer at the end.
    pub(super) fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        if self.used > 0 {
            self.ahead.drain(..self.used);
            self.used = 0;
        }
        while self.ahead.len() < wanted {
            let data = self.source.fill_buf()?;
            if data.is_empty() {
                break;
            }
            let take = data.len().min(wanted - self.ahead.len());
            self.ahead.extend_from_slice(&data[..take]);
            self.source.consume(take);
        }
        Ok(&self.ahead[..self.ahead.len().min(wanted)])
    }
}

impl<R: BufRead> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used < self.ahead.len() {
            Ok(&self.ahead[self.used..])
        } else {
            self.source.fill_buf()
        }
    }

    fn consume(&mut self, amount: usize) {
        if self.used < self.ahead.len() {
            self.used = (self.used + amount).min(self.ahead.len());
        } else {
            self.source.consume(amount);
        }
    }
}

impl<R: BufRead> Read for Peek<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        super::read_buffered(self, buffer)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{BufReader, Write};

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(data: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        // One byte at a time, to meet every seam.
        Members::new(BufReader::with_capacity(1, data)).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn all_members_are_read_and_padding_is_not() {
        let two = [member("one "), member("two")].concat();
        assert_eq!(inflate(&two).unwrap(), "one two");
        assert_eq!(inflate(&[two.clone(), vec![0; 1000]].concat()).unwrap(), "one two");
        assert_eq!(inflate(&[two, b"garbage".to_vec()].concat()).unwrap(), "one two");
    }

    #[test]
    fn every_cut_and_every_damage_of_the_checksum_is_noticed() {
        let whole = member("some text that is long enough to be cut in many places");
        for end in 1..whole.len() {
            assert!(inflate(&whole[..end]).is_err(), "{end}");
        }
        let mut wrong = whole.clone();
        let at = wrong.len() - 8;
        wrong[at] ^= 1;
        assert!(inflate(&wrong).is_err());
    }
}

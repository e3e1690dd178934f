//! One source of output that is not ours: a component, the installer, a script, a followed file.

use super::{
    Output, StreamMask,
    channel::{Piece, Source},
};
/// A line longer than this leaves in pieces.
const LONGEST_LINE: usize = 64 << 10;

/// How much of a source's end is remembered for error messages.
const TAIL_BYTES: usize = 16 << 10;

/// How many lines [`Stream::tail`] gives at most.
const TAIL_LINES: usize = 20;

/// Whether to go on waiting for room; `None` never waits.
type Patience<'a> = Option<&'a dyn Fn() -> bool>;

/// Takes one source's bytes in any pieces, hides secrets in them, and passes them on line by line, otherwise untouched.
///
/// Dropping it passes on what is left, as [`finish`](Self::finish) does.
#[derive(Debug)]
pub struct Stream {
    output: Output,
    source: Source,
    prefix: Vec<u8>,
    mask: StreamMask,
    /// Masked, and without the end of its line yet.
    line: Vec<u8>,
    tail: Option<Vec<u8>>,
}

impl Stream {
    pub(super) fn new(output: Output, source: Source, prefix: Vec<u8>) -> Self {
        let mask = output.mask().stream();
        Self { output, source, prefix, mask, line: Vec::new(), tail: Some(Vec::new()) }
    }

    /// Does not remember its last lines.
    #[must_use]
    pub fn without_tail(mut self) -> Self {
        self.tail = None;
        self
    }

    /// Queues the whole lines of what arrived so far. Never waits; what does not fit is dropped and counted.
    pub fn write(&mut self, bytes: &[u8]) {
        self.pass_on(bytes, None);
    }

    /// The same, but waits for room rather than drop a line, as long as `is_patient`, asked a few times a second, says so. False
    /// if that was not enough: what was left was treated as by [`write`](Self::write).
    pub fn write_waiting(&mut self, bytes: &[u8], is_patient: &dyn Fn() -> bool) -> bool {
        self.pass_on(bytes, Some(is_patient))
    }

    /// Whether a line without its end could be shown, a prompt for example.
    #[must_use]
    pub fn has_partial(&self) -> bool {
        !self.line.is_empty()
    }

    /// Shows a line without its end, but for what may be the beginning of a secret.
    pub fn flush_partial(&mut self) {
        self.emit(self.line.len(), None);
    }

    /// Shows all that is left: the source has ended, or begins anew.
    pub fn finish(&mut self) {
        self.mask.finish(&mut self.line);
        self.emit(self.line.len(), None);
    }

    /// The last lines, at most 20, masked, for an error message.
    #[must_use]
    pub fn tail(&self) -> Vec<String> {
        let mut text =
            String::from_utf8_lossy(self.tail.as_deref().unwrap_or_default()).into_owned();
        text.push_str(&String::from_utf8_lossy(&self.line));
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect()
    }

    fn pass_on(&mut self, bytes: &[u8], is_patient: Patience<'_>) -> bool {
        let mut had_room = true;
        for piece in bytes.chunks(LONGEST_LINE) {
            let old = self.line.len();
            self.mask.push(piece, &mut self.line);
            let whole =
                self.line[old..].iter().rposition(|byte| *byte == b'\n').map(|at| old + at + 1);
            let ready = if self.line.len() - whole.unwrap_or(0) > LONGEST_LINE {
                self.line.len()
            } else {
                whole.unwrap_or(0)
            };
            had_room &= self.emit(ready, is_patient);
        }
        had_room
    }

    /// Passes on the first `ready` bytes of the line buffer.
    fn emit(&mut self, ready: usize, is_patient: Patience<'_>) -> bool {
        if ready == 0 {
            return true;
        }
        let bytes = &self.line[..ready];
        let piece = Piece { source: self.source, prefix: &self.prefix, bytes };
        let had_room = is_patient.is_some_and(|ask| self.output.push_waiting(piece, ask));
        if !had_room {
            self.output.push(piece);
        }
        if let Some(tail) = &mut self.tail {
            remember(tail, bytes);
        }
        self.line.drain(..ready);
        if self.line.is_empty() {
            // A quiet source keeps nothing: there may be thousands.
            self.line = Vec::new();
        }
        had_room || is_patient.is_none()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Keeps the end of all that was given.
fn remember(tail: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
    if tail.len() + bytes.len() > 2 * TAIL_BYTES {
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
    }
    tail.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::super::{Mask, Settings};
    use super::*;
    use crate::contract::secret::Secret;
    use std::{
        io::{self, PipeReader, Read},
        time::Duration,
    };

    fn output(prefix: bool) -> (Output, PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        let mask = Mask::new();
        mask.add(&Secret::new("hush-hush"));
        let output = Output::to(writer.try_clone().unwrap(), writer, mask);
        output.configure(Settings { prefix, ..Settings::default() });
        (output, reader)
    }

    fn shown(output: &Output, reader: &mut PipeReader) -> String {
        assert!(output.flush(Duration::from_secs(5)));
        let mut bytes = vec![0; 60_000];
        let read = reader.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[test]
    fn bytes_pass_through_untouched() {
        let (output, mut reader) = output(false);
        let mut stream = output.stream("server");
        let bytes = b"\xff\xfe\x00 invalid\r\n\r\n\x1b[1mbold\n\nno end";
        for piece in bytes.chunks(3) {
            stream.write(piece);
        }
        stream.finish();
        drop((stream, output));
        let mut seen = Vec::new();
        reader.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, bytes);
    }

    #[test]
    fn a_prefix_stands_before_each_line_once() {
        let (output, mut reader) = output(true);
        let mut stream = output.stream("server");
        stream.write(b"one\ntwo\nthr");
        stream.write(b"ee\n");
        stream.write(b"Continue? ");
        stream.flush_partial();
        stream.write(b"y\n");
        assert_eq!(
            shown(&output, &mut reader),
            "[server] one\n[server] two\n[server] three\n[server] Continue? y\n"
        );
    }

    #[test]
    fn a_prompt_is_shown_when_asked_for_and_another_source_begins_a_new_line() {
        let (output, mut reader) = output(true);
        let mut stream = output.stream("installer");
        stream.write(b"Continue? ");
        assert!(stream.has_partial());
        stream.flush_partial();
        assert!(!stream.has_partial());
        output.stream("server").write(b"up\n");
        stream.write(b"yes\n");
        assert_eq!(
            shown(&output, &mut reader),
            "[installer] Continue? \n[server] up\n[installer] yes\n"
        );
    }

    #[test]
    fn a_shown_prompt_never_gives_away_the_beginning_of_a_secret() {
        let (output, mut reader) = output(false);
        let mut stream = output.stream("installer");
        stream.write(b"password: hush-");
        stream.flush_partial();
        assert!(!stream.has_partial());
        stream.write(b"hush!\n");
        assert_eq!(shown(&output, &mut reader), "password: [redacted]!\n");
    }

    #[test]
    fn a_line_without_end_leaves_in_pieces_and_stays_whole() {
        let (output, mut reader) = output(true);
        let mut stream = output.stream("server");
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        for _ in 0..300 {
            stream.write(&[b'x'; 10_000]);
            assert!(stream.line.len() <= LONGEST_LINE);
        }
        drop((stream, output));
        assert_eq!(reading.join().unwrap(), format!("[server] {}", "x".repeat(3_000_000)));
    }

    #[test]
    fn the_last_lines_are_remembered_masked() {
        let (output, _reader) = output(false);
        let mut stream = output.stream("installer");
        for count in 0..50 {
            stream.write(format!("line {count}\n").as_bytes());
        }
        stream.write(b"the password is hush-hush\nand \xff no end");
        let tail = stream.tail();
        assert_eq!(tail.len(), TAIL_LINES);
        assert_eq!(tail[0], "line 32");
        assert_eq!(tail[18..], ["the password is [redacted]", "and \u{fffd} no end"]);
        stream.write(&vec![b'z'; 1 << 20]);
        assert!(stream.tail.as_ref().unwrap().len() <= 3 * TAIL_BYTES);
    }
}

//! [`Output`]: the handle to our stdout and stderr that everybody holds.

use super::{
    Mask, Settings, Stream,
    channel::{Channel, OURSELVES, Piece},
    sink::Sink,
};
use rustix::fd::OwnedFd;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The only way to our stdout and stderr; cheap to clone, usable from any thread.
///
/// Nothing here waits for a reader but [`flush`](Self::flush) and
/// [`Stream::write_waiting`]: 4 MiB are kept for each descriptor, then whole lines are dropped and, once there is room
/// again, one line says how many. A descriptor whose reader is gone (EPIPE, EIO) is given up silently.
#[derive(Debug, Clone)]
pub struct Output(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stdout: Channel,
    stderr: Channel,
    mask: Mask,
    has_prefix: AtomicBool,
    sources: AtomicU64,
}

impl Output {
    /// The process's own stdout and stderr, everything masked by `mask`.
    #[must_use]
    pub fn new(mask: Mask) -> Self {
        Self::from_sinks(Sink::Stdout(io::stdout()), Sink::Stderr(io::stderr()), mask)
    }

    /// Other descriptors in their place.
    #[must_use]
    pub fn to(stdout: impl Into<OwnedFd>, stderr: impl Into<OwnedFd>, mask: Mask) -> Self {
        Self::from_sinks(Sink::Other(stdout.into()), Sink::Other(stderr.into()), mask)
    }

    fn from_sinks(stdout: Sink, stderr: Sink, mask: Mask) -> Self {
        Self(Arc::new(Inner {
            stdout: Channel::new("stdout", stdout),
            stderr: Channel::new("stderr", stderr),
            mask,
            has_prefix: AtomicBool::new(false),
            sources: AtomicU64::new(OURSELVES + 1),
        }))
    }

    /// What is hidden in everything that goes through here.
    #[must_use]
    pub fn mask(&self) -> &Mask {
        &self.0.mask
    }

    /// A new source of lines for stdout. `label` is what its lines begin with where prefixes are asked for.
    #[must_use]
    pub fn stream(&self, label: &str) -> Stream {
        let source = self.0.sources.fetch_add(1, Ordering::Relaxed);
        let prefix = if self.0.has_prefix.load(Ordering::Relaxed) {
            format!("[{label}] ").into_bytes()
        } else {
            Vec::new()
        };
        Stream::new(self.clone(), source, prefix)
    }

    /// One line to stderr, masked: for what is said outside `tracing`.
    pub fn stderr_line(&self, line: &str) {
        let mut line = self.mask().hide(line).into_owned();
        line.push('\n');
        self.push_event(line.as_bytes());
    }

    /// Waits until all was written that anybody queued before, at most for `limit`; false if something is left. For the
    /// end of the process and before an exec: this is the one call here that blocks.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        // Both are tried, whatever the first one says.
        let stdout = self.0.stdout.flush(deadline);
        let stderr = self.0.stderr.flush(deadline);
        stdout && stderr
    }

    /// How many lines never reached their descriptor.
    #[must_use]
    pub fn lost_lines(&self) -> u64 {
        self.0.stdout.lost_lines() + self.0.stderr.lost_lines()
    }

    /// Whether our events end on a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.0.stderr.is_terminal()
    }

    pub(super) fn configure(&self, settings: Settings) {
        self.0.has_prefix.store(settings.prefix, Ordering::Relaxed);
        self.0.stderr.set_format(settings.format);
    }

    /// Queues whole, already masked lines for stderr.
    pub(super) fn push_event(&self, lines: &[u8]) {
        self.0.stderr.push(Piece { source: OURSELVES, prefix: &[], bytes: lines });
    }

    pub(super) fn push(&self, piece: Piece<'_>) {
        self.0.stdout.push(piece);
    }

    pub(super) fn push_waiting(&self, piece: Piece<'_>, is_patient: &dyn Fn() -> bool) -> bool {
        self.0.stdout.push_waiting(piece, is_patient)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use crate::contract::{LogFormat, LogLevel, secret::Secret};
    use std::{
        fs::File,
        io::{PipeReader, Read},
        thread,
    };

    const SOON: Duration = Duration::from_secs(10);

    fn pair() -> (Output, PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        let mask = Mask::new();
        mask.add(&Secret::new("hush-hush"));
        (Output::to(writer.try_clone().unwrap(), writer, mask), reader)
    }

    fn all_of(output: Output, mut reader: PipeReader) -> Vec<u8> {
        drop(output);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// How many lines the notices in `text` speak of.
    fn said_dropped(text: &str) -> u64 {
        text.lines()
            .filter_map(|line| {
                line.split_once(" dropped while the log was blocked")?.0.split(' ').nth_back(1)
            })
            .map(|number| number.parse::<u64>().unwrap())
            .sum()
    }

    #[test]
    fn a_blocked_reader_makes_nobody_wait_and_each_lost_line_is_counted() {
        let (output, mut reader) = pair();
        let mut stream = output.stream("server");
        let line = format!("{}\n", "x".repeat(999));
        let lines = 3 * (4 << 20) / line.len();
        for _ in 0..lines {
            stream.write(line.as_bytes());
        }
        assert!(!output.flush(Duration::from_millis(1)));
        assert!(output.lost_lines() > 0);

        let reading = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        assert!(output.flush(SOON));
        stream.write(b"after\n");
        drop((stream, output));
        let text = reading.join().unwrap();
        let whole = text.lines().filter(|seen| seen.len() == 999).count() as u64;
        assert_eq!(whole + said_dropped(&text), lines as u64);
        assert!(whole > (4 << 20) / 1100, "{whole} lines were kept");
        assert!(text.ends_with("after\n"));
    }

    #[test]
    fn what_was_dropped_is_said_without_another_line_and_as_json_where_asked_for() {
        let (reader, writer) = io::pipe().unwrap();
        let output = Output::to(File::create("/dev/null").unwrap(), writer, Mask::new());
        output.configure(Settings {
            format: LogFormat::Json,
            level: LogLevel::Info,
            prefix: false,
        });
        let line = "x".repeat(1 << 20);
        for _ in 0..8 {
            output.stderr_line(&line);
        }
        let lost = output.lost_lines();
        let text = String::from_utf8(all_of(output, reader)).unwrap();
        let notice: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(notice["lines"], lost);
    }

    #[test]
    fn lines_of_different_sources_never_share_a_line() {
        let (output, reader) = pair();
        let threads = ["a", "b", "c"].map(|letter| {
            let mut stream = output.stream(letter);
            thread::spawn(move || {
                for count in 0..500_usize {
                    let line = format!("{}\n", letter.repeat(count % 90));
                    for piece in line.as_bytes().chunks(7) {
                        stream.write(piece);
                    }
                }
            })
        });
        let reading = thread::spawn(move || all_of(output, reader));
        for thread in threads {
            thread.join().unwrap();
        }
        let text = String::from_utf8(reading.join().unwrap()).unwrap();
        assert_eq!(text.lines().count(), 1500);
        for line in text.lines() {
            assert!(line.bytes().all(|byte| byte == line.as_bytes()[0]), "{line}");
        }
    }

    #[test]
    fn a_reader_that_is_gone_stops_nothing() {
        let (output, reader) = pair();
        drop(reader);
        let mut stream = output.stream("server");
        for _ in 0..100 {
            stream.write(b"nobody reads this\n");
        }
        assert!(stream.write_waiting(b"nor this\n", &|| true));
        assert!(output.flush(SOON));
        output.stderr_line("still here");
        assert!(output.flush(SOON));
        assert_eq!(output.lost_lines(), 102);
    }

    #[test]
    fn a_full_disk_loses_lines_but_not_the_descriptor() {
        let Ok(full) = File::options().write(true).open("/dev/full") else { return };
        let output = Output::to(full, io::pipe().unwrap().1, Mask::new());
        let mut stream = output.stream("server");
        stream.write(b"one\n");
        assert!(output.flush(SOON));
        stream.write(b"two\nthree\n");
        assert!(output.flush(SOON));
        assert_eq!(output.lost_lines(), 3);
    }

    #[test]
    fn a_descriptor_that_somebody_made_non_blocking_loses_nothing() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let output = Output::to(writer.try_clone().unwrap(), writer, Mask::new());
        let mut stream = output.stream("server");
        let reading = thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            bytes.len()
        });
        for _ in 0..1000 {
            stream.write(&[b'x'; 1000]);
        }
        assert!(output.flush(SOON));
        drop((stream, output));
        assert_eq!(reading.join().unwrap(), 1_000_000);
    }

    #[test]
    fn a_source_that_can_wait_loses_nothing_and_leaves_room_for_others() {
        let (output, mut reader) = pair();
        let mut patient = output.stream("file").without_tail();
        let line = [&[b'p'; 999][..], b"\n"].concat();
        // Nobody reads: it is made to wait with half of the queue still free.
        while patient.write_waiting(&line, &|| false) {}
        let mut other = output.stream("server");
        for _ in 0..1000 {
            other.write(&line);
        }
        assert_eq!(output.lost_lines(), 0);

        let reading = thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            bytes.len()
        });
        for _ in 0..20_000 {
            assert!(patient.write_waiting(&line, &|| true));
        }
        assert!(output.flush(SOON));
        assert_eq!(output.lost_lines(), 0);
        drop((patient, other, output));
        assert!(reading.join().unwrap() >= 21_000 * line.len());
    }

    #[test]
    fn single_lines_are_masked() {
        let (output, reader) = pair();
        output.stderr_line("error: hush-hush");
        assert_eq!(all_of(output, reader), b"error: [redacted]\n");
    }
}

//! What a process printed, collected by threads as it comes, so that a test can wait for a line.
//!
//! A gate can hold the readers back: then the pipe fills up, as when a container runtime's log
//! reader hangs.

use std::{
    io::Read,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or the terminal where there is one.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of output, without its line end; bytes that are not UTF-8 are replaced.
#[derive(Debug, Clone)]
pub struct Line {
    /// Which of the two.
    pub stream: Stream,
    /// When its end was read.
    pub at: Instant,
    /// The text.
    pub text: String,
}

#[derive(Debug, Default)]
struct Collected {
    lines: Vec<Line>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    open: usize,
    held: bool,
}

/// The output of one process and its descendants, shared with the threads that read it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Output(Arc<(Mutex<Collected>, Condvar)>);

impl Output {
    pub(crate) fn new(held: bool) -> Self {
        let output = Self::default();
        output.lock().held = held;
        output
    }

    pub(crate) fn collect(&self, stream: Stream, source: impl Read + Send + 'static) {
        self.lock().open += 1;
        let output = self.clone();
        thread::spawn(move || output.read_all(stream, source));
    }

    fn read_all(&self, stream: Stream, mut source: impl Read) {
        drop(self.wait_until(None, |collected| !collected.held));
        let mut partial = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        // EIO is how a terminal's master says that the last process has closed it.
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            self.take(stream, &mut partial, &buffer[..count]);
        }
        if !partial.is_empty() {
            self.take(stream, &mut partial, b"\n");
        }
        self.lock().open -= 1;
        self.0.1.notify_all();
    }

    fn take(&self, stream: Stream, partial: &mut Vec<u8>, bytes: &[u8]) {
        let mut collected = self.lock();
        match stream {
            Stream::Stdout => collected.stdout.extend_from_slice(bytes),
            Stream::Stderr => collected.stderr.extend_from_slice(bytes),
        }
        for byte in bytes {
            if *byte == b'\n' {
                let text = String::from_utf8_lossy(partial).trim_end_matches('\r').to_owned();
                collected.lines.push(Line { stream, at: Instant::now(), text });
                partial.clear();
            } else {
                partial.push(*byte);
            }
        }
        drop(collected);
        self.0.1.notify_all();
    }

    pub(crate) fn release(&self) {
        self.lock().held = false;
        self.0.1.notify_all();
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lock().lines.clone()
    }

    pub(crate) fn bytes(&self, stream: Stream) -> Vec<u8> {
        let collected = self.lock();
        match stream {
            Stream::Stdout => collected.stdout.clone(),
            Stream::Stderr => collected.stderr.clone(),
        }
    }

    /// The first line from number `from` on that contains `text`.
    pub(crate) fn wait_for(&self, text: &str, from: usize, limit: Duration) -> Option<Line> {
        let find = |collected: &Collected| {
            collected.lines.iter().skip(from).find(|line| line.text.contains(text)).cloned()
        };
        let collected = self.wait_until(Some(limit), |c| find(c).is_some());
        find(&collected)
    }

    /// Whether every process that held the streams has closed them within `limit`.
    pub(crate) fn is_closed_within(&self, limit: Duration) -> bool {
        self.wait_until(Some(limit), |collected| collected.open == 0).open == 0
    }

    fn wait_until(
        &self,
        limit: Option<Duration>,
        holds: impl Fn(&Collected) -> bool,
    ) -> MutexGuard<'_, Collected> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut collected = self.lock();
        while !holds(&collected) {
            let left = deadline.map_or(Duration::from_hours(1), |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                break;
            }
            collected = self.0.1.wait_timeout(collected, left).unwrap().0;
        }
        collected
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.0.lock().unwrap()
    }
}

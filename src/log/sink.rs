//! One descriptor that we write to, and what its errors mean.
//!
//! The descriptor is inherited: other processes share its open file, so its flags are not ours to change. If somebody made it
//! non-blocking, we wait with poll(2).

use rustix::{
    event::{PollFd, PollFlags, poll},
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::Errno,
};
use std::io;

/// Where a channel's bytes go.
#[derive(Debug)]
pub(super) enum Sink {
    Stdout(io::Stdout),
    Stderr(io::Stderr),
    Other(OwnedFd),
}

/// Why bytes were not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// These bytes cannot be written, later ones may be (the disk behind the descriptor is full).
    ThisTime,
    /// Nobody will ever read from it again.
    ForEver,
}

impl Sink {
    /// Writes a part of `bytes`, waiting as long as it takes.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, Refusal> {
        loop {
            match rustix::io::write(self.fd(), bytes) {
                Ok(0) => return Err(Refusal::ForEver),
                Ok(written) => return Ok(written),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait_for_room(),
                Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => return Err(Refusal::ThisTime),
                Err(_) => return Err(Refusal::ForEver),
            }
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        rustix::termios::isatty(self.fd())
    }

    fn wait_for_room(&self) {
        // An error here (EINTR) only makes the write be tried again.
        let _ = poll(&mut [PollFd::from_borrowed_fd(self.fd(), PollFlags::OUT)], None);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdout(stdout) => stdout.as_fd(),
            Self::Stderr(stderr) => stderr.as_fd(),
            Self::Other(fd) => fd.as_fd(),
        }
    }
}

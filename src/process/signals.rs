//! The signals that PID 1 lives by.
//!
//! The kernel drops a signal to PID 1 that has no handler, so a SIGTERM before [`Signals::install`] would be lost and the
//! kubelet would sit out the whole grace period: this is called before anything else.

use nix::sys::signal::{SigSet, SigmaskHow, Signal as Fault};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::UnixStream as AsyncStream;

/// What a supervisor takes. SIGHUP and SIGUSR2 are taken so that they cannot end us where we are not PID 1; both do nothing.
pub const SUPERVISOR: [i32; 7] = [SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGHUP, SIGUSR2];

/// Signals that arrive while this lives are kept for the handlers that are installed meanwhile.
///
/// Finding out which command this is takes a moment, and PID 1 would lose a SIGTERM that comes in it.
#[derive(Debug)]
pub struct Held(Option<SigSet>);

impl Held {
    /// Holds back the signals that ask a process to do something; those that a fault of its own raises are not.
    #[must_use]
    pub fn all() -> Self {
        let mut held = SigSet::all();
        for fault in [Fault::SIGSEGV, Fault::SIGBUS, Fault::SIGFPE, Fault::SIGILL, Fault::SIGABRT] {
            held.remove(fault);
        }
        Self(held.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            // Cannot fail: the mask was valid before.
            let _ = before.thread_set_mask();
        }
    }
}

/// What a received signal means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// SIGCHLD: a child has ended.
    ChildEnded,
    /// SIGTERM, SIGINT or SIGQUIT, by its number.
    Stop(i32),
    /// SIGUSR1: write the status to the log.
    Status,
}

/// Installed handlers. Signals that arrive before somebody listens are kept.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    flags: Vec<(i32, Arc<AtomicBool>)>,
}

impl Signals {
    /// Takes over the delivery of `signals`.
    ///
    /// # Errors
    /// When the operating system refuses a socket pair or a handler.
    pub fn install(signals: &[i32]) -> io::Result<Self> {
        let (wake, waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut flags = Vec::new();
        for &signal in signals {
            let flag = Arc::new(AtomicBool::new(false));
            // Order matters: the flag must stand before the wake-up is written.
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal, waker.try_clone()?)?;
            flags.push((signal, flag));
        }
        Ok(Self { wake, flags })
    }

    /// Waits until at least one signal has come or `timeout` (`None`: none) is over; returns their numbers. Blocks.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> Vec<i32> {
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        // Whatever poll says, the flags are the truth.
        let _ = poll(&mut [PollFd::new(&self.wake, PollFlags::IN)], timeout.as_ref());
        drain(&self.wake);
        take(&self.flags).collect()
    }

    /// From here on signals are received in the tokio runtime that is current.
    ///
    /// # Errors
    /// When the runtime cannot watch the descriptor.
    pub fn listen(self) -> io::Result<Listener> {
        Ok(Listener { wake: AsyncStream::from_std(self.wake)?, flags: self.flags })
    }
}

/// Receives signals.
#[derive(Debug)]
pub struct Listener {
    wake: AsyncStream,
    flags: Vec<(i32, Arc<AtomicBool>)>,
}

impl Listener {
    /// Waits for at least one signal. May be dropped at any time without losing one.
    ///
    /// # Errors
    /// When the runtime's driver is gone.
    pub async fn receive(&self) -> io::Result<Vec<Received>> {
        loop {
            self.wake.readable().await?;
            let mut bytes = [0; 256];
            while matches!(self.wake.try_read(&mut bytes), Ok(read) if read > 0) {}
            let received: Vec<Received> = take(&self.flags).filter_map(meaning).collect();
            if !received.is_empty() {
                return Ok(received);
            }
        }
    }
}

fn take(flags: &[(i32, Arc<AtomicBool>)]) -> impl Iterator<Item = i32> {
    flags.iter().filter(|(_, flag)| flag.swap(false, Ordering::SeqCst)).map(|(signal, _)| *signal)
}

fn meaning(signal: i32) -> Option<Received> {
    match signal {
        SIGCHLD => Some(Received::ChildEnded),
        SIGTERM | SIGINT | SIGQUIT => Some(Received::Stop(signal)),
        SIGUSR1 => Some(Received::Status),
        _ => None,
    }
}

fn drain(mut stream: &UnixStream) {
    let mut bytes = [0; 256];
    while matches!(stream.read(&mut bytes), Ok(read) if read > 0) {}
}

/// The name of a signal, such as `SIGTERM` or `SIGRTMIN+3`.
#[must_use]
pub fn name(signal: i32) -> String {
    if let Ok(named) = nix::sys::signal::Signal::try_from(signal) {
        return named.as_str().to_owned();
    }
    // Counted as glibc counts, because operators read glibc's `kill -l`.
    match signal {
        34 => "SIGRTMIN".to_owned(),
        35..=64 => format!("SIGRTMIN+{}", signal - 34),
        _ => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_named_as_kill_names_them() {
        assert_eq!(name(15), "SIGTERM");
        assert_eq!(name(37), "SIGRTMIN+3");
        assert_eq!(name(99), "signal 99");
    }
}

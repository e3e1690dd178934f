//! Watching processes that we did not start: JVMs that a start script or an operator left behind.

use super::{Children, Ending, ProcessEnd, procfs};
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::{sync::Once, time::Duration};
use tokio::net::unix::pipe::Receiver;

/// How often a process is looked at where the kernel gives no pidfd (before 5.3, or a sandbox such as gVisor's).
const POLL: Duration = Duration::from_secs(1);

impl Children {
    /// Waits for any process, ours or not. `None`: it is gone, or is another one than the one that started at `started`
    /// (clock ticks, as in `/proc/<pid>/stat`).
    ///
    /// A process that became our child tells how it ended; one whose parent lives (an operator's shell) ends with
    /// [`ProcessEnd::Unknown`].
    #[must_use]
    pub fn watch(&self, pid: Pid, started: u64) -> Option<Ending> {
        let pidfd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(pidfd) => Some(pidfd),
            Err(Errno::SRCH) => return None,
            // EINVAL: a kernel before 5.10 does not know the flag; polling is good enough there.
            Err(error) => {
                say_once(error);
                None
            }
        };
        // Looked at after the descriptor is open: from here on the pid cannot be another process's unnoticed.
        if procfs::started(pid) != Some(started) {
            return None;
        }
        let ending = self.register(pid);
        let children = self.clone();
        tokio::task::spawn_local(async move {
            // A pidfd becomes readable when its process ends (pidfd_open(2)). Nothing is read from it: the type is tokio's
            // safe way to wait for a descriptor that it does not know.
            match pidfd.map(Receiver::from_owned_fd_unchecked) {
                Some(Ok(fd)) => drop(fd.readable().await),
                Some(Err(_)) | None => poll(pid, started).await,
            }
            // If it was our child, its status is there by now; else it went to its own parent.
            let _ = children.reap();
            if children.0.waiting.borrow().contains_key(&pid) {
                children.tell(pid, ProcessEnd::Unknown);
            }
        });
        Some(ending)
    }
}

async fn poll(pid: Pid, started: u64) {
    while procfs::started(pid) == Some(started) {
        tokio::time::sleep(POLL).await;
    }
}

fn say_once(error: Errno) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(%error, poll_ms = POLL.as_millis(), "no pidfd to be had; processes are watched by polling");
    });
}

//! Connecting within a deadline.

use crate::{control::SOCKET, run_dir};
use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_to, socket_with,
        sockopt::{Timeout, set_socket_timeout, socket_peercred},
    },
    process::geteuid,
};
use std::{
    io,
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

/// Zero would mean no limit.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// Connects to the socket in `folder`, if the folder is one that we trust.
pub(super) fn connect(folder: &Path, deadline: Instant) -> io::Result<UnixStream> {
    let owner = run_dir::check(folder)?;
    let address = SocketAddrUnix::new(folder.join(SOCKET))?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // unix(7): the time limit of sending is also that of waiting for a place in the listener's queue. Without it a probe
    // would wait for ever for a PID 1 that accepts nobody any more.
    let left = deadline.saturating_duration_since(Instant::now()).max(SHORTEST);
    set_socket_timeout(&socket, Timeout::Send, Some(left))?;
    loop {
        match connect_to(&socket, &address) {
            Ok(()) => break,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "PID 1's loop does not answer, and its queue is full",
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    // Who listens must be whose folder it is.
    let listener = socket_peercred(&socket)?.uid;
    if listener.is_root() || listener == geteuid() || listener.as_raw() == owner {
        return Ok(UnixStream::from(socket));
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "who listens is not the folder's owner"))
}

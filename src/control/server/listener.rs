//! The listening socket.

use super::SOCKET;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};
use tokio::net::{UnixListener, UnixStream};

const MODE: u32 = 0o600;

/// Where clients connect.
#[derive(Debug)]
pub struct Listener(UnixListener);

impl Listener {
    /// Listens in `folder`, one that [`run_dir::make`](crate::run_dir::make) has made ours alone. What an earlier life left
    /// there is replaced. Belongs into a tokio runtime.
    ///
    /// # Errors
    /// When a living process serves there already, and when the operating system refuses the socket.
    pub fn bind(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if is_served(&path) {
                    return Err(io::Error::new(error.kind(), "another jjobs-init serves there"));
                }
                fs::remove_file(&path)?;
                UnixListener::bind(&path)?
            }
            bound => bound?,
        };
        // The folder keeps others out until then.
        fs::set_permissions(&path, Permissions::from_mode(MODE))?;
        Ok(Self(listener))
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

/// Whether somebody listens at `path`. Never waits: one whose queue is full (a stopped process) lives too.
fn is_served(path: &Path) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let connected = SocketAddrUnix::new(path).and_then(|address| {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(socket, &address)
    });
    matches!(connected, Ok(()) | Err(rustix::io::Errno::AGAIN))
}

//! A pseudo-terminal: the test holds the master, a program gets the slave.

use nix::{
    fcntl::OFlag,
    pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt},
};
use std::{fs::File, io};

/// Opens a pair in the mount namespace of the calling thread.
pub(crate) fn open() -> io::Result<(PtyMaster, File)> {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    // Without O_NOCTTY, Linux would make it the test's own terminal.
    let slave = nix::fcntl::open(
        ptsname_r(&master)?.as_str(),
        OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )?;
    Ok((master, File::from(slave)))
}

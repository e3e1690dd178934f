//! What Tomcat writes to `catalina.out` goes to the container's log.
//!
//! `logs/catalina.out` becomes a FIFO that PID 1 keeps open at both ends: whoever starts the Tomcat (boot, an operator's
//! shell) and under whichever uid, its console comes to us, nothing ever fills the disk, and no writer sees a closed pipe.

use super::{core::Core, outcome::Phase, unit::Unit};
use crate::{plan::Component, process::drain_receiver};
use rustix::{
    fs::{CWD, FileType, Mode, chmod, mknodat},
    io::Errno,
};
use std::{
    cell::RefCell,
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    rc::Rc,
};
use tokio::net::unix::pipe;

/// Every uid may write: an operator's shell need not run as we do.
const MODE: Mode = Mode::from_raw_mode(0o666);

impl Core {
    /// Begins to copy the consoles of this kind's Tomcats. What fails is told and costs only that console.
    pub(super) fn open_consoles(&self) {
        for component in self.settings.plan.installed.clone() {
            self.restore_console(component);
        }
    }

    /// Takes up the pipes that an earlier life has left, before anything runs: whoever opened one would wait for a reader.
    pub(super) fn reopen_consoles(&self) {
        for component in self.settings.plan.installed.clone() {
            if self.console_path(component).is_some_and(|path| is_fifo(&path)) {
                self.restore_console(component);
            }
        }
    }

    /// As [`restore_console`](Self::restore_console), for every Tomcat that does not run: an operator may start it by hand.
    pub(super) fn restore_consoles(&self) {
        if !matches!(self.phase(), Phase::Starting | Phase::Running) {
            return;
        }
        for component in self.settings.plan.installed.clone() {
            if self.unit(component, Unit::pid).flatten().is_none() {
                self.restore_console(component);
            }
        }
    }

    /// Makes sure that a component's console is a FIFO of ours: a script or an operator may have moved it away.
    pub(super) fn restore_console(&self, component: Component) {
        let Some(path) = self.console_path(component) else { return };
        if is_fifo(&path) && self.consoles.borrow().get(&component) == Some(&true) {
            return;
        }
        // Nothing is made for a component that is not installed (yet).
        let Some(home) = path.parent().and_then(Path::parent) else { return };
        if !home.is_dir() {
            return;
        }
        match self.open_console(component, &path) {
            Ok(()) => {
                self.consoles.borrow_mut().insert(component, true);
            }
            // Said once; it is tried again without a word.
            Err(_) if self.consoles.borrow().get(&component) == Some(&false) => {}
            Err(error) => {
                self.consoles.borrow_mut().insert(component, false);
                tracing::warn!(
                %component,
                path = %path.display(),
                %error,
                hint = "what Tomcat prints stays in that file and is not in the container's log",
                "cannot take over the console"
                );
            }
        }
    }

    fn open_console(&self, component: Component, path: &Path) -> io::Result<()> {
        make_fifo(path)?;
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(path)?;
        let stream = Rc::new(RefCell::new(self.output.stream(component.name())));
        self.note_drain(drain_receiver(receiver, stream));
        tracing::debug!(%component, path = %path.display(), "console taken over");
        Ok(())
    }

    fn console_path(&self, component: Component) -> Option<PathBuf> {
        match component {
            Component::Manager | Component::Server => {
                Some(self.settings.jjobs_base.join(component.name()).join("logs/catalina.out"))
            }
            Component::Agent => None,
        }
    }
}

fn is_fifo(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_fifo())
}

/// Makes a FIFO at `path`; a file that is there is kept beside it, once, unless it is empty.
fn make_fifo(path: &Path) -> io::Result<()> {
    if !is_fifo(path) {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_file() && meta.len() > 0 => {
                fs::rename(path, path.with_extension("out.before"))?;
            }
            Ok(_) => fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        match mknodat(CWD, path, FileType::Fifo, MODE, 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Our umask was taken off above. Another uid's FIFO cannot be changed and need not be, as long as it opens.
    let _ = chmod(path, MODE);
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_fifo_takes_the_place_of_an_old_file_which_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/catalina.out");
        fs::create_dir(folder.path().join("logs")).unwrap();
        fs::write(&path, "an earlier life").unwrap();
        make_fifo(&path).unwrap();
        make_fifo(&path).unwrap();
        assert!(is_fifo(&path));
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        let kept = fs::read_to_string(folder.path().join("logs/catalina.out.before")).unwrap();
        assert_eq!(kept, "an earlier life");
    }
}

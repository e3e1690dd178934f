//! Somebody's terminal with `docker run -it` or `docker exec -it` in it.

use super::{cli::command, container::Container};
use crate::{
    exec::{ExecChild, ExecOutput},
    output::{Line, Output, Stream},
    terminal, within,
};
use std::{ffi::OsString, fs::File, io::Write, os::fd::OwnedFd, time::Duration};

/// A docker command on a terminal of its own.
pub struct Console {
    child: ExecChild,
    output: Output,
    keyboard: File,
    container: Option<Container>,
}

impl Console {
    #[track_caller]
    pub(super) fn open(words: Vec<OsString>, container: impl Into<Option<Container>>) -> Self {
        let (master, slave) = terminal::open().expect("a terminal cannot be opened");
        let mut command = command(words);
        let copy = || slave.try_clone().expect("a descriptor cannot be copied");
        command.stdin(copy()).stdout(copy()).stderr(copy());
        let child = command.spawn().expect("the docker command cannot be started");
        let keyboard = File::from(OwnedFd::from(master));
        let output = Output::new(false);
        output.collect(Stream::Stdout, keyboard.try_clone().expect("a descriptor can be copied"));
        Self { child: ExecChild::new(child), output, keyboard, container: container.into() }
    }

    /// Types; a line ends with `\r`, Ctrl-C is `\x03`.
    pub fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Everything that was shown.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.output.bytes(Stream::Stdout)).into_owned()
    }

    /// The lines so far; one that has no end yet, as a prompt, is only in [`shown`](Self::shown).
    pub fn lines(&self) -> Vec<Line> {
        self.output.lines()
    }

    /// Waits until `text` was shown, be it without a line end.
    #[track_caller]
    pub fn wait_for(&self, text: &str, limit: Duration) {
        let seen = within(limit, || self.shown().contains(text).then_some(()));
        assert!(seen.is_some(), "never shown within {limit:?}: {text:?}, but {:?}", self.shown());
    }

    /// The container, where the command made one.
    pub fn container(&self) -> Option<&Container> {
        self.container.as_ref()
    }

    /// Waits for the command's end; docker hands on the exit code.
    #[track_caller]
    pub fn wait(&self, limit: Duration) -> ExecOutput {
        let mut done = self.child.wait(limit);
        self.output.is_closed_within(Duration::from_secs(1));
        done.stdout = self.shown();
        done
    }
}

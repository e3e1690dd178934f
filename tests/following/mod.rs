//! A follower of folders of its own, and what it shows.

#![allow(dead_code, reason = "each test binary uses what it needs")]

use jjobs_init::{
    log::{Mask, Output},
    supervisor::follow::{Follower, FollowerHandle, Notice, Settings},
};
use std::{
    fs::{self, File},
    io::{self, PipeReader, Read, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Following {
    folder: TempDir,
    output: Output,
    polling: bool,
    handle: Option<FollowerHandle>,
    unread: Option<PipeReader>,
    is_held: bool,
    shown: Arc<Mutex<Vec<u8>>>,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl Following {
    pub(crate) fn in_both_modes() -> impl Iterator<Item = Self> {
        [false, true].into_iter().map(Self::new)
    }

    pub(crate) fn new(polling: bool) -> Self {
        let (reader, writer) = io::pipe().unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            output: Output::to(writer, File::create("/dev/null").unwrap(), Mask::new()),
            polling,
            handle: None,
            unread: Some(reader),
            is_held: false,
            shown: Arc::default(),
            notices: Arc::default(),
        }
    }

    /// Two levels that do not exist at first.
    pub(crate) fn base(&self) -> PathBuf {
        self.folder.path().join("logs001/jjobs")
    }

    pub(crate) fn agent(&self, path: &str) -> PathBuf {
        self.base().join("agent/pod-0/logs/agent").join(path)
    }

    pub(crate) fn runtime(&self, path: &str) -> PathBuf {
        self.base().join("agent/pod-0/logs/runtime").join(path)
    }

    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    pub(crate) fn handle(&self) -> &FollowerHandle {
        self.handle.as_ref().unwrap()
    }

    pub(crate) fn hold_reading(&mut self) {
        self.is_held = true;
    }

    pub(crate) fn start(&mut self) {
        let notices = Arc::clone(&self.notices);
        let mut settings = Settings::of_agent(&self.base(), "pod-0", self.output.clone());
        settings.polling = self.polling;
        settings.notify = Arc::new(move |notice| notices.lock().unwrap().push(notice));
        self.handle = Some(Follower::spawn(settings).unwrap());
        if !self.is_held {
            self.go_on_reading();
        }
    }

    pub(crate) fn go_on_reading(&mut self) {
        let mut reader = self.unread.take().unwrap();
        let shown = Arc::clone(&self.shown);
        thread::spawn(move || {
            let mut block = vec![0; 64 << 10];
            while let Ok(read @ 1..) = reader.read(&mut block) {
                shown.lock().unwrap().extend_from_slice(&block[..read]);
            }
        });
    }

    /// Lets the follower see what there is, so that what comes next is news.
    pub(crate) fn settle(&self) {
        thread::sleep(Duration::from_millis(if self.polling { 1200 } else { 150 }));
    }

    pub(crate) fn finish(&self) -> bool {
        self.handle().finish(SOON) && self.output.flush(SOON) && {
            // What was flushed is in the pipe; a last line makes sure that it was taken out.
            let mut end = self.output.stream("end");
            end.write(b"\nthe end\n");
            self.expect("the end\n");
            true
        }
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.notices.lock().unwrap().clone()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shown.lock().unwrap().clone()
    }

    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// The shown lines whose first word is `name`.
    pub(crate) fn of(&self, name: &str) -> String {
        let text = self.shown();
        let is_its =
            |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
        text.split_inclusive('\n').filter(is_its).collect()
    }

    pub(crate) fn expect(&self, end: &str) {
        let wanted = end.as_bytes();
        self.eventually(&format!("{end:?} is shown"), |f| {
            let shown = f.shown.lock().unwrap();
            // Only what is new could not have been found before; a few MiB are near enough.
            let recent = &shown[shown.len().saturating_sub(1 << 20)..];
            recent.windows(wanted.len()).any(|window| window == wanted)
        });
    }

    pub(crate) fn eventually(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + SOON;
        while !holds(self) {
            let mode = if self.polling { "polling" } else { "inotify" };
            let shown = self.shown();
            let end = &shown[shown.floor_char_boundary(shown.len().saturating_sub(2000))..];
            assert!(
                Instant::now() < deadline,
                "{mode}: timed out waiting until {what}; shown last: {end}"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What this process holds open below the folder.
    pub(crate) fn open_files(&self) -> Vec<String> {
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(self.folder.path()))
            .map(|target| target.display().to_string())
            .collect()
    }
}

pub(crate) fn open(path: &Path) -> File {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::options().append(true).create(true).open(path).unwrap()
}

pub(crate) fn append(path: &Path, text: &str) {
    open(path).write_all(text.as_bytes()).unwrap();
}

pub(crate) fn lines(name: &str, range: Range<usize>) -> String {
    use std::fmt::Write;
    range.fold(String::new(), |mut text, count| {
        writeln!(text, "{name} {count}").unwrap();
        text
    })
}

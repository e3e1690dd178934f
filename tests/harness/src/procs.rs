//! The container's process table, as its own `/proc` shows it.

use nix::unistd::Pid;
use std::fs;

/// A process, with pids as the container counts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its pid.
    pub pid: i32,
    /// Its parent's pid; 0 for PID 1 and for what was started by `exec`.
    pub ppid: i32,
    /// Its process group.
    pub pgid: i32,
    /// Its session.
    pub session: i32,
    /// The state letter: `R`, `S`, `D`, `T`, `Z` …
    pub state: char,
    /// The kernel's short name of it.
    pub name: String,
    /// Its command line; empty for a zombie.
    pub argv: Vec<String>,
}

impl ProcessInfo {
    /// Whether it has ended and nobody has collected it.
    pub fn is_zombie(&self) -> bool {
        self.state == 'Z'
    }

    /// Whether one word of its command line is `word`.
    pub fn has_word(&self, word: &str) -> bool {
        self.argv.iter().any(|arg| arg == word)
    }
}

/// Must run where `/proc` is the container's.
pub(crate) fn list() -> Vec<ProcessInfo> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<ProcessInfo> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn read(pid: i32) -> Option<ProcessInfo> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    // The name may hold spaces and brackets, so the last bracket ends it.
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse().ok();
    let cmdline = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut argv: Vec<String> = cmdline
        .split(|byte| *byte == 0)
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect();
    argv.pop();
    Some(ProcessInfo {
        pid,
        state: fields.first()?.chars().next()?,
        ppid: number(1)?,
        pgid: number(2)?,
        session: number(3)?,
        name: head.split_once('(')?.1.to_owned(),
        argv,
    })
}

/// This machine's pid of the process that the PID namespace of `init` calls `pid`.
///
/// Must run where `/proc` is this machine's.
pub(crate) fn host_pid(init: Pid, pid: i32) -> Option<Pid> {
    let namespace = fs::read_link(format!("/proc/{init}/ns/pid")).ok()?;
    fs::read_dir("/proc").ok()?.find_map(|entry| {
        let candidate: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(format!("/proc/{candidate}/status")).ok()?;
        let inner = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let is_it = inner.split_whitespace().next_back()?.parse() == Ok(pid)
            && fs::read_link(format!("/proc/{candidate}/ns/pid")).ok()? == namespace;
        is_it.then_some(Pid::from_raw(candidate))
    })
}

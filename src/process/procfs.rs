//! What `/proc` says about the container's processes.

use rustix::process::Pid;
use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// A running JVM that may be a component or a runtime: a lasting one, in our mount namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jvm {
    /// Its pid.
    pub pid: Pid,
    /// When it started, in clock ticks since boot; with the pid, the name of a process for ever.
    pub started: u64,
    words: Vec<OsString>,
}

/// What a JVM's command line must hold, as a whole word or with `-D` before it (contract.md §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// `key=value`, compared as text.
    Word(&'static str),
    /// `key=path`, paths compared after canonicalising.
    Folder {
        /// The key, such as `catalina.home`.
        key: &'static str,
        /// The folder that it must name.
        folder: PathBuf,
    },
}

impl Jvm {
    /// Whether its command line bears `mark`.
    #[must_use]
    pub fn bears(&self, mark: &Mark) -> bool {
        self.words.iter().any(|word| {
            let word = word.as_bytes();
            let word = word.strip_prefix(b"-D").unwrap_or(word);
            match mark {
                Mark::Word(wanted) => word == wanted.as_bytes(),
                Mark::Folder { key, folder } => word
                    .strip_prefix(key.as_bytes())
                    .and_then(|rest| rest.strip_prefix(b"="))
                    .is_some_and(|path| same_folder(Path::new(OsStr::from_bytes(path)), folder)),
            }
        })
    }

    /// Whether these arguments are those of a JVM that stays: Tomcat's `stop`, `configtest` and version commands bear the
    /// marks of the component too.
    fn lasts(&self) -> bool {
        let last = self.words.last().map(|word| word.as_bytes());
        !matches!(last, Some(b"stop" | b"configtest"))
            && !self.words.iter().any(|word| word.as_bytes().ends_with(b"ServerInfo"))
    }
}

/// All lasting JVMs of the container, by pid.
#[must_use]
pub fn jvms() -> Vec<Jvm> {
    let ours = fs::read_link("/proc/self/ns/mnt").ok();
    let mut found: Vec<Jvm> = pids().filter_map(|pid| jvm(pid, ours.as_deref())).collect();
    found.sort_by_key(|jvm| jvm.pid.as_raw_pid());
    let forks: Vec<Pid> =
        found.iter().filter(|jvm| is_fork(jvm, &found)).map(|jvm| jvm.pid).collect();
    found.retain(|jvm| !forks.contains(&jvm.pid));
    found
}

/// Whether this is a child of another one of them that has not become what it is to be yet: between its fork and its exec
/// it has its parent's command line.
fn is_fork(jvm: &Jvm, all: &[Jvm]) -> bool {
    let has_twin = |parent: i32| {
        all.iter().any(|other| other.pid.as_raw_pid() == parent && other.words == jvm.words)
    };
    // The parent is only asked for where there is a twin at all.
    all.iter().any(|other| other.pid != jvm.pid && other.words == jvm.words)
        && parent(jvm.pid).is_some_and(has_twin)
}

fn jvm(pid: Pid, our_mounts: Option<&Path>) -> Option<Jvm> {
    let folder = folder(pid);
    let exe = fs::read_link(folder.join("exe")).ok();
    // The cheap test first: most processes are not named java.
    if exe.as_deref().is_some_and(|exe| !is_java(exe)) {
        return None;
    }
    let words = words(&fs::read(folder.join("cmdline")).ok()?);
    if exe.is_none() && !words.first().is_some_and(|arg0| is_java(Path::new(arg0))) {
        return None;
    }
    if let (Ok(theirs), Some(ours)) = (fs::read_link(folder.join("ns/mnt")), our_mounts)
        && theirs != ours
    {
        return None;
    }
    let jvm = Jvm { pid, started: started(pid)?, words };
    jvm.lasts().then_some(jvm)
}

/// When the process started, in clock ticks since boot; `None` if it is gone or a zombie.
#[must_use]
pub fn started(pid: Pid) -> Option<u64> {
    let stat = fs::read(folder(pid).join("stat")).ok()?;
    // The name may hold anything, spaces and brackets too: fields are counted from its last bracket (proc(5)).
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields = String::from_utf8_lossy(stat.get(after_name..)?);
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // Field 22 of the line; the state was field 3.
    fields.nth(18)?.parse().ok()
}

/// All processes that we can see, but ourselves.
pub fn pids() -> impl Iterator<Item = Pid> {
    let own = rustix::process::getpid();
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(move |pid| *pid != own)
}

/// The parent of a process.
#[must_use]
pub fn parent(pid: Pid) -> Option<i32> {
    let status = fs::read_to_string(folder(pid).join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// All processes below us: our children, their children, and so on.
#[must_use]
pub fn descendants() -> Vec<Pid> {
    let own = rustix::process::getpid().as_raw_pid();
    let parents: HashMap<i32, i32> =
        pids().filter_map(|pid| Some((pid.as_raw_pid(), parent(pid)?))).collect();
    let is_below = |pid: Pid| {
        let mut at = pid.as_raw_pid();
        // As many steps as there are processes: a pid reused in the middle of the look could close a ring.
        for _ in 0..=parents.len() {
            match parents.get(&at) {
                Some(&parent) if parent == own => return true,
                Some(&parent) => at = parent,
                None => return false,
            }
        }
        false
    };
    parents.keys().filter_map(|pid| Pid::from_raw(*pid)).filter(|pid| is_below(*pid)).collect()
}

/// A process's command line for people: its program's name and how many arguments it has. Never the arguments, which may
/// hold a password.
#[must_use]
pub fn describe(pid: Pid) -> String {
    let words = words(&fs::read(folder(pid).join("cmdline")).unwrap_or_default());
    words.first().map_or_else(|| "?".to_owned(), |arg0| arg0.to_string_lossy().into_owned())
}

fn folder(pid: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}", pid.as_raw_pid()))
}

fn words(cmdline: &[u8]) -> Vec<OsString> {
    let cmdline = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    if cmdline.is_empty() {
        return Vec::new();
    }
    cmdline.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
}

fn is_java(exe: &Path) -> bool {
    // The kernel appends " (deleted)" when a running JDK was replaced.
    exe.file_name().is_some_and(|name| matches!(name.as_bytes(), b"java" | b"java (deleted)"))
}

fn same_folder(given: &Path, wanted: &Path) -> bool {
    if given == wanted {
        return true;
    }
    match (fs::canonicalize(given), fs::canonicalize(wanted)) {
        (Ok(given), Ok(wanted)) => given == wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jvm(words: &[&str]) -> Jvm {
        Jvm {
            pid: rustix::process::getpid(),
            started: 0,
            words: words.iter().map(OsString::from).collect(),
        }
    }

    #[test]
    fn a_mark_is_a_whole_word_with_or_without_its_d() {
        let agent = Mark::Word("cname=agent");
        assert!(jvm(&["java", "-Dcname=agent", "Main"]).bears(&agent));
        assert!(jvm(&["java", "Main", "cname=agent"]).bears(&agent));
        assert!(!jvm(&["java", "Main", "cname=agent2"]).bears(&agent));
        assert!(!jvm(&["java", "Main", "xcname=agent"]).bears(&agent));
    }

    #[test]
    fn folders_are_compared_after_canonicalising() {
        let folder = tempfile::tempdir().map(tempfile::TempDir::keep).unwrap_or_default();
        let mark = Mark::Folder { key: "catalina.home", folder: folder.clone() };
        let dotted = format!("-Dcatalina.home={}/./", folder.display());
        assert!(jvm(&["java", &dotted, "start"]).bears(&mark));
        assert!(!jvm(&["java", "-Dcatalina.home=/nowhere", "start"]).bears(&mark));
        let _ = fs::remove_dir(folder);
    }

    #[test]
    fn tomcats_short_lived_commands_are_not_components() {
        assert!(jvm(&["java", "-Dcatalina.home=/x", "Bootstrap", "start"]).lasts());
        assert!(!jvm(&["java", "-Dcatalina.home=/x", "Bootstrap", "stop"]).lasts());
        assert!(!jvm(&["java", "-Dcatalina.home=/x", "Bootstrap", "configtest"]).lasts());
        assert!(!jvm(&["java", "org.apache.catalina.util.ServerInfo"]).lasts());
    }

    #[test]
    fn a_process_keeps_the_time_it_started() {
        let own = rustix::process::getpid();
        assert!(started(own).is_some());
        assert_eq!(started(own), started(own));
    }
}

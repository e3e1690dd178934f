//! What the kernel says about the memory of our cgroup: how many processes it killed for lack of it, and the limit.
//!
//! Nothing tells the parent of a killed process why it got KILL; only the cgroup counts such kills. Where that count
//! stands depends on the version of cgroups, on the container runtime's mounts and on cgroup namespaces, so the folder is
//! found from `/proc/self/cgroup` and `/proc/self/mountinfo` (`cgroups(7)`, `cgroup_namespaces(7)`, `proc_pid_mountinfo(5)`).
//! No file is kept open: a look is rare, and a descriptor would have to be kept from every child.

use std::{
    cell::Cell,
    fs,
    path::{Component, Path, PathBuf},
};

/// Version 1 says "no limit" as the largest number of whole pages, which depends on the page size, and old kernels as the
/// largest number of all. No machine has this much memory.
const UNLIMITED: u64 = 1 << 60;

/// Counts the kernel's OOM kills in our own cgroup.
#[derive(Debug, Default)]
pub struct OomKills {
    folder: Option<Folder>,
    /// What the count was when it was last asked.
    last: Cell<Option<u64>>,
}

impl OomKills {
    /// Finds the cgroup. Never fails: where none is visible, nothing is known.
    #[must_use]
    pub fn find() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let folders = folders(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        // Not every one is really there: a mount may be hidden by a later one, a controller may be off.
        Self::at(folders.into_iter().find(|folder| folder.kills().or(folder.limit()).is_some()))
    }

    fn at(folder: Option<Folder>) -> Self {
        let kills = folder.as_ref().and_then(Folder::kills);
        Self { folder, last: Cell::new(kills) }
    }

    /// How many there were since the last call, or since [`find`](Self::find); `None` where it cannot be known.
    ///
    /// Kills for lack of memory of the whole machine count too. Version 1 counts only those in the cgroup itself (kernel
    /// 4.13 and later), version 2 also those in the cgroups below it.
    pub fn new_ones(&self) -> Option<u64> {
        let now = self.folder.as_ref()?.kills()?;
        let last = self.last.replace(Some(now))?;
        Some(now.saturating_sub(last))
    }

    /// The cgroup's own limit in bytes; `None` where there is none or it cannot be known.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        self.folder.as_ref()?.limit()
    }
}

/// The two versions of cgroups; a hybrid system has both, each with its own controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// Where our cgroup's memory files are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    version: Version,
    path: PathBuf,
}

impl Folder {
    fn kills(&self) -> Option<u64> {
        let name = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        kills(&fs::read_to_string(self.path.join(name)).ok()?)
    }

    fn limit(&self) -> Option<u64> {
        let name = match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        limit(&fs::read_to_string(self.path.join(name)).ok()?)
    }
}

/// The count in `memory.events` or `memory.oom_control`; both have a line `oom_kill N`.
fn kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// The limit in `memory.max` (`max` for none) or `memory.limit_in_bytes`.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
}

/// Where our memory files may be, the likeliest first, from the text of `/proc/self/cgroup` and `/proc/self/mountinfo`.
fn folders(cgroup: &str, mountinfo: &str) -> Vec<Folder> {
    // Of two mounts at one place the later one is seen.
    let mounts: Vec<Mount> = mountinfo.lines().rev().filter_map(mount).collect();
    // A hybrid system has both lines; then the controller that has a hierarchy of its own is not in version 2.
    let mut found = Vec::new();
    for version in [Version::V1, Version::V2] {
        let Some(own) = cgroup.lines().find_map(|line| own_path(line, version)) else { continue };
        let folders = mounts.iter().filter(|mount| mount.version == version);
        found.extend(
            folders
                .filter_map(|mount| mount.folder_of(Path::new(own)))
                .map(|path| Folder { version, path }),
        );
    }
    found
}

/// The path of the cgroup that a line of `/proc/self/cgroup` names, if the line is the one for memory in this version:
/// `4:memory:/path` or `0::/path`.
fn own_path(line: &str, version: Version) -> Option<&str> {
    // The path may hold colons.
    let mut fields = line.splitn(3, ':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let is_it = match version {
        Version::V1 => controllers.split(',').any(|name| name == "memory"),
        Version::V2 => id == "0" && controllers.is_empty(),
    };
    is_it.then_some(path)
}

/// A mount of a hierarchy that may hold memory files.
struct Mount {
    version: Version,
    /// Which cgroup the mount shows at its top.
    root: PathBuf,
    /// Where it is mounted.
    point: PathBuf,
}

impl Mount {
    /// Where the mount shows the cgroup `own`, if it does.
    ///
    /// Paths and roots outside our cgroup namespace begin with `/..`, whose names cannot be known: such a one fits only
    /// where both agree step by step.
    fn folder_of(&self, own: &Path) -> Option<PathBuf> {
        let below = own.strip_prefix(&self.root).ok()?;
        let leaves = below.components().any(|step| step == Component::ParentDir);
        (!leaves).then(|| self.point.join(below))
    }
}

/// `36 35 0:32 /root /point rw,nosuid master:9 - cgroup cgroup rw,memory`, with any number of fields before the dash.
fn mount(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (unescape(place.next()?), unescape(place.next()?));
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup2" => Version::V2,
        "cgroup" if kind.nth(1)?.split(',').any(|option| option == "memory") => Version::V1,
        _ => return None,
    };
    Some(Mount { version, root, point })
}

/// The kernel writes these four as octal numbers, because a blank separates the fields.
fn unescape(field: &str) -> PathBuf {
    let mut text = field.to_owned();
    for (escape, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        text = text.replace(escape, character);
    }
    text.into()
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
#[expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests;

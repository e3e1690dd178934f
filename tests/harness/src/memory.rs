//! A memory cgroup (version 1), for tests of what the kernel kills for lack of memory.

use crate::{PATIENCE, within};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// A memory cgroup below this test's own; dropping it removes it.
pub struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// One in which all processes together may have so much, files of theirs that are in memory included.
    ///
    /// # Errors
    /// This machine has no memory cgroups of version 1, or does not let us make one.
    pub fn limited_to(mib: u64) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let lines = fs::read_to_string("/proc/self/cgroup")?;
        let own = lines.lines().find_map(|line| line.split_once(":memory:")).unwrap_or_default().1;
        let folder = Path::new("/sys/fs/cgroup/memory")
            .join(own.trim_start_matches('/'))
            .join(format!("jjobs-test-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Self(folder);
        fs::write(group.0.join("memory.limit_in_bytes"), format!("{mib}M"))?;
        Ok(group)
    }

    /// Its folder, to be mounted into a container as its own cgroup.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// What a thread does that joins it: all that it starts is in there, too.
    pub fn joining(&self) -> impl FnOnce() -> io::Result<()> + Send + 'static {
        let tasks = self.0.join("tasks");
        move || fs::write(tasks, nix::unistd::gettid().to_string())
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // What was killed a moment ago may still be leaving.
        let _ = within(PATIENCE, || fs::remove_dir(&self.0).ok());
    }
}

//! The container's file system: an overlay of this machine's `/` with what a runtime adds.
//!
//! Every function here must run in the keeper, whose mount namespace is its own.

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::{Gid, Uid, chown, pivot_root},
};
use rustix::fs::XattrFlags;
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

/// Folders that start empty whatever this machine has there.
const FRESH: [&str; 10] =
    ["dev", "engn001", "install", "logs001", "proc", "root", "run", "sys", "tmp", "working"];

/// Of those, the ones that stay writable where the root is read-only, as volumes would.
const VOLUMES: [&str; 4] = ["engn001", "logs001", "run", "tmp"];

const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// What to build.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rootfs {
    /// A folder of this machine's; a tmpfs that lives as long as the keeper goes over it.
    pub(crate) base: PathBuf,
    pub(crate) binds: Vec<Bind>,
    pub(crate) files: Vec<(PathBuf, Vec<u8>, u32)>,
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) read_only: bool,
}

/// A file or folder of this machine's that shows up in the container.
#[derive(Debug, Clone)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

impl Rootfs {
    fn root(&self) -> PathBuf {
        self.base.join("root")
    }

    /// Once per container: the overlay, whose upper layer survives a restart.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        let none: Option<&Path> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        mount(Some("tmpfs"), &self.base, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
        let upper = self.base.join("upper");
        for folder in ["upper", "work", "root"] {
            fs::create_dir(self.base.join(folder))?;
        }
        for name in FRESH {
            self.make_fresh(&upper.join(name))?;
        }
        fs::set_permissions(upper.join("tmp"), Permissions::from_mode(0o1777))?;
        fs::set_permissions(upper.join("root"), Permissions::from_mode(0o700))?;
        let options = format!(
            "lowerdir=/,upperdir={},workdir={}",
            upper.display(),
            self.base.join("work").display()
        );
        mount(
            Some("overlay"),
            &self.root(),
            Some("overlay"),
            MsFlags::empty(),
            Some(options.as_str()),
        )?;
        Ok(())
    }

    /// An opaque folder hides what the lower layer has below that name.
    fn make_fresh(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)?;
        rustix::fs::setxattr(folder, "trusted.overlay.opaque", b"y", XattrFlags::empty())?;
        let is_system = ["dev", "proc", "run", "sys"].iter().any(|name| folder.ends_with(name));
        if let (Some((uid, gid)), false) = (self.owner, is_system) {
            chown(folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        Ok(())
    }

    /// Once per life, in a fresh mount namespace: mounts what a runtime mounts and makes it the root.
    /// `/proc` is left to PID 1's own wrapper, since only a process of the new PID namespace can mount it.
    pub(crate) fn enter(&self, is_first_life: bool) -> io::Result<()> {
        let root = self.root();
        self.mount_devices(&root.join("dev"))?;
        let sysfs =
            MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("sysfs"), &root.join("sys"), Some("sysfs"), sysfs, None::<&Path>)?;
        if self.read_only {
            for name in VOLUMES {
                self.mount_volume(name)?;
            }
        }
        for bind in &self.binds {
            bind.mount_below(&root)?;
        }
        std::env::set_current_dir(&root)?;
        pivot_root(".", ".")?;
        umount2(".", MntFlags::MNT_DETACH)?;
        std::env::set_current_dir("/")?;
        if is_first_life {
            self.write_files()?;
        }
        if self.read_only {
            let none: Option<&Path> = None;
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            mount(none, "/", none, flags, none)?;
        }
        Ok(())
    }

    fn mount_devices(&self, dev: &Path) -> io::Result<()> {
        mount(Some("tmpfs"), dev, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=755"))?;
        for name in DEVICES {
            let source = Path::new("/dev").join(name);
            Bind { source, target: PathBuf::from(name), read_only: false }.mount_below(dev)?;
        }
        for (name, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ] {
            symlink(target, dev.join(name))?;
        }
        fs::create_dir(dev.join("pts"))?;
        fs::create_dir(dev.join("shm"))?;
        let pts = "newinstance,ptmxmode=0666,mode=0620";
        mount(Some("devpts"), &dev.join("pts"), Some("devpts"), MsFlags::empty(), Some(pts))?;
        mount(Some("shm"), &dev.join("shm"), Some("tmpfs"), MsFlags::empty(), Some("mode=1777"))?;
        let log = Bind {
            source: self.termination_log(),
            target: "termination-log".into(),
            read_only: false,
        };
        log.mount_below(dev)
    }

    /// Outside of the tmpfs, so that the test can read it when everything else is gone.
    pub(crate) fn termination_log(&self) -> PathBuf {
        self.base.with_extension("termination-log")
    }

    fn mount_volume(&self, name: &str) -> io::Result<()> {
        let source = self.base.join(format!("volume-{name}"));
        if !source.exists() {
            fs::create_dir(&source)?;
            fs::set_permissions(
                &source,
                Permissions::from_mode(if name == "tmp" { 0o1777 } else { 0o755 }),
            )?;
            if let Some((uid, gid)) = self.owner {
                chown(&source, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            }
        }
        Bind { source, target: name.into(), read_only: false }.mount_below(&self.root())
    }

    fn write_files(&self) -> io::Result<()> {
        for (path, content, mode) in &self.files {
            self.make_parents(path)?;
            fs::write(path, content)?;
            fs::set_permissions(path, Permissions::from_mode(*mode))?;
            self.give(path)?;
        }
        for (path, target) in &self.links {
            self.make_parents(path)?;
            symlink(target, path)?;
        }
        Ok(())
    }

    fn make_parents(&self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> =
            path.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder)?;
            self.give(folder)?;
        }
        Ok(())
    }

    /// The container's user owns what the test puts there.
    fn give(&self, path: &Path) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner {
            chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        Ok(())
    }
}

impl Bind {
    fn mount_below(&self, root: &Path) -> io::Result<()> {
        let target = root.join(self.target.strip_prefix("/").unwrap_or(&self.target));
        if self.source.is_dir() {
            fs::create_dir_all(&target)?;
        } else if fs::symlink_metadata(&target).is_err() {
            fs::create_dir_all(target.parent().unwrap_or(root))?;
            fs::write(&target, "")?;
        }
        let none: Option<&Path> = None;
        mount(Some(&self.source), &target, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
        if self.read_only {
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            match mount(none, &target, none, flags, none) {
                // A source that carries locked flags of its own cannot be narrowed; it is only a belt.
                Ok(()) | Err(Errno::EPERM) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

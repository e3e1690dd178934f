//! What a container is to be, before it is one.

use crate::{
    container::Container,
    keeper::Keeper,
    network::Plug,
    rootfs::{Bind, Rootfs},
    simulator::{self, Vendor},
};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Where the image keeps our binary.
const INIT_PATH: &str = "/usr/local/bin/jjobs-init";

/// The script paths that manifests in the field name, all symlinks to the binary (contract.md §2).
const IMAGE_LINKS: [&str; 8] = [
    "/entrypoint.sh",
    "/pre-stop.sh",
    "/post-start.sh",
    "/working/liveness.sh",
    "/working/readiness.sh",
    "/working/agent-healthcheck.sh",
    "/working/start-all.sh",
    "/working/stop-all.sh",
];

/// How the container is built; each method changes one thing, [`boot`](Self::boot) starts it.
pub struct ContainerBuilder {
    pub(crate) argv: Vec<OsString>,
    pub(crate) env: BTreeMap<OsString, OsString>,
    pub(crate) hostname: String,
    pub(crate) rootfs: Rootfs,
    pub(crate) hosts: Vec<(String, String)>,
    pub(crate) terminal: bool,
    pub(crate) open_stdin: bool,
    pub(crate) held_output: bool,
    network: Option<PathBuf>,
    plug: Option<Plug>,
}

impl ContainerBuilder {
    pub(crate) fn command<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>) -> Self {
        let env = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
        ];
        Self {
            argv: argv.into_iter().map(|arg| arg.as_ref().to_owned()).collect(),
            env: env.map(|(name, value)| (name.into(), value.into())).into(),
            hostname: "jjobs-0".to_owned(),
            rootfs: Rootfs::default(),
            hosts: Vec::new(),
            terminal: false,
            open_stdin: false,
            held_output: false,
            network: None,
            plug: None,
        }
    }

    pub(crate) fn image(init: &Path) -> Self {
        let mut builder = Self::command(["/entrypoint.sh"]).bind_read_only(init, INIT_PATH);
        for link in IMAGE_LINKS {
            builder = builder.link(link, INIT_PATH);
        }
        builder
    }

    /// Sets an environment variable of PID 1 and of everything that `exec` starts. `HOSTNAME` is set to
    /// the host name, `HOME` to `/root` and `PATH` to the usual folders unless given here.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Several of them.
    #[must_use]
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        vars: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        for (name, value) in vars {
            self = self.env(name, value);
        }
        self
    }

    /// The pod's name; `jjobs-0` unless said otherwise.
    #[must_use]
    pub fn hostname(mut self, hostname: &str) -> Self {
        hostname.clone_into(&mut self.hostname);
        self
    }

    /// PID 1's whole command line. Its first word is both what is executed and `argv[0]`, as with a
    /// container runtime.
    #[must_use]
    pub fn argv<S: AsRef<OsStr>>(mut self, argv: impl IntoIterator<Item = S>) -> Self {
        self.argv = argv.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        self
    }

    /// Words after the command line so far (the `args:` of a pod).
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs everything as this user; the fresh folders and all files given here are that user's.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.rootfs.owner = Some((uid, gid));
        self
    }

    /// Puts the simulator's installer at `/install/jjob_installer_linux_x64.sh`.
    #[must_use]
    pub fn installer(self, vendor: Vendor) -> Self {
        let installer = simulator::installer(vendor);
        self.bind_read_only(installer, "/install/jjob_installer_linux_x64.sh")
    }

    /// A file to be there, with its folders.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.rootfs.files.push((path.as_ref().to_owned(), content.as_ref().to_owned(), mode));
        self
    }

    /// A symlink to be there.
    #[must_use]
    pub fn link(mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        self.rootfs.links.push((path.as_ref().to_owned(), target.as_ref().to_owned()));
        self
    }

    /// A file or folder of this machine's to be seen at `target` in the container, writable, as a volume.
    #[must_use]
    pub fn bind(mut self, source: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        let (source, target) = (source.as_ref().to_owned(), target.as_ref().to_owned());
        self.rootfs.binds.push(Bind { source, target, read_only: false });
        self
    }

    /// The same, read-only.
    #[must_use]
    pub fn bind_read_only(mut self, source: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        let (source, target) = (source.as_ref().to_owned(), target.as_ref().to_owned());
        self.rootfs.binds.push(Bind { source, target, read_only: true });
        self
    }

    /// A folder of this machine's as `/logs001`, to be given to several containers.
    #[must_use]
    pub fn shared_logs(self, folder: impl AsRef<Path>) -> Self {
        self.bind(folder, "/logs001")
    }

    /// A read-only root; `/engn001`, `/logs001`, `/tmp` and `/run` stay writable, as volumes would.
    #[must_use]
    pub fn read_only_root(mut self) -> Self {
        self.rootfs.read_only = true;
        self
    }

    /// Gives PID 1 a terminal (`docker run -it`); what it prints counts as standard output.
    #[must_use]
    pub fn terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// Gives PID 1 a pipe as standard input (`docker run -i`) in place of `/dev/null`.
    #[must_use]
    pub fn open_stdin(mut self) -> Self {
        self.open_stdin = true;
        self
    }

    /// Does not read what PID 1 prints until [`Container::release_output`]: a hung log reader.
    #[must_use]
    pub fn held_output(mut self) -> Self {
        self.held_output = true;
        self
    }

    /// A line of `/etc/hosts`.
    #[must_use]
    pub fn host(mut self, name: &str, address: &str) -> Self {
        self.hosts.push((name.to_owned(), address.to_owned()));
        self
    }

    /// Shares the network of another container, as containers of one pod do.
    #[must_use]
    pub fn network_of(mut self, other: &Container) -> Self {
        self.network = Some(other.namespace("net"));
        self
    }

    /// Shares the network of this machine.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.network = Some("/proc/self/ns/net".into());
        self
    }

    pub(crate) fn plugged_in(mut self, plug: Plug) -> Self {
        self.plug = Some(plug);
        self
    }

    /// Builds the container and starts PID 1. `None` where this machine allows no namespaces.
    #[must_use = "None means that nothing was tested"]
    pub fn boot(self) -> Option<Container> {
        let mut container = self.prepare()?;
        container.start();
        Some(container)
    }

    /// Builds the container without starting PID 1, so that a test can listen on its ports first.
    ///
    /// # Panics
    /// With `JJOBS_REQUIRE_NAMESPACES` set, where this machine allows no namespaces: a test that can skip itself
    /// everywhere tests nothing.
    #[must_use = "None means that nothing was tested"]
    pub fn prepare(mut self) -> Option<Container> {
        let hostname = self.hostname.clone();
        self.env.entry("HOSTNAME".into()).or_insert_with(|| hostname.into());
        self.add_name_files();
        unless_forbidden(self.build())
    }

    fn add_name_files(&mut self) {
        let mut hosts = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
        // In a network its own name means its address there, as in a pod.
        if self.plug.is_none() {
            hosts.extend(["127.0.0.1 ", &self.hostname, "\n"]);
        }
        for (name, address) in &self.hosts {
            hosts.extend([address, " ", name, "\n"]);
        }
        let files = [
            ("/etc/hosts", hosts),
            ("/etc/hostname", format!("{}\n", self.hostname)),
            // Nobody listens there, so an unknown name fails at once.
            ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n".to_owned()),
        ];
        let defaults = files.map(|(path, text)| (PathBuf::from(path), text.into_bytes(), 0o644));
        self.rootfs.files.splice(0..0, defaults);
    }

    fn build(mut self) -> io::Result<Container> {
        let base = tempfile::Builder::new().prefix("jjobs-container-").tempdir()?;
        self.rootfs.base = base.path().join("stage");
        fs::create_dir(&self.rootfs.base)?;
        fs::write(self.rootfs.termination_log(), "")?;
        if let Some((uid, gid)) = self.rootfs.owner {
            std::os::unix::fs::chown(self.rootfs.termination_log(), Some(uid), Some(gid))?;
        }
        let network = self.network.as_ref().map(fs::File::open).transpose()?;
        let keeper = Keeper::start(network)?;
        if let Some(plug) = &self.plug {
            plug.connect(&keeper)?;
        }
        let (rootfs, hostname) = (self.rootfs.clone(), self.hostname.clone());
        keeper.run(move |_| {
            nix::unistd::sethostname(hostname)?;
            rootfs.prepare()
        })?;
        Ok(Container::new(self, keeper, base))
    }
}

/// What was built; `None`, and a word about it, where this machine allows no namespaces.
///
/// # Panics
/// With `JJOBS_REQUIRE_NAMESPACES` set, in that case.
pub(crate) fn unless_forbidden<T>(built: io::Result<T>) -> Option<T> {
    match built {
        Ok(built) => Some(built),
        Err(error) => {
            let required = std::env::var_os("JJOBS_REQUIRE_NAMESPACES")
                .is_some_and(|value| !matches!(value.as_bytes(), b"" | b"0"));
            assert!(!required, "namespaces are required, and cannot be had: {error}");
            eprintln!("skipped: this machine does not allow namespaces ({error})");
            None
        }
    }
}

//! What a container is to be, before the engine is asked for it: one method per option of `docker run` that matters here.

use super::{
    cli::{ENGINE_LIMIT, docker_ok, docker_spawn, fresh_name, label},
    console::Console,
    container::Container,
    network::{Network, Volume},
};
use crate::exec::ExecOutput;
use std::{
    ffi::{OsStr, OsString},
    path::Path,
    time::Duration,
};

/// How the container is made; each method adds to it, [`start`](Self::start) and [`run`](Self::run) make it.
#[derive(Debug, Clone)]
pub struct ContainerBuilder {
    image: String,
    options: Vec<OsString>,
    args: Vec<OsString>,
    networks: Vec<Network>,
    volumes: Vec<Volume>,
}

impl ContainerBuilder {
    pub(super) fn new(image: String) -> Self {
        let (options, args) = (Vec::new(), Vec::new());
        Self { image, options, args, networks: Vec::new(), volumes: Vec::new() }
    }

    /// Any further options of `docker run`, word by word.
    #[must_use]
    pub fn options<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.options.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.options([OsStr::new(name), value.as_ref()])
    }

    /// The pod's name. The engine's own, a number, is of no use as an agent's name.
    #[must_use]
    pub fn hostname(self, hostname: &str) -> Self {
        self.option("--hostname", hostname)
    }

    /// A variable of PID 1 and of everything that `exec` starts.
    #[must_use]
    pub fn env(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut word = OsString::from(format!("{name}="));
        word.push(value);
        self.option("--env", word)
    }

    /// Several of them.
    #[must_use]
    pub fn envs<'a>(self, vars: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        vars.into_iter().fold(self, |builder, (name, value)| builder.env(name, value))
    }

    /// In place of the image's ENTRYPOINT and CMD: `command:` of a pod. Its first word is the entrypoint, the
    /// others are its first arguments.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(self, argv: impl IntoIterator<Item = S>) -> Self {
        let mut argv = argv.into_iter();
        let program = argv.next().expect("a command has a program");
        let mut builder = self.option("--entrypoint", program);
        builder.args.splice(0..0, argv.map(|arg| arg.as_ref().to_owned()));
        builder
    }

    /// Words after the entrypoint: `args:` of a pod.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// `uid`, `uid:gid` or a name.
    #[must_use]
    pub fn user(self, user: &str) -> Self {
        self.option("--user", user)
    }

    /// A read-only root file system. What is below the image's `VOLUME`s stays writable.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.options(["--read-only"])
    }

    /// A tmpfs; `options` as `uid=10001,exec`, may be empty. The engine's own are `noexec,nosuid,nodev`.
    #[must_use]
    pub fn tmpfs(self, target: &str, options: &str) -> Self {
        let colon = if options.is_empty() { "" } else { ":" };
        self.option("--tmpfs", format!("{target}{colon}{options}"))
    }

    /// A limit of memory, and none of it as swap.
    #[must_use]
    pub fn memory_mib(self, mib: u32) -> Self {
        let limit = format!("{mib}m");
        self.option("--memory", &limit).option("--memory-swap", &limit)
    }

    /// No network but a loopback.
    #[must_use]
    pub fn no_network(self) -> Self {
        self.option("--network", "none")
    }

    /// Joins a network under these names, beside the container's own.
    #[must_use]
    pub fn network(self, network: &Network, aliases: &[&str]) -> Self {
        let mut builder = self.option("--network", network.name());
        for alias in aliases {
            builder = builder.option("--network-alias", alias);
        }
        builder.networks.push(network.clone());
        builder
    }

    /// Shares the network of another container, as containers of one pod do.
    #[must_use]
    pub fn network_of(self, other: &Container) -> Self {
        self.option("--network", format!("container:{}", other.name()))
    }

    /// A line of `/etc/hosts`.
    #[must_use]
    pub fn host(self, name: &str, address: &str) -> Self {
        self.option("--add-host", format!("{name}:{address}"))
    }

    /// A file or folder of this machine's, writable.
    #[must_use]
    pub fn bind(self, source: impl AsRef<Path>, target: &str) -> Self {
        self.mount("bind", source.as_ref().as_os_str(), target, "")
    }

    /// The same, read-only.
    #[must_use]
    pub fn bind_read_only(self, source: impl AsRef<Path>, target: &str) -> Self {
        self.mount("bind", source.as_ref().as_os_str(), target, ",readonly")
    }

    /// A volume that several containers may share, or that outlives this one.
    #[must_use]
    pub fn volume(self, volume: &Volume, target: &str) -> Self {
        let mut builder = self.mount("volume", volume.name().as_ref(), target, "");
        builder.volumes.push(volume.clone());
        builder
    }

    fn mount(self, kind: &str, source: &OsStr, target: &str, end: &str) -> Self {
        let mut word = OsString::from(format!("type={kind},source="));
        word.push(source);
        word.push(format!(",target={target}{end}"));
        self.option("--mount", word)
    }

    /// `docker-init` as PID 1, and the entrypoint as its child.
    #[must_use]
    pub fn init(self) -> Self {
        self.options(["--init"])
    }

    /// Keeps the standard input open.
    #[must_use]
    pub fn interactive(self) -> Self {
        self.options(["--interactive"])
    }

    /// A terminal for PID 1, whose output is then one stream.
    #[must_use]
    pub fn tty(self) -> Self {
        self.options(["--tty"])
    }

    /// How long `docker stop` without `-t` waits before it kills.
    #[must_use]
    pub fn stop_timeout(self, seconds: u32) -> Self {
        self.option("--stop-timeout", seconds.to_string())
    }

    /// Makes the container without starting it.
    #[track_caller]
    pub fn create(self) -> Container {
        let name = fresh_name();
        docker_ok(self.words("create", &name));
        Container::new(name, self.networks, self.volumes)
    }

    /// Makes it and starts it; what it prints goes to the engine's log.
    #[track_caller]
    pub fn start(self) -> Container {
        let container = self.create();
        container.start();
        container
    }

    /// `docker run` in the foreground, for what ends by itself within `limit`; nothing is left of the container.
    #[track_caller]
    pub fn run_within(self, limit: Duration) -> ExecOutput {
        let name = fresh_name();
        let child = docker_spawn(self.words("run", &name));
        let _removed_at_the_end = Container::new(name, self.networks, self.volumes);
        child.wait(limit)
    }

    /// The same within two minutes.
    #[track_caller]
    pub fn run(self) -> ExecOutput {
        self.run_within(ENGINE_LIMIT)
    }

    /// `docker run --interactive --tty` on a terminal that the test types into.
    #[track_caller]
    pub fn run_on_terminal(self) -> Console {
        let name = fresh_name();
        let builder = self.interactive().tty();
        let words = builder.words("run", &name);
        Console::open(words, Container::new(name, builder.networks, builder.volumes))
    }

    fn words(&self, verb: &str, name: &str) -> Vec<OsString> {
        let label = label();
        let fixed = [verb, "--pull", "never", "--name", name, "--label", &label].map(Into::into);
        let image = [OsString::from(&self.image)];
        fixed.iter().chain(&self.options).chain(&image).chain(&self.args).cloned().collect()
    }
}

//! A container that was built, and what a test can do to it and see of it.

use crate::{
    PATIENCE,
    builder::ContainerBuilder,
    exec::{ExecChild, ExecOutput, shell_code},
    http::{self, HttpAnswer},
    keeper::Keeper,
    output::{Line, Output, Stream},
    procs::{self, ProcessInfo},
    terminal, within,
};
use nix::{
    sched::{CloneFlags, setns},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// How long a command may take that a test runs with [`Container::exec`].
const EXEC_LIMIT: Duration = Duration::from_mins(2);

/// Loopback connections are made or refused at once; only a full backlog makes one wait.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The programs that stand between our fork and PID 1's own program.
const WRAPPERS: [&str; 3] = ["setsid", "unshare", "setpriv"];

/// A container; dropping it kills everything in it and leaves nothing behind.
pub struct Container {
    plan: ContainerBuilder,
    keeper: Keeper,
    base: TempDir,
    init: Option<Child>,
    code: Option<i32>,
    output: Output,
    input: Option<Input>,
    lives: u32,
}

enum Input {
    Pipe(ChildStdin),
    Terminal(File),
}

impl Container {
    /// The image: `init` at `/usr/local/bin/jjobs-init`, called as `/entrypoint.sh`, with the other script paths of
    /// contract.md §2 beside it.
    pub fn image(init: impl AsRef<Path>) -> ContainerBuilder {
        ContainerBuilder::image(init.as_ref())
    }

    /// Any other command as PID 1; its program is looked for in the container.
    pub fn command<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>) -> ContainerBuilder {
        ContainerBuilder::command(argv)
    }

    pub(crate) fn new(plan: ContainerBuilder, keeper: Keeper, base: TempDir) -> Self {
        let output = Output::new(plan.held_output);
        Self { plan, keeper, base, init: None, code: None, output, input: None, lives: 0 }
    }

    // ---- its life -------------------------------------------------------------------------------

    /// Starts PID 1 in a container that was only prepared.
    pub fn start(&mut self) {
        assert!(self.init.is_none(), "the container has been started already");
        let is_first_life = self.lives == 0;
        self.lives += 1;
        let rootfs = self.plan.rootfs.clone();
        self.keeper
            .run(move |stage| {
                stage.begin_life()?;
                rootfs.enter(is_first_life)
            })
            .expect("the container's file system");

        let mut child =
            if self.plan.terminal { self.spawn_on_terminal() } else { self.spawn_plain() };
        if let Some(stdout) = child.stdout.take() {
            self.output.collect(Stream::Stdout, stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            self.output.collect(Stream::Stderr, stderr);
        }
        if let Some(stdin) = child.stdin.take() {
            self.input = Some(Input::Pipe(stdin));
        }
        self.init = Some(child);
        self.join_mounts_of_init();
    }

    /// What a restart of the container by `docker restart` is: everything in it is killed, then PID 1
    /// starts again on the same file system, network and environment. Lines are kept.
    pub fn restart(&mut self) {
        self.kill();
        self.init = None;
        self.code = None;
        self.input = None;
        self.start();
    }

    /// Changes a variable for the next [`restart`](Self::restart) and for later `exec`s.
    pub fn set_env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        self.plan.env.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
    }

    fn spawn_plain(&self) -> Child {
        let mut command = self.wrapped(&[], &self.plan.argv, true);
        command
            .stdin(if self.plan.open_stdin { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.keeper.run(move |_| command.spawn()).expect("PID 1 cannot be started")
    }

    fn spawn_on_terminal(&mut self) -> Child {
        let mut command = self.wrapped(&["--ctty"], &self.plan.argv, true);
        let (child, master) = self
            .keeper
            .run(move |_| {
                let (master, slave) = terminal::open()?;
                let out = slave.try_clone()?;
                let err = slave.try_clone()?;
                command.stdin(slave).stdout(out).stderr(err);
                Ok::<_, io::Error>((command.spawn()?, master))
            })
            .expect("PID 1 cannot be started on a terminal");
        let master = File::from(OwnedFd::from(master));
        self.output.collect(Stream::Stdout, master.try_clone().unwrap());
        self.input = Some(Input::Terminal(master));
        child
    }

    /// `argv` behind what makes it a session leader, mounts `/proc` where it is PID 1, and drops rights.
    fn wrapped(&self, session: &[&str], argv: &[OsString], is_init: bool) -> Command {
        let mut command = Command::new("/usr/bin/setsid");
        command.args(session);
        if is_init {
            command.args(["/usr/bin/unshare", "--mount-proc"]);
        }
        command.arg("/usr/bin/setpriv");
        if is_init {
            // The parent is the keeper's thread, so nothing outlives a test that was killed.
            command.args(["--pdeathsig", "KILL"]);
        }
        if let Some((uid, gid)) = self.plan.rootfs.owner {
            command
                .args([format!("--reuid={uid}"), format!("--regid={gid}")])
                .arg("--clear-groups");
        }
        command.arg("--").args(argv).env_clear().envs(&self.plan.env).current_dir("/");
        command
    }

    /// PID 1's wrapper mounts `/proc` in a mount namespace of its own; the keeper follows it there.
    fn join_mounts_of_init(&mut self) {
        let pid = self.host_pid();
        let joined = within(PATIENCE, || {
            if self.ended() {
                return Some(None);
            }
            let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            let name = exe.file_name()?.to_str()?.to_owned();
            let is_ours = !WRAPPERS.contains(&name.as_str());
            is_ours.then(|| File::open(format!("/proc/{pid}/ns/mnt")).ok())
        });
        if let Some(mounts) = joined.expect("PID 1 never came to its own program") {
            self.keeper
                .run(move |_| setns(mounts, CloneFlags::CLONE_NEWNS))
                .expect("PID 1's mounts cannot be joined");
        }
    }

    // ---- PID 1 ----------------------------------------------------------------------------------

    /// PID 1's pid on this machine.
    pub fn host_pid(&self) -> Pid {
        let init = self.init.as_ref().expect("the container was started");
        Pid::from_raw(init.id().cast_signed())
    }

    /// Signals PID 1 alone, from outside, as a container runtime does.
    pub fn signal(&self, signal: Signal) {
        if self.code.is_none() {
            let _ = kill(self.host_pid(), signal);
        }
    }

    /// Signals the process that the container calls `pid`; false if there is none.
    pub fn signal_process(&self, pid: i32, signal: Signal) -> bool {
        procs::host_pid(self.host_pid(), pid).is_some_and(|pid| kill(pid, signal).is_ok())
    }

    fn ended(&mut self) -> bool {
        if self.code.is_none()
            && let Some(init) = &mut self.init
            && let Some(status) = init.try_wait().unwrap()
        {
            self.code = Some(shell_code(status));
        }
        self.code.is_some()
    }

    /// Whether PID 1 lives.
    pub fn is_running(&mut self) -> bool {
        self.init.is_some() && !self.ended()
    }

    /// Waits for PID 1's end: its exit code, or 128 plus the number of the signal that killed it.
    #[track_caller]
    pub fn exit_code(&mut self, limit: Duration) -> i32 {
        match self.try_exit_code(limit) {
            Some(code) => {
                self.output.is_closed_within(Duration::from_secs(1));
                code
            }
            None => panic!("PID 1 did not exit within {limit:?}; it said:\n{}", self.transcript()),
        }
    }

    /// The same, `None` where it goes on living.
    pub fn try_exit_code(&mut self, limit: Duration) -> Option<i32> {
        within(limit, || self.ended().then_some(()))?;
        self.code
    }

    /// Kills PID 1, and with it everything in the container.
    pub fn kill(&mut self) {
        if self.is_running() {
            let _ = kill(self.host_pid(), Signal::SIGKILL);
            self.try_exit_code(PATIENCE);
        }
    }

    /// What stands in `/dev/termination-log`; readable at any time, also when PID 1 is gone.
    pub fn termination_message(&self) -> String {
        fs::read_to_string(self.plan.rootfs.termination_log()).unwrap_or_default()
    }

    // ---- output and input -----------------------------------------------------------------------

    /// All lines so far, of both streams, in the order they were read.
    pub fn lines(&self) -> Vec<Line> {
        self.output.lines()
    }

    /// Everything so far as one text, for failure messages.
    pub fn transcript(&self) -> String {
        self.lines().into_iter().map(|line| line.text + "\n").collect()
    }

    /// The bytes of one stream.
    pub fn bytes(&self, stream: Stream) -> Vec<u8> {
        self.output.bytes(stream)
    }

    /// Waits for a line that contains `text`, or finds one that was printed already.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str, limit: Duration) -> Line {
        self.wait_for_line_from(0, text, limit)
    }

    /// The same among the lines from number `from` on (`container.lines().len()` before the action).
    #[track_caller]
    pub fn wait_for_line_from(&self, from: usize, text: &str, limit: Duration) -> Line {
        self.output.wait_for(text, from, limit).unwrap_or_else(|| {
            panic!("no line with {text:?} within {limit:?}; there is:\n{}", self.transcript())
        })
    }

    /// Begins to read what PID 1 prints, where the builder said `held_output`.
    pub fn release_output(&self) {
        self.output.release();
    }

    /// Types into PID 1's terminal or standard input.
    pub fn type_in(&mut self, bytes: impl AsRef<[u8]>) {
        match self.input.as_mut().expect("the container has a terminal or an open standard input") {
            Input::Pipe(pipe) => pipe.write_all(bytes.as_ref()).unwrap(),
            Input::Terminal(master) => master.write_all(bytes.as_ref()).unwrap(),
        }
    }

    /// Closes PID 1's standard input.
    pub fn close_stdin(&mut self) {
        self.input = None;
    }

    // ---- processes ------------------------------------------------------------------------------

    /// Runs a command in the container and waits for it, at most two minutes.
    #[track_caller]
    pub fn exec<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> ExecOutput {
        self.exec_spawn(argv).wait(EXEC_LIMIT)
    }

    /// The same through `/bin/sh -c`.
    #[track_caller]
    pub fn shell(&self, script: &str) -> ExecOutput {
        self.exec(["/bin/sh", "-c", script])
    }

    /// Starts a command in the container: in a session of its own, with PID 1's user and environment, its
    /// standard input closed, and no parent in there.
    #[track_caller]
    pub fn exec_spawn<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> ExecChild {
        let argv: Vec<OsString> = argv.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let mut command = self.wrapped(&[], &argv, false);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.keeper.run(move |_| command.spawn());
        ExecChild::new(child.expect("a command cannot be started in the container"))
    }

    /// Every process, by pid.
    pub fn processes(&self) -> Vec<ProcessInfo> {
        self.keeper.run(|_| procs::list())
    }

    /// The processes that have `word` as a whole word of their command line.
    pub fn processes_with(&self, word: &str) -> Vec<ProcessInfo> {
        let mut processes = self.processes();
        processes.retain(|process| process.has_word(word) && !process.is_zombie());
        processes
    }

    /// The processes that have ended and were not collected.
    pub fn zombies(&self) -> Vec<ProcessInfo> {
        let mut processes = self.processes();
        processes.retain(ProcessInfo::is_zombie);
        processes
    }

    // ---- network --------------------------------------------------------------------------------

    /// Connects to a port of the container's loopback.
    pub fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        self.keeper.run(move |_| TcpStream::connect_timeout(&address, CONNECT_LIMIT))
    }

    /// Listens on a port in the container (a DB, a download server); serve it from any thread.
    pub fn listen(&self, port: u16) -> io::Result<TcpListener> {
        self.keeper.run(move |_| TcpListener::bind(("0.0.0.0", port)))
    }

    /// `GET http://localhost:PORT/PATH` from inside.
    pub fn http_get(&self, port: u16, path: &str) -> io::Result<HttpAnswer> {
        http::get(self.connect(port)?, path)
    }

    /// A request with the REST API's headers: `private-token` and a JSON body.
    pub fn http_api(
        &self,
        port: u16,
        call: (&str, &str),
        token: &str,
        body: &str,
    ) -> io::Result<HttpAnswer> {
        http::api(self.connect(port)?, call, token, body)
    }

    // ---- files ----------------------------------------------------------------------------------

    /// Runs `job` with the container's file system, network and host name around it. It must not take long: nothing
    /// else can be asked of the container meanwhile.
    pub fn inside<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        self.keeper.run(move |_| job())
    }

    /// The file's bytes, if it can be read; also after PID 1's end.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let path = path.as_ref().to_owned();
        self.inside(|| fs::read(path).ok())
    }

    /// The same as text, empty if it cannot be read.
    pub fn read_text(&self, path: impl AsRef<Path>) -> String {
        self.read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Writes a file, with its folders.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let (path, content) = (path.as_ref().to_owned(), content.as_ref().to_owned());
        self.inside(move || {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            fs::write(path, content)
        })
        .expect("a file of the container cannot be written");
    }

    /// Whether something is there.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref().to_owned();
        self.inside(move || fs::symlink_metadata(path).is_ok())
    }

    /// The container's `/` as a path of this machine. Absolute symlinks below it lead back to this
    /// machine's tree; [`read`](Self::read) and [`inside`](Self::inside) follow them rightly.
    pub fn root(&self) -> PathBuf {
        self.task_folder().join("root")
    }

    pub(crate) fn namespace(&self, kind: &str) -> PathBuf {
        self.task_folder().join("ns").join(kind)
    }

    fn task_folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/task/{}", std::process::id(), self.keeper.tid))
    }

    /// Where this machine keeps what belongs to the container.
    pub fn host_folder(&self) -> &Path {
        self.base.path()
    }

    /// Polls until `holds`; panics with `what` and what PID 1 said when [`PATIENCE`] is over.
    #[track_caller]
    pub fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        assert!(
            within(PATIENCE, || holds(self).then_some(())).is_some(),
            "timed out after {PATIENCE:?} waiting for: {what}; PID 1 said:\n{}",
            self.transcript()
        );
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.kill();
    }
}

//! A container that the engine has, and what the engine can do to it and tell of it.

use super::{
    cli::{ENGINE_LIMIT, command, docker, docker_ok, docker_spawn},
    console::Console,
    network::{Network, Volume},
};
use crate::{
    PATIENCE,
    exec::{ExecChild, ExecOutput},
    output::{Line, Output, Stream},
    within,
};
use nix::{sys::signal::Signal, unistd::Pid};
use serde_json::Value;
use std::{
    ffi::{OsStr, OsString},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long the log may go on coming after the container's end.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);

/// A container; dropping it kills it and removes it with its anonymous volumes. It can be used by several threads.
pub struct Container {
    name: String,
    life: Mutex<Life>,
    _networks: Vec<Network>,
    _volumes: Vec<Volume>,
}

/// What changes with each start.
#[derive(Default)]
struct Life {
    pid: Option<Pid>,
    /// The whole log, from the first life on.
    output: Output,
}

impl Container {
    pub(super) fn new(name: String, networks: Vec<Network>, volumes: Vec<Volume>) -> Self {
        Self { name, life: Mutex::default(), _networks: networks, _volumes: volumes }
    }

    /// The engine's name for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- its life -------------------------------------------------------------------------------

    /// `docker start`: its first life, or another one on the same file system.
    #[track_caller]
    pub fn start(&self) {
        docker_ok(["start", &self.name]);
        self.begin_life();
    }

    /// `docker restart`: TERM, KILL after that many seconds, and a new life on the same file system.
    #[track_caller]
    pub fn restart(&self, seconds: u32) -> ExecOutput {
        let done = docker_spawn(["restart", "--time", &seconds.to_string(), &self.name])
            .wait(ENGINE_LIMIT + Duration::from_secs(seconds.into()));
        assert_eq!(done.code, 0, "{done:?}");
        self.begin_life();
        done
    }

    fn begin_life(&self) {
        let life = Life { pid: self.asked_pid(), output: self.follow() };
        *self.life() = life;
    }

    /// PID 1's pid as the engine says; it says 0 of one that is gone.
    fn asked_pid(&self) -> Option<Pid> {
        let said = docker(["inspect", "--format", "{{.State.Pid}}", &self.name]);
        said.stdout.trim().parse().ok().filter(|pid| *pid != 0).map(Pid::from_raw)
    }

    /// Follows the log: both streams through one pipe, since only so their order stays.
    fn follow(&self) -> Output {
        let (reader, writer) = io::pipe().expect("a pipe can be made");
        let mut follower = command(["logs", "--follow", &self.name]);
        follower.stdout(writer.try_clone().expect("a descriptor can be copied")).stderr(writer);
        follower.stdin(std::process::Stdio::null());
        // Collects its end, which comes with the container's.
        ExecChild::new(follower.spawn().expect("the docker command cannot be started"));
        let output = Output::new(false);
        output.collect(Stream::Stdout, reader);
        output
    }

    /// `docker stop -t`: the stop signal, KILL after that many seconds; returns when the container has ended.
    #[track_caller]
    pub fn stop(&self, seconds: u32) -> ExecOutput {
        let done =
            self.stop_spawn(seconds).wait(ENGINE_LIMIT + Duration::from_secs(seconds.into()));
        assert_eq!(done.code, 0, "{done:?}");
        done
    }

    /// The same without waiting for it.
    #[track_caller]
    pub fn stop_spawn(&self, seconds: u32) -> ExecChild {
        docker_spawn(["stop", "--time", &seconds.to_string(), &self.name])
    }

    /// `docker kill -s`: that signal to PID 1.
    #[track_caller]
    pub fn kill(&self, signal: Signal) {
        docker_ok(["kill", "--signal", signal.as_str(), &self.name]);
    }

    /// Waits for the container's end and for its last words: the exit code, 128 plus the signal's number where one killed it.
    #[track_caller]
    pub fn exit_code(&self, limit: Duration) -> i32 {
        let ended = docker_spawn(["wait", &self.name]);
        let code = within(limit, || ended.try_code());
        if code.is_none() {
            ended.signal(Signal::SIGKILL);
            panic!("{} did not end within {limit:?}; it said:\n{}", self.name, self.logs());
        }
        let done = ended.wait(LAST_WORDS_LIMIT);
        self.output().is_closed_within(LAST_WORDS_LIMIT);
        done.stdout.trim().parse().unwrap_or_else(|_| panic!("no exit code: {done:?}"))
    }

    // ---- what the engine knows ------------------------------------------------------------------

    /// `docker inspect`.
    #[track_caller]
    pub fn inspect(&self) -> Value {
        let text = docker_ok(["inspect", "--type", "container", &self.name]);
        let mut found: Value = serde_json::from_str(&text).expect("docker prints JSON");
        found[0].take()
    }

    /// Its `State`: `Status`, `ExitCode`, `OOMKilled`, `Health` …
    #[track_caller]
    pub fn state(&self) -> Value {
        self.inspect()["State"].take()
    }

    /// Whether it runs.
    #[track_caller]
    pub fn is_running(&self) -> bool {
        self.state()["Running"] == true
    }

    /// `starting`, `healthy` or `unhealthy`; empty without a HEALTHCHECK.
    #[track_caller]
    pub fn health(&self) -> String {
        self.state()["Health"]["Status"].as_str().unwrap_or_default().to_owned()
    }

    /// Its address in the network it is in, if it is in one.
    #[track_caller]
    pub fn address(&self) -> Option<String> {
        let found = self.inspect();
        let mut networks = found["NetworkSettings"]["Networks"].as_object()?.values();
        let address = networks.find_map(|network| network["IPAddress"].as_str())?;
        (!address.is_empty()).then(|| address.to_owned())
    }

    /// PID 1's pid on this machine, in its last life.
    pub fn host_pid(&self) -> Option<Pid> {
        let mut life = self.life();
        if life.pid.is_none() {
            // Not started by us, but by a docker command in the foreground.
            life.pid = self.asked_pid();
        }
        life.pid
    }

    // ---- its log --------------------------------------------------------------------------------

    fn output(&self) -> Output {
        self.life().output.clone()
    }

    /// `docker logs`: all lives so far, both streams.
    #[track_caller]
    pub fn logs(&self) -> String {
        let (mut reader, writer) = io::pipe().expect("a pipe can be made");
        let mut asked = command(["logs", &self.name]);
        asked.stdout(writer.try_clone().expect("a descriptor can be copied")).stderr(writer);
        let mut child = asked.spawn().expect("the docker command cannot be started");
        // It holds the pipe's other end, too.
        drop(asked);
        let mut text = Vec::new();
        io::Read::read_to_end(&mut reader, &mut text).expect("the log can be read");
        child.wait().expect("the docker command can be waited for");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The lines so far, from the first life on; `Line::stream` says nothing here.
    pub fn lines(&self) -> Vec<Line> {
        self.output().lines()
    }

    /// How many lines contain all of `texts`.
    pub fn count(&self, texts: &[&str]) -> usize {
        let all = |line: &&Line| texts.iter().all(|text| line.text.contains(text));
        self.lines().iter().filter(all).count()
    }

    /// Waits for a line that contains `text`, or finds one that was printed already.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str, limit: Duration) -> Line {
        self.wait_for_line_from(0, text, limit)
    }

    /// The same among the lines from number `from` on (`container.lines().len()` before the action, also across lives).
    #[track_caller]
    pub fn wait_for_line_from(&self, from: usize, text: &str, limit: Duration) -> Line {
        self.wait_for_line_with(from, &[text], limit)
    }

    /// The same for a line that contains all of `texts`. A container that has ended is not waited for.
    #[track_caller]
    pub fn wait_for_line_with(&self, from: usize, texts: &[&str], limit: Duration) -> Line {
        let output = self.output();
        let found = within(limit, || {
            // Asked first: what came before the end is found.
            let has_ended = output.is_closed_within(Duration::ZERO);
            let is_it = |line: &Line| texts.iter().all(|text| line.text.contains(text));
            let found = output.lines().into_iter().skip(from).find(is_it);
            (found.is_some() || has_ended).then_some(found)
        });
        found.flatten().unwrap_or_else(|| {
            panic!("no line with {texts:?} within {limit:?}; {} said:\n{}", self.name, self.logs())
        })
    }

    // ---- commands in it -------------------------------------------------------------------------

    /// `docker exec`, waited for; the code is the command's, or docker's 125, 126, 127.
    #[track_caller]
    pub fn exec<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> ExecOutput {
        self.exec_spawn(argv).wait(ENGINE_LIMIT)
    }

    /// The same through `/bin/sh -c`.
    #[track_caller]
    pub fn shell(&self, script: &str) -> ExecOutput {
        self.exec(["/bin/sh", "-c", script])
    }

    /// `docker exec`, to be waited for later; signalling it ends the docker command, not the one in the container.
    #[track_caller]
    pub fn exec_spawn<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> ExecChild {
        self.exec_spawn_with([""; 0], argv)
    }

    /// The same with options of `docker exec`, as `--user`, `--env`, `--workdir`.
    #[track_caller]
    pub fn exec_spawn_with<O: AsRef<OsStr>, S: AsRef<OsStr>>(
        &self,
        options: impl IntoIterator<Item = O>,
        argv: impl IntoIterator<Item = S>,
    ) -> ExecChild {
        docker_spawn(self.exec_words(options, argv))
    }

    /// `docker exec --interactive --tty` on a terminal that the test types into.
    #[track_caller]
    pub fn exec_on_terminal<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Console {
        Console::open(self.exec_words(["--interactive", "--tty"], argv), None)
    }

    fn exec_words<O: AsRef<OsStr>, S: AsRef<OsStr>>(
        &self,
        options: impl IntoIterator<Item = O>,
        argv: impl IntoIterator<Item = S>,
    ) -> Vec<OsString> {
        let mut words = vec![OsString::from("exec")];
        words.extend(options.into_iter().map(|word| word.as_ref().to_owned()));
        words.push(self.name.clone().into());
        words.extend(argv.into_iter().map(|word| word.as_ref().to_owned()));
        words
    }

    /// Polls until `holds`; panics with `what` and what the container said when [`PATIENCE`] is over.
    #[track_caller]
    pub fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        assert!(
            within(PATIENCE, || holds(self).then_some(())).is_some(),
            "timed out after {PATIENCE:?} waiting for: {what}; {} said:\n{}",
            self.name,
            self.logs()
        );
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(["rm", "--force", "--volumes", &self.name]);
    }
}

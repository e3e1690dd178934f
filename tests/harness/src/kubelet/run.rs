//! One life of one container: made, started, hooked, probed, and killed as the kubelet does it.
//!
//! A thread waits for the container's end, for a probe's verdict and for the pod's deletion, whichever is first. Each probe has
//! a thread of its own, as in the kubelet, and lives as long as the container does.

use super::{
    fields::list,
    journal::{Command, PROBES, Record, words},
    pod::{End, Shared},
    probe::{Handler, Probe, ask_network},
    security,
};
use crate::{
    Signal,
    engine::{Container, ContainerBuilder},
    exec::ExecChild,
    manifests::expanded,
    within,
};
use nix::sys::signal::kill;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, sleep},
    time::{Duration, Instant},
};

/// How often a thread looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(20);

/// The kubelet leaves a container so long after TERM, even when preStop has used up the grace period.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// How long the engine may take to notice a container's end.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Of a termination message the kubelet keeps no more.
const LONGEST_MESSAGE: usize = 4096;

/// And of a log that stands in for one.
const LONGEST_LOG: usize = 2048;

pub(super) struct Run<'a> {
    pod: &'a Shared,
    spec: &'a Value,
    role: &'static str,
    container: Arc<Container>,
    message: PathBuf,
    started: Instant,
    /// A verdict to restart the container, with the grace period that it gets.
    verdict: Mutex<Option<Duration>>,
    has_ended: AtomicBool,
}

impl<'a> Run<'a> {
    /// Makes the container and starts it.
    pub(super) fn start(
        pod: &'a Shared,
        spec: &'a Value,
        role: &'static str,
    ) -> Result<Self, String> {
        let name = spec["name"].as_str().unwrap_or_default();
        let message = pod.folder().join(format!("message-{name}-{}", pod.restarts(name)));
        fs::write(&message, "").map_err(|error| error.to_string())?;
        let anyone = fs::Permissions::from_mode(0o666);
        fs::set_permissions(&message, anyone).map_err(|error| error.to_string())?;
        let builder = described(pod, spec, &message)?;
        let container = Arc::new(builder.start());
        pod.change(name, |status| status.container = Some(Arc::clone(&container)));
        let (started, verdict) = (Instant::now(), Mutex::new(None));
        let has_ended = AtomicBool::new(false);
        Ok(Self { pod, spec, role, container, message, started, verdict, has_ended })
    }

    fn name(&self) -> &str {
        self.spec["name"].as_str().unwrap_or_default()
    }

    /// Goes through the container's whole life.
    pub(super) fn live(&self, probes: &[Probe]) -> End {
        thread::scope(|scope| {
            if self.post_start() {
                let started = !probes.iter().any(|probe| probe.role == "startupProbe");
                let ready = !probes.iter().any(|probe| probe.role == "readinessProbe");
                self.pod.change(self.name(), |status| {
                    status.is_running = true;
                    status.is_started = started;
                    status.is_ready = ready && started;
                });
                for probe in probes {
                    scope.spawn(move || self.probe(probe, ready));
                }
                self.wait();
            }
            self.has_ended.store(true, Ordering::Relaxed);
        });
        self.end()
    }

    /// Until the container has ended, by itself or because it was told to.
    fn wait(&self) {
        while self.is_alive() {
            let verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(grace) = self.pod.deletion().or(verdict) {
                return self.kill(grace);
            }
            if self.pod.is_abandoned() {
                return;
            }
            sleep(LOOK);
        }
    }

    /// Whether PID 1 is there and no zombie.
    fn is_alive(&self) -> bool {
        let Some(pid) = self.container.host_pid() else { return false };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        !matches!(state, None | Some('Z' | 'X'))
    }

    // ---- hooks ----------------------------------------------------------------------------------

    /// Runs postStart beside PID 1. The container counts as running only when it has returned; when it fails, the container is
    /// killed, and false comes back.
    fn post_start(&self) -> bool {
        // A deletion waits for it, no longer than the grace period.
        let given_up =
            |since: Instant| self.pod.deletion().is_some_and(|grace| since.elapsed() >= grace);
        let has_succeeded = self.hook("postStart", given_up);
        if !has_succeeded {
            self.kill(self.pod.grace());
        }
        has_succeeded
    }

    /// Runs it to its end, unless somebody gives up on it; false unless it succeeded. Without such a hook that is easy.
    fn hook(&self, role: &'static str, gives_up: impl Fn(Instant) -> bool) -> bool {
        let handler = &self.spec["lifecycle"][role]["exec"];
        if !handler.is_object() {
            return true;
        }
        let command = self.command(role, words(&handler["command"]).collect());
        let since = Instant::now();
        let child = self.container.exec_spawn(&command.words);
        let stops = || gives_up(since) || self.pod.is_abandoned() || !self.is_alive();
        let code = loop {
            let code = child.try_code();
            if code.is_some() || stops() {
                break code;
            }
            sleep(LOOK);
        };
        self.record(command, code, &child, since);
        code == Some(0)
    }

    fn command(&self, role: &'static str, words: Vec<String>) -> Command {
        let owner = self.pod.owner().to_owned();
        Command { owner, container: self.name().to_owned(), role, words }
    }

    fn record(&self, command: Command, code: Option<i32>, child: &ExecChild, since: Instant) {
        let elapsed = since.elapsed();
        // One that hangs is left to its container, as the kubelet leaves it.
        child.signal(Signal::SIGKILL);
        let output = child.wait(END_LIMIT);
        let output = output.stdout + &output.stderr;
        self.pod.journal().write(Record { command, pod: self.pod.name(), code, output, elapsed });
    }

    // ---- the end --------------------------------------------------------------------------------

    /// preStop, TERM to PID 1, KILL: all within `grace`, but for the least that TERM gets.
    fn kill(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        if !grace.is_zero() {
            self.hook("preStop", |_| Instant::now() >= deadline);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.signal(Signal::SIGTERM);
        let left = if grace.is_zero() { Duration::ZERO } else { left.max(LEAST_GRACE) };
        if within(left, || (!self.is_alive() || self.pod.is_abandoned()).then_some(())).is_none() {
            self.signal(Signal::SIGKILL);
            within(END_LIMIT, || (!self.is_alive()).then_some(()));
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.container.host_pid().filter(|_| self.is_alive()) {
            let _ = kill(pid, signal);
        }
    }

    fn end(&self) -> End {
        if self.pod.is_abandoned() {
            self.signal(Signal::SIGKILL);
        }
        let code = self.container.exit_code(END_LIMIT);
        let elapsed = self.started.elapsed();
        let logs = self.container.logs();
        let is_oom = self.container.state()["OOMKilled"] == true;
        let mut message =
            last(&fs::read_to_string(&self.message).unwrap_or_default(), LONGEST_MESSAGE);
        let falls_back = self.spec["terminationMessagePolicy"] == "FallbackToLogsOnError";
        if message.is_empty() && code != 0 && falls_back {
            message = last(&logs, LONGEST_LOG);
        }
        let said = words(&self.spec["command"]).chain(words(&self.spec["args"]));
        let command = self.command(self.role, said.collect());
        let (pod, output) = (self.pod.name(), message.clone());
        self.pod.journal().write(Record { command, pod, code: Some(code), output, elapsed });
        let container = self.name().to_owned();
        let end = End { container, code, is_oom, message, logs, elapsed };
        self.pod.change(self.name(), |status| {
            status.is_running = false;
            status.is_started = false;
            status.is_ready = false;
            status.ends.push(end.clone());
        });
        end
    }

    // ---- probes ---------------------------------------------------------------------------------

    fn probe(&self, probe: &Probe, has_no_readiness: bool) {
        let mut counter = probe.counter();
        let mut next = self.started + probe.initial_delay;
        while !self.has_ended.load(Ordering::Relaxed) {
            let is_being_deleted = self.pod.deletion().is_some();
            if probe.role != "readinessProbe" && is_being_deleted {
                return;
            }
            let waits = probe.role != "startupProbe" && !self.pod.is_started(self.name());
            if Instant::now() < next || waits {
                sleep(LOOK);
                continue;
            }
            next = Instant::now() + probe.period;
            let Some(verdict) = counter.take(self.ask(probe)) else { continue };
            match (probe.role, verdict) {
                ("readinessProbe", is_ready) => {
                    self.pod.change(self.name(), |status| status.is_ready = is_ready);
                }
                ("startupProbe", true) => {
                    return self.pod.change(self.name(), |status| {
                        status.is_started = true;
                        status.is_ready = has_no_readiness;
                    });
                }
                (_, true) => {}
                (_, false) => {
                    let grace = probe.grace.unwrap_or(self.pod.grace());
                    *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(grace);
                    return;
                }
            }
        }
    }

    fn ask(&self, probe: &Probe) -> bool {
        let since = Instant::now();
        let Handler::Exec(words) = &probe.handler else {
            return ask_network(&probe.handler, &self.pod.address(), probe.timeout).is_ok();
        };
        let child = self.container.exec_spawn(words);
        let has_ended = || self.has_ended.load(Ordering::Relaxed).then_some(None);
        let code =
            within(probe.timeout, || child.try_code().map(Some).or_else(has_ended)).flatten();
        self.record(self.command(probe.role, words.clone()), code, &child, since);
        code == Some(0)
    }
}

/// The container as the engine is asked for it.
fn described(
    pod: &Shared,
    spec: &Value,
    message: &std::path::Path,
) -> Result<ContainerBuilder, String> {
    let variables = pod.environment(spec)?;
    let (image, options) = pod.image(spec["image"].as_str().unwrap_or_default())?;
    let mut builder = pod.placed(image.container()).options(["--no-healthcheck"]);
    builder = builder.options(options);
    builder = builder.options(security::options(spec, pod.spec())?);
    builder = builder.options(pod.mounts(spec)?);
    for (name, value) in &variables {
        builder = builder.env(name, value);
    }
    if let Some(folder) = spec["workingDir"].as_str() {
        builder = builder.options(["--workdir", folder]);
    }
    let target = spec["terminationMessagePath"].as_str().unwrap_or("/dev/termination-log");
    builder = builder.bind(message, target);
    let command = expanded(&spec["command"], &variables);
    if !command.is_empty() {
        builder = builder.command(command);
    }
    Ok(builder.args(expanded(&spec["args"], &variables)))
}

fn last(text: &str, most: usize) -> String {
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

/// The container's probes.
pub(super) fn probes_of(spec: &Value, pace: super::Pace) -> Result<Vec<Probe>, String> {
    let found = PROBES.iter().map(|role| Probe::of(spec, role, pace));
    found.filter_map(Result::transpose).collect()
}

/// Whether the pod's policy starts a container again that has ended with this code.
pub(super) fn is_restarted(policy: &Value, code: i32) -> bool {
    match policy.as_str() {
        Some("Never") => false,
        Some("OnFailure") => code != 0,
        _ => true,
    }
}

/// The containers of a list.
pub(super) fn containers<'a>(spec: &'a Value, kind: &str) -> Vec<&'a Value> {
    list(&spec[kind]).collect()
}

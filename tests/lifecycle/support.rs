//! What the lifecycle tests share: a booted J-Jobs with its meta DB's port, and the questions that they ask of its log,
//! processes and ledger.

use jjobs_harness::{Container, ContainerBuilder, ProcessInfo, Signal, Vendor, within};
use std::{
    io,
    net::TcpListener,
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

/// Longer than anything healthy takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(40);

pub(crate) const BASE: &str = "/engn001/jjobs";

/// The words by which `ps` tells the components apart, of both vendor versions.
const MARKS: [(&str, [&str; 2]); 4] = [
    ("manager", ["-Dcatalina.home=/engn001/jjobs/manager", "catalina.home=/engn001/jjobs/manager"]),
    ("server", ["-Dcatalina.home=/engn001/jjobs/server", "catalina.home=/engn001/jjobs/server"]),
    ("agent", ["cname=agent", "-Dcname=agent"]),
    ("runtime", ["cname=jjobs", "-Dcname=jjobs"]),
];

/// A container of kind F with the simulator's installer.
pub(crate) fn kind_f(vendor: Vendor) -> ContainerBuilder {
    Container::image(env!("CARGO_BIN_EXE_jjobs-init")).installer(vendor).env("INSTALL_KIND", "F")
}

/// The same with another kind.
pub(crate) fn kind(kind: &str, vendor: Vendor) -> ContainerBuilder {
    kind_f(vendor).env("INSTALL_KIND", kind)
}

/// A running container and its meta DB.
pub(crate) struct Life {
    container: Container,
    _db: Option<TcpListener>,
}

impl Deref for Life {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.container
    }
}

impl DerefMut for Life {
    fn deref_mut(&mut self) -> &mut Container {
        &mut self.container
    }
}

/// Boots it; `None` where this machine allows no namespaces.
pub(crate) fn boot(builder: ContainerBuilder) -> Option<Life> {
    Life::boot_after(builder, || Ok(()))
}

/// Boots it and waits until all that boot starts is up.
pub(crate) fn up(builder: ContainerBuilder) -> Option<Life> {
    let life = boot(builder)?;
    life.wait_for_line("all up", SOON);
    Some(life)
}

/// Boots it with nothing started.
pub(crate) fn manual(builder: ContainerBuilder) -> Option<Life> {
    let life = boot(builder.env("ON_BOOT", "manual").env("JJOBS_INIT_LOG", "debug"))?;
    life.wait_for_line("phase begins phase=running", SOON);
    Some(life)
}

impl Life {
    /// Boots it after `prepare` was run by the thread that PID 1 inherits from.
    pub(crate) fn boot_after(
        builder: ContainerBuilder,
        prepare: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Option<Self> {
        let mut container = builder.prepare()?;
        let db = container.listen(7432).unwrap();
        container.inside(prepare).unwrap();
        container.start();
        Some(Self { container, _db: Some(db) })
    }

    /// One that needs no meta DB.
    #[allow(dead_code, reason = "only the drain's tests have an agent of its own")]
    pub(crate) fn alone(container: Container) -> Self {
        Self { container, _db: None }
    }

    /// As the container's own, with our questions.
    #[track_caller]
    pub(crate) fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let held = within(SOON, || holds(self).then_some(()));
        assert!(
            held.is_some(),
            "timed out waiting for: {what}; PID 1 said:\n{}",
            self.transcript()
        );
    }

    /// How many lines there are by now: where to look for what comes next.
    pub(crate) fn now(&self) -> usize {
        self.lines().len()
    }

    /// Waits until PID 1 says that `component` came to `state`; returns when.
    #[track_caller]
    pub(crate) fn state_from(&self, from: usize, component: &str, state: &str) -> Instant {
        let quoted = if state.contains(' ') { format!("\"{state}\"") } else { state.to_owned() };
        let wanted = |text: &str| {
            text.contains("component changed state")
                && text.contains(&format!("component={component} "))
                && (text.contains(&format!(" to={quoted} "))
                    || text.ends_with(&format!(" to={quoted}")))
        };
        let found =
            within(SOON, || self.lines().into_iter().skip(from).find(|line| wanted(&line.text)));
        found
            .unwrap_or_else(|| panic!("{component} never came to {state}:\n{}", self.transcript()))
            .at
    }

    #[track_caller]
    pub(crate) fn state(&self, component: &str, state: &str) -> Instant {
        self.state_from(0, component, state)
    }

    /// How many lines contain all of `texts`.
    pub(crate) fn count(&self, texts: &[&str]) -> usize {
        self.lines().iter().filter(|line| texts.iter().all(|text| line.text.contains(text))).count()
    }

    /// The lasting JVMs of a component.
    pub(crate) fn jvms(&self, component: &str) -> Vec<ProcessInfo> {
        let marks = MARKS.iter().find(|(name, _)| *name == component).unwrap().1;
        let mut found: Vec<ProcessInfo> =
            marks.iter().flat_map(|mark| self.processes_with(mark)).collect();
        found.retain(|process| {
            process.name == "java"
                && process.argv.last().is_none_or(|word| word != "stop" && word != "configtest")
        });
        // A child that it has just forked, for a `date` say, looks like it until it has become that.
        let pids: Vec<i32> = found.iter().map(|process| process.pid).collect();
        found.retain(|process| !pids.contains(&process.ppid));
        found
    }

    /// The one JVM of a component.
    #[track_caller]
    pub(crate) fn jvm(&self, component: &str) -> ProcessInfo {
        let found = within(SOON, || self.jvms(component).pop());
        found.unwrap_or_else(|| panic!("no {component}:\n{}", self.transcript()))
    }

    /// Kills a component's JVM.
    #[track_caller]
    pub(crate) fn kill_jvm(&self, component: &str, signal: Signal) {
        assert!(self.signal_process(self.jvm(component).pid, signal));
    }

    /// Sets a component's misbehaviour.
    pub(crate) fn fault(&self, component: &str, faults: &str) {
        self.write(format!("{BASE}/.simulator/faults/{component}"), faults);
    }

    /// Gives jobs to the agent and waits until each has a runtime.
    #[track_caller]
    pub(crate) fn submit(&self, count: usize, seconds: f64) {
        let body = format!(r#"{{"seconds":{seconds},"count":{count},"where":"agent"}}"#);
        let before = self.jobs("start");
        let answer = self.http_api(7075, ("POST", "/sim/jobs"), "t", &body).unwrap();
        assert!(answer.status < 300, "{answer:?}");
        self.eventually("each job has a runtime", |_| self.jobs("start") == before + count);
    }

    /// How many events of this sort the ledger holds.
    pub(crate) fn jobs(&self, event: &str) -> usize {
        let wanted = format!(r#""event":"{event}""#);
        self.read_text(format!("{BASE}/.simulator/ledger"))
            .lines()
            .filter(|line| line.contains(&wanted))
            .count()
    }

    /// The last termination message, as JSON.
    pub(crate) fn message(&self) -> serde_json::Value {
        serde_json::from_str(&self.termination_message()).unwrap_or_default()
    }

    /// Asks it to end and waits for that.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> (i32, Duration) {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> (i32, Duration) {
        let began = Instant::now();
        let code = self.exit_code(SOON);
        (code, began.elapsed())
    }

    /// When the line with all of these texts came.
    #[track_caller]
    pub(crate) fn line(&self, from: usize, texts: &[&str]) -> Instant {
        let found = within(SOON, || {
            self.lines()
                .into_iter()
                .skip(from)
                .find(|line| texts.iter().all(|text| line.text.contains(text)))
        });
        found.unwrap_or_else(|| panic!("no line with {texts:?}:\n{}", self.transcript())).at
    }
}

//! A container whose manager and server are real Tomcats, its real meta DB, and the questions that the scenes ask.

use jjobs_harness::{
    Container, ContainerBuilder, ExecChild, ExecOutput, Postgres, ProcessInfo, Signal,
    unless_missing, within,
};
use serde_json::Value;
use std::{
    fs, io,
    ops::{Deref, DerefMut},
    path::Path,
    time::{Duration, Instant},
};

/// A Tomcat starts in three seconds on an idle machine; here several do, beside other tests.
pub(crate) const SOON: Duration = Duration::from_secs(90);

pub(crate) const BASE: &str = "/engn001/jjobs";

/// The one that `schema.sql` lets in.
pub(crate) const TOKEN: &str = "a-token-of-theirs";

const DB_PORT: u16 = 7432;

const PARTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/real");

/// What the installer copies from; `scripts/lib/tomcat.sh` names the packages.
const FROM_PACKAGES: [&str; 5] = [
    "/usr/share/tomcat10/bin/bootstrap.jar",
    "/usr/share/tomcat10/lib/catalina.jar",
    "/usr/share/java/eclipse-jdt-core.jar",
    "/usr/share/java/postgresql.jar",
    "/usr/bin/zip",
];

/// A container, and the meta DB in its network. Fields are dropped in this order.
pub(crate) struct Real {
    container: Container,
    pub(crate) db: Postgres,
}

impl Deref for Real {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.container
    }
}

impl DerefMut for Real {
    fn deref_mut(&mut self) -> &mut Container {
        &mut self.container
    }
}

/// A container with the installer made of real parts.
pub(crate) fn kind(letter: &str, on_boot: &str) -> ContainerBuilder {
    Container::image(env!("CARGO_BIN_EXE_jjobs-init"))
        .bind_read_only(PARTS, "/install/parts")
        .bind_read_only(format!("{PARTS}/installer.sh"), "/install/jjob_installer_linux_x64.sh")
        .env("INSTALL_KIND", letter)
        .env("ON_BOOT", on_boot)
}

fn find_parts() -> Result<(), String> {
    let missing = FROM_PACKAGES.iter().find(|path| !Path::new(path).exists());
    match missing {
        Some(path) => Err(format!("no {path}")),
        None if !has_java() => {
            Err("no OpenJDK below /usr/lib/jvm as Debian lays it out".to_owned())
        }
        None => Ok(()),
    }
}

fn has_java() -> bool {
    fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten().any(|entry| {
        entry.file_name().to_string_lossy().contains("-openjdk-")
            && entry.path().join("lib/server/libjvm.so").exists()
    })
}

/// Boots it with its meta DB; `None` where one of the parts is missing.
pub(crate) fn boot(builder: ContainerBuilder) -> Option<Real> {
    boot_after(builder, || Ok(()))
}

/// The same after `prepare` was run by the thread that PID 1 inherits from.
pub(crate) fn boot_after(
    builder: ContainerBuilder,
    prepare: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Option<Real> {
    unless_missing("Tomcat", find_parts())?;
    let programs = unless_missing("PostgreSQL", Postgres::programs())?;
    let mut container = builder.prepare()?;
    let mut db = Postgres::beside(&programs, &container, DB_PORT)?;
    db.start();
    db.query(&fs::read_to_string(format!("{PARTS}/schema.sql")).unwrap());
    container.inside(prepare).unwrap();
    container.start();
    Some(Real { container, db })
}

impl Real {
    /// How many lines there are by now: where to look for what comes next.
    pub(crate) fn now(&self) -> usize {
        self.lines().len()
    }

    /// Waits for a line with all of these texts; returns when it came.
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

    /// How many lines contain all of `texts`.
    pub(crate) fn count(&self, from: usize, texts: &[&str]) -> usize {
        let lines = self.lines();
        let later = lines.iter().skip(from);
        later.filter(|line| texts.iter().all(|text| line.text.contains(text))).count()
    }

    /// Polls until `holds`.
    #[track_caller]
    pub(crate) fn soon(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let held = within(SOON, || holds(self).then_some(()));
        assert!(held.is_some(), "never {what}; PID 1 said:\n{}", self.transcript());
    }

    /// Waits until PID 1 says that the server is in this state.
    #[track_caller]
    pub(crate) fn server_comes_to(&self, from: usize, state: &str) {
        let quoted = if state.contains(' ') { format!("\"{state}\"") } else { state.to_owned() };
        self.line(
            from,
            &["component changed state", "component=server ", &format!(" to={quoted}")],
        );
    }

    /// The lasting JVMs of a component: not those of `shutdown.sh`, and no child that has not become its own program yet.
    pub(crate) fn jvms(&self, component: &str) -> Vec<ProcessInfo> {
        let mut found = self.processes_with(&format!("-Dcatalina.home={BASE}/{component}"));
        found.retain(|process| process.argv.last().is_some_and(|word| word == "start"));
        let pids: Vec<i32> = found.iter().map(|process| process.pid).collect();
        found.retain(|process| process.name == "java" && !pids.contains(&process.ppid));
        found
    }

    /// The one JVM of a component.
    #[track_caller]
    pub(crate) fn jvm(&self, component: &str) -> ProcessInfo {
        let found = within(SOON, || self.jvms(component).pop());
        found.unwrap_or_else(|| panic!("no {component}:\n{}", self.transcript()))
    }

    /// Types a command of ours.
    #[track_caller]
    pub(crate) fn command(&self, words: &str) -> ExecOutput {
        let words = words.split_whitespace();
        self.exec(["/usr/local/bin/jjobs-init"].into_iter().chain(words))
    }

    /// What `status` says of a component.
    #[track_caller]
    pub(crate) fn status_of(&self, component: &str) -> Value {
        let told = self.command("status --format json");
        let status: Value = serde_json::from_str(&told.stdout).unwrap_or_default();
        let components = status["components"].as_array().cloned().unwrap_or_default();
        let found = components.into_iter().find(|one| one["name"] == component);
        found.unwrap_or_else(|| panic!("no {component} in {told:?}"))
    }

    /// Calls a path as the kubelet does.
    pub(crate) fn hook(&self, path: &str) -> ExecChild {
        self.exec_spawn(["/bin/bash", "-c", path])
    }

    /// A page's text.
    pub(crate) fn page(&self, port: u16, path: &str) -> String {
        self.http_get(port, path).map(|answer| answer.body).unwrap_or_default().trim().to_owned()
    }

    /// A request of these parts alone, which goes on behind its answer or never answers.
    #[track_caller]
    pub(crate) fn post_to_server(&self, path: &str) {
        let path = format!("/jjob-server/{path}");
        // The JVM may end before it answers.
        if let Ok(answer) = self.http_api(7075, ("POST", &path), TOKEN, "") {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }

    /// How often the installer has run.
    pub(crate) fn installations(&self) -> usize {
        self.read_text("/logs001/installations").lines().count()
    }

    /// PID 1 is asked to end, and ends with this code.
    #[track_caller]
    pub(crate) fn ends_with(&mut self, code: i32) -> Duration {
        let began = Instant::now();
        self.signal(Signal::SIGTERM);
        assert_eq!(self.exit_code(SOON), code, "{}", self.transcript());
        began.elapsed()
    }
}

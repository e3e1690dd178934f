//! What the boot tests share: a container with a database beside it, and questions about what came up.

use jjobs_harness::{Container, ContainerBuilder, Line, Signal, Vendor, within};
use serde_json::Value;
use std::{
    net::TcpListener,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
    time::Duration,
};

/// A boot takes a second or two; tests run side by side on a busy machine.
pub(crate) const BOOT: Duration = Duration::from_mins(1);
/// From SIGTERM during a boot to PID 1's end (design.md §6), and a little for a busy machine.
pub(crate) const STOP: Duration = Duration::from_secs(10);
/// Where everything is installed.
pub(crate) const BASE: &str = "/engn001/jjobs";
/// The default port of the meta DB.
pub(crate) const DB_PORT: u16 = 7432;

/// The image with an installer of that vendor version.
pub(crate) fn image(vendor: Vendor) -> ContainerBuilder {
    bare_image().installer(vendor)
}

/// The image without an installer.
pub(crate) fn bare_image() -> ContainerBuilder {
    Container::image(env!("CARGO_BIN_EXE_jjobs-init"))
}

/// A container of this kind and boot.
pub(crate) fn kind(vendor: Vendor, install_kind: &str, on_boot: &str) -> ContainerBuilder {
    image(vendor).env("INSTALL_KIND", install_kind).env("ON_BOOT", on_boot)
}

/// A container whose database (and, for an agent, server) is there from the start. The listeners belong to the result.
pub(crate) fn boot_with_database(builder: ContainerBuilder) -> Option<(Container, TcpListener)> {
    let mut container = builder.prepare()?;
    let database = container.listen(DB_PORT).unwrap();
    container.start();
    Some((container, database))
}

/// A web port, and a path that answers once the component is up.
type Web = (u16, &'static str);

/// The components, in start order, with their marks and web ports.
pub(crate) const COMPONENTS: [(&str, &str, Option<Web>); 3] = [
    ("manager", "catalina.home=/engn001/jjobs/manager", Some((7065, "/jjob-manager/"))),
    ("server", "catalina.home=/engn001/jjobs/server", Some((7075, "/jjob-server/test.jsp"))),
    ("agent", "cname=agent", None),
];

/// The components whose process is there.
pub(crate) fn running(container: &Container) -> Vec<&'static str> {
    let processes = container.processes();
    let runs = |mark: &str| {
        processes.iter().any(|process| {
            !process.is_zombie()
                && process.argv.iter().any(|word| word.strip_prefix("-D").unwrap_or(word) == mark)
        })
    };
    COMPONENTS.iter().filter(|(_, mark, _)| runs(mark)).map(|(name, ..)| *name).collect()
}

/// The components whose web port answers.
pub(crate) fn answering(container: &Container) -> Vec<&'static str> {
    let answers = |web: Option<(u16, &str)>| {
        web.is_some_and(|(port, path)| {
            container.http_get(port, path).is_ok_and(|answer| answer.status == 200)
        })
    };
    COMPONENTS.iter().filter(|(.., web)| answers(*web)).map(|(name, ..)| *name).collect()
}

/// Waits until exactly boot's components are up.
#[track_caller]
pub(crate) fn wait_until_up(container: &Container) -> Line {
    container.wait_for_line("all up", BOOT)
}

/// Stops the container as the kubelet does, and expects a clean end.
#[track_caller]
pub(crate) fn stop(mut container: Container) {
    container.signal(Signal::SIGTERM);
    let code = container.exit_code(BOOT);
    assert_eq!(code, 0, "{}", container.transcript());
}

/// What a component said it effectively runs with. An agent says so a moment after its process is there.
#[track_caller]
pub(crate) fn effective(container: &Container, component: &str) -> Value {
    let path = format!("{BASE}/.simulator/effective/{component}.json");
    let read = || serde_json::from_str(&container.read_text(&path)).ok();
    within(BOOT, read)
        .unwrap_or_else(|| panic!("{component} said nothing\n{}", container.transcript()))
}

/// What the installer was called with last.
#[track_caller]
pub(crate) fn install_args(container: &Container) -> Vec<String> {
    let text = container.read_text(format!("{BASE}/.simulator/install-args"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// How often the installer came to its end.
pub(crate) fn installs(container: &Container) -> usize {
    container.read_text(format!("{BASE}/.simulator/installs")).lines().count()
}

/// The termination message as JSON.
#[track_caller]
pub(crate) fn last_state(container: &Container) -> Value {
    let text = container.termination_message();
    // Rewritten in place: for a moment the end of a longer line may follow.
    let text = text.lines().next().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// How many lines hold `text`.
pub(crate) fn count(container: &Container, text: &str) -> usize {
    container.lines().iter().filter(|line| line.text.contains(text)).count()
}

/// Runs `check` on every case, a few side by side: a boot is mostly waiting.
pub(crate) fn side_by_side<T: Send + 'static>(cases: Vec<T>, check: fn(T)) {
    const LANES: usize = 6;
    let (give, take) = mpsc::channel();
    let take = std::sync::Arc::new(std::sync::Mutex::new(take));
    for case in cases {
        give.send(case).unwrap();
    }
    drop(give);
    let lanes: Vec<_> = (0..LANES)
        .map(|_| {
            let take = std::sync::Arc::clone(&take);
            thread::spawn(move || {
                let mut failed = 0;
                loop {
                    let next = take.lock().unwrap().recv();
                    let Ok(case) = next else { return failed };
                    failed += usize::from(catch_unwind(AssertUnwindSafe(|| check(case))).is_err());
                }
            })
        })
        .collect();
    let failed: usize = lanes.into_iter().map(|lane| lane.join().unwrap()).sum();
    assert_eq!(failed, 0, "cases failed, see above");
}

/// Where the image has its installer.
pub(crate) const INSTALLER: &str = "/install/jjob_installer_linux_x64.sh";

/// Waits for the end of a boot that starts nothing.
#[track_caller]
pub(crate) fn wait_for_nothing_to_start(container: &Container) {
    container.wait_for_line("boot finished", BOOT);
}

/// One of several lives of a container: the lines since its start.
#[derive(Clone, Copy)]
pub(crate) struct Boot {
    from: usize,
}

impl Boot {
    /// Kills the container and starts it again on the same file system.
    pub(crate) fn restart(container: &mut Container) -> Self {
        container.kill();
        let from = container.lines().len();
        container.restart();
        Self { from }
    }

    #[track_caller]
    pub(crate) fn wait_for(self, container: &Container, text: &str) -> Line {
        container.wait_for_line_from(self.from, text, BOOT)
    }

    pub(crate) fn count(self, container: &Container, text: &str) -> usize {
        let lines = container.lines();
        lines.iter().skip(self.from).filter(|line| line.text.contains(text)).count()
    }
}

//! JVMs that end by themselves, in a memory cgroup (version 1) of their own where there are such.

use crate::support::{Real, SOON, boot_after, kind};
use jjobs_harness::{Signal, within};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Several words, one with a character that a shell would expand: catalina.sh hands them on as it always does.
const OPTIONS: &str = "-Xmx64m -XX:MaxDirectMemorySize=4g -XX:+ExitOnOutOfMemoryError -Dnote=a*b";

/// Room for one JVM and for the files of the container, which are in memory too.
const LIMIT: &str = "640M";

/// A memory cgroup below this test's own; dropping it removes it.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn make() -> io::Result<Self> {
        let lines = fs::read_to_string("/proc/self/cgroup")?;
        let own = lines.lines().find_map(|line| line.split_once(":memory:")).unwrap_or_default().1;
        let folder = Path::new("/sys/fs/cgroup/memory")
            .join(own.trim_start_matches('/'))
            .join(format!("jjobs-real-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Self(folder);
        fs::write(group.0.join("memory.limit_in_bytes"), LIMIT)?;
        Ok(group)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // What was killed a moment ago may still be leaving.
        let _ = within(SOON, || fs::remove_dir(&self.0).ok());
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn a_real_jvm_that_crashes_or_is_out_of_memory_is_told_and_started_again() {
    let group = MemoryGroup::make()
        .map_err(|error| eprintln!("left out: no memory cgroup of version 1 here ({error})"))
        .ok();
    let mut image = kind("S", "yes").env("CATALINA_OPTS", OPTIONS);
    let tasks = group.as_ref().map(|group| group.0.join("tasks"));
    if let Some(group) = &group {
        // As runtimes do it: what is mounted shows the container's own cgroup at its top.
        image = image.bind_read_only(&group.0, "/sys/fs/cgroup");
    }
    let enter =
        move || tasks.map_or(Ok(()), |tasks| fs::write(tasks, nix::unistd::gettid().to_string()));
    let Some(mut real) = boot_after(image, enter) else { return };
    real.server_comes_to(0, "up");

    // What HotSpot makes of a broken pointer: a report, then SIGABRT.
    comes_back(&real, "killed by SIGABRT", |real| {
        assert!(real.signal_process(real.jvm("server").pid, Signal::SIGSEGV));
    });
    real.line(0, &["A fatal error has been detected by the Java Runtime Environment"]);
    comes_back(&real, "exit code 3", |real| real.post_to_server("eat?what=heap"));
    real.line(0, &["java.lang.OutOfMemoryError: Java heap space"]);
    if group.is_some() {
        let from =
            comes_back(&real, "killed by SIGKILL", |real| real.post_to_server("eat?what=direct"));
        real.line(
            from,
            &[
                "will restart",
                "cause=\"out of memory: killed by the kernel\"",
                "memory_limit_mib=640",
            ],
        );
    } else {
        comes_back(&real, "killed by SIGKILL", |real| {
            assert!(real.signal_process(real.jvm("server").pid, Signal::SIGKILL));
        });
    }
    real.ends_with(0);
}

/// The server is brought to its end, that is told, and it comes back with the same options; returns where to look for more.
#[track_caller]
fn comes_back(real: &Real, end: &str, bring_down: impl FnOnce(&Real)) -> usize {
    let from = real.now();
    let before = real.jvm("server").pid;
    bring_down(real);
    real.line(
        from,
        &["component is down, will restart", "component=server", &format!("end=\"{end}")],
    );
    real.server_comes_to(from, "up");
    let jvm = real.jvm("server");
    assert_ne!(jvm.pid, before);
    for option in OPTIONS.split(' ') {
        assert!(jvm.has_word(option), "{option} in {:?}", jvm.argv);
    }
    from
}

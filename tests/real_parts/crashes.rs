//! JVMs that end by themselves, in a memory cgroup (version 1) of their own where there are such.

use crate::support::{Real, boot_after, kind};
use jjobs_harness::{MemoryGroup, Signal};

/// Several words, one with a character that a shell would expand: catalina.sh hands them on as it always does.
const OPTIONS: &str = "-Xmx64m -XX:MaxDirectMemorySize=4g -XX:+ExitOnOutOfMemoryError -Dnote=a*b";

/// Room for one JVM and for the files of the container, which are in memory too.
const LIMIT_MIB: u64 = 640;

#[test]
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn a_real_jvm_that_crashes_or_is_out_of_memory_is_told_and_started_again() {
    let group = MemoryGroup::limited_to(LIMIT_MIB)
        .map_err(|error| eprintln!("left out: no memory cgroup of version 1 here ({error})"))
        .ok();
    let mut image = kind("S", "yes").env("CATALINA_OPTS", OPTIONS);
    let join = group.as_ref().map(MemoryGroup::joining);
    if let Some(group) = &group {
        // As runtimes do it: what is mounted shows the container's own cgroup at its top.
        image = image.bind_read_only(group.folder(), "/sys/fs/cgroup");
    }
    let enter = move || join.map_or(Ok(()), |join| join());
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

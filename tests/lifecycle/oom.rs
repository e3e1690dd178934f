//! What the kernel kills for lack of memory. Each container lives in a memory cgroup (version 1) of its own.

use crate::support::{BASE, Life, SOON, kind, kind_f};
use jjobs_harness::{ContainerBuilder, MemoryGroup, Signal, Vendor};
use std::time::Duration;

/// Enough for the components, their files in the tmpfs below the overlay included.
const LIMIT_MIB: u64 = 384;
/// More than the limit.
const MEAL: &str = "eat_memory=1024";
const CAUSE: &str = "cause=\"out of memory: killed by the kernel\"";

/// Everything of the container, the group last: fields are dropped in this order.
struct Small {
    life: Life,
    _group: MemoryGroup,
}

/// Boots it with little memory; `None` where this machine has no such cgroups.
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn small(builder: ContainerBuilder) -> Option<Small> {
    let group = MemoryGroup::limited_to(LIMIT_MIB)
        .map_err(|error| eprintln!("skipped: no memory cgroup of version 1 here ({error})"))
        .ok()?;
    // As runtimes do it: what is mounted shows the container's own cgroup at its top.
    let builder = builder.bind_read_only(group.folder(), "/sys/fs/cgroup");
    let life = Life::boot_after(builder, group.joining())?;
    life.wait_for_line("all up", SOON);
    Some(Small { life, _group: group })
}

#[test]
fn a_component_that_the_kernel_killed_for_lack_of_memory_is_told_as_such_and_started_again() {
    // The start script of the last stays, and its end is all that we hear of its JVM's.
    let samples = [
        ("server", Vendor::A, "killed by SIGKILL"),
        ("agent", Vendor::A, "killed by SIGKILL"),
        ("server", Vendor::B, "exit code 137"),
    ];
    for (component, vendor, end) in samples {
        let Some(mut small) = small(kind_f(vendor)) else { return };
        let life = &mut small.life;
        let from = life.now();
        life.fault(component, MEAL);
        let named = format!("component={component} ");
        life.line(
            from,
            &["component is down, will restart", &named, CAUSE, "memory_limit_mib=384", "hint="],
        );
        life.state_from(from, component, "up");
        life.signal(Signal::SIGUSR1);
        let last_end = format!("last_end=\"{end} (out of memory)\"");
        life.line(from, &["status", &named, "state=up", &last_end]);
        assert_eq!(life.stop().0, 0);
        assert_eq!(life.count(&[CAUSE]), 1, "{}", life.transcript());
        assert_eq!(life.count(&["the kernel killed processes"]), 0, "{}", life.transcript());
    }
}

#[test]
fn a_kill_by_hand_is_not_taken_for_one_by_the_kernel() {
    let Some(mut small) = small(kind("S", Vendor::A)) else { return };
    let life = &mut small.life;
    let from = life.now();
    life.kill_jvm("server", Signal::SIGKILL);
    life.state_from(from, "server", "up");
    life.signal(Signal::SIGUSR1);
    life.line(from, &["status", "component=server", "last_end=\"killed by SIGKILL\""]);
    assert_eq!(life.stop().0, 0);
    assert_eq!(life.count(&["out of memory"]), 0, "{}", life.transcript());
}

#[test]
fn an_end_that_is_not_followed_by_a_restart_tells_its_cause_too() {
    let Some(mut small) = small(kind("S", Vendor::A).env("JJOBS_INIT_RESTART", "exit")) else {
        return;
    };
    let life = &mut small.life;
    life.fault("server", MEAL);
    assert_eq!(life.ended().0, 137, "{}", life.transcript());
    assert_eq!(life.count(&["component was killed", CAUSE]), 1, "{}", life.transcript());
}

#[test]
fn a_runtime_that_the_kernel_killed_is_told() {
    let Some(mut small) = small(kind_f(Vendor::A)) else { return };
    let life = &mut small.life;
    life.fault("runtime", MEAL);
    life.submit(1, 60.0);
    life.eventually("it is gone", |life| {
        life.exists(format!("{BASE}/.simulator/counts/runtime-meals"))
            && life.jvms("runtime").is_empty()
    });
    life.line(0, &["the kernel killed processes of this container", "processes=1", "hint="]);
    assert!(life.stop().1 < Duration::from_secs(20));
    assert_eq!(life.count(&[CAUSE]), 0, "{}", life.transcript());
}

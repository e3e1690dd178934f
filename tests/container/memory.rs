//! A memory limit of the engine's.

use crate::support::{SOON, kind_f, up};

const CAUSE: &str = "out of memory: killed by the kernel";

#[test]
fn a_component_that_is_killed_for_lack_of_memory_is_told_as_such_and_started_again() {
    let Some(image) = kind_f() else { return };
    let life = up(image.memory_mib(160));
    let from = life.now();
    life.fault("server", "eat_memory=1024");
    life.line(
        from,
        &["component is down, will restart", "component=server ", CAUSE, "memory_limit_mib=160"],
    );
    life.line(from, &["component changed state component=server", "to=up"]);
    life.exec_ends_with(0, &["/working/liveness.sh"]);
    life.is_ready();
    assert_eq!(life.count(&[CAUSE]), 1, "{}", life.logs());
    life.drains();
}

#[test]
fn a_container_that_ends_with_its_component_tells_the_engine_of_the_lack_of_memory() {
    let Some(image) = kind_f() else { return };
    let image = image.env("INSTALL_KIND", "S").env("JJOBS_INIT_RESTART", "exit").memory_mib(160);
    let life = up(image);
    life.fault("server", "eat_memory=1024");
    assert_eq!(life.exit_code(SOON), 137, "{}", life.logs());
    life.line(0, &["component was killed", CAUSE, "hint="]);
    assert_eq!(life.state()["OOMKilled"], true);
}

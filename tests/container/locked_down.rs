//! With fewer rights: another user, a read-only root, no capabilities.

use crate::support::{BASE, INIT, Life, SOON, kind_f, up};
use jjobs_harness::engine::ContainerBuilder;

/// What must be writable under a read-only root: the installed tree, and `/tmp` for the installer, which unpacks itself there, and for
/// the socket. Programs are run in both, so the engine's own `noexec` will not do. Logs are on the image's volume.
fn writable(image: ContainerBuilder) -> ContainerBuilder {
    image.read_only().tmpfs("/engn001", "exec").tmpfs("/tmp", "exec")
}

fn no_capabilities(image: ContainerBuilder) -> ContainerBuilder {
    image.options(["--cap-drop", "ALL", "--security-opt", "no-new-privileges"])
}

/// Hooks, probes and verbs work, and it drains.
#[track_caller]
fn lives_well(life: &Life, run_folder: &str) {
    assert!(life.exists(format!("{run_folder}/control.sock")), "{}", life.logs());
    for probe in [
        "/working/liveness.sh",
        "/working/agent-healthcheck.sh",
        "/engn001/jjobs/agent/healthcheck.sh",
    ] {
        life.exec_ends_with(0, &["/bin/bash", "-c", probe]);
    }
    life.exec_ends_with(0, &["/bin/sh", "-c", "/post-start.sh"]);
    life.exec_ends_with(0, &[INIT, "restart", "manager"]);
    assert_eq!(life.count(&["Permission denied"]), 0, "{}", life.logs());
    assert_eq!(life.count(&["Read-only file system"]), 0, "{}", life.logs());
    life.drains();
}

#[test]
fn another_user_boots_and_drains() {
    let Some(image) = kind_f() else { return };
    let life = up(image.user("10001"));
    let users = life.shell("stat -c %u /proc/1 /engn001/jjobs/start_server.sh").stdout;
    assert_eq!(users, "10001\n10001\n");
    // Root's `/run` is not for it.
    // An operator is often another user than PID 1.
    let by_root = life.exec_spawn_with(["--user", "0"], [INIT, "status"]).wait(SOON);
    assert_eq!(by_root.code, 0, "{by_root:?}");
    lives_well(&life, "/tmp/jjobs-init-10001");
}

#[test]
fn a_read_only_root_needs_the_installed_tree_and_tmp_as_tmpfs() {
    let Some(image) = kind_f() else { return };
    let life = up(writable(image));
    let refused = life.shell("echo x > /working/x");
    assert_ne!(refused.code, 0, "the root is read-only: {refused:?}");
    lives_well(&life, "/tmp/jjobs-init-0");
}

#[test]
fn without_capabilities_root_boots_and_drains() {
    let Some(image) = kind_f() else { return };
    let life = up(no_capabilities(image));
    assert_eq!(life.status_of_pid_1("CapEff"), "0000000000000000");
    assert_eq!(life.status_of_pid_1("NoNewPrivs"), "1");
    // The engine's own profile.
    assert_eq!(life.status_of_pid_1("Seccomp"), "2");
    lives_well(&life, "/run/jjobs-init");
}

#[test]
fn all_restrictions_together_are_no_obstacle() {
    let Some(image) = kind_f() else { return };
    let life = up(no_capabilities(writable(image).user("10001")));
    lives_well(&life, "/tmp/jjobs-init-10001");
}

impl Life {
    /// A field of `/proc/1/status`.
    fn status_of_pid_1(&self, field: &str) -> String {
        let status = self.read_text("/proc/1/status");
        let found = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        found.unwrap_or_default().trim().to_owned()
    }
}

#[test]
fn a_read_only_root_without_what_must_be_writable_is_told() {
    let Some(image) = kind_f() else { return };
    let nowhere_to_install = image.clone().read_only().tmpfs("/tmp", "exec").start();
    let nothing_may_run = image.read_only().tmpfs("/engn001", "exec").tmpfs("/tmp", "").start();
    assert_eq!(nowhere_to_install.exit_code(SOON), 20, "{}", nowhere_to_install.logs());
    let texts = ["step failed", "step=install", BASE, "Read-only file system"];
    nowhere_to_install.wait_for_line_with(0, &texts, SOON);
    assert_eq!(nothing_may_run.exit_code(SOON), 20, "{}", nothing_may_run.logs());
    let texts = ["step failed", "step=install", "noexec", "Permission denied"];
    nothing_may_run.wait_for_line_with(0, &texts, SOON);
}

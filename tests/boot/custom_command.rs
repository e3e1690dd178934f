//! `CUSTOM_COMMAND`: what it changes is what components inherit.

use crate::support::{
    BOOT, boot_with_database, count, effective, kind, last_state, running, wait_until_up,
};
use jjobs_harness::Vendor;

#[test]
fn environment_folder_mask_and_limits_reach_the_components() {
    for vendor in Vendor::ALL {
        let builder = kind(vendor, "F", "yes")
            .env("GONE", "soon")
            .env("KEPT", "a b\nc 'd'")
            .env("CATALINA_OPTS", "-Xmx1g  -Dx='y z'")
            .env(
                "CUSTOM_COMMAND",
                "export ADDED='x y'; unset GONE; umask 027; ulimit -n 777; cd /logs001; \
                 echo 'Hello from env!' && ls -l; exit 0",
            );
        let Some((container, _database)) = boot_with_database(builder) else { return };
        wait_until_up(&container);
        for component in ["manager", "server", "agent"] {
            let found = effective(&container, component);
            assert_eq!(found["env"]["ADDED"], "x y", "{component}");
            assert!(found["env"]["GONE"].is_null());
            assert_eq!(found["env"]["KEPT"], "a b\nc 'd'");
            assert_eq!(found["umask"], "0027", "{component}");
            assert_eq!(found["open_files"], "777", "{component}");
            assert!(found["env"]["DB_PASSWD"].is_null(), "it was never set");
        }
        assert_eq!(count(&container, "Hello from env!"), 1);
        drop(container);
    }
}

#[test]
fn a_failing_command_ends_the_boot_with_24_and_starts_nothing() {
    for (command, code) in [
        ("echo the reason >&2; exit 3", "exit code 3"),
        ("echo the reason; false; echo never", "exit code 1"),
        ("echo the reason; kill -9 $$", "SIGKILL"),
        ("echo the reason; nonsense-command", "exit code 127"),
        ("echo the reason; if", "exit code 2"),
    ] {
        let builder = kind(Vendor::A, "F", "yes").env("CUSTOM_COMMAND", command);
        let Some((mut container, _database)) = boot_with_database(builder) else { return };
        assert_eq!(container.exit_code(BOOT), 24, "{command}: {}", container.transcript());
        let said = container.transcript();
        let error = said.lines().find(|line| line.contains("step failed")).unwrap_or_default();
        assert!(error.contains(code), "{command}: {error}");
        if !command.ends_with("if") {
            assert!(error.contains("the reason"), "{command}: {error}");
        }
        assert!(!said.contains("never\n"), "{said}");
        assert_eq!(count(&container, "start script"), 0, "{said}");
        assert_eq!(last_state(&container)["exit_code"], 24);
    }
}

#[test]
fn a_background_process_goes_on_and_is_not_waited_for() {
    let builder = kind(Vendor::A, "S", "yes")
        .env("CUSTOM_COMMAND", "sleep 1234 & (while :; do sleep 0.2; echo tick; done) &");
    let Some((container, _database)) = boot_with_database(builder) else { return };
    wait_until_up(&container);
    assert_eq!(container.processes_with("1234").len(), 1);
    container.wait_for_line("tick", BOOT);
    assert_eq!(running(&container), ["server"]);
    drop(container);
}

#[test]
fn secrets_are_scrubbed_for_components_alone() {
    let builder = kind(Vendor::B, "F", "yes")
        .env("JJOBS_INIT_SCRUB_ENV", "yes")
        .env("API_PRIVATE_TOKEN", "token-token")
        .env("DB_PASSWD", "password-1")
        .env("CUSTOM_COMMAND", "[ \"$DB_PASSWD\" = password-1 ] && [ -n \"$API_PRIVATE_TOKEN\" ]");
    let Some((container, _database)) = boot_with_database(builder) else { return };
    wait_until_up(&container);
    for component in ["manager", "server", "agent"] {
        let env = &effective(&container, component)["env"];
        assert!(env["API_PRIVATE_TOKEN"].is_null() && env["DB_PASSWD"].is_null(), "{component}");
    }
    drop(container);

    let builder = kind(Vendor::B, "M", "yes").env("DB_PASSWD", "password-1");
    let Some((container, _database)) = boot_with_database(builder) else { return };
    wait_until_up(&container);
    assert_eq!(effective(&container, "manager")["env"]["DB_PASSWD"], "password-1");
    drop(container);
}

#[test]
fn what_the_command_writes_is_masked() {
    let builder = kind(Vendor::A, "A", "yes")
        .env("SERVER_WEB_PORT", "7432")
        .env("API_PRIVATE_TOKEN", "token-0123456789")
        .env(
            "CUSTOM_COMMAND",
            "env; t=$API_PRIVATE_TOKEN; echo $t; printf %s ${t:0:9}; sleep 0.2; echo ${t:9}",
        );
    let Some((container, _server)) = boot_with_database(builder) else { return };
    wait_until_up(&container);
    assert!(!container.transcript().contains("token-0123"), "{}", container.transcript());
    drop(container);
}

//! What a boot says when the vendor's installer left things out.

use jjobs_harness::Container;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Lays out a tree that is far from whole: of the manager only the folder of an unpacked application.
const INSTALLER: &str = r#"#!/bin/sh
read answer
while [ "$1" != --base_path ]; do shift; done
mkdir -p "$2/manager/webapps/jjob-manager/WEB-INF"
"#;

#[test]
fn everything_that_is_missing_is_named_in_one_boot() {
    let Some(mut container) = Container::image(env!("CARGO_BIN_EXE_jjobs-init"))
        .file("/install/jjob_installer_linux_x64.sh", INSTALLER, 0o755)
        .env("ON_BOOT", "manual")
        .boot()
    else {
        return;
    };
    assert_eq!(container.exit_code(LIMIT), 21, "{}", container.transcript());
    let log = container.transcript();
    for piece in [
        "start_manager.sh",
        "stop_server.sh",
        "server/webapps/jjob-server.war",
        // Below what the installer is checked for: only the configure step knows these.
        "jjob-manager/WEB-INF/classes/spring/context-datasource.xml",
        "jjob-manager/WEB-INF/classes/properties/log4j2.xml",
        "agent/app/META-INF/resource.properties",
        "java.security",
    ] {
        assert!(log.contains(piece), "{piece} in {log}");
    }
}

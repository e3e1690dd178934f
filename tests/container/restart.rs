//! `docker restart`: another life on the same file system.

use crate::support::{BASE, Life, SOON, kind_f, up};
use jjobs_harness::Signal;
use std::{fs, os::unix::fs::FileTypeExt};

/// What configuring edits.
const CONFIGURED: [&str; 8] = [
    "start_manager.sh",
    "start_server.sh",
    "agent/app/META-INF/resource.properties",
    "jdk8u462-b08/jre/lib/security/java.security",
    "manager/webapps/jjob-manager/WEB-INF/classes/properties/log4j2.xml",
    "manager/webapps/jjob-manager/WEB-INF/classes/spring/context-datasource.xml",
    "server/webapps/jjob-server/WEB-INF/classes/properties/log4j2.xml",
    "server/webapps/jjob-server/WEB-INF/classes/spring/context-datasource.xml",
];

fn configured(life: &Life) -> Vec<(&'static str, String)> {
    let read = |path| (path, life.read_text(format!("{BASE}/{path}")));
    let files: Vec<_> = CONFIGURED.into_iter().map(read).collect();
    assert!(files.iter().all(|(_, text)| !text.is_empty()), "{files:?}");
    files
}

#[test]
fn a_restart_installs_nothing_again_and_configures_the_same() {
    let Some(image) = kind_f() else { return };
    let life = up(image.env("JDBC_PARAMETERS", "?sslmode=disable&a=b"));
    let before = configured(&life);
    assert!(before.iter().any(|(_, text)| text.contains("sslmode=disable&amp;a=b")));
    life.submit(2, 4.0);

    let second = life.now();
    life.restart(60);
    life.is_up_from(second);
    life.line(second, &["last life", "drained, 2 jobs finished"]);
    life.lost_none_of(2);
    assert_eq!(life.read_text(format!("{BASE}/.simulator/installs")).lines().count(), 1);
    assert_eq!(configured(&life), before);

    // Consoles are pipes of this life's PID 1.
    for component in ["manager", "server"] {
        let console = format!("{BASE}/{component}/logs/catalina.out");
        let is_pipe = life.inside(move || {
            fs::symlink_metadata(console).is_ok_and(|meta| meta.file_type().is_fifo())
        });
        assert!(is_pipe.unwrap(), "{component}");
    }
    let from = life.now();
    let write = format!("echo a line by hand >> {BASE}/server/logs/catalina.out");
    assert_eq!(life.shell(&write).code, 0);
    life.line(from, &["a line by hand"]);
    life.stop(30);
    assert_eq!(life.exit_code(SOON), 0, "{}", life.logs());
}

#[test]
fn a_restart_without_time_for_the_jobs_leaves_a_file_system_that_works() {
    let Some(image) = kind_f() else { return };
    let life = up(image);
    life.submit(1, 60.0);
    // As a file that an editor or a crashed tool has left where pids are kept.
    life.write(format!("{BASE}/agent/.bin/agent.pid"), "1\n");
    let second = life.now();
    life.restart(1);
    life.is_up_from(second);
    life.line(second, &["last life", "killed"]);
    assert_eq!(life.jvms("cname=agent").len(), 1, "{}", life.logs());
    life.kill(Signal::SIGTERM);
    assert_eq!(life.exit_code(SOON), 0, "{}", life.logs());
}

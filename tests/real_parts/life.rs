//! From the installer to the drain, and once more on the same file system.

use crate::support::{BASE, Real, SOON, TOKEN, boot, kind};
use std::fs;

/// What our configuring edits.
fn edited_files(real: &Real) -> Vec<(String, Vec<u8>)> {
    let java = real.shell(&format!("ls {BASE}/jdk*/conf/security/java.security")).stdout;
    let mut paths = vec![java.trim().to_owned(), format!("{BASE}/manager/conf/context.xml")];
    for component in ["manager", "server"] {
        let classes = format!("{BASE}/{component}/webapps/jjob-{component}/WEB-INF/classes");
        paths.extend([
            format!("{BASE}/start_{component}.sh"),
            format!("{classes}/properties/log4j2.xml"),
            format!("{classes}/spring/context-datasource.xml"),
        ]);
    }
    let with_bytes = |path: String| {
        let bytes = real.read(&path).unwrap_or_else(|| panic!("no {path}"));
        (path, bytes)
    };
    paths.into_iter().map(with_bytes).collect()
}

#[test]
fn real_tomcats_are_installed_configured_watched_drained_and_started_again() {
    // The installer is given a login that the meta DB refuses: only our configuring makes the right one of it.
    let image = kind("F", "exceptagent")
        .env("API_PRIVATE_TOKEN", TOKEN)
        .env("DB_USER", "somebody")
        .env("DB_PASSWD", "nothing-that-opens")
        .env("USE_DB_ENCRYPT", "Y")
        .env("ENCRYPTED_DB_USER", "ampvYnM=")
        .env("ENCRYPTED_DB_PASSWD", "ampvYnMxMjM0")
        .env("JDBC_PARAMETERS", "?sslmode=disable&ApplicationName=from-the-parameters")
        .env("NETWORKADDRESS_CACHE_TTL", "7");
    let Some(mut real) = boot(image) else { return };
    real.line(0, &["all up"]);
    assert_eq!(real.installations(), 1);
    adopted_and_watched(&real);
    configured(&real);
    probes_say_yes(&real);
    let before = edited_files(&real);
    drained(&mut real);

    let from = real.now();
    real.restart();
    let hook = real.hook("/post-start.sh");
    real.line(from, &["all up"]);
    // The hold was ours, in the life before.
    let told = hook.wait(SOON);
    assert_eq!(told.code, 0, "{told:?}");
    assert_eq!(real.db.query("select held from server where server_id = 1"), "f");
    assert_eq!(real.installations(), 1);
    for ((path, was), (_, is)) in before.iter().zip(edited_files(&real)) {
        assert!(*was == is, "{path} has changed:\n{}", String::from_utf8_lossy(&is));
    }
    probes_say_yes(&real);
    real.ends_with(0);
    assert_eq!(real.count(from, &["A valid shutdown command was received"]), 2);
}

fn adopted_and_watched(real: &Real) {
    for component in ["manager", "server"] {
        let jvm = real.jvm(component);
        let status = real.status_of(component);
        assert_eq!((&status["state"], &status["pid"]), (&"up".into(), &jvm.pid.into()), "{status}");
        // Its parent was `startup.sh`, which has ended.
        assert_eq!(jvm.ppid, 1);
    }
    assert_eq!(real.count(0, &["Server startup in"]), 2, "{}", real.transcript());
    // What Tomcat writes there has reached the log, and fills no disk.
    assert!(real.processes_with("tail").is_empty());
    for component in ["manager", "server"] {
        let file = format!("{BASE}/{component}/logs/catalina.out");
        assert_eq!(real.inside(|| fs::metadata(file).map(|found| found.len())).ok(), Some(0));
    }
}

fn configured(real: &Real) {
    let login = "of jjobs as from-the-parameters";
    assert_eq!(real.page(7075, "/jjob-server/test.jsp"), format!("server {login}"));
    assert_eq!(real.page(7065, "/jjob-manager/"), format!("manager {login}, visit 1"));
    let files = edited_files(real);
    let text = |name: &str| {
        let found = files.iter().find(|(path, _)| path.contains(name)).unwrap();
        String::from_utf8_lossy(&found.1).into_owned()
    };
    assert!(text("java.security").lines().any(|line| line == "networkaddress.cache.ttl=7"));
    let log4j2 = text("jjob-server/WEB-INF/classes/properties");
    let log4j2 = roxmltree::Document::parse(&log4j2).unwrap();
    let live = |name: &str| log4j2.descendants().filter(|node| node.has_tag_name(name)).count();
    assert_eq!((live("RollingFile"), live("AppenderRef")), (1, 2));
    let file = log4j2.descendants().find_map(|node| node.attribute("fileName"));
    assert_eq!(file, Some("/logs001/jjobs/server/jjobs-0/server.log"));
}

fn probes_say_yes(real: &Real) {
    for probe in ["/working/liveness.sh", "/working/readiness.sh"] {
        real.soon("the probe says yes", |real| real.hook(probe).wait(SOON).code == 0);
    }
}

fn drained(real: &mut Real) {
    real.line(0, &["released", "component=server"]);
    real.post_to_server("work");
    let from = real.now();
    let hook = real.hook("/pre-stop.sh");
    real.soon("held", |real| real.db.query("select held from server where server_id = 1") == "t");
    real.line(from, &["waiting for the server's requests", "requests=1"]);
    assert_eq!((hook.try_code(), real.jvms("server").len()), (None, 1));
    real.db.query("update request set may_end = true");

    let told = hook.wait(SOON);
    assert_eq!(told.code, 0, "{told:?}");
    assert_eq!(real.db.query("select count(*) from request where done is null"), "0");
    assert!(real.jvms("server").is_empty() && real.jvms("manager").is_empty());
    // The manager stores its sessions when it is stopped in order.
    assert_ne!(real.db.query("select count(*) from tomcat_sessions"), "0");
    let took = real.ends_with(0);
    assert!(took.as_secs() < 10, "{took:?}");
    assert_eq!(real.count(0, &["A valid shutdown command was received"]), 2);
    assert_eq!(real.count(0, &["KILL"]), 0, "{}", real.transcript());
}

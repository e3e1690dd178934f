//! What an operator does and sees.

use crate::support::{BASE, SOON, TOKEN, boot, kind};

#[test]
fn a_real_tomcat_that_an_operator_starts_and_stops_in_an_exec_is_adopted() {
    let Some(mut real) = boot(kind("S", "manual")) else { return };
    real.line(0, &["boot finished, nothing is to be started"]);
    assert!(real.jvms("server").is_empty());
    for _ in 0..2 {
        let from = real.now();
        // Before and after PID 1 has seen it, the operator's shell comes back at once.
        let shell = real.hook(&format!("cd {BASE} && ./start_server.sh")).wait(SOON);
        assert_eq!((shell.code, shell.leaked_output), (0, false), "{shell:?}");
        real.server_comes_to(from, "up");
        // Its console is the container's log, not the operator's terminal.
        real.line(from, &["Server startup in"]);
        assert!(!shell.stdout.contains("Catalina"), "{shell:?}");
        let status = real.status_of("server");
        assert_eq!(status["pid"], real.jvm("server").pid, "{status}");

        let shell = real.hook(&format!("cd {BASE} && ./stop_server.sh")).wait(SOON);
        assert_eq!(shell.code, 0, "{shell:?}");
        real.soon("stopped", |real| real.jvms("server").is_empty());
        real.soon("known to be stopped", |real| real.status_of("server")["pid"].is_null());
    }
    assert_eq!(real.count(0, &["start script started"]), 0);
    real.ends_with(0);
}

#[test]
fn a_login_that_the_meta_db_refuses_is_seen_in_log_status_and_probes() {
    let image = kind("S", "exceptagent")
        .env("DB_PASSWD", "not-the-password")
        .env("API_PRIVATE_TOKEN", TOKEN)
        .env("JJOBS_INIT_START_TIMEOUT", "3");
    let Some(mut real) = boot(image) else { return };
    // Its port is open, so boot does not wait; what follows is Tomcat's own word, in the container's log.
    real.line(0, &["password authentication failed for user \"jjobs\""]);
    real.line(0, &["WARN", "component=server", "test.jsp", "hint="]);
    real.line(0, &["Server startup in"]);
    // The web server answers, and the application does not.
    assert_eq!(real.http_get(7075, "/jjob-server/test.jsp").unwrap().status, 404);
    assert_eq!(real.hook("/working/liveness.sh").wait(SOON).code, 0);
    real.soon("told by readiness", |real| {
        let told = real.hook("/working/readiness.sh").wait(SOON);
        assert_eq!(told.code, 1, "{told:?}");
        told.stdout.contains("http://localhost:7075/jjob-server/test.jsp answers 404")
    });
    assert_ne!(real.status_of("server")["state"], "up");
    let took = real.ends_with(0);
    assert!(took.as_secs() < 30, "{took:?}");
    assert_eq!(real.count(0, &["not-the-password"]), 0, "{}", real.transcript());
}

//! Waiting for the database, or for an agent's server.

use crate::support::{
    BOOT, DB_PORT, answering, bare_image, boot_with_database, count, kind, last_state, stop,
    wait_until_up,
};
use jjobs_harness::{Signal, Vendor};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

const AWAY: &str = "dependency does not answer";

#[test]
fn a_database_that_appears_later_is_waited_for_with_one_line() {
    let Some(container) = kind(Vendor::A, "F", "yes").boot() else { return };
    container.wait_for_line(AWAY, BOOT);
    // Several tries go by.
    sleep(Duration::from_secs(2));
    assert_eq!(count(&container, AWAY), 1, "{}", container.transcript());
    assert_eq!(count(&container, "start script"), 0);
    let _database = container.listen(DB_PORT).unwrap();
    wait_until_up(&container);
    assert_eq!(count(&container, "dependency answers"), 1);
    assert_eq!(answering(&container), ["manager", "server"]);
    stop(container);
}

#[test]
fn a_name_is_resolved_anew_at_each_try() {
    let builder = kind(Vendor::A, "S", "yes").env("JDBC_URL", "jdbc:postgresql://late.db:7432/db");
    let Some((container, _database)) = boot_with_database(builder) else { return };
    container.wait_for_line("name not resolved", BOOT);
    let named = container.shell("echo '127.0.0.1 late.db' >> /etc/hosts");
    assert_eq!(named.code, 0, "{named:?}");
    wait_until_up(&container);
    stop(container);
}

#[test]
fn a_stop_while_waiting_ends_at_once_with_0() {
    for (install_kind, url) in [
        ("F", "jdbc:postgresql://127.0.0.1:7432/jjobs"),
        ("M", "jdbc:postgresql://no-such-host.example/jjobs"),
        ("S", "jdbc:postgresql://192.0.2.1:5432/jjobs"),
        ("A", "-"),
    ] {
        let builder = kind(Vendor::A, install_kind, "yes");
        let builder = if url == "-" { builder } else { builder.env("JDBC_URL", url) };
        let Some(mut container) = builder.boot() else { return };
        container.wait_for_line(AWAY, BOOT);
        let began = Instant::now();
        container.signal(Signal::SIGTERM);
        assert_eq!(container.exit_code(BOOT), 0, "{}", container.transcript());
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(count(&container, "start script"), 0);
        assert_eq!(last_state(&container)["exit_code"], 0);
    }
}

#[test]
fn a_limit_ends_the_wait_with_25_and_what_was_wrong() {
    for (url, wrong) in [
        ("jdbc:postgresql://127.0.0.1:7432/jjobs", "connection refused"),
        ("jdbc:postgresql://no-such-host.example:1/jjobs", "name not resolved"),
        ("jdbc:postgresql://127.0.0.1:7432,127.0.0.1:7433/jjobs", "port 7433"),
    ] {
        let builder = kind(Vendor::B, "S", "yes")
            .env("JDBC_URL", url)
            .env("JJOBS_INIT_DEPENDENCY_TIMEOUT", "1");
        let Some(mut container) = builder.boot() else { return };
        assert_eq!(container.exit_code(BOOT), 25, "{}", container.transcript());
        let said = container.transcript();
        let error = said.lines().find(|line| line.contains("step failed")).unwrap_or_default();
        assert!(error.contains(wrong) && error.contains("database"), "{error}");
        assert_eq!(last_state(&container)["exit_code"], 25);
        assert_eq!(count(&container, "start script"), 0);
    }
}

#[test]
fn every_shape_of_jdbc_url_is_waited_for_at_the_right_place() {
    let oracle = "jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS_LIST=(ADDRESS=(PROTOCOL=TCP)(HOST=nowhere.example)(PORT=1))\
                  (ADDRESS=(PROTOCOL=TCP)(HOST=db.ns)(PORT=7432)))(CONNECT_DATA=(SERVICE_NAME=x)))";
    for (db_type, url, port) in [
        ("postgres", "jdbc:postgresql://nowhere.example:1,db.ns:7432/db", 7432),
        ("postgres", "jdbc:postgresql://db.ns/db", 5432),
        ("postgres", "jdbc:postgresql://[::ffff:127.0.0.1]:7432/db", 7432),
        ("postgres", "jdbc:aws-wrapper:postgresql://db.ns:7432/db?x=y", 7432),
        ("mysql", "jdbc:mysql:replication://nowhere.example,db.ns:7432/db", 7432),
        ("mysql", "jdbc:mysql://address=(host=db.ns)(port=7432)/db", 7432),
        ("mariadb", "jdbc:mariadb:failover://db.ns/db", 3306),
        ("oracle", "jdbc:oracle:thin:@db.ns:1521:SID", 1521),
        ("oracle", "jdbc:oracle:thin:u/p@//db.ns:7432/service", 7432),
        ("oracle", oracle, 7432),
    ] {
        let builder = kind(Vendor::A, "S", "yes")
            .host("db.ns", "127.0.0.1")
            .env("DB_TYPE", db_type)
            .env("JDBC_URL", url);
        let Some(container) = builder.boot() else { return };
        container.wait_for_line(AWAY, BOOT);
        assert_eq!(count(&container, "start script"), 0, "{url}");
        let _database = container.listen(port).unwrap();
        container.wait_for_line("start script started", BOOT);
        stop(container);
    }
}

#[test]
fn an_address_that_names_no_host_is_not_waited_for() {
    let builder = kind(Vendor::A, "S", "yes")
        .env("DB_TYPE", "oracle")
        .env("JDBC_URL", "jdbc:oracle:thin:@MYDB_ALIAS");
    let Some(container) = builder.boot() else { return };
    wait_until_up(&container);
    assert!(count(&container, "WARN") >= 1, "{}", container.transcript());
    stop(container);
}

#[test]
fn an_agent_waits_for_its_server_and_not_for_a_database() {
    let builder = kind(Vendor::B, "A", "yes")
        .env("JJOBS_SERVER_IP", "jjobs.ns")
        .host("jjobs.ns", "127.0.0.1");
    let Some(container) = builder.boot() else { return };
    container.wait_for_line(AWAY, BOOT);
    let _server = container.listen(7075).unwrap();
    wait_until_up(&container);
    stop(container);
}

#[test]
fn nothing_is_waited_for_where_nothing_needs_it() {
    for (install_kind, on_boot) in [("F", "manager"), ("M", "manager")] {
        let Some(container) = kind(Vendor::A, install_kind, on_boot).boot() else { return };
        wait_until_up(&container);
        assert_eq!(count(&container, AWAY), 0);
        stop(container);
    }
}

#[test]
fn a_jdbc_url_of_an_unknown_kind_is_refused_with_78() {
    let builder = bare_image().env("JDBC_URL", "jdbc:sqlserver://h:1433;user=a;password=hush-hush");
    let Some((mut container, _database)) = boot_with_database(builder) else { return };
    assert_eq!(container.exit_code(BOOT), 78);
    assert!(container.transcript().contains("JDBC_URL"));
    assert!(!container.transcript().contains("hush-hush"), "{}", container.transcript());
}

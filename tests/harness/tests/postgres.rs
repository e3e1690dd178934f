//! The meta DB of the harness, in the places where tests want it.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_harness::{Container, Postgres, unless_missing};
use std::net::{Ipv4Addr, TcpStream};

#[test]
fn what_was_stored_survives_a_stop_and_a_kill_of_the_database() {
    let Some(programs) = unless_missing("PostgreSQL", Postgres::programs()) else { return };
    let Some(mut db) = Postgres::on_host(&programs, Ipv4Addr::LOCALHOST) else { return };
    db.start();
    assert!(TcpStream::connect(db.address()).is_ok(), "at {}", db.jdbc_url());
    db.query("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1), (2)");
    db.stop();
    assert!(TcpStream::connect(db.address()).is_err());
    db.start();
    db.query("INSERT INTO kept VALUES (3)");
    db.kill();
    db.start();
    assert_eq!(db.query("SELECT * FROM kept ORDER BY n"), "1\n2\n3");
    assert_ne!(db.try_query("SELECT nothing").code, 0);
}

#[test]
fn a_database_beside_a_container_is_reached_there_with_its_password_alone() {
    let Some(programs) = unless_missing("PostgreSQL", Postgres::programs()) else { return };
    let Some(container) = Container::command(["/bin/sleep", "600"]).boot() else { return };
    let mut db = Postgres::beside(&programs, &container, 7432).unwrap();
    db.start();
    let ask = |password: &str| {
        let program = programs.join("psql");
        let url = format!("postgresql://jjobs:{password}@127.0.0.1:7432/jjobs");
        container.exec([program.to_str().unwrap(), "-Atc", "SELECT current_user", &url])
    };
    let right = ask("jjobs1234");
    assert_eq!((right.code, right.stdout.trim()), (0, "jjobs"), "{right:?}");
    let wrong = ask("wrong");
    assert!(
        wrong.code != 0 && wrong.stderr.contains("password authentication failed"),
        "{wrong:?}"
    );
}

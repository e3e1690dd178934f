//! With `SIM_DB=postgres` the meta DB is one: what is configured counts, servers share it, and nothing works without it.

use super::support::{
    BASE, TOKEN, api, arguments, catalina_home, host, install, is_web_up, kill_jvm, start,
    start_server, submit,
};
use jjobs_harness::{Container, Network, Postgres, Vendor, unless_missing};

const TEST_PAGE: &str = "/jjob-server/test.jsp";

fn log(container: &Container) -> String {
    container.read_text(format!("{BASE}/server/logs/catalina.out"))
}

fn jobs(container: &Container) -> (u16, String) {
    let answer = container.http_get(7075, "/sim/jobs").unwrap();
    (answer.status, answer.body)
}

#[test]
fn a_server_needs_the_right_password_to_start_and_its_database_to_answer() {
    let Some(programs) = unless_missing("PostgreSQL", Postgres::programs()) else { return };
    let Some(container) = host(Vendor::A).env("SIM_DB", "postgres").boot() else { return };
    let mut db = Postgres::beside(&programs, &container, 7432).unwrap();
    assert_eq!(install(&container, "S", "y\n").code, 0);
    container.shell(&format!("mkdir -p {BASE}/agent/.bin"));

    start(&container, "server");
    container.eventually("it cannot connect", |c| log(c).contains("7432"));
    container.eventually("Tomcat answers, and the server does not", |c| {
        c.http_get(7075, TEST_PAGE).is_ok_and(|answer| answer.status == 404)
    });
    kill_jvm(&container, &catalina_home("server"));
    db.start();
    start(&container, "server");
    container.eventually("its password is wrong", |c| {
        log(c).contains("FATAL: password authentication failed for user \"jjobs\"")
    });
    kill_jvm(&container, &catalina_home("server"));

    db.query("ALTER ROLE jjobs PASSWORD 'p''\"&w'");
    start_server(&container);
    submit(&container, "1", "3");
    let (status, before) = jobs(&container);
    assert!(status == 200 && before.contains(r#""waiting":3"#), "{before}");

    db.kill();
    assert_eq!(jobs(&container).0, 500);
    assert_eq!(api(&container, "GET", "/statusmonitor/list", "").0, 500);
    assert!(is_web_up(&container, 7075, TEST_PAGE), "a page that asks nobody");
    db.begin();
    container.eventually("it has found its database again", |c| jobs(c) == (200, before.clone()));
}

/// A server with that number, whose DB is `db`.
fn server(network: &Network, (name, number): (&str, u64)) -> Container {
    let plan = host(Vendor::B).env("SIM_DB", "postgres");
    let container = network.join(plan, name).boot().unwrap();
    let mut words = arguments("S");
    for (key, value) in
        [("--jdbc_url", "jdbc:postgresql://db:5432/jjobs"), ("--dbms_pswd", "jjobs1234")]
    {
        let place = words.iter().position(|word| word == key).unwrap();
        value.clone_into(&mut words[place + 1]);
    }
    let script = "echo y | /install/jjob_installer_linux_x64.sh \"$@\" > /dev/null";
    let words = ["/bin/sh", "-c", script, "sh"].map(str::to_owned).into_iter().chain(words);
    assert_eq!(container.exec(words).code, 0);
    let number = format!("sed -i 's/1-1/1-{number}/' {BASE}/start_server.sh");
    assert_eq!(container.shell(&number).code, 0);
    start_server(&container);
    container
}

#[test]
fn two_servers_know_each_other_and_each_works_on_its_own_requests() {
    let Some(programs) = unless_missing("PostgreSQL", Postgres::programs()) else { return };
    let Some(network) = Network::new(&["server-0", "server-1", "db"]) else { return };
    let mut db = Postgres::in_network(&programs, &network, "db").unwrap();
    db.start();
    let [first, second] = [("server-0", 1), ("server-1", 2)].map(|who| server(&network, who));
    let list = |server: &Container| api(server, "GET", "/statusmonitor/list", "").1;
    let both = [r#""s1":{"serverId":1,"status":"R""#, r#""s2":{"serverId":2,"status":"R""#];
    for server in [&first, &second] {
        server.eventually("it knows both", |c| both.iter().all(|one| list(c).contains(one)));
    }

    let requests = |asked: &Container, id: u64| {
        let path = format!("/statusmonitor/selectWorkingRequestList?groupId=1&serverId={id}");
        api(asked, "GET", &path, "")
    };
    let submit_to_server = |server: &Container| {
        let body = r#"{"seconds":60,"where":"server"}"#;
        server.http_api(7075, ("POST", "/sim/jobs"), TOKEN, body).unwrap();
    };
    let hold = r#"{"groupId":1,"serverId":2,"holdWorkerYn":"Y"}"#;
    assert_eq!(api(&first, "PUT", "/serversetting/server/hold", hold).0, 200, "of the other one");
    submit_to_server(&second);
    second.eventually("what a held server is given the other one does", |second| {
        requests(second, 1).1.contains("server-1-1")
    });
    assert_eq!(requests(&first, 2), (200, r#"{"list":[]}"#.to_owned()));
    assert_eq!(requests(&first, 3).0, 404);

    kill_jvm(&first, &catalina_home("server"));
    second.eventually("the other one is not there", |c| !list(c).contains(both[0]));
    assert!(requests(&second, 1).1.contains("server-1-1"), "nobody else takes it");
    start_server(&first);
    assert_eq!(requests(&second, 1).1, r#"{"list":[]}"#, "it says itself that it was lost");
    assert_eq!(db.query("SELECT document::json ->> 'lost' FROM jjob_state"), "1");
}

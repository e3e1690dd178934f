//! The REST API: who may ask what, how holds work, and every way in which it misbehaves on request.

use super::support::{
    BASE, HOLD_AGENT, TOKEN, api, fault, installed, is_web_up, jvms, ledger, start, start_server,
    submit,
};
use jjobs_harness::{Container, Vendor};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    io::{Read, Write},
    sync::Arc,
};

#[test]
fn a_held_agent_ends_by_itself_when_its_jobs_are_done() {
    let Some(container) = installed(Vendor::A, "F") else { return };
    container.write(format!("{BASE}/.simulator/token"), TOKEN);
    start(&container, "server");
    start(&container, "agent");
    container.eventually("the server is up", |c| is_web_up(c, 7075, "/jjob-server/test.jsp"));
    container.eventually("the agent runs", |c| {
        api(c, "GET", "/agentmonitor/jjobs-0", "").1.contains("RUNNING")
    });
    submit(&container, "1", "1");
    container.eventually("a runtime works", |c| jvms(c, "cname=jjobs") == 1);
    let body = r#"{"groupId":1,"agentGroupId":null,"agentName":"jjobs-0"}"#;
    assert_eq!(api(&container, "POST", "/serversetting/agent/holdAndStopAgent", body).0, 200);
    submit(&container, "0.1", "1");
    container.eventually("the agent has ended", |c| jvms(c, "cname=agent") == 0);
    assert!(ledger(&container).contains(r#""started":1,"ended":1"#), "{}", ledger(&container));

    start(&container, "agent");
    container.eventually("the agent runs again", |c| {
        api(c, "GET", "/agentmonitor/jjobs-0", "").1.contains("RUNNING")
    });
    assert!(ledger(&container).contains(r#""started":1"#), "a held agent gets nothing");
    assert_eq!(api(&container, "POST", "/serversetting/agent/releaseAgent", body).0, 200);
    container.eventually("the released agent works", |c| ledger(c).contains(r#""ended":2"#));
}

#[test]
fn a_held_server_works_on_nothing_new_and_refuses_wrong_tokens() {
    let Some(container) = installed(Vendor::B, "S") else { return };
    container.write(format!("{BASE}/.simulator/token"), TOKEN);
    start(&container, "server");
    container.eventually("the server is up", |c| is_web_up(c, 7075, "/jjob-server/test.jsp"));
    let hold = |word: &str| format!(r#"{{"groupId":1,"serverId":1,"holdWorkerYn":"{word}"}}"#);
    let path = "/jjob-server/api/v1/serversetting/server/hold";
    for token in ["", "wrong"] {
        assert_eq!(container.http_api(7075, ("PUT", path), token, &hold("Y")).unwrap().status, 401);
    }
    assert_eq!(api(&container, "PUT", "/serversetting/server/hold", &hold("Y")).0, 200);
    let servers = ["jjobs-simulator", "submit", "http://127.0.0.1:7075", "0.2", "1", "server"];
    assert_eq!(container.exec(servers).code, 0);
    let list = "/statusmonitor/selectWorkingRequestList?groupId=1&serverId=1";
    assert_eq!(api(&container, "GET", list, "").1, r#"{"list":[]}"#);
    assert!(
        api(&container, "GET", "/statusmonitor/list", "")
            .1
            .contains(r#""g1":{"s1":{"serverId":1,"status":"R"}"#)
    );
    assert_eq!(api(&container, "PUT", "/serversetting/server/hold", &hold("N")).0, 200);
    container.eventually("the request was worked on", |c| ledger(c).contains(r#""ended":1"#));
}

#[test]
fn only_a_call_that_is_right_in_every_part_succeeds() {
    let Some(container) = installed(Vendor::B, "F") else { return };
    start_server(&container);
    start(&container, "agent");
    container.eventually("the agent runs", |c| {
        api(c, "GET", "/agentmonitor/jjobs-0", "").1.contains(r#""status":"RUNNING""#)
    });
    let hold = "/serversetting/server/hold";
    let stop = "/serversetting/agent/holdAndStopAgent";
    let release = "/serversetting/agent/releaseAgent";
    let list = "/statusmonitor/selectWorkingRequestList";
    for (method, path, body, status) in [
        ("POST", hold, r#"{"groupId":1,"serverId":1,"holdWorkerYn":"Y"}"#, 405),
        ("PUT", hold, r#"{"groupId":1,"serverId":1,"holdWorkerYn":"y"}"#, 400),
        ("PUT", hold, r#"{"groupId":1,"serverId":"1","holdWorkerYn":"Y"}"#, 400),
        ("PUT", hold, r#"{"groupId":1,"holdWorkerYn":"Y"}"#, 400),
        ("PUT", hold, r#"{"groupId":1,"serverId":2,"holdWorkerYn":"Y"}"#, 404),
        ("PUT", hold, "Y", 400),
        ("PUT", hold, r#"{"groupId":1,"serverId":1,"holdWorkerYn":"N"}"#, 200),
        ("PUT", stop, HOLD_AGENT, 405),
        ("POST", stop, r#"{"groupId":1,"agentName":"jjobs-0"}"#, 400),
        ("POST", stop, r#"{"groupId":1,"agentGroupId":"","agentName":"jjobs-0"}"#, 400),
        ("POST", stop, r#"{"groupId":1,"agentGroupId":null,"agentName":"jjobs-1"}"#, 404),
        ("POST", stop, r#"{"groupId":2,"agentGroupId":null,"agentName":"jjobs-0"}"#, 404),
        ("GET", release, "", 405),
        ("POST", release, r#"{"groupId":1,"agentGroupId":null,"agentName":"jjobs-0"}"#, 200),
        ("GET", list, "", 400),
        ("GET", "/statusmonitor/selectWorkingRequestList?groupId=1&serverId=2", "", 404),
        ("GET", "/statusmonitor/selectWorkingRequestList?groupId=1&serverId=1", "", 200),
        ("GET", "/statusmonitor/list", "", 200),
        ("PUT", "/statusmonitor/list", "", 405),
        ("GET", "/agentmonitor/jjobs-0", "", 200),
        ("GET", "/agentmonitor/jjobs-1", "", 404),
        ("GET", "/agentmonitor/", "", 404),
        ("GET", "/agentmonitor/jjobs-0/x", "", 404),
        ("GET", "/nothing", "", 404),
    ] {
        let answer = api(&container, method, path, body);
        assert_eq!(answer.0, status, "{method} {path} {body}: {}", answer.1);
    }
}

#[test]
fn an_address_that_is_not_allowed_is_refused_whatever_its_token() {
    let Some(container) = installed(Vendor::A, "S") else { return };
    start_server(&container);
    for (allowed, status) in [("10.77.0.9\n", 403), ("10.77.0.9, 127.0.0.1", 200), ("", 403)] {
        container.write(format!("{BASE}/.simulator/allowed"), allowed);
        assert_eq!(api(&container, "GET", "/statusmonitor/list", "").0, status, "{allowed}");
        assert!(is_web_up(&container, 7075, "/jjob-server/test.jsp"), "the page is for everybody");
    }
}

/// What a TLS client that trusts the server's authority is answered as `name`.
fn ask_by_tls(container: &Container, name: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    let authority = container.read(format!("{BASE}/.simulator/tls/ca.pem")).unwrap();
    roots.add(CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(session, container.connect(7075).unwrap());
    write!(stream, "GET /jjob-server/test.jsp HTTP/1.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_server_that_speaks_https_answers_nobody_else() {
    let Some(container) = installed(Vendor::A, "S") else { return };
    fault(&container, "server", "scheme=https\n");
    start(&container, "server");
    container.eventually("tests are answered without TLS", |c| is_web_up(c, 7075, "/sim/jobs"));
    let plain = container.http_get(7075, "/jjob-server/test.jsp").unwrap();
    assert_eq!(plain.status, 400, "as Tomcat says");
    for name in ["localhost", "127.0.0.1", "jjobs-0"] {
        assert!(ask_by_tls(&container, name).unwrap().starts_with("HTTP/1.1 200"), "{name}");
    }
    assert!(ask_by_tls(&container, "elsewhere.example").is_err(), "the certificate names it not");

    fault(&container, "server", "");
    let stop = container.exec([format!("{BASE}/stop_server.sh")]);
    assert_eq!(stop.code, 0);
    container.eventually("it has stopped", |c| c.connect(7075).is_err());
    start_server(&container);
    assert!(ask_by_tls(&container, "localhost").is_err(), "a server that speaks http knows no TLS");
}

//! What is asked, word by word, and how connections are used.

use crate::support::{Asked, Client, Server, TOKEN, Then, head, reply, wait};
use jjobs_init::jjobs::api::{Api, Scheme};
use std::{
    io::Write,
    process::Command,
    time::{Duration, Instant},
};

const NONE: &str = r#"{"list":[]}"#;
const LIST: &str = r#"{"list":{"group":{"g1":{"s1":{"status":"R"},"s2":{"status":"W"}}}}}"#;

/// The one request that `ask` makes.
fn asked_by(body: &'static str, ask: impl AsyncFnOnce(&Api)) -> Asked {
    let server = Server::answering(200, body);
    wait(ask(&server.api()));
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("host"), Some(format!("127.0.0.1:{}", server.port).as_str()));
    asked[0].clone()
}

#[test]
fn each_call_asks_exactly_what_the_contract_says() {
    const ROOT: &str = "/jjob-server/api/v1";
    let server = |hold| format!(r#"{{"groupId":1,"serverId":2,"holdWorkerYn":"{hold}"}}"#);
    let agent = r#"{"groupId":1,"agentGroupId":null,"agentName":"jjobs-0"}"#.to_owned();
    let all = [
        (
            asked_by("", async |api| api.hold_server(2).await.unwrap()),
            format!("PUT {ROOT}/serversetting/server/hold"),
            server("Y"),
        ),
        (
            asked_by("", async |api| api.release_server(2).await.unwrap()),
            format!("PUT {ROOT}/serversetting/server/hold"),
            server("N"),
        ),
        (
            asked_by("{}", async |api| api.hold_and_stop_agent("jjobs-0").await.unwrap()),
            format!("POST {ROOT}/serversetting/agent/holdAndStopAgent"),
            agent.clone(),
        ),
        (
            asked_by("ok", async |api| api.release_agent("jjobs-0").await.unwrap()),
            format!("POST {ROOT}/serversetting/agent/releaseAgent"),
            agent,
        ),
        (
            asked_by(NONE, async |api| assert_eq!(api.working_requests(2).await.unwrap(), 0)),
            format!("GET {ROOT}/statusmonitor/selectWorkingRequestList?groupId=1&serverId=2"),
            String::new(),
        ),
        (
            asked_by(LIST, async |api| assert_eq!(api.server_status(2).await.unwrap(), "W")),
            format!("GET {ROOT}/statusmonitor/list"),
            String::new(),
        ),
        (
            asked_by(r#"{"vo":{"status":"RUNNING"}}"#, async |api| {
                assert_eq!(api.agent_status("jjobs-0").await.unwrap(), "RUNNING");
            }),
            format!("GET {ROOT}/agentmonitor/jjobs-0"),
            String::new(),
        ),
    ];
    for (asked, line, body) in all {
        assert_eq!((&asked.line, &asked.body), (&line, &body));
        assert_eq!(asked.header("private-token"), Some(TOKEN), "{line}");
        assert_eq!(asked.header("content-type"), Some("application/json"), "{line}");
    }
}

#[test]
fn the_test_page_is_asked_for_without_a_token() {
    for (status, up) in [(200, true), (204, true), (302, true), (404, false), (503, false)] {
        let server = Server::answering(status, "");
        assert_eq!(wait(server.api().is_server_up()), up, "{status}");
        assert_eq!(server.lines(), ["GET /jjob-server/test.jsp"]);
        assert_eq!(server.asked()[0].header("private-token"), None);
    }
    let gone = Server::start(|_, _| Then::Close);
    assert!(!wait(gone.api().is_server_up()));
}

#[test]
fn an_agents_name_cannot_change_what_is_asked() {
    let server = Server::answering(200, r#"{"vo":{"status":"RUNNING"}}"#);
    let api = server.api();
    let status = |name: &str| wait(api.agent_status(name));
    for name in ["a/b?c=d", "%2e", "한", "a;b#c"] {
        status(name).unwrap();
    }
    let names = ["a%2Fb%3Fc%3Dd", "%252e", "%ED%95%9C", "a%3Bb%23c"];
    let wanted = names.map(|name| format!("GET /jjob-server/api/v1/agentmonitor/{name}"));
    assert_eq!(server.lines(), wanted);
    for name in [".", ".."] {
        assert!(status(name).unwrap_err().to_string().contains("cannot ask"), "{name}");
    }
    wait(api.release_agent("a\"b\n")).unwrap();
    assert!(server.asked()[4].body.ends_with(r#""agentName":"a\"b\n"}"#));
}

#[test]
fn one_connection_serves_many_calls() {
    let server = Server::answering(200, NONE);
    let api = server.api();
    wait(async {
        for _ in 0..10 {
            // Clones share the connection, too.
            api.clone().working_requests(1).await.unwrap();
            api.with_attempt_timeout(Duration::from_secs(3)).hold_server(1).await.unwrap();
        }
    });
    assert_eq!((server.lines().len(), server.connections()), (20, 1));
}

#[test]
fn a_connection_that_the_server_closed_is_not_used_again() {
    let server = Server::start(|_, stream| {
        reply(stream, 200, &[], NONE.as_bytes());
        Then::Close
    });
    let api = server.api();
    wait(async {
        for _ in 0..5 {
            api.working_requests(1).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(server.connections(), 5);
}

#[test]
fn answers_in_chunks_and_compressed_ones_are_read() {
    let chunked = Server::start(|_, stream| {
        head(stream, 200, &[("Transfer-Encoding", "chunked")]);
        for piece in ["{\"li", "st\":[1", ",2]}"] {
            let _ = write!(stream, "{:x}\r\n{piece}\r\n", piece.len());
            let _ = stream.flush();
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = stream.write_all(b"0\r\n\r\n");
        Then::Keep
    });
    assert_eq!(wait(chunked.api().working_requests(1)).unwrap(), 2);

    let gzip = Server::start(|asked, stream| {
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(br#"{"list":[1,2,3]}"#).unwrap();
        let body = encoder.finish().unwrap();
        reply(stream, 200, &[("Content-Encoding", "gzip")], &body)
    });
    assert_eq!(wait(gzip.api().working_requests(1)).unwrap(), 3);

    let until_closed = Server::start(|_, stream| {
        head(stream, 200, &[]);
        let _ = stream.write_all(b"{\"list\":[1]}");
        Then::Close
    });
    assert_eq!(wait(until_closed.api().working_requests(1)).unwrap(), 1);
}

#[test]
fn localhost_is_both_loopbacks_and_an_ipv6_address_needs_no_brackets() {
    let four = Server::answering(200, NONE);
    let api = Api::new(four.settings("localhost", Scheme::Http));
    assert_eq!(wait(api.working_requests(1)).unwrap(), 0);
    let answer = |_: &Asked, stream: &mut dyn crate::support::ReadWrite| {
        reply(stream, 200, &[], b"{\"list\":[]}")
    };
    let Ok(six) = Server::start_at("[::1]:0", answer) else { return };
    for host in ["localhost", "::1", "[::1]"] {
        let api = Api::new(six.settings(host, Scheme::Http));
        assert_eq!(wait(api.working_requests(1)).unwrap(), 0, "{host}");
    }
    assert_eq!(six.asked()[1].header("host"), Some(format!("[::1]:{}", six.port).as_str()));
}

#[test]
fn calls_that_wait_do_not_hold_up_one_another() {
    let server = Server::start(|asked, stream| {
        if asked.line.contains("hold") {
            std::thread::sleep(Duration::from_millis(600));
        }
        reply(stream, 200, &[], NONE.as_bytes())
    });
    let api = server.api();
    wait(async {
        let begin = Instant::now();
        let slow = api.hold_server(1);
        let quick = async {
            for _ in 0..5 {
                api.working_requests(1).await.unwrap();
            }
            begin.elapsed()
        };
        let (slow, quick) = tokio::join!(slow, quick);
        slow.unwrap();
        assert!(quick < Duration::from_millis(500), "{quick:?}");
    });
}

#[test]
fn proxy_variables_are_not_looked_at() {
    let server = Server::answering(200, NONE);
    let proxy = Server::answering(200, r#"{"list":[1]}"#);
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "calls::asked_by_the_child_with_a_proxy", "--ignored", "--nocapture"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        child.env(name, &url);
    }
    let output = child.env("REST_TEST_PORT", server.port.to_string()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!((server.connections(), proxy.connections()), (1, 0));
}

#[test]
#[ignore = "started by the test of proxies, with variables that would disturb the others"]
fn asked_by_the_child_with_a_proxy() {
    // Alone it has no server to ask.
    let Ok(port) = std::env::var("REST_TEST_PORT") else { return };
    let mut settings = Server::answering(200, "").settings("127.0.0.1", Scheme::Http);
    settings.port = port.parse().unwrap();
    assert_eq!(wait(Api::new(settings).working_requests(1)).unwrap(), 0);
}

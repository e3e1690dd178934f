//! What is said of a call that failed, and how long it may take.

use crate::support::{Client, Server, TOKEN, Then, head, reply, wait};
use jjobs_init::jjobs::{
    api::{Api, Scheme},
    error::{ApiError, Failure, FailureKind},
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};
use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::mpsc,
    time::{Duration, Instant},
};

/// What asking a server for its requests fails with.
fn failure(server: &Server) -> ApiError {
    let error = wait(server.api().working_requests(1)).unwrap_err();
    let path = "/jjob-server/api/v1/statusmonitor/selectWorkingRequestList: ";
    assert!(
        error.to_string().starts_with(&format!("GET http://127.0.0.1:{}{path}", server.port)),
        "{error}"
    );
    check_text(&error);
    error
}

fn check_text(error: &ApiError) {
    let text = format!("{error} {error:?} {:?}", error.hint());
    assert!(!text.contains(TOKEN) && !text.contains('\n'), "{text}");
}

#[test]
fn every_status_but_200_is_a_failure() {
    for status in [201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 500, 502, 503, 504] {
        let server = Server::answering(status, "");
        let wanted = match status {
            401 | 403 => FailureKind::Refused,
            other => FailureKind::Status(other),
        };
        let error = failure(&server);
        assert_eq!(error.kind(), wanted);
        assert_eq!(error.is_refused(), matches!(status, 401 | 403));
        assert_eq!(wait(server.api().hold_server(1)).unwrap_err().kind(), wanted);
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        let has_hint = !matches!(status, 200..=299);
        assert_eq!(error.hint().is_some(), has_hint, "{status}");
    }
}

#[test]
fn a_refused_token_hints_at_the_list_of_addresses() {
    let hint = failure(&Server::answering(401, "")).hint().unwrap();
    assert!(hint.contains("API_PRIVATE_TOKEN") && hint.contains("allowed client addresses"));
}

#[test]
fn a_redirect_is_not_followed_and_the_token_goes_nowhere() {
    let other = Server::answering(200, r#"{"list":[]}"#);
    for status in [301, 302, 303, 307, 308] {
        let url = format!("http://127.0.0.1:{}/login", other.port);
        let server =
            Server::start(move |_, stream| reply(stream, status, &[("Location", &url)], b""));
        let error = failure(&server);
        assert_eq!(error.kind(), FailureKind::Status(status));
        assert!(error.to_string().contains("not followed"), "{error}");
        assert!(wait(server.api().hold_server(1)).is_err());
        assert!(wait(server.api().is_server_up()));
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn what_is_no_answer_of_the_api_is_never_zero_requests() {
    let bodies = [
        "",
        "{}",
        r#"{"list":null}"#,
        r#"{"list":{"length":0}}"#,
        "<!DOCTYPE html><html><body>Login</body></html>",
        "\r\n<HTML>",
        "{\"list\":[",
        "OK",
    ];
    for body in bodies {
        let error = failure(&Server::answering(200, body));
        assert_eq!(error.kind(), FailureKind::Answer, "{body}");
        assert!(error.hint().is_some());
    }
    let page = Server::answering(200, "<html>Login</html>");
    assert_eq!(wait(page.api().hold_server(1)).unwrap_err().kind(), FailureKind::Answer);
    assert_eq!(wait(page.api().server_status(1)).unwrap_err().kind(), FailureKind::Answer);
    assert_eq!(wait(page.api().agent_status("a")).unwrap_err().kind(), FailureKind::Answer);
}

#[test]
fn a_page_of_a_load_balancer_is_named_by_its_status() {
    let server = Server::start(|_, stream| {
        reply(stream, 502, &[("Content-Type", "text/html")], b"<html>Bad Gateway</html>")
    });
    let error = failure(&server);
    assert_eq!(error.kind(), FailureKind::Status(502));
    assert!(error.hint().unwrap().contains("load balancer"));
}

#[test]
fn a_lost_connection_is_told_as_one() {
    let silent = Server::start(|_, _| Then::Close);
    let half_a_head = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le");
        Then::Close
    });
    let half_a_body = Server::start(|_, stream| {
        head(stream, 200, &[("Content-Length", "100")]);
        let _ = stream.write_all(b"{\"list\":[]}");
        Then::Close
    });
    let half_a_chunk = Server::start(|_, stream| {
        head(stream, 200, &[("Transfer-Encoding", "chunked")]);
        let _ = stream.write_all(b"b\r\n{\"list\":[]}\r\n");
        Then::Close
    });
    let garbage = Server::start(|_, stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n\x00\x01\x02");
        Then::Close
    });
    for server in [silent, half_a_head, half_a_body, half_a_chunk, garbage] {
        let error = failure(&server);
        assert_eq!(error.kind(), FailureKind::Broken, "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_body_without_an_end_is_cut_off() {
    for headers in
        [&[("Transfer-Encoding", "chunked")] as &[_], &[("Content-Length", "99999999999")]]
    {
        let server = Server::start(move |_, stream| {
            head(stream, 200, headers);
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            // More than anybody may keep, not more than a test can send.
            for _ in 0..4096 {
                if stream.write_all(chunk.as_bytes()).is_err() {
                    break;
                }
            }
            Then::Close
        });
        let begin = Instant::now();
        let error = failure(&server);
        assert_eq!(error.kind(), FailureKind::Answer, "{error}");
        assert!(error.to_string().contains("4 MiB"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn nothing_outlasts_the_time_limit() {
    let limit = Duration::from_millis(300);
    let hang = |_: &_, _: &mut dyn crate::support::ReadWrite| {
        std::thread::sleep(Duration::from_secs(5));
        Then::Close
    };
    let trickle_of_a_body = Server::start(|_, stream| {
        head(stream, 200, &[("Content-Length", "10000")]);
        trickle(stream);
        Then::Close
    });
    let trickle_of_a_head = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Slow: ");
        trickle(stream);
        Then::Close
    });
    for server in [Server::start(hang), trickle_of_a_body, trickle_of_a_head] {
        let api = server.api().with_attempt_timeout(limit);
        let begin = Instant::now();
        let error = wait(api.working_requests(1)).unwrap_err();
        assert_eq!(error.failure(), &Failure::TimedOut(limit), "{error}");
        assert!(error.to_string().contains("0.3 s") && error.hint().is_some(), "{error}");
        wait(api.hold_server(1)).unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        check_text(&error);
    }
}

fn trickle(stream: &mut dyn crate::support::ReadWrite) {
    for _ in 0..200 {
        if stream.write_all(b"a").and_then(|()| stream.flush()).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_loop_goes_on_while_a_call_waits() {
    let server = Server::start(|_, _| {
        std::thread::sleep(Duration::from_secs(2));
        Then::Close
    });
    let api = server.api().with_attempt_timeout(Duration::from_millis(400));
    wait(async {
        let ticks = async {
            let mut longest = Duration::ZERO;
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(300) {
                let tick = Instant::now();
                tokio::time::sleep(Duration::from_millis(5)).await;
                longest = longest.max(tick.elapsed());
            }
            longest
        };
        let (longest, call) = tokio::join!(ticks, api.hold_server(1));
        assert!(call.is_err() && longest < Duration::from_secs(2), "{longest:?}");
    });
}

#[test]
fn a_closed_port_is_refused_also_on_localhost() {
    // Bound and not listened at: refused, and nobody else's meanwhile.
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let socket = socket.unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = SocketAddrV4::try_from(getsockname(&socket).unwrap()).unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let mut settings = Server::answering(200, "").settings(host, Scheme::Http);
        settings.port = port;
        let error = wait(Api::new(settings).hold_server(1)).unwrap_err();
        assert_eq!(error.kind(), FailureKind::ConnectionRefused, "{error}");
        assert!(error.hint().unwrap().contains("port"));
    }
}

#[test]
fn a_name_without_an_address_is_named() {
    let server = Server::answering(200, "");
    for scheme in [Scheme::Http, Scheme::Find] {
        let error =
            wait(Api::new(server.settings("jjobs.invalid", scheme)).hold_server(1)).unwrap_err();
        // A resolver that does not answer is possible where tests run.
        assert!(matches!(error.kind(), FailureKind::Unresolved | FailureKind::TimedOut), "{error}");
        assert!(error.to_string().contains("jjobs.invalid"), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_host_that_is_none_is_not_asked() {
    let server = Server::answering(200, "");
    for host in ["", "a b", "user@127.0.0.1", "127.0.0.1/x", "127.0.0.1#", "fe80::1%eth0", "a\\b"] {
        let error = wait(Api::new(server.settings(host, Scheme::Http)).hold_server(1)).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Setup, "{host}: {error}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_call_that_is_given_up_leaves_no_request_behind() {
    let (sent, received) = mpsc::channel();
    let server = Server::start(move |_, stream| {
        // The end of the connection, seen by the server.
        let _ = sent.send(stream.read(&mut [0]).unwrap_or(0));
        Then::Close
    });
    wait(async {
        let call = server.api();
        let call = call.hold_server(1);
        let dropped = tokio::time::timeout(Duration::from_millis(200), call).await;
        assert!(dropped.is_err());
        tokio::time::sleep(Duration::from_millis(50)).await;
    });
    assert_eq!(received.recv_timeout(Duration::from_secs(5)).unwrap(), 0);
}

//! Every way in which the server misanswers on request.

use super::support::{BASE, TOKEN, api, fault, installed, is_web_up, start_server};
use jjobs_harness::{Container, Vendor};
use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

const LIST: &str = "/statusmonitor/list";

/// Sends a request and gives up reading after a second without a byte.
fn raw(container: &Container) -> (Vec<u8>, Duration) {
    let mut stream = container.connect(7075).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    write!(stream, "GET /jjob-server/api/v1{LIST} HTTP/1.1\r\nprivate-token: {TOKEN}\r\n\r\n")
        .unwrap();
    let started = Instant::now();
    let mut answer = Vec::new();
    let mut byte = [0];
    // Enough to see that a slow answer is one.
    while answer.len() < 3 && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        answer.push(byte[0]);
    }
    (answer, started.elapsed())
}

#[test]
fn each_word_is_the_misanswer_that_it_says() {
    let Some(container) = installed(Vendor::A, "S") else { return };
    start_server(&container);
    let answer = |word: &str| {
        fault(&container, "server", &format!("answer:/jjob-server/api={word}\n"));
        api(&container, "GET", LIST, "")
    };
    for status in [401, 403, 404, 500] {
        assert_eq!(answer(&status.to_string()).0, status);
    }
    assert_eq!(answer("null-list"), (200, r#"{"list":null}"#.to_owned()));
    assert_eq!(answer("empty-json"), (200, "{}".to_owned()));
    assert_eq!(answer(r#"json:{"list":{"a":[1]}}"#), (200, r#"{"list":{"a":[1]}}"#.to_owned()));
    let (status, body) = answer("502-html");
    assert!(status == 502 && body.contains("<html>"), "{body}");
    let (status, body) = answer("login");
    assert!(status == 200 && body.contains("password"), "{body}");
    assert_eq!(answer("redirect").0, 302);
    assert!(is_web_up(&container, 7075, "/jjob-server/test.jsp"), "other paths are not affected");

    for (word, expected) in [("close", ""), ("garbage", "thi"), ("hang", "")] {
        fault(&container, "server", &format!("answer:/jjob-server/api={word}\n"));
        let (answer, elapsed) = raw(&container);
        assert_eq!(String::from_utf8_lossy(&answer), expected, "{word}");
        assert_eq!(elapsed > Duration::from_secs(1), word == "hang", "{word} took {elapsed:?}");
    }
    fault(&container, "server", "answer:/jjob-server/api=slow\n");
    let (answer, elapsed) = raw(&container);
    assert!(answer == b"HTT" && elapsed > Duration::from_secs(2), "{answer:?} in {elapsed:?}");
}

#[test]
fn a_misanswer_is_given_as_often_as_asked_for() {
    let Some(container) = installed(Vendor::B, "S") else { return };
    start_server(&container);
    fault(&container, "server", "answer:/jjob-server/api=500\nanswer_times=3\n");
    let statuses = [(); 5].map(|()| api(&container, "GET", LIST, "").0);
    assert_eq!(statuses, [500, 500, 500, 200, 200]);
}

#[test]
fn a_hold_is_answered_and_forgotten() {
    let Some(container) = installed(Vendor::B, "S") else { return };
    start_server(&container);
    let body = r#"{"groupId":1,"serverId":1,"holdWorkerYn":"Y"}"#;
    let hold = || api(&container, "PUT", "/serversetting/server/hold", body).0;
    let is_held = || {
        let board = container.http_get(7075, "/sim/jobs").unwrap().body;
        board.contains(r#""lost":0,"held":true"#)
    };
    fault(&container, "server", "answer:/jjob-server/api/v1/serversetting=forget\n");
    assert_eq!((hold(), is_held()), (200, false));
    fault(&container, "server", "");
    assert_eq!((hold(), is_held()), (200, true));
}

#[test]
fn a_token_is_rotated_while_the_server_runs() {
    let Some(container) = installed(Vendor::A, "S") else { return };
    start_server(&container);
    for (token, status) in [(TOKEN, 200), ("another", 401), (TOKEN, 200)] {
        container.write(format!("{BASE}/.simulator/token"), token);
        assert_eq!(api(&container, "GET", LIST, "").0, status);
    }
}

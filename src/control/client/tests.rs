//! The asking side, against scripted listeners.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use super::*;
use crate::control::SOCKET;
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::net::UnixListener,
    thread::{self, JoinHandle},
};
use tempfile::TempDir;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn listen(folder: &Path) -> UnixListener {
    UnixListener::bind(folder.join(SOCKET)).unwrap()
}

/// Hears one question, says `text` and hangs up.
fn say_once(listener: UnixListener, text: &'static str) -> JoinHandle<String> {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = String::new();
        BufReader::new(&stream).read_line(&mut question).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        question
    })
}

fn ask_in(folder: &Path, limit: Duration) -> (Result<Done, Unanswered>, Vec<Answer>) {
    let options = Options {
        run_dir: Some(folder.to_owned()),
        probe_timeout: limit,
        post_start_timeout: limit,
    };
    let mut heard = Vec::new();
    let deadline = Some(after(limit));
    let done = ask(&options, limit, (Request::Status, deadline), |answer| heard.push(answer));
    (done, heard)
}

#[test]
fn a_question_is_asked_in_one_line_and_the_last_word_comes_back() {
    let folder = folder();
    let server = say_once(
        listen(folder.path()),
        concat!(
            r#"{"version":1,"answer":"progress","text":"one"}"#,
            "\n",
            r#"{"version":1,"answer":"done","exit_code":1,"text":"two"}"#,
            "\n",
        ),
    );
    let (done, heard) = ask_in(folder.path(), LONG);
    assert_eq!(done.unwrap(), Done { exit_code: 1, text: "two".to_owned() });
    assert_eq!(heard, [Answer::Progress { text: "one".to_owned() }]);
    assert_eq!(server.join().unwrap(), "{\"version\":1,\"request\":\"status\"}\n");
}

#[test]
fn where_nobody_is_that_is_said_with_the_places() {
    let folder = folder();
    let missing = folder.path().join("missing");
    let (done, _) = ask_in(&missing, SHORT);
    let text = done.unwrap_err().to_string();
    assert_eq!(text, format!("no supervisor answers: {} (not there)", missing.display()));

    drop(listen(folder.path()));
    let (done, _) = ask_in(folder.path(), SHORT);
    let text = done.unwrap_err().to_string();
    assert!(text.contains("left by an earlier life"), "{text}");
}

#[test]
fn one_that_comes_later_is_found() {
    let folder = folder();
    let path = folder.path().to_owned();
    let server = thread::spawn(move || {
        sleep(SHORT);
        say_once(
            listen(&path),
            "{\"version\":1,\"answer\":\"done\",\"exit_code\":0,\"text\":\"\"}\n",
        )
    });
    let (done, _) = ask_in(folder.path(), LONG);
    assert_eq!(done.unwrap().exit_code, 0);
    server.join().unwrap().join().unwrap();
}

#[test]
fn one_that_says_nothing_is_given_up_at_the_deadline() {
    let folder = folder();
    let _listener = listen(folder.path());
    let began = Instant::now();
    let (done, _) = ask_in(folder.path(), SHORT);
    let error = done.unwrap_err();
    assert!(matches!(error, Unanswered::Lost(Lost::Deadline)), "{error:?}");
    assert_eq!(explain(&error, SHORT), "no answer within 0.2 s: PID 1's loop does not answer");
    assert!(began.elapsed() >= SHORT && began.elapsed() < LONG);
}

#[test]
fn a_queue_that_is_full_does_not_hold_a_probe_beyond_its_deadline() {
    let folder = folder();
    let listener = listen(folder.path());
    rustix::net::listen(&listener, 0).unwrap();
    let waiting = std::os::unix::net::UnixStream::connect(folder.path().join(SOCKET)).unwrap();
    let began = Instant::now();
    let (done, _) = ask_in(folder.path(), SHORT);
    let text = done.unwrap_err().to_string();
    assert!(text.contains("its queue is full"), "{text}");
    assert!(began.elapsed() < LONG);
    drop(waiting);
}

#[test]
fn one_that_hangs_up_in_the_middle_is_lost() {
    let folder = folder();
    let said = "{\"version\":1,\"answer\":\"progress\",\"text\":\"one\"}\n{\"version\":1,";
    let server = say_once(listen(folder.path()), said);
    let (done, heard) = ask_in(folder.path(), LONG);
    assert!(matches!(done.unwrap_err(), Unanswered::Lost(Lost::Closed)));
    assert_eq!(heard.len(), 1);
    server.join().unwrap();
}

#[test]
fn another_version_is_told_apart_from_nonsense() {
    let cases = [
        ("{\"version\":9,\"answer\":\"sing\"}\n", "version 9"),
        ("{\"version\":1,\"answer\":\"sing\"}\n", "sing"),
        ("hello\n", "not understood"),
    ];
    for (said, wanted) in cases {
        let folder = folder();
        let server = say_once(listen(folder.path()), said);
        let text = ask_in(folder.path(), LONG).0.unwrap_err().to_string();
        assert!(text.contains(wanted), "{text}");
        server.join().unwrap();
    }
}

#[test]
fn a_symlink_in_the_folders_place_is_not_followed() {
    let folder = folder();
    fs::create_dir(folder.path().join("real")).unwrap();
    let _listener = listen(&folder.path().join("real"));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("real"), &link).unwrap();
    let text = ask_in(&link, SHORT).0.unwrap_err().to_string();
    assert!(text.contains("neither root's folder nor ours"), "{text}");
}

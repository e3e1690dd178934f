//! The token: where it comes from, and where it never goes.

use crate::support::{Client, Server, TOKEN, wait};
use jjobs_init::{
    contract::{TokenSource, secret::Secret},
    jjobs::{
        api::{Api, Scheme},
        error::FailureKind,
    },
    log::Mask,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn reading(server: &Server, path: &Path) -> Api {
    let mut settings = server.settings("127.0.0.1", Scheme::Http);
    settings.token = TokenSource::File(path.to_owned());
    Api::new(settings)
}

fn folder_with(token: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, token).unwrap();
    (folder, path)
}

#[test]
fn a_token_file_is_read_anew_for_every_call() {
    let server = Server::answering(200, "");
    let (_folder, path) = folder_with(b"first-one\n");
    let mask = Mask::new();
    let api = reading(&server, &path).with_mask(mask.clone());
    wait(async {
        api.hold_server(1).await.unwrap();
        fs::write(&path, "  second-one\r\n").unwrap();
        api.hold_server(1).await.unwrap();
        // As a mounted secret is renewed: by a new file in the old one's place.
        let renewed = path.with_extension("new");
        fs::write(&renewed, "third-one").unwrap();
        fs::rename(&renewed, &path).unwrap();
        api.clone().hold_server(1).await.unwrap();
    });
    let asked = server.asked();
    let tokens: Vec<_> = asked.iter().filter_map(|asked| asked.header("private-token")).collect();
    assert_eq!(tokens, ["first-one", "second-one", "third-one"]);
    assert_eq!(mask.hide("first-one second-one third-one"), "[redacted] [redacted] [redacted]");
}

#[test]
fn a_token_that_cannot_be_sent_is_missing_and_nothing_is_asked() {
    let server = Server::answering(200, "");
    let (folder, path) = folder_with(b"");
    let api = reading(&server, &path);
    let missing = |why: &str| {
        let error = wait(api.hold_server(1)).unwrap_err();
        assert_eq!(error.kind(), FailureKind::TokenMissing, "{error}");
        assert!(error.is_refused() && error.hint().unwrap().contains("API_PRIVATE_TOKEN_FILE"));
        assert!(error.to_string().contains(why), "{why}: {error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(!error.to_string().contains("Hidden"), "{error}");
    };
    missing("empty");
    fs::write(&path, " \n\n").unwrap();
    missing("empty");
    for token in ["Hidden\nsecond line", "Hidden\u{1}", "Hidden\0", "Hidden-토큰"] {
        fs::write(&path, token).unwrap();
        missing("no header");
    }
    fs::write(&path, b"Hidden\xff\xfe").unwrap();
    missing("no text");
    fs::write(&path, "Hidden".repeat(10_000)).unwrap();
    missing("too long");
    fs::remove_file(&path).unwrap();
    missing("cannot be read");
    fs::create_dir(&path).unwrap();
    missing("cannot be read");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, TOKEN).unwrap();
    wait(api.hold_server(1)).unwrap();
    assert_eq!(server.connections(), 1);
    drop(folder);
}

#[test]
fn a_token_given_as_a_value_is_checked_too() {
    let server = Server::answering(200, "");
    for value in ["", "Hidden\r\nX-Evil: 1", "Hidden\u{7f}"] {
        let mut settings = server.settings("127.0.0.1", Scheme::Http);
        settings.token = TokenSource::Value(Secret::new(value));
        let error = wait(Api::new(settings).hold_server(1)).unwrap_err();
        assert_eq!(error.kind(), FailureKind::TokenMissing);
        assert!(!error.to_string().contains("Hidden"), "{error}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn debug_does_not_show_the_token() {
    let server = Server::answering(200, "");
    let api = server.api();
    wait(api.hold_server(1)).unwrap();
    let shown = format!("{api:?} {:?}", server.settings("127.0.0.1", Scheme::Http));
    assert!(!shown.contains(TOKEN), "{shown}");
}

#[test]
fn while_a_token_file_hangs_calls_blame_it_and_no_second_read_is_begun() {
    let server = Server::answering(200, "");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    // Opening it for reading waits for a writer.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let api = reading(&server, &path).with_attempt_timeout(Duration::from_millis(200));
    let hangs = async || {
        let error = api.hold_server(1).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::TokenMissing, "{error}");
        assert!(error.to_string().contains("was not read within 100ms"), "{error}");
    };
    wait(async {
        let begin = Instant::now();
        hangs().await;
        // A second read would find the token at once: nothing hangs any more for a new reader.
        let fifo = folder.path().join("moved");
        fs::rename(&path, &fifo).unwrap();
        fs::write(&path, TOKEN).unwrap();
        hangs().await;
        hangs().await;
        assert!(begin.elapsed() < Duration::from_secs(3));
        // Opening it for writing ends the first read.
        fs::write(&fifo, "late").unwrap();
        let patient = api.with_attempt_timeout(Duration::from_secs(10));
        patient.hold_server(1).await.unwrap();
    });
    assert_eq!(server.asked()[0].header("private-token"), Some(TOKEN));
    assert_eq!(server.asked().len(), 1);
}

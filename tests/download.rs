//! Downloads against servers that behave in every way that servers do.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod download_support;

use download_support::*;
use jjobs_init::{
    boot::{
        cancel::Cancel,
        download::{DownloadError, Outcome, OutcomeKind, Proxies, Request, run},
    },
    contract::secret::Secret,
    exit::ExitCode,
};
use std::{
    io::Write,
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

fn go(request: &Request) -> Result<Outcome, DownloadError> {
    run(request, &Cancel::default())
}

fn sha256(data: &[u8]) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, data).as_ref().try_into().unwrap()
}

/// Nothing but what the test itself put there.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_plain_file_is_kept_and_replaces_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serving(b"new".to_vec());
    std::fs::write(folder.path().join("a.tgz"), "old and longer").unwrap();
    let outcome = go(&request(&server.url("/x"), folder.path(), "a.tgz")).unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Kept { bytes: 3 });
    assert_eq!(std::fs::read(folder.path().join("a.tgz")).unwrap(), b"new");
    assert_eq!(names(folder.path()), ["a.tgz"]);
}

#[test]
fn each_kind_of_archive_is_unpacked_and_not_kept() {
    let tar = sample_tar(600_000);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o750);
    zip.start_file("app/run.sh", options).unwrap();
    zip.write_all(b"#!/bin/sh\n").unwrap();
    let zip = zip.finish().unwrap().into_inner();
    for (name, data) in [("a.tar", tar.clone()), ("a.tar.gz", gzip(&tar)), ("a.zip", zip)] {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("made/for/it");
        let server = Server::serving(data.clone());
        let mut request = request(&server.url("/x"), &target, name);
        request.sha256 = Some(sha256(&data));
        let outcome = go(&request).unwrap();
        assert!(matches!(outcome.kind, OutcomeKind::Unpacked { .. }), "{name}");
        assert_eq!(outcome.received, data.len() as u64);
        assert_eq!(std::fs::read(target.join("app/run.sh")).unwrap(), b"#!/bin/sh\n");
        assert_eq!(names(&target), ["app"], "{name}");
    }
}

#[test]
fn a_lost_connection_is_taken_up_where_it_was_lost() {
    let tar = sample_tar(700_000);
    let data = gzip(&tar);
    for (name, data) in [("a.tar", tar), ("a.tar.gz", data.clone()), ("keep", data)] {
        let folder = tempfile::tempdir().unwrap();
        let body = data.clone();
        let server = Server::start(move |number, asked, stream| {
            let most = if number < 3 { body.len() / 4 } else { usize::MAX };
            serve_cut(stream, asked, (&body, "\"v1\""), most);
        });
        let mut request = request(&server.url("/x"), folder.path(), name);
        request.sha256 = Some(sha256(&data));
        let outcome = go(&request).unwrap();
        assert_eq!((outcome.attempts, outcome.resumed), (4, true), "{name}");
        assert_eq!(outcome.received, data.len() as u64);
        let asked = server.asked();
        assert_eq!(asked[1].header("if-range"), Some("\"v1\""));
        assert!(asked[3].range_start() > asked[2].range_start());
    }
}

#[test]
fn a_file_that_changed_in_between_is_read_from_its_beginning() {
    let (old, new) = (sample_tar(500_000), sample_tar(600_000));
    for name in ["a.tar", "a.zip.txt"] {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (old.clone(), new.clone());
        let server = Server::start(move |number, asked, stream| match number {
            0 => serve_cut(stream, asked, (&first, "\"v1\""), 300_000),
            _ => serve(stream, asked, &second, "\"v2\""),
        });
        let mut request = request(&server.url("/x"), folder.path(), name);
        request.sha256 = Some(sha256(&new));
        let outcome = go(&request).unwrap();
        assert_eq!((outcome.attempts, outcome.resumed), (2, false));
    }
}

#[test]
fn a_partial_answer_of_another_file_is_not_glued_on() {
    let tar = sample_tar(500_000);
    let wrong = [
        [("Content-Range", "bytes 7-9/10"), ("ETag", "\"v1\"")],
        [("Content-Range", "bytes 300000-300003/300004"), ("ETag", "\"v1\"")],
        [("Content-Range", "nonsense"), ("ETag", "\"v1\"")],
        [("Content-Range", "bytes 300000-502783/*"), ("ETag", "\"v2\"")],
    ];
    for headers in wrong {
        let folder = tempfile::tempdir().unwrap();
        let body = tar.clone();
        let server = Server::start(move |number, asked, stream| match number {
            0 => serve_cut(stream, asked, (&body, "\"v1\""), 300_000),
            1 => reply(stream, 206, &headers, b"evil"),
            _ => serve(stream, asked, &body, "\"v1\""),
        });
        let mut request = request(&server.url("/x"), folder.path(), "a.tar");
        request.sha256 = Some(sha256(&tar));
        go(&request).unwrap();
        assert_eq!(server.asked()[2].range_start(), None, "{headers:?}");
    }
}

#[test]
fn a_server_without_ranges_or_validators_is_asked_for_all_of_it_again() {
    let tar = sample_tar(500_000);
    for headers in
        [vec![], vec![("ETag", "W/\"weak\"")], vec![("ETag", "\"v1\""), ("Accept-Ranges", "none")]]
    {
        let folder = tempfile::tempdir().unwrap();
        let body = tar.clone();
        let server = Server::start(move |number, _, stream| {
            let length = body.len().to_string();
            head(stream, 200, &[&headers[..], &[("Content-Length", &length)]].concat());
            let _ = stream.write_all(if number == 0 { &body[..200_000] } else { &body });
        });
        let outcome = go(&request(&server.url("/x"), folder.path(), "a.tar")).unwrap();
        assert_eq!((outcome.attempts, outcome.resumed), (2, false));
        assert_eq!(server.asked()[1].range_start(), None);
        assert_eq!(names(folder.path()), ["app"]);
    }
}

#[test]
fn busy_servers_are_asked_five_times_more_and_no_more() {
    for status in [408, 429, 500, 502, 503, 504] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(move |number, asked, stream| match number {
            0..5 => reply(stream, status, &[("Retry-After", "0")], b""),
            _ => serve(stream, asked, b"good", "\"v1\""),
        });
        assert_eq!(go(&request(&server.url("/x"), folder.path(), "f")).unwrap().attempts, 6);

        let server = Server::start(move |_, _, stream| reply(stream, status, &[], b""));
        let error = go(&request(&server.url("/x"), folder.path(), "f")).unwrap_err();
        assert!(matches!(error, DownloadError::Status { attempts: 6, .. }), "{error}");
        assert_eq!(error.exit_code(), ExitCode::DownloadFailed);
        assert_eq!(server.asked().len(), 6);
    }
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|number, asked, stream| match number {
        0 => reply(stream, 503, &[("Retry-After", "1")], b""),
        _ => serve(stream, asked, b"good", "\"v1\""),
    });
    let outcome = go(&request(&server.url("/x"), folder.path(), "f")).unwrap();
    assert!(outcome.elapsed >= Duration::from_secs(1));
}

#[test]
fn other_statuses_fail_at_once_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    for status in [204, 206, 304, 400, 401, 403, 404, 410] {
        let server = Server::start(move |_, _, stream| reply(stream, status, &[], b""));
        let error = go(&request(&server.url("/x?sig=hush"), folder.path(), "f.tar")).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::DownloadFailed);
        assert!(
            !error.to_string().contains("hush") && error.to_string().contains(&status.to_string())
        );
        assert_eq!(server.asked().len(), 1);
        assert_eq!(names(folder.path()), [""; 0]);
        assert_eq!(error.hint().is_some(), matches!(status, 401 | 403 | 404 | 410));
    }
}

#[test]
fn a_length_that_is_never_reached_fails_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _, stream| {
        head(stream, 200, &[("Content-Length", "1000")]);
        let _ = stream.write_all(b"short");
    });
    let error = go(&request(&server.url("/x"), folder.path(), "f")).unwrap_err();
    assert!(matches!(error, DownloadError::Connection { attempts: 6, .. }), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn nobody_there_is_a_lost_connection() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error =
        go(&request(&format!("http://127.0.0.1:{port}/x"), folder.path(), "f")).unwrap_err();
    assert!(matches!(error, DownloadError::Connection { attempts: 6, .. }), "{error}");
    assert_eq!(error.exit_code(), ExitCode::DownloadFailed);
}

#[test]
fn silence_is_a_lost_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let server = Server::start(move |number, asked, stream| match number {
        0 => drop(held.lock().unwrap().recv()),
        _ => serve(stream, asked, b"good", "\"v1\""),
    });
    let mut request = request(&server.url("/x"), folder.path(), "f");
    request.timing.idle = Duration::from_millis(200);
    assert_eq!(go(&request).unwrap().attempts, 2);
    drop(release);
}

#[test]
fn a_trickle_is_ended_by_the_whole_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _, stream| {
        head(stream, 200, &[("Content-Length", "100000")]);
        let (_keep, never) = mpsc::channel::<()>();
        while stream.write_all(b"x").and_then(|()| stream.flush()).is_ok() {
            let _ = never.recv_timeout(Duration::from_millis(50));
        }
    });
    let mut request = request(&server.url("/x"), folder.path(), "f");
    request.timeout = Some(Duration::from_millis(400));
    let started = Instant::now();
    let error = go(&request).unwrap_err();
    assert!(matches!(error, DownloadError::Timeout { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_stop_ends_it_at_once_wherever_it_hangs() {
    let hang: fn(&mut dyn ReadWrite) = |stream| {
        let (_keep, never) = mpsc::channel::<()>();
        let _ = stream.flush();
        let _ = never.recv_timeout(Duration::from_secs(20));
    };
    let silent = Server::start(move |_, _, stream| hang(stream));
    let stuck = Server::start(move |_, _, stream| {
        head(stream, 200, &[("Content-Length", "100000")]);
        let _ = stream.write_all(&sample_tar(10)[..1024]);
        hang(stream);
    });
    let pausing = Server::start(|_, _, stream| reply(stream, 503, &[], b""));
    for server in [silent, stuck, pausing] {
        let folder = tempfile::tempdir().unwrap();
        let mut request = request(&server.url("/x"), folder.path(), "a.tar");
        request.timing.pauses = vec![Duration::from_secs(20)];
        request.timing.idle = Duration::from_secs(20);
        let cancel = Cancel::default();
        std::thread::scope(|scope| {
            let running = scope.spawn(|| run(&request, &cancel));
            while server.asked().is_empty() {
                std::thread::yield_now();
            }
            let started = Instant::now();
            cancel.cancel();
            let error = running.join().unwrap().unwrap_err();
            assert!(matches!(error, DownloadError::Cancelled), "{error}");
            assert!(started.elapsed() < Duration::from_secs(2));
        });
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn a_wrong_checksum_moves_nothing_in() {
    let tar = sample_tar(100_000);
    let mut broken = gzip(&tar);
    broken.truncate(broken.len() / 2);
    let cases = [
        ("a.tar", tar.clone()),
        ("a.tar.gz", gzip(&tar)),
        ("f", tar),
        ("b.tar.gz", broken),
        ("c.zip", b"<html>".to_vec()),
    ];
    for (name, data) in cases {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::serving(data);
        let mut request = request(&server.url("/x"), folder.path(), name);
        request.sha256 = Some([7; 32]);
        let error = go(&request).unwrap_err();
        assert!(matches!(error, DownloadError::Checksum { .. }), "{name}: {error}");
        assert_eq!(error.exit_code(), ExitCode::DownloadFailed);
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn redirects_are_followed_up_to_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|number, asked, stream| match number {
        0..10 => {
            reply(stream, [301, 302, 303, 307, 308][number % 5], &[("Location", "next?x=1")], b"");
        }
        _ => serve(stream, asked, b"good", "\"v1\""),
    });
    assert_eq!(go(&request(&server.url("/a/b"), folder.path(), "f")).unwrap().attempts, 1);
    assert_eq!(server.asked()[10].target, "/a/next?x=1");

    let server = Server::start(|_, _, stream| reply(stream, 302, &[("Location", "/again")], b""));
    let error = go(&request(&server.url("/"), folder.path(), "f")).unwrap_err();
    assert!(matches!(error, DownloadError::Redirect { .. }), "{error}");
    assert_eq!(server.asked().len(), 11);
    for to in ["ftp://h/x", "file:///etc/passwd", "http://", ""] {
        let server = Server::start(move |_, _, stream| {
            if to.is_empty() {
                reply(stream, 302, &[], b"");
            } else {
                reply(stream, 302, &[("Location", to)], b"");
            }
        });
        let error = go(&request(&server.url("/"), folder.path(), "f")).unwrap_err();
        assert!(matches!(error, DownloadError::Redirect { .. }), "{error}");
    }
}

#[test]
fn header_and_password_stay_with_their_own_host() {
    let folder = tempfile::tempdir().unwrap();
    let other = Server::serving(b"good".to_vec());
    let away = other.url("/there");
    let own = Server::start(move |number, _, stream| {
        let to = if number == 0 { "/same" } else { away.as_str() };
        reply(stream, 302, &[("Location", to)], b"");
    });
    let url = own.url("/x").replace("127", "user:p%40ss@127");
    let mut request = request(&url, folder.path(), "f");
    request.header = Some(("X-Token".to_owned(), Secret::new("hush-hush")));
    go(&request).unwrap();
    for asked in own.asked() {
        assert_eq!(asked.header("x-token"), Some("hush-hush"));
        assert_eq!(asked.header("authorization"), Some("Basic dXNlcjpwQHNz"));
    }
    assert_eq!(other.asked()[0].header("x-token"), None);
    assert_eq!(other.asked()[0].header("authorization"), None);
}

#[test]
fn the_given_authorization_wins_over_the_urls() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serving(b"good".to_vec());
    let mut request = request(&server.url("/x").replace("127", "u:p@127"), folder.path(), "f");
    request.header = Some(("Authorization".to_owned(), Secret::new("Bearer abc")));
    go(&request).unwrap();
    assert_eq!(server.asked()[0].header("authorization"), Some("Bearer abc"));
}

#[test]
fn a_proxy_is_used_unless_the_host_is_excepted() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Server::serving(b"by proxy".to_vec());
    let server = Server::serving(b"direct".to_vec());
    let mut request = request(&server.url("/x"), folder.path(), "f");
    request.proxies = Proxies { http: Some(Secret::new(proxy.url(""))), ..Proxies::default() };
    go(&request).unwrap();
    assert_eq!(std::fs::read(folder.path().join("f")).unwrap(), b"by proxy");
    assert_eq!(proxy.asked()[0].target, server.url("/x"));
    for list in ["127.0.0.1", "*", "10.0.0.0/8, 127.0.0.0/8"] {
        request.proxies.none_for = Some(list.to_owned());
        go(&request).unwrap();
        assert_eq!(std::fs::read(folder.path().join("f")).unwrap(), b"direct", "{list}");
    }
    request.proxies = Proxies { all: Some(Secret::new(proxy.url(""))), ..Proxies::default() };
    go(&request).unwrap();
    assert_eq!(proxy.asked().len(), 2);
}

#[test]
fn an_encoding_that_nobody_asked_for_is_undone_or_refused() {
    let tar = sample_tar(100_000);
    let served = |encoding: &'static str, body: Vec<u8>| {
        Server::start(move |_, _, stream| {
            reply(stream, 200, &[("Content-Encoding", encoding)], &body);
        })
    };
    let cases = [
        ("a.tar", "gzip", gzip(&tar)),
        ("a.tar", "x-gzip", tar.clone()),
        ("a.tar.gz", "gzip", gzip(&tar)),
        ("a.tar.gz", "gzip", gzip(&gzip(&tar))),
        ("a.tar.gz", "identity", gzip(&tar)),
    ];
    for (name, encoding, body) in cases {
        let folder = tempfile::tempdir().unwrap();
        go(&request(&served(encoding, body).url("/x"), folder.path(), name)).unwrap();
        assert!(folder.path().join("app/run.sh").exists(), "{name} {encoding}");
    }
    let folder = tempfile::tempdir().unwrap();
    let text = served("gzip", gzip(b"text"));
    go(&request(&text.url("/x"), folder.path(), "f.txt")).unwrap();
    assert_eq!(std::fs::read(folder.path().join("f.txt")).unwrap(), b"text");
    go(&request(&text.url("/x"), folder.path(), "f.tgz")).unwrap();
    assert_eq!(std::fs::read(folder.path().join("f.tgz")).unwrap(), gzip(b"text"));
    let error = go(&request(&served("br", tar).url("/x"), folder.path(), "a.tar")).unwrap_err();
    assert!(matches!(error, DownloadError::Encoding { .. }), "{error}");
}

#[test]
fn unusable_urls_and_headers_are_refused_without_a_request() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["ftp://h/x", "nonsense", "http://", "/etc/passwd"] {
        let error = go(&request(url, folder.path(), "f")).unwrap_err();
        assert!(matches!(error, DownloadError::Url { .. }), "{url}: {error}");
    }
    let mut request = request("http://127.0.0.1:9/x", folder.path(), "f");
    request.header = Some(("bad name".to_owned(), Secret::new("x")));
    assert!(matches!(go(&request).unwrap_err(), DownloadError::Header));
}

#[test]
fn a_kept_file_over_the_limit_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serving(vec![0; 1001]);
    let mut request = request(&server.url("/x"), folder.path(), "f");
    request.max_bytes = 1000;
    let error = go(&request).unwrap_err();
    assert!(matches!(error, DownloadError::TooLarge { .. }), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);
    request.max_bytes = 1001;
    go(&request).unwrap();
}

#[test]
fn https_needs_a_known_ca_and_is_never_left_by_a_redirect() {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = rcgen::KeyPair::generate().unwrap();
    let names_of = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let certificate =
        rcgen::CertificateParams::new(names_of).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = std::sync::Arc::new(config);
    let plain = Server::serving(b"plain".to_vec());
    let plain_url = plain.url("/x");
    let server = Server::start_over(
        move |stream| {
            let connection = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).ok()?;
            Some(Box::new(rustls::StreamOwned::new(connection, stream)) as Box<dyn ReadWrite>)
        },
        move |_, asked, stream| match asked.target.as_str() {
            "/downgrade" => reply(stream, 302, &[("Location", &plain_url)], b""),
            _ => reply(stream, 200, &[], b"secure"),
        },
    );
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, ca_pem).unwrap();
    let target = folder.path().join("t");
    let url = |path: &str| format!("https://localhost:{}{path}", server.port);

    let mut request = request(&url("/x"), &target, "f");
    let error = go(&request).unwrap_err();
    assert!(
        matches!(error, DownloadError::Certificate { .. } | DownloadError::NoCertificates),
        "{error:?}"
    );
    assert!(error.hint().is_some());

    request.ca_file = Some(ca_file.clone());
    go(&request).unwrap();
    assert_eq!(std::fs::read(target.join("f")).unwrap(), b"secure");

    request.url = Secret::new(url("/downgrade"));
    let error = go(&request).unwrap_err();
    assert!(matches!(error, DownloadError::Redirect { .. }), "{error}");
    assert!(plain.asked().is_empty());

    std::fs::write(&ca_file, "no certificate").unwrap();
    assert!(matches!(go(&request).unwrap_err(), DownloadError::CaFile { .. }));
}

//! http or https: finding out which, and whom to trust.

use crate::support::{Asked, Ca, Client, ReadWrite, Server, Then, reply, server_config, wait};
use jjobs_init::jjobs::{
    api::{Api, Scheme},
    error::{Failure, FailureKind},
};
use std::{fs, path::Path, time::Duration};

fn none(_: &Asked, stream: &mut dyn ReadWrite) -> Then {
    reply(stream, 200, &[], b"{\"list\":[]}")
}

fn finding(server: &Server, host: &str, ca_file: Option<&Path>) -> Api {
    let mut settings = server.settings(host, Scheme::Find);
    settings.ca_file = ca_file.map(Path::to_owned);
    // On a busy machine a handshake takes its time, and no test here is about that.
    Api::new(settings).with_attempt_timeout(Duration::from_mins(1))
}

fn written(pem: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    fs::write(&path, pem).unwrap();
    (folder, path)
}

const TEST_PAGE: &str = "GET /jjob-server/test.jsp";
const HOLD: &str = "PUT /jjob-server/api/v1/serversetting/server/hold";

#[test]
fn http_is_found_once_and_kept() {
    let server = Server::start(none);
    // No CA file is read for it: this one does not even exist.
    let api = finding(&server, "127.0.0.1", Some(Path::new("/nonexistent/ca.pem")));
    wait(async {
        api.hold_server(1).await.unwrap();
        api.hold_server(1).await.unwrap();
        assert!(api.is_server_up().await);
    });
    assert_eq!(server.lines(), [TEST_PAGE, HOLD, HOLD, TEST_PAGE]);
    let first = finding(&server, "127.0.0.1", None);
    assert!(wait(first.is_server_up()));
    assert_eq!(server.lines().len(), 5);
}

#[test]
fn https_is_found_for_names_and_addresses() {
    let ca = Ca::new();
    let (_folder, bundle) = written(&ca.pem);
    for host in ["localhost", "127.0.0.1"] {
        let server = Server::start(none);
        server.speak_tls(ca.server(&[host], None));
        let api = finding(&server, host, Some(&bundle));
        wait(async {
            api.hold_server(1).await.unwrap();
            assert_eq!(api.working_requests(1).await.unwrap(), 0);
        });
        assert_eq!(server.lines()[..2], [TEST_PAGE, HOLD]);
        // One for http, and one for everything over https; two if the page's body came too late to be of use.
        assert!((2..=3).contains(&server.connections()), "{}", server.connections());
        let six = Server::start_at("[::1]:0", none);
        if let Ok(six) = six {
            six.speak_tls(ca.server(&["::1"], None));
            assert!(wait(finding(&six, "::1", Some(&bundle)).is_server_up()));
        }
    }
}

#[test]
fn a_server_that_comes_back_with_the_other_scheme_is_found_again() {
    let ca = Ca::new();
    let (_folder, bundle) = written(&ca.pem);
    let server = Server::start(|asked, stream| {
        none(asked, stream);
        Then::Close
    });
    let api = finding(&server, "localhost", Some(&bundle));
    let works_again = async || {
        for attempt in 0..3 {
            match api.hold_server(1).await {
                Ok(()) => return attempt,
                Err(error) => assert_eq!(error.kind(), FailureKind::Broken, "{error}"),
            }
        }
        panic!("not found again");
    };
    wait(async {
        assert_eq!(works_again().await, 0);
        server.speak_tls(ca.server(&["localhost"], None));
        assert_eq!(works_again().await, 1);
        server.speak_plainly();
        assert_eq!(works_again().await, 1);
        server.speak_tls(ca.server(&["localhost"], None));
        // Being asked whether it is up makes it known, too.
        assert!(!api.is_server_up().await);
        assert!(api.is_server_up().await);
        assert_eq!(works_again().await, 0);
    });
}

#[test]
fn an_untrusted_certificate_is_told_with_its_reason_and_no_token_is_sent() {
    let (ca, other, renewed) = (Ca::new(), Ca::named("Other CA"), Ca::new());
    let (_folder, bundle) = written(&ca.pem);
    let ca_as_server = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        server_config(&params.self_signed(&key).unwrap(), &key)
    };
    let all = [
        (other.server(&["localhost"], None), "issued by nobody we know"),
        (renewed.server(&["localhost"], None), "not signed by the CA that we know"),
        (ca.server(&["localhost"], Some(2020)), "expired"),
        (ca.server(&["jjobs.example"], None), "another name"),
        (ca.server(&[], None), "names no host"),
        (ca_as_server(), "is a CA's"),
    ];
    for (config, reason) in all {
        let server = Server::start(none);
        server.speak_tls(config);
        let error = wait(finding(&server, "localhost", Some(&bundle)).hold_server(1)).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Tls, "{error}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
        assert!(error.to_string().contains("localhost"), "{error}");
        assert!(error.hint().unwrap().contains("JJOBS_INIT_CA_FILE"));
        assert_eq!(server.lines(), [""; 0]);
    }
}

#[test]
fn a_renewed_ca_bundle_is_read_after_a_failure() {
    let (old, new) = (Ca::new(), Ca::named("New CA"));
    let (_folder, bundle) = written(&old.pem);
    let server = Server::start(|asked, stream| {
        none(asked, stream);
        Then::Close
    });
    server.speak_tls(old.server(&["localhost"], None));
    let api = finding(&server, "localhost", Some(&bundle));
    wait(async {
        api.hold_server(1).await.unwrap();
        server.speak_tls(new.server(&["localhost"], None));
        for _ in 0..2 {
            assert_eq!(api.hold_server(1).await.unwrap_err().kind(), FailureKind::Tls);
        }
        // Half-written: an error of its own, and no end.
        fs::write(&bundle, "").unwrap();
        let error = api.hold_server(1).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Trust, "{error}");
        assert!(error.to_string().contains("ca.pem"), "{error}");
        fs::write(&bundle, format!("{}{}", old.pem, new.pem)).unwrap();
        api.hold_server(1).await.unwrap();
    });
}

#[test]
fn a_server_that_is_there_but_not_up_is_told_by_its_status() {
    for scheme_is_tls in [false, true] {
        let ca = Ca::new();
        let (_folder, bundle) = written(&ca.pem);
        let server = Server::answering(503, "");
        if scheme_is_tls {
            server.speak_tls(ca.server(&["localhost"], None));
        }
        let api = finding(&server, "localhost", Some(&bundle));
        let error = wait(api.hold_server(1)).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Status(503), "{error}");
        let shown = if scheme_is_tls { "GET https://" } else { "GET http://" };
        assert!(error.to_string().starts_with(shown), "{error}");
        assert!(!wait(api.is_server_up()));
    }
}

#[test]
fn a_proxy_that_sends_http_to_https_on_the_same_port_is_spoken_to_over_https() {
    let ca = Ca::new();
    let (_folder, bundle) = written(&ca.pem);
    let to_https = |_: &Asked, stream: &mut dyn ReadWrite| {
        reply(stream, 302, &[("Location", "HTTPS://localhost/x")], b"")
    };
    // The plain side of such a proxy cannot be had from one listener here; what it says must not be believed alone.
    let plain_only = Server::start(to_https);
    assert!(wait(finding(&plain_only, "localhost", None).is_server_up()));
    assert_eq!(plain_only.connections(), 2);
    let both = Server::start(to_https);
    let config = ca.server(&["localhost"], None);
    both.speak_either(config);
    let api = finding(&both, "localhost", Some(&bundle));
    assert!(wait(api.is_server_up()));
    let error = wait(api.hold_server(1)).unwrap_err();
    assert!(error.to_string().starts_with("PUT https://"), "{error}");
}

#[test]
fn a_server_that_hangs_when_asked_over_http_leaves_time_for_https() {
    let server = Server::start(|_, _| {
        std::thread::sleep(Duration::from_secs(3));
        Then::Close
    });
    let limit = Duration::from_millis(600);
    let api = finding(&server, "127.0.0.1", None).with_attempt_timeout(limit);
    let error = wait(api.hold_server(1)).unwrap_err();
    assert_eq!(error.failure(), &Failure::TimedOut(limit / 2), "{error}");
    assert_eq!(server.connections(), 2);
}

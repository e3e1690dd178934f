//! Why a call failed, in a form that tells an operator what to do.

use super::tls;
use std::{error::Error, fmt, io, time::Duration};

/// One attempt that failed.
#[derive(Debug, thiserror::Error)]
#[error("{asked}: {failure}")]
pub struct ApiError {
    asked: String,
    failure: Failure,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// There is no token that could be sent.
    TokenMissing(String),
    /// 401 or 403.
    Refused(u16),
    /// Another status than 200 (for `test.jsp`: than 2xx and 3xx). Redirects are not followed.
    Status(u16),
    /// The server's name has no address.
    Unresolved(String),
    /// The host is there, and nothing listens on the port.
    ConnectionRefused,
    /// There is no way to the host.
    Unreachable,
    /// The attempt's limit passed.
    TimedOut(Duration),
    /// There is no connection that can be trusted.
    Tls {
        /// What is wrong.
        what: String,
        /// Whom we wanted to talk to.
        host: String,
    },
    /// It is not known whom to trust: no CA certificate at all, or a bundle that cannot be read.
    Trust(String),
    /// The connection was lost, or what came over it is no HTTP.
    Broken(String),
    /// The body does not say what it should.
    Answer(String),
    /// The request cannot be made at all.
    Setup(String),
}

/// Which of them, for those who tell each kind once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "see `Failure`")]
pub enum FailureKind {
    TokenMissing,
    Refused,
    Status(u16),
    Unresolved,
    ConnectionRefused,
    Unreachable,
    TimedOut,
    Tls,
    Trust,
    Broken,
    Answer,
    Setup,
}

impl ApiError {
    /// `asked`: method and URL without its query.
    pub(super) fn new(asked: impl Into<String>, failure: Failure) -> Self {
        Self { asked: asked.into(), failure }
    }

    /// What happened.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Which kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.failure.kind()
    }

    /// The server refuses our token, or there is none: trying again helps only after somebody has done something.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.failure, Failure::Refused(_) | Failure::TokenMissing(_))
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.failure.hint()
    }
}

impl Failure {
    /// What an error of the HTTP library means, when talking to `host`.
    pub(super) fn of(error: &reqwest::Error, host: &str) -> Self {
        if error.is_builder() {
            return Self::Setup(one_line(&innermost(error)));
        }
        if let Some(tls) = tls::failure_below(error) {
            let what = one_line(&tls::in_words(tls));
            // Plain http, or anything else; no certificate would help.
            let is_other = matches!(tls, rustls::Error::InvalidMessage(_));
            return if is_other {
                Self::Broken(what)
            } else {
                Self::Tls { what, host: host.to_owned() }
            };
        }
        if error.is_dns() {
            return Self::Unresolved(host.to_owned());
        }
        if error.is_connect() && error.is_timeout() {
            let is_secure = error.url().is_some_and(|url| url.scheme() == "https");
            return Self::TimedOut(super::connect_limit(is_secure));
        }
        match io_kind_below(error) {
            Some(io::ErrorKind::ConnectionRefused) => Self::ConnectionRefused,
            // Where IPv6 is switched off, the second address of localhost has the last word.
            Some(kind) if is_unreachable(kind) && host == "localhost" => Self::ConnectionRefused,
            Some(kind) if is_unreachable(kind) => Self::Unreachable,
            // The kernel's own patience with a connection that had been made; the limit is not known here.
            Some(io::ErrorKind::TimedOut) => Self::Broken("connection timed out".to_owned()),
            _ => Self::Broken(one_line(&innermost(error))),
        }
    }

    /// Whether http spoken to an https port, or the other way round, may be why. A timeout is no sign of that: both
    /// kinds of server answer the wrong one at once.
    pub(super) fn may_be_wrong_scheme(&self) -> bool {
        matches!(
            self,
            Self::ConnectionRefused
                | Self::Unreachable
                | Self::Unresolved(_)
                | Self::Tls { .. }
                | Self::Broken(_)
                // What web servers answer to http on their https port.
                | Self::Status(400)
        )
    }

    /// Whether it would be the same over https.
    pub(super) fn is_before_any_scheme(&self) -> bool {
        matches!(
            self,
            Self::ConnectionRefused | Self::Unreachable | Self::Unresolved(_) | Self::Setup(_)
        )
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::TokenMissing(_) => FailureKind::TokenMissing,
            Self::Refused(_) => FailureKind::Refused,
            Self::Status(status) => FailureKind::Status(*status),
            Self::Unresolved(_) => FailureKind::Unresolved,
            Self::ConnectionRefused => FailureKind::ConnectionRefused,
            Self::Unreachable => FailureKind::Unreachable,
            Self::TimedOut(_) => FailureKind::TimedOut,
            Self::Tls { .. } => FailureKind::Tls,
            Self::Trust(_) => FailureKind::Trust,
            Self::Broken(_) => FailureKind::Broken,
            Self::Answer(_) => FailureKind::Answer,
            Self::Setup(_) => FailureKind::Setup,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::TokenMissing(_) => {
                "put a valid token into the file of API_PRIVATE_TOKEN_FILE, or into API_PRIVATE_TOKEN"
            }
            Self::Refused(_) => {
                "check API_PRIVATE_TOKEN, or the server's list of allowed client addresses (a valid token is refused \
                 from an address that is not in it)"
            }
            Self::Status(400) => {
                "the server may want https where http was used, or be another version of it"
            }
            Self::Status(300..=399) => {
                "redirects are not followed, because the token must not reach another host: \
                 name the server itself, not a login page or a proxy in front of it"
            }
            Self::Status(404 | 405) => {
                "the server does not know this server or agent (is it registered there by this name?), or something else \
                 than the J-Jobs server answers on this port; check SERVER_WEB_PORT"
            }
            Self::Status(502..=504) => {
                "the server is overloaded or still starting, or a load balancer in front of it cannot reach it"
            }
            Self::Status(500..=599) => "look into the server's own log",
            Self::Status(_) | Self::Setup(_) => return None,
            Self::Unresolved(_) => {
                "check JJOBS_SERVER_IP, the service behind that name, and the cluster's DNS"
            }
            Self::ConnectionRefused => {
                "the host is there, but nothing listens on that port: the server is down or still starting, or the port \
                 is another one"
            }
            Self::Unreachable => "check routes and network policies",
            Self::TimedOut(_) => {
                "the server is overloaded or hangs, or a firewall or network policy drops what is sent to it"
            }
            Self::Tls { host, .. } => {
                return Some(format!(
                    "the certificate of {host} must be issued by a CA of this image or of the bundle that \
                     JJOBS_INIT_CA_FILE names, be valid for that name, and be valid now (check the clock, too)"
                ));
            }
            Self::Trust(_) => {
                "JJOBS_INIT_CA_FILE must be a readable file with PEM certificates, or the image must have some"
            }
            Self::Broken(_) => {
                "the server ended the connection or does not speak what we speak: it may be restarting, or it may want \
                 https where http was used"
            }
            Self::Answer(_) => {
                "something else than the J-Jobs server answered (a login page, a proxy), or another version of it"
            }
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenMissing(why) => write!(f, "there is no token to send: {why}"),
            Self::Refused(status) => write!(f, "the server refused the token ({status})"),
            Self::Status(status @ 300..=399) => {
                write!(f, "the server answered {status}, a redirect, which is not followed")
            }
            Self::Status(status) => write!(f, "the server answered {status}"),
            Self::Unresolved(name) => write!(f, "the name {name} was not resolved"),
            Self::ConnectionRefused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("the host is unreachable"),
            Self::TimedOut(limit) => {
                // A limit may be what is left of another one: tenths are enough.
                write!(
                    f,
                    "no complete answer within {} s",
                    (limit.as_secs_f64() * 10.0).round() / 10.0
                )
            }
            Self::Tls { what, host } => write!(f, "no trusted connection to {host}: {what}"),
            Self::Trust(what) => write!(f, "cannot check certificates: {what}"),
            Self::Broken(what) => write!(f, "no HTTP answer: {what}"),
            Self::Answer(what) => write!(f, "the answer cannot be used: {what}"),
            Self::Setup(what) => write!(f, "cannot ask: {what}"),
        }
    }
}

fn is_unreachable(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable
    )
}

fn io_kind_below(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

/// The text of the innermost error: those around it only say that a request failed.
fn innermost(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Certificates and servers choose some of the words: no line breaks, and not too many.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

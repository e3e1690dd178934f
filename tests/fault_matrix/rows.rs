//! The misbehaviours, and how long each call may take there.

use std::time::Duration;

/// How the server is spoiled, once all is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// Not at all.
    Nothing,
    /// Each call of the REST API is answered so (tests/simulator/README.md); `test.jsp` is answered truly.
    Answer(&'static str),
    /// Only the first so many of each hook or probe.
    AnswerTimes(&'static str, u32),
    /// The server takes another token.
    WrongToken,
    /// The server takes calls from this address alone.
    Allowed(&'static str),
    /// The token's file is gone.
    TokenFile,
    /// There never was a token.
    NoToken,
    /// The server's name is forgotten.
    Unresolved,
    /// The server's cable is pulled out.
    Cut,
    /// The server's JVM is stopped.
    Down,
    /// The server comes back with https and a certificate of its own authority.
    Https,
}

/// Limits in seconds. A run of the test must be short, so they are; the document says what an operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) probe: u64,
    pub(crate) post_start: u64,
    pub(crate) hold: u64,
    pub(crate) grace: u64,
}

/// Where a failure comes at once.
pub(crate) const SHORT: Times = Times { probe: 2, post_start: 2, hold: 2, grace: 14 };
/// Where each call takes its whole limit of 5 s, and is to be told all the same.
pub(crate) const PATIENT: Times = Times { probe: 2, post_start: 7, hold: 7, grace: 22 };
/// Where ten failures are to be outlasted.
pub(crate) const LASTING: Times = Times { probe: 2, post_start: 30, hold: 30, grace: 120 };

/// How long a call takes, as the document says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It has not to wait for anybody.
    AtOnce,
    /// As long as a probe may take.
    ProbeTimeout,
    /// Until post-start hands over.
    PostStartTimeout,
    /// Some retries later.
    Retries,
    /// Nothing but the looks that nothing runs any more.
    Drain,
    /// Until a drain gives its insistence up.
    HoldTimeout,
    /// Until the reserve of the grace period begins.
    Reserve,
}

impl Class {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::AtOnce => "at once",
            Self::ProbeTimeout => "PROBE_TIMEOUT",
            Self::PostStartTimeout => "POST_START_TIMEOUT",
            Self::Retries => "the retries",
            Self::Drain => "the drain",
            Self::HoldTimeout => "HOLD_TIMEOUT + the drain",
            Self::Reserve => "until the reserve + stopping",
        }
    }

    /// From when to when, on a machine that has other things to do as well.
    pub(crate) fn bounds(self, times: Times) -> (Duration, Duration) {
        let reserve = (times.grace / 4).clamp(10, 120).min(times.grace / 2);
        let (least, most) = match self {
            Self::AtOnce => (0, 1000),
            Self::ProbeTimeout => (times.probe * 500, times.probe * 1000 + 300),
            Self::PostStartTimeout => (times.post_start * 1000, times.post_start * 1000 + 2000),
            Self::Retries => (4000, 25_000),
            Self::Drain => (1000, 8000),
            Self::HoldTimeout => (times.hold * 1000, times.hold * 1000 + 9000),
            Self::Reserve => {
                let until = (times.grace - reserve) * 1000;
                (until, until + 6000)
            }
        };
        (Duration::from_millis(least), Duration::from_millis(most))
    }
}

/// One misbehaviour.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) title: &'static str,
    /// Kind A, with its server in another container; else kind F.
    pub(crate) is_agent_alone: bool,
    pub(crate) how: Break,
    pub(crate) times: Times,
    /// Of readiness, post-start and pre-stop; liveness and health check always answer at once.
    pub(crate) classes: [Class; 3],
}

impl Row {
    /// `INSTALL_KIND` of the container whose hooks and probes are called.
    pub(crate) fn kind(&self) -> &'static str {
        if self.is_agent_alone { "A" } else { "F" }
    }
}

const fn all(title: &'static str, how: Break, classes: [Class; 3]) -> Row {
    Row { title, is_agent_alone: false, how, times: SHORT, classes }
}

const fn agent(title: &'static str, how: Break, classes: [Class; 3]) -> Row {
    Row { is_agent_alone: true, ..all(title, how, classes) }
}

const FAILS_AT_ONCE: [Class; 3] = [Class::AtOnce, Class::PostStartTimeout, Class::Reserve];
const NO_ANSWER: [Class; 3] = [Class::ProbeTimeout, Class::PostStartTimeout, Class::Reserve];
const AGENT_FAILS: [Class; 3] = [Class::AtOnce, Class::PostStartTimeout, Class::HoldTimeout];

/// All of them, in the document's order.
pub(crate) const ROWS: &[Row] = &[
    all("works as it should", Break::Nothing, [Class::AtOnce, Class::AtOnce, Class::Drain]),
    all("answers 401: the token is wrong", Break::WrongToken, FAILS_AT_ONCE),
    all("answers 403: the address is not on its list", Break::Allowed("10.1.2.3"), FAILS_AT_ONCE),
    all("answers 404", Break::Answer("404"), FAILS_AT_ONCE),
    all("answers 500", Break::Answer("500"), FAILS_AT_ONCE),
    all("answers 502 with a proxy's page", Break::Answer("502-html"), FAILS_AT_ONCE),
    Row {
        times: LASTING,
        ..all(
            "answers 500 ten times, then all is well",
            Break::AnswerTimes("500", 10),
            [Class::AtOnce, Class::Retries, Class::Retries],
        )
    },
    Row { times: PATIENT, ..all("does not answer", Break::Answer("hang"), NO_ANSWER) },
    Row {
        times: PATIENT,
        ..all("answers with one byte a second", Break::Answer("slow"), NO_ANSWER)
    },
    all("closes the connection", Break::Answer("close"), FAILS_AT_ONCE),
    all("answers something that is no HTTP", Break::Answer("garbage"), FAILS_AT_ONCE),
    all("answers 200 with `{\"list\":null}`", Break::Answer("null-list"), FAILS_AT_ONCE),
    all("answers 200 with a login page", Break::Answer("login"), FAILS_AT_ONCE),
    all("answers with a redirect to a login page", Break::Answer("redirect"), FAILS_AT_ONCE),
    all("is well, but the token's file is gone", Break::TokenFile, FAILS_AT_ONCE),
    all(
        "is well, but there is no token at all",
        Break::NoToken,
        [Class::AtOnce, Class::AtOnce, Class::Drain],
    ),
    agent("is down: connection refused", Break::Down, AGENT_FAILS),
    agent("has a name that is not resolved", Break::Unresolved, AGENT_FAILS),
    Row {
        times: PATIENT,
        ..agent(
            "cannot be reached: packets vanish",
            Break::Cut,
            [Class::ProbeTimeout, Class::PostStartTimeout, Class::HoldTimeout],
        )
    },
    agent("speaks https with a certificate of an unknown CA", Break::Https, AGENT_FAILS),
    agent(
        "is well, but its agent has no token at all",
        Break::NoToken,
        [Class::AtOnce, Class::AtOnce, Class::Drain],
    ),
];

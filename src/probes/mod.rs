//! The probes: one question to PID 1 each, within `JJOBS_INIT_PROBE_TIMEOUT`.
//!
//! Nothing is printed on "yes"; on "no" one line, which the kubelet shows in the pod's events. Anything but a yes is a no.

use crate::{
    control::{
        client::{self, Options, explain, say},
        message::Request,
    },
    exit::ExitCode,
};
use std::time::{Duration, Instant};

/// What PID 1 needs to write its answer and we to read it.
const ROUND_TRIP: Duration = Duration::from_millis(250);

/// Which question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Does everything run that should?
    Liveness,
    /// The same for the agent alone.
    Healthcheck,
    /// Does everything answer as ready?
    Readiness,
}

/// Asks; returns the exit code, 0 or 1.
#[must_use]
pub fn ask(probe: Probe, options: &Options) -> u8 {
    let limit = options.probe_timeout;
    let deadline = client::after(limit);
    let request = request(probe, deadline.saturating_duration_since(Instant::now()));
    match client::ask(options, limit, (request, Some(deadline)), |_| {}) {
        Ok(done) if done.exit_code == ExitCode::Done.code() => return ExitCode::Done.code(),
        Ok(done) if done.text.is_empty() => say("no"),
        Ok(done) => say(&done.text),
        Err(error) => say(&explain(&error, limit)),
    }
    ExitCode::No.code()
}

/// `left` is what the client has; PID 1's own limit is a little shorter, so that its reasons come through.
fn request(probe: Probe, left: Duration) -> Request {
    match probe {
        Probe::Liveness => Request::Liveness,
        Probe::Healthcheck => Request::Healthcheck,
        Probe::Readiness => {
            let within = left.saturating_sub(ROUND_TRIP).max(left / 2);
            Request::Readiness { within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_1_has_less_time_than_the_probe_itself() {
        let within = |left| match request(Probe::Readiness, Duration::from_millis(left)) {
            Request::Readiness { within_ms } => within_ms,
            _ => 0,
        };
        assert_eq!(within(4000), 3750);
        assert_eq!(within(300), 150);
    }
}

//! How a container ends, and what it is doing until then.

use crate::{
    exit::{ExitCode, Failure},
    plan::Component,
    process::ProcessEnd,
};

/// How urgent a stop is. It only grows: the first TERM drains, a second one skips the drain, a third one kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nobody asked.
    None,
    /// Let the jobs finish.
    Drain,
    /// Stop the components now, orderly.
    Now,
    /// Kill.
    Kill,
}

/// Why a container ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody asked, by this signal.
    Asked(i32),
    /// A boot step failed; it was told already.
    BootFailed(Failure),
    /// A component failed for good.
    ComponentFailed(Component),
    /// A component ended, and `JJOBS_INIT_RESTART=exit`.
    ComponentEnded(Component, ProcessEnd),
    /// We ourselves cannot go on.
    Internal,
}

impl Outcome {
    /// The code to exit with. `jobs_left`: a job was known to run at the end.
    #[must_use]
    pub fn exit_code(&self, jobs_left: bool) -> u8 {
        if jobs_left {
            return ExitCode::JobsLeft.code();
        }
        match self {
            Self::Asked(_) => ExitCode::Done.code(),
            Self::BootFailed(failure) => failure.exit_code.code(),
            Self::ComponentFailed(_) => ExitCode::ComponentFailed.code(),
            Self::Internal => ExitCode::Internal.code(),
            Self::ComponentEnded(_, end) => end
                .shell_code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(ExitCode::ComponentFailed.code()),
        }
    }

    /// In words, for the log and the termination message.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Asked(signal) => format!("stopped by {}", crate::process::signals::name(*signal)),
            Self::BootFailed(failure) => failure.reason.clone(),
            Self::ComponentFailed(component) => format!("the {component} failed for good"),
            Self::ComponentEnded(component, end) => format!("the {component} ended: {end}"),
            Self::Internal => "an internal error".to_owned(),
        }
    }

    /// Who asks for the drain that comes before it.
    #[must_use]
    pub fn asked_by(&self) -> String {
        match self {
            Self::Asked(signal) => crate::process::signals::name(*signal),
            other => other.reason(),
        }
    }

    /// The component that caused it, if one did.
    #[must_use]
    pub fn component(&self) -> Option<Component> {
        match self {
            Self::ComponentFailed(component) | Self::ComponentEnded(component, _) => {
                Some(*component)
            }
            Self::Asked(_) | Self::BootFailed(_) | Self::Internal => None,
        }
    }
}

/// What the container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The steps before the first start.
    Booting,
    /// Components are being started.
    Starting,
    /// Boot is done.
    Running,
    /// Jobs are let finish.
    Draining,
    /// Components are being stopped.
    Stopping,
    /// Everything is drained and stopped at somebody's request; the container stays.
    Stopped,
    /// All is over.
    Ended,
}

impl Phase {
    /// Its name in log, status and termination message. Part of our interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Booting => "booting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
        }
    }
}

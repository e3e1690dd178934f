//! What PID 1 answers over the control socket.

mod drain;
mod hooks;
mod probes;
mod readiness;
mod status;
mod verbs;

pub(super) use self::readiness::Asking;

use super::core::Core;
use crate::{
    control::{
        message::{Done, Request},
        server::Progress,
    },
    exit::ExitCode,
};
use std::{rc::Rc, time::Duration};

/// Answers a request.
pub(super) async fn respond(core: Rc<Core>, request: Request, progress: Progress) -> Done {
    match request {
        Request::Liveness => probes::liveness(&core),
        Request::Healthcheck => probes::healthcheck(&core),
        Request::Readiness { within_ms } => {
            readiness::readiness(&core, Duration::from_millis(within_ms)).await
        }
        Request::Status => status::status(&core, &progress).await,
        Request::PreStop => hooks::pre_stop(&core, &progress).await,
        Request::PostStart => hooks::post_start(&core, &progress).await,
        Request::Start { target } => said(verbs::start(&core, target, &progress).await),
        Request::Stop { target, now } => said(verbs::stop(&core, (target, now), &progress).await),
        Request::Restart { target, now } => {
            said(verbs::restart(&core, (target, now), &progress).await)
        }
        Request::Drain => drain::drain(&core, &progress).await,
        Request::DrainStatus => drain::status(&core),
        Request::DrainAbort => drain::abort(&core).await,
        Request::DrainForce => drain::force(&core, &progress).await,
    }
}

/// A refusal is an answer like any other.
fn said(answer: Result<Done, Done>) -> Done {
    answer.unwrap_or_else(|refusal| refusal)
}

fn yes(text: impl Into<String>) -> Done {
    Done { exit_code: ExitCode::Done.code(), text: text.into() }
}

fn no(text: impl Into<String>) -> Done {
    Done { exit_code: ExitCode::No.code(), text: text.into() }
}

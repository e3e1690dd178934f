//! Steps that block have a thread of their own, so that signals keep flowing meanwhile.

use super::{cancel::Cancel, step::StopSignal};
use std::{io, thread, time::Duration};
use tokio::{select, sync::oneshot, time::timeout};

/// How long a step that was asked to stop may take to do so; one that hangs (a dead volume) is left behind.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// A step's thread gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// The operating system refused a thread.
    #[error("cannot start a thread")]
    Start(#[from] io::Error),
    /// The boot was asked to stop.
    #[error("stopped")]
    Stopped,
    /// The thread ended without a result; the panic hook has told why.
    #[error("a bug of jjobs-init: the step's thread panicked")]
    Panicked,
}

/// Runs `work` on a thread called `name` and waits for its result, or for a stop.
///
/// # Errors
/// When there is no thread to be had, when `work` panicked, and when a stop came: then `work` was asked to end and given
/// a moment to do so.
pub(super) async fn run<T: Send + 'static>(
    name: &str,
    stop: &mut StopSignal,
    work: impl FnOnce(&Cancel) -> T + Send + 'static,
) -> Result<T, ThreadError> {
    let cancel = Cancel::default();
    let seen = cancel.clone();
    let (done, mut result) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Nobody listens any more: the step was left behind.
        let _ = done.send(work(&seen));
    })?;
    select! {
        result = &mut result => result.map_err(|_| ThreadError::Panicked),
        () = stop.requested() => {
            cancel.cancel();
            let _ = timeout(STOPS_WITHIN, result).await;
            Err(ThreadError::Stopped)
        }
    }
}

//! What every asynchronous step of a boot shares: how it is told to stop, and where its child's output goes.
//!
//! A step that is told to stop ends by itself, with its child stopped and nothing half done; its future is never just
//! dropped, because a dropped step would leave an installer running behind a boot that has ended.

use crate::{log::Stream, process::Sink};
use std::future::pending;
use tokio::sync::watch;

/// Where a step's child writes: the container's log, which remembers the last lines.
pub trait StepOutput: Sink {
    /// The last lines written, oldest first, secrets masked: what an error shows of a program that failed.
    fn tail(&self) -> Vec<String>;
}

impl StepOutput for Stream {
    fn tail(&self) -> Vec<String> {
        Stream::tail(self)
    }
}

/// Tells a step that the boot is to end.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Requested once `receiver` holds `true`.
    #[must_use]
    pub fn new(receiver: watch::Receiver<bool>) -> Self {
        Self(receiver)
    }

    /// Whether the step is to end.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the step is to end. May be dropped and called again.
    pub async fn requested(&mut self) {
        if self.0.wait_for(|requested| *requested).await.is_err() {
            // Nobody is left who could ask: a lost sender is no request.
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_is_seen_by_those_who_wait_and_those_who_come_later() {
        let (sender, receiver) = watch::channel(false);
        let mut stop = StopSignal::new(receiver);
        assert!(!stop.is_requested());
        let _ = sender.send(true);
        stop.requested().await;
        stop.requested().await;
        assert!(stop.is_requested());
    }
}

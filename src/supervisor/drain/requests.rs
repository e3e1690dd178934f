//! What our server is working on.

use crate::{
    jjobs::error::{ApiError, FailureKind},
    plan::Component,
    supervisor::{apis::Apis, core::Core},
};
use std::{
    collections::HashSet,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// A list must have been empty so often in a row …
pub(in crate::supervisor) const EMPTY_IN_A_ROW: u32 = 3;
/// … asked so far apart.
const PAUSE: Duration = Duration::from_secs(1);
/// While the list decides nothing yet, it is asked for the log's sake alone.
const IDLE_PAUSE: Duration = Duration::from_secs(5);

/// What is known of the requests that our server is working on.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::supervisor) struct Requests {
    /// How many; `None` is unknown, never "none".
    pub(in crate::supervisor) count: Option<usize>,
    /// What the last answer said, however long ago.
    pub(in crate::supervisor) last_known: usize,
    /// How often in a row the list was empty.
    pub(in crate::supervisor) empty_in_a_row: u32,
    /// When it was answered last.
    pub(in crate::supervisor) answered: Option<Instant>,
    /// Whether the last question had no answer.
    pub(in crate::supervisor) is_unknown: bool,
    /// Whether somebody waits for the list to become empty.
    pub(in crate::supervisor) is_waited_for: bool,
}

impl Requests {
    /// Whether the server was idle for long enough.
    pub(in crate::supervisor) fn is_idle(&self) -> bool {
        self.empty_in_a_row >= EMPTY_IN_A_ROW
    }
}

impl Core {
    /// Asks for the list of requests again and again until dropped, as long as the server's JVM is there.
    pub(in crate::supervisor) async fn poll_requests(&self) {
        let Some(apis) = &self.settings.apis else { return };
        let mut told: HashSet<FailureKind> = HashSet::new();
        loop {
            self.until(|core| core.is_running(Component::Server)).await;
            match self.ask_for_requests(apis).await {
                Ok(()) => told.clear(),
                Err(error) if told.insert(error.kind()) => {
                    tracing::warn!(%error, hint = error.hint(), "cannot ask for the server's requests, will retry");
                }
                Err(error) => tracing::debug!(%error, "cannot ask for the server's requests"),
            }
            sleep(PAUSE).await;
            let waited_for = self.until(|core| core.requests.get().is_waited_for);
            let _ = timeout(IDLE_PAUSE, waited_for).await;
        }
    }

    /// Asks once.
    pub(in crate::supervisor) async fn ask_for_requests(
        &self,
        apis: &Apis,
    ) -> Result<(), ApiError> {
        let answer = apis.requests().await;
        let mut requests = self.requests.get();
        requests.is_unknown = answer.is_err();
        requests.count = answer.as_ref().ok().copied();
        if let Some(count) = requests.count {
            requests.last_known = count;
            requests.empty_in_a_row = if count == 0 { requests.empty_in_a_row + 1 } else { 0 };
            requests.answered = Some(Instant::now());
            if let Some(record) = self.drain_record.borrow_mut().as_mut() {
                record.most_requests = record.most_requests.max(count);
            }
        } else {
            requests.empty_in_a_row = 0;
        }
        self.requests.set(requests);
        self.notify();
        answer.map(drop)
    }
}

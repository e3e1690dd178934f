//! How a stop reaches a step that blocks in a thread of its own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A flag that a blocking step looks at between two pieces of its work (at least every second).
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the step to end as soon as it can, leaving nothing half done.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the step was asked to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

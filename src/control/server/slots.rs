//! How many connections may be open, how many requests may be under way, and who gives way.

use crate::control::message::Request;
use rustix::process::{Resource, getrlimit};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};
use tokio::task::{AbortHandle, yield_now};

/// More than ever make sense at the same time.
const MOST: u64 = 1024;
/// Even the meanest limit on descriptors leaves room for these.
const FEWEST: u64 = 16;

/// How many connections may be open: at most half of what this process may have of descriptors, because signals,
/// watched processes, pipes and new children need theirs.
pub(super) fn limit() -> usize {
    let half = getrlimit(Resource::Nofile).current.map_or(MOST, |limit| limit / 2);
    usize::try_from(half.clamp(FEWEST, MOST)).unwrap_or(usize::MAX)
}

/// All connections.
#[derive(Debug)]
pub(super) struct Slots {
    limit: usize,
    next: Cell<u64>,
    open: Cell<usize>,
    under_way: Cell<usize>,
    /// Those that have not asked yet, oldest first.
    silent: RefCell<BTreeMap<u64, AbortHandle>>,
}

impl Slots {
    pub(super) fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self {
            limit,
            next: Cell::default(),
            open: Cell::default(),
            under_way: Cell::default(),
            silent: RefCell::default(),
        })
    }

    /// Makes room for one more connection; false if none can be had.
    pub(super) async fn make_room(&self) -> bool {
        while self.open.get() >= self.limit {
            if !self.evict() {
                return false;
            }
            // Its descriptor is closed when its task is dropped.
            yield_now().await;
        }
        true
    }

    /// Throws out the connection that has been silent for longest; false if all have asked.
    pub(super) fn evict(&self) -> bool {
        let oldest = self.silent.borrow_mut().pop_first();
        if let Some((_, task)) = &oldest {
            task.abort();
        }
        oldest.is_some()
    }

    /// Counts the connection whose task `spawn` starts.
    pub(super) fn admit(self: &Rc<Self>, spawn: impl FnOnce(Slot) -> AbortHandle) {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        self.open.set(self.open.get() + 1);
        let task = spawn(Slot { slots: Rc::clone(self), id });
        self.silent.borrow_mut().insert(id, task);
    }

    /// A quarter is kept for questions that are answered at once, so that those always are.
    fn is_busy(&self) -> bool {
        self.under_way.get() >= (self.limit - self.limit / 4)
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Rc<Slots>,
    id: u64,
}

impl Slot {
    /// The question has come: from here on the connection is not thrown out. `None` if too much is under way already.
    pub(super) fn heard(&self, request: &Request) -> Option<Turn> {
        self.slots.silent.borrow_mut().remove(&self.id);
        let is_quick = matches!(request, Request::Liveness | Request::Healthcheck);
        if self.slots.is_busy() && !is_quick {
            return None;
        }
        self.slots.under_way.set(self.slots.under_way.get() + 1);
        Some(Turn(Rc::clone(&self.slots)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.silent.borrow_mut().remove(&self.id);
        self.slots.open.set(self.slots.open.get().saturating_sub(1));
    }
}

/// A request that is being carried out, whether its client is still there or not.
#[derive(Debug)]
pub(super) struct Turn(Rc<Slots>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get().saturating_sub(1));
    }
}

//! Emptying the pipes that children write to. It is done by the loop, never by a worker: a full pipe stops a JVM.

use crate::log::Stream;
use std::{
    cell::{Cell, RefCell},
    io::{self, PipeReader},
    os::fd::OwnedFd,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver, sync::watch, time::timeout};

/// How long half a line (a prompt, say) may wait for its rest before it is shown as it is.
const PARTIAL_LINE: Duration = Duration::from_millis(500);

/// Where a child's output goes. Writing must not block.
pub trait Sink {
    /// Takes what was read.
    fn write(&mut self, bytes: &[u8]);
    /// Whether the last line has no end yet.
    fn has_partial(&self) -> bool;
    /// Lets go of the last line although it has no end.
    fn flush_partial(&mut self);
}

impl Sink for Stream {
    fn write(&mut self, bytes: &[u8]) {
        Stream::write(self, bytes);
    }

    fn has_partial(&self) -> bool {
        Stream::has_partial(self)
    }

    fn flush_partial(&mut self) {
        Stream::flush_partial(self);
    }
}

/// A pipe that is being emptied. Dropping this does not end that.
#[derive(Debug)]
pub struct Drain {
    last: Rc<Cell<Instant>>,
    done: watch::Receiver<bool>,
}

impl Drain {
    /// When something was read last.
    #[must_use]
    pub fn last_output(&self) -> Instant {
        self.last.get()
    }

    /// Whether the pipe has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// Waits until every holder of the pipe has closed it, at most `limit`: what was left in the background may hold it
    /// for ever.
    pub async fn finish(&mut self, limit: Duration) {
        let _ = timeout(limit, self.done.wait_for(|done| *done)).await;
    }
}

/// Empties `pipe` into `sink` until its end.
///
/// # Errors
/// When the runtime cannot watch the pipe.
pub fn drain<S: Sink + 'static>(pipe: PipeReader, sink: Rc<RefCell<S>>) -> io::Result<Drain> {
    let receiver = Receiver::from_owned_fd(OwnedFd::from(pipe))?;
    Ok(drain_receiver(receiver, sink))
}

/// As [`drain`], for a pipe that is open already, such as a FIFO.
pub fn drain_receiver<S: Sink + 'static>(mut receiver: Receiver, sink: Rc<RefCell<S>>) -> Drain {
    let last = Rc::new(Cell::new(Instant::now()));
    let (finished, done) = watch::channel(false);
    let seen = Rc::clone(&last);
    tokio::task::spawn_local(async move {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let limit = if sink.borrow().has_partial() { Some(PARTIAL_LINE) } else { None };
            match read(&mut receiver, &mut buffer, limit).await {
                Some(Ok(0) | Err(_)) => break,
                Some(Ok(read)) => {
                    seen.set(Instant::now());
                    sink.borrow_mut().write(buffer.get(..read).unwrap_or_default());
                }
                None => sink.borrow_mut().flush_partial(),
            }
        }
        sink.borrow_mut().flush_partial();
        let _ = finished.send(true);
    });
    Drain { last, done }
}

/// Reads once; `None` when `limit` is over first.
async fn read(
    receiver: &mut Receiver,
    buffer: &mut [u8],
    limit: Option<Duration>,
) -> Option<io::Result<usize>> {
    match limit {
        Some(limit) => timeout(limit, receiver.read(buffer)).await.ok(),
        None => Some(receiver.read(buffer).await),
    }
}

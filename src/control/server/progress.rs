//! What a request in progress tells its client.

use super::{WRITE_LIMIT, question::is_temporary, slots::Slot};
use crate::control::{
    message::{Answer, Done, Reply, VERSION},
    report::Status,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{cell::RefCell, future::pending, io, rc::Rc};
use tokio::{
    net::UnixStream,
    select,
    sync::{Mutex, watch},
    time::timeout,
};

/// What a client may write after its question before it counts as gone: it has nothing more to say.
const CHATTER: usize = 4096;

/// The way back to the client of one request; cheap to clone. What is said to one that is gone is dropped.
#[derive(Clone, Debug)]
pub struct Progress(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Taken when the client is gone, which closes it.
    connection: RefCell<Option<Rc<Connection>>>,
    gone: watch::Sender<bool>,
    /// One line after the other.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    _slot: Slot,
}

impl Progress {
    pub(super) fn new(stream: UnixStream, slot: Slot) -> Self {
        let connection = Some(Rc::new(Connection { stream, _slot: slot }));
        Self(Rc::new(Inner {
            connection: RefCell::new(connection),
            gone: watch::Sender::new(false),
            writing: Mutex::default(),
        }))
    }

    /// Tells people how far it has come. Waits for a slow reader, a few seconds at most.
    pub async fn say(&self, text: impl Into<String>) {
        self.write(Answer::Progress { text: text.into() }).await;
    }

    /// Hands over all that is known.
    pub async fn status(&self, status: Status) {
        self.write(Answer::Status { status: Box::new(status) }).await;
    }

    /// Whether the client has hung up or is stuck.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        *self.0.gone.borrow()
    }

    /// Waits until it has.
    pub async fn gone(&self) {
        // An error would mean that we ourselves are gone.
        let _ = self.0.gone.subscribe().wait_for(|gone| *gone).await;
    }

    pub(super) async fn done(&self, done: Done) {
        self.write(Answer::Done(done)).await;
    }

    /// Waits until the client hangs up, and notes it; one that does not read any more is closed too.
    pub(super) async fn hang_up(&self) {
        let Some(connection) = self.connection() else { return };
        select! {
            () = hung_up(&connection.stream) => {}
            () = self.gone() => {}
        }
        drop(connection);
        self.end();
    }

    async fn write(&self, answer: Answer) {
        let Ok(mut line) = serde_json::to_vec(&Reply { version: VERSION, answer }) else { return };
        line.push(b'\n');
        let _turn = self.0.writing.lock().await;
        let Some(connection) = self.connection() else { return };
        let written = timeout(WRITE_LIMIT, write_all(&connection.stream, &line)).await;
        if !matches!(written, Ok(Ok(()))) {
            self.end();
        }
    }

    fn connection(&self) -> Option<Rc<Connection>> {
        self.0.connection.borrow().clone()
    }

    fn end(&self) {
        self.0.connection.borrow_mut().take();
        self.0.gone.send_replace(true);
    }
}

async fn write_all(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until the other side is closed. One that has only closed its writing side (`nc -N`) still reads, and is found out
/// when it is written to.
async fn hung_up(stream: &UnixStream) {
    let mut chatter = 0;
    let mut bytes = [0; 256];
    while chatter < CHATTER && stream.readable().await.is_ok() {
        match stream.try_read(&mut bytes) {
            Ok(0) if is_closed(stream) => return,
            Ok(0) => pending().await,
            Ok(read) => chatter += read,
            Err(error) if is_temporary(&error) => {}
            Err(_) => return,
        }
    }
}

fn is_closed(stream: &UnixStream) -> bool {
    let mut polled = [PollFd::new(stream, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::HUP)
}

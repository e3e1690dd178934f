//! PID 1's side of the control socket.
//!
//! # Theory of operation
//!
//! Each connection is a task on PID 1's thread. Until its question has come it is *silent* and may be thrown out for a
//! newer one, oldest first, when as many are open as [`slots::limit`] allows: so neither a flood nor clients that say
//! nothing can keep a probe out, or take the descriptors that PID 1 needs for its own work. A question that has been heard
//! is carried out to its end even if the client hangs up; only its answers are dropped then. Nothing is queued for a client:
//! an answer waits for a slow reader, for [`WRITE_LIMIT`] at most, and then the client counts as gone. While nobody is
//! connected there is no timer and no wake-up.

mod listener;
mod progress;
mod question;
mod slots;

pub use self::{listener::Listener, progress::Progress};
pub use super::SOCKET;

use self::{
    question::Unheard,
    slots::{Slot, Slots},
};
use super::message::{Done, Request};
use crate::exit::ExitCode;
use rustix::process::geteuid;
use std::{future::Future, pin::pin, rc::Rc, time::Duration};
use tokio::{net::UnixStream, select, task::spawn_local, time::sleep};

/// An answer that cannot be written for this long: its reader is stuck and counts as gone.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// What cannot be accepted now (no descriptor is left) is tried again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers whoever connects, for ever. Belongs into a `LocalSet`.
///
/// `respond` may wait as long as it likes, and runs on when its client has hung up; one whose work is done by others then
/// should end itself by [`Progress::gone`], because only so many requests are carried out at the same time.
pub async fn serve<F, Fut>(listener: Listener, respond: F)
where
    F: Fn(Request, Progress) -> Fut + 'static,
    Fut: Future<Output = Done> + 'static,
{
    serve_within(Slots::new(slots::limit()), listener, respond).await;
}

async fn serve_within<F, Fut>(slots: Rc<Slots>, listener: Listener, respond: F)
where
    F: Fn(Request, Progress) -> Fut + 'static,
    Fut: Future<Output = Done> + 'static,
{
    let respond = Rc::new(respond);
    let mut is_told = false;
    loop {
        match listener.accept().await {
            Ok(stream) if slots.make_room().await => {
                let respond = Rc::clone(&respond);
                slots.admit(|slot| spawn_local(converse(stream, slot, respond)).abort_handle());
            }
            Ok(_) => tracing::debug!("too many control connections, one is dropped"),
            Err(error) => {
                if !is_told {
                    is_told = true;
                    tracing::warn!(%error, "control connections cannot be accepted for now");
                }
                slots.evict();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Hears the question, has it answered, and writes the last line.
async fn converse<F, Fut>(stream: UnixStream, slot: Slot, respond: Rc<F>)
where
    F: Fn(Request, Progress) -> Fut,
    Fut: Future<Output = Done>,
{
    let heard = match may_ask(&stream) {
        Ok(()) => question::hear(&stream).await,
        Err(refusal) => Err(Unheard::Refused(refusal)),
    };
    let request = match heard {
        Ok(request) => request,
        Err(Unheard::Gone) => return,
        Err(Unheard::Refused(refusal)) => {
            tracing::debug!(reason = refusal.text, "control request refused");
            return Progress::new(stream, slot).done(refusal).await;
        }
    };
    let turn = slot.heard(&request);
    let progress = Progress::new(stream, slot);
    let Some(_turn) = turn else {
        let text = "too many requests are being carried out already".to_owned();
        return progress.done(Done { exit_code: ExitCode::No.code(), text }).await;
    };
    tracing::trace!(?request, "control request");
    let mut answer = pin!(respond(request, progress.clone()));
    let done = select! {
        biased;
        done = &mut answer => done,
        () = progress.hang_up() => answer.await,
    };
    progress.done(done).await;
}

/// Only root and PID 1's own user may, even if somebody opens the folder to others.
fn may_ask(stream: &UnixStream) -> Result<(), Done> {
    let own = geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == 0 || peer.uid() == own => Ok(()),
        Ok(peer) => Err(refused(format!(
            "permission denied: only root and uid {own} may ask PID 1, not uid {}",
            peer.uid()
        ))),
        Err(error) => {
            Err(refused(format!("permission denied: the kernel does not say who asks ({error})")))
        }
    }
}

fn refused(text: String) -> Done {
    Done { exit_code: ExitCode::No.code(), text }
}

#[cfg(test)]
mod tests;

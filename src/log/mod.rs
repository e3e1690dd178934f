//! Everything that leaves this process: our own events, and what components, the installer and scripts print.
//!
//! [`Output`] is the only way to our stdout and stderr. Whoever hands it bytes is never made to wait, because a container
//! runtime that stops reading must not stop PID 1; a thread for each descriptor does the waiting. What others print goes
//! through a [`Stream`], one for each source, and to stdout; our own events go through `tracing` to stderr. Both are masked
//! by the one [`Mask`], before they are queued.
//!
//! Field names of our events come from one list: `component`, `step`, `applet`, `pid`, `signal`, `from`, `to`, `exit_code`,
//! `attempt`, `delay_ms`, `elapsed_ms`, `budget_ms`, `url` (no query, no userinfo), `path`, `var`, `error`, `hint`.

mod channel;
mod event;
mod forms;
mod mask;
mod output;
mod render;
mod sink;
mod stream;

pub use self::{
    event::EventLayer,
    mask::{Mask, StreamMask},
    output::Output,
    stream::Stream,
};

use crate::contract::{LogFormat, LogLevel};
use tracing::Subscriber;
use tracing_subscriber::{Registry, layer::SubscriberExt};

/// How we log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// `JJOBS_INIT_LOG`: our events below this level are not written.
    pub level: LogLevel,
    /// `JJOBS_INIT_LOG_FORMAT`.
    pub format: LogFormat,
    /// `JJOBS_INIT_LOG_PREFIX=component`: lines of others begin with `[label] `.
    pub prefix: bool,
}

/// A subscriber is already installed in this process.
#[derive(Debug, thiserror::Error)]
#[error("cannot install the log subscriber")]
pub struct InitError(#[from] tracing::subscriber::SetGlobalDefaultError);

/// Sends all our events to `output` from here on. Once per process.
pub fn init(settings: Settings, output: &Output) -> Result<(), InitError> {
    Ok(tracing::subscriber::set_global_default(subscriber(settings, output))?)
}

/// What [`init`] installs; a test may install it for one thread.
#[must_use]
pub fn subscriber(settings: Settings, output: &Output) -> impl Subscriber + Send + Sync + use<> {
    output.configure(settings);
    Registry::default().with(EventLayer::new(settings, output.clone()))
}

//! What J-Jobs answers over HTTP.
//!
//! [`api`] is the REST client: each of its calls is one attempt with one time limit, and [`retry`] is for those who
//! must insist. [`web`] only looks whether a web port of this container answers. Neither uses a proxy and neither
//! follows a redirect: the token must not reach a host that nobody named.

mod address;
mod answer;
pub mod api;
pub mod error;
pub mod retry;
pub mod tls;
mod token;
pub mod web;

use reqwest::{Client, ClientBuilder, redirect::Policy};
use rustls::RootCertStore;
use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// The limit for a connection, with all addresses of the name together. A service name has one for each server, and that of one
/// that is gone may be silent: there must be time left for the next, and for its answer, within an attempt and within half of
/// one. A TLS handshake takes a busy server longer.
fn connect_limit(is_secure: bool) -> Duration {
    Duration::from_secs(if is_secure { 4 } else { 2 })
}

/// What all our clients have in common. Without `roots` (none at all) no https is possible; the library wants a TLS
/// configuration all the same, and its own would fail on a machine without any CA file.
fn client_builder(roots: RootCertStore) -> Result<ClientBuilder, rustls::Error> {
    // Both addresses of localhost are known: no resolver, hence no thread for one.
    let localhost: [SocketAddr; 2] =
        [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
    Ok(Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .http1_only()
        .resolve_to_addrs("localhost", &localhost)
        .tls_backend_preconfigured(tls::config(roots)?))
}

/// Reads files on a thread of its own. While one read hangs, no second is begun: attempts that give up would otherwise
/// leave one thread each behind.
#[derive(Debug, Clone)]
struct FileThread(Arc<Semaphore>);

impl FileThread {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// Waits as long as the read does: give it a limit.
    async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        let permit = permit.map_err(|error| error.to_string())?;
        // The permit ends with the read, even if nobody waits for it any more.
        let reading = spawn_blocking(move || {
            let value = read();
            drop(permit);
            value
        });
        reading.await.map_err(|error| error.to_string())
    }
}

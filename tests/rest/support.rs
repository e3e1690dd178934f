//! Clients for the scripted servers.

pub(crate) use jjobs_harness::{
    Asked, Ca, ReadWrite, Server, Then, response as reply, response_head as head, server_config,
};
use jjobs_init::{
    contract::{TokenSource, secret::Secret},
    jjobs::api::{Api, ApiSettings, Scheme},
};
use std::time::Duration;

pub(crate) const TOKEN: &str = "secret-token-1";

/// The REST client for a server.
pub(crate) trait Client {
    /// A client for it, with a time limit that no healthy answer needs.
    fn api(&self) -> Api;
    fn settings(&self, host: &str, scheme: Scheme) -> ApiSettings;
}

impl Client for Server {
    fn api(&self) -> Api {
        Api::new(self.settings("127.0.0.1", Scheme::Http))
    }

    fn settings(&self, host: &str, scheme: Scheme) -> ApiSettings {
        ApiSettings {
            host: host.to_owned(),
            port: self.port,
            scheme,
            token: TokenSource::Value(Secret::new(TOKEN)),
            ca_file: None,
        }
    }
}

/// On a runtime like PID 1's, and never for ever.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let value = runtime.block_on(async {
        let tasks = tokio::task::LocalSet::new();
        let limit = tokio::time::timeout(Duration::from_mins(1), future);
        tasks.run_until(limit).await.unwrap()
    });
    // A read of a file that hangs must not keep the test.
    runtime.shutdown_background();
    value
}

//! The REST API as this container uses it: its own server by way of the loopback, the agent's server by its name.

use super::core::Core;
use crate::{
    contract::Contract,
    jjobs::{
        api::{Api, ApiSettings, Scheme},
        error::ApiError,
    },
    log::Mask,
    plan::Component,
};
use std::time::Duration;

/// The two servers that may be asked, with what this container is called there. Only with a token.
#[derive(Debug, Clone)]
pub struct Apis {
    server: Api,
    server_number: u64,
    agent: Api,
    agent_name: String,
}

impl Apis {
    /// Takes what is needed from the contract; `None` without a token. What is read from a token's file is hidden by `mask`.
    #[must_use]
    pub fn new(contract: &Contract, mask: &Mask) -> Option<Self> {
        let token = contract.api_token.clone()?;
        let port = contract.ports.server_web;
        let ca_file = contract.own.ca_file.clone();
        let server = ApiSettings {
            host: "localhost".to_owned(),
            port,
            scheme: Scheme::Http,
            token: token.clone(),
            ca_file: ca_file.clone(),
        };
        let agent = ApiSettings {
            host: contract.server_host.clone(),
            port,
            scheme: Scheme::Find,
            token,
            ca_file,
        };
        Some(Self {
            server: Api::new(server).with_mask(mask.clone()),
            server_number: contract.hostname.server_number(),
            agent: Api::new(agent).with_mask(mask.clone()),
            agent_name: contract.hostname.0.clone(),
        })
    }

    /// What `component` is called in J-Jobs: a server's number, an agent's name.
    #[must_use]
    pub fn name(&self, component: Component) -> String {
        match component {
            Component::Agent => self.agent_name.clone(),
            Component::Server | Component::Manager => self.server_number.to_string(),
        }
    }

    /// Holds it; an agent is also told to end when its jobs are done. A manager knows no hold.
    ///
    /// # Errors
    /// As [`Api`]'s.
    pub async fn hold(&self, component: Component) -> Result<(), ApiError> {
        match component {
            Component::Server => self.server.hold_server(self.server_number).await,
            Component::Agent => self.agent.hold_and_stop_agent(&self.agent_name).await,
            Component::Manager => Ok(()),
        }
    }

    /// Releases it, whoever held it.
    ///
    /// # Errors
    /// As [`Api`]'s.
    pub async fn release(&self, component: Component) -> Result<(), ApiError> {
        match component {
            Component::Server => self.server.release_server(self.server_number).await,
            Component::Agent => self.agent.release_agent(&self.agent_name).await,
            Component::Manager => Ok(()),
        }
    }

    /// The same two, each of whose calls may take at most `limit`.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        let limited = |api: &Api| api.with_attempt_timeout(limit.min(api.attempt_timeout()));
        Self { server: limited(&self.server), agent: limited(&self.agent), ..self.clone() }
    }

    /// What J-Jobs says that it is doing.
    ///
    /// # Errors
    /// As [`Api`]'s.
    pub async fn status(&self, component: Component) -> Result<String, ApiError> {
        match component {
            Component::Agent => self.agent.agent_status(&self.agent_name).await,
            Component::Server | Component::Manager => {
                self.server.server_status(self.server_number).await
            }
        }
    }

    /// How many requests our server is working on.
    ///
    /// # Errors
    /// As [`Api`]'s.
    pub async fn requests(&self) -> Result<usize, ApiError> {
        self.server.working_requests(self.server_number).await
    }
}

/// Whether a status means that new work is taken (contract.md §8).
#[must_use]
pub fn is_ready(component: Component, status: &str) -> bool {
    match component {
        Component::Server => matches!(status, "R" | "W"),
        Component::Agent => status == "RUNNING",
        Component::Manager => true,
    }
}

impl Core {
    /// What `component` is called in J-Jobs.
    pub(super) fn name_of(&self, component: Component) -> String {
        self.settings.apis.as_ref().map(|apis| apis.name(component)).unwrap_or_default()
    }
}

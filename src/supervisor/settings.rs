//! What the supervisor needs to know of contract and machine.

use super::apis::Apis;
use crate::{
    contract::{Contract, RestartPolicy},
    log::Mask,
    plan::{Component, Plan},
    process::{Surroundings, procfs::Mark},
    termination::Termination,
};
use std::{path::PathBuf, time::Duration};

/// Plain values; nothing here changes while the container lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What this container does.
    pub plan: Plan,
    /// `JJOBS_BASE`.
    pub jjobs_base: PathBuf,
    /// `LOGS_BASE`: only the follower's threads may touch it.
    pub logs_base: PathBuf,
    /// The pod's name, which is the agent's.
    pub hostname: String,
    /// `MANAGER_WEB_PORT`.
    pub manager_web: u16,
    /// `SERVER_WEB_PORT`.
    pub server_web: u16,
    /// `JJOBS_INIT_RESTART`.
    pub restart: RestartPolicy,
    /// `JJOBS_INIT_START_TIMEOUT`.
    pub start_timeout: Duration,
    /// `JJOBS_INIT_STOP_TIMEOUT`.
    pub stop_timeout: Duration,
    /// `JJOBS_INIT_GRACE_PERIOD`.
    pub grace_period: Option<Duration>,
    /// `JJOBS_INIT_LIVENESS_GRACE_PERIOD`.
    pub liveness_grace_period: Option<Duration>,
    /// `JJOBS_INIT_HOLD_TIMEOUT`.
    pub hold_timeout: Duration,
    /// `JJOBS_INIT_POST_START_TIMEOUT`.
    pub post_start_timeout: Duration,
    /// `JJOBS_INIT_STATE_DIR`: only the ledger's thread may touch it.
    pub state_dir: PathBuf,
    /// The REST API; `None` without a token.
    pub apis: Option<Apis>,
    /// What components inherit until a custom command changes it.
    pub surroundings: Surroundings,
    /// Where the last state is written.
    pub termination: Termination,
}

impl Settings {
    /// Takes from the contract what the supervisor needs. `mask` learns what is read from a token's file later.
    #[must_use]
    pub fn new(
        contract: &Contract,
        plan: Plan,
        surroundings: Surroundings,
        termination: Termination,
        mask: &Mask,
    ) -> Self {
        Self {
            plan,
            jjobs_base: contract.paths.jjobs_base.clone(),
            logs_base: contract.paths.logs_base.clone(),
            hostname: contract.hostname.0.clone(),
            manager_web: contract.ports.manager_web,
            server_web: contract.ports.server_web,
            restart: contract.own.restart,
            start_timeout: contract.own.start_timeout,
            stop_timeout: contract.own.stop_timeout,
            grace_period: contract.own.grace_period,
            liveness_grace_period: contract.own.liveness_grace_period,
            hold_timeout: contract.own.hold_timeout,
            post_start_timeout: contract.own.post_start_timeout,
            state_dir: contract.own.state_dir.clone(),
            apis: Apis::new(contract, mask),
            surroundings,
            termination,
        }
    }

    /// By what a component's JVM is recognised (contract.md §6).
    #[must_use]
    pub fn mark(&self, component: Component) -> Mark {
        match component {
            Component::Manager | Component::Server => Mark::Folder {
                key: "catalina.home",
                folder: self.jjobs_base.join(component.name()),
            },
            Component::Agent => Mark::Word("cname=agent"),
        }
    }
}

/// By what a runtime is recognised (contract.md §6).
pub const RUNTIME_MARK: Mark = Mark::Word("cname=jjobs");

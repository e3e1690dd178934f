//! What the configure step needs to know, as plain data.

use crate::{
    contract::{AgentSettings, Contract, DnsCache, EncryptedLogin, Redis, secret::Secret},
    plan::{Component, Plan},
};
use std::path::{Path, PathBuf};

/// The installed tree and what it should say.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The installed tree.
    pub jjobs_base: PathBuf,
    /// Where logs go.
    pub logs_base: PathBuf,
    /// The pod's name.
    pub hostname: String,
    /// What is installed here.
    pub components: Vec<Component>,
    /// Our own program, to which `agent/healthcheck.sh` leads; `None`: the running one.
    pub program: Option<PathBuf>,
    /// Java's DNS caches.
    pub dns_cache: DnsCache,
    /// What an agent is told.
    pub agent: AgentSettings,
    /// `JJOB_SERVER_ID` is `1-` and this.
    pub server_number: u64,
    /// `JJOB_SERVER_IP`; `None` writes none.
    pub server_address: Option<String>,
    /// `SSO_KEYCLOAK_ISSUER_URI`.
    pub sso_issuer: Option<String>,
    /// The meta DB.
    pub datasource: Datasource,
    /// Where the manager keeps its sessions, if in Redis.
    pub redis: Option<Redis>,
}

/// How manager and server reach the meta DB, as far as the installer does not know it.
#[derive(Debug, Clone)]
pub struct Datasource {
    /// What the installer wrote into the files; tells our datasource from others.
    pub jdbc_url: Secret,
    /// Appended to the URL; empty: nothing.
    pub parameters: Secret,
    /// With `USE_DB_ENCRYPT=Y`, the login in the datasource.
    pub encrypted: Option<EncryptedLogin>,
    /// The same, decrypted, for Tomcat's session store.
    pub decrypted: Option<DecryptedLogin>,
}

/// What `encrypter.sh d` makes of the encrypted login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecryptedLogin {
    /// User name.
    pub user: Secret,
    /// Password.
    pub password: Secret,
}

impl Settings {
    /// What `contract` and `plan` say. `decrypted` is needed with `USE_DB_ENCRYPT=Y` where a manager is installed.
    #[must_use]
    pub fn from_contract(
        contract: &Contract,
        plan: &Plan,
        decrypted: Option<DecryptedLogin>,
    ) -> Self {
        let hostname = contract.hostname.0.clone();
        Self {
            jjobs_base: contract.paths.jjobs_base.clone(),
            logs_base: contract.paths.logs_base.clone(),
            components: plan.installed.clone(),
            program: None,
            dns_cache: contract.dns_cache,
            agent: contract.agent,
            server_number: server_number(&hostname),
            server_address: contract
                .service_name
                .as_ref()
                .map(|service| format!("{hostname}.{service}")),
            sso_issuer: contract.sso_issuer.clone(),
            datasource: Datasource {
                jdbc_url: contract.database.jdbc_url.clone(),
                parameters: contract.database.jdbc_parameters.clone(),
                encrypted: contract.database.encrypted.clone(),
                decrypted,
            },
            redis: contract.redis.clone(),
            hostname,
        }
    }

    /// The same, with our program at `path`.
    #[must_use]
    pub fn with_program(self, path: &Path) -> Self {
        Self { program: Some(path.to_path_buf()), ..self }
    }
}

/// A server's number in its group: the ordinal behind the last hyphen of its pod's name, counted from 1.
fn server_number(hostname: &str) -> u64 {
    hostname
        .rsplit_once('-')
        .map(|(_, ordinal)| ordinal)
        .filter(|ordinal| !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|ordinal| ordinal.parse::<u64>().ok())
        .map_or(1, |ordinal| ordinal.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_number_is_its_whole_ordinal_and_one() {
        for (hostname, number) in [
            ("jjobs-0", 1),
            ("jjobs-10", 11),
            ("jjobs", 1),
            ("jjobs-", 1),
            ("a-1-b", 1),
            ("a-1-2", 3),
            ("jjobs-007", 8),
            ("7", 1),
        ] {
            assert_eq!(server_number(hostname), number, "{hostname}");
        }
    }
}

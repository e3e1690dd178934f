//! What the contract's types are called, and a `Debug` of the contract that may be logged.

use super::{Contract, DbType, Hostname, InstallKind, OnBoot};
use std::fmt;

impl InstallKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::Manager, Self::Server, Self::Agent];

    /// The value of `INSTALL_KIND`, and of the installer's `--install_kind`.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Full => "F",
            Self::Manager => "M",
            Self::Server => "S",
            Self::Agent => "A",
        }
    }

    /// Whether the manager belongs to this kind.
    #[must_use]
    pub fn has_manager(self) -> bool {
        matches!(self, Self::Full | Self::Manager)
    }

    /// Whether the server belongs to this kind.
    #[must_use]
    pub fn has_server(self) -> bool {
        matches!(self, Self::Full | Self::Server)
    }

    /// Whether the agent belongs to this kind.
    #[must_use]
    pub fn has_agent(self) -> bool {
        matches!(self, Self::Full | Self::Agent)
    }
}

impl fmt::Display for InstallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}

impl OnBoot {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Yes, Self::Manual, Self::Manager, Self::ExceptAgent, Self::No];

    /// The value of `ON_BOOT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Manual => "manual",
            Self::Manager => "manager",
            Self::ExceptAgent => "exceptagent",
            Self::No => "no",
        }
    }

    /// Whether anything is installed.
    #[must_use]
    pub fn installs(self) -> bool {
        self != Self::No
    }
}

impl fmt::Display for OnBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl DbType {
    /// The value of `DB_TYPE`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Oracle => "oracle",
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
        }
    }
}

impl fmt::Display for DbType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Hostname {
    /// The server's number in J-Jobs: the pod's ordinal plus one, or 1 where the name ends in no `-<digits>`.
    ///
    /// A number too large for any ordinal is taken as no ordinal.
    #[must_use]
    pub fn server_number(&self) -> u64 {
        let ordinal = self.0.rsplit_once('-').map_or("", |(_, ordinal)| ordinal);
        if ordinal.is_empty() || !ordinal.bytes().all(|b| b.is_ascii_digit()) {
            return 1;
        }
        ordinal.parse::<u64>().ok().and_then(|ordinal| ordinal.checked_add(1)).unwrap_or(1)
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A command, an issuer or a JSON array of the operator's may hold a password that nothing marks as one, and the
        // environment holds them all.
        let Self {
            install_kind,
            on_boot,
            paths,
            hostname,
            ports,
            database,
            service_name,
            server_host,
            agent,
            dns_cache,
            api_token,
            download,
            custom_command,
            redis,
            sso_issuer,
            kube,
            own,
            env,
            secrets,
        } = self;
        f.debug_struct("Contract")
            .field("install_kind", install_kind)
            .field("on_boot", on_boot)
            .field("paths", paths)
            .field("hostname", hostname)
            .field("ports", ports)
            .field("database", database)
            .field("service_name", service_name)
            .field("server_host", server_host)
            .field("agent", agent)
            .field("dns_cache", dns_cache)
            .field("api_token", api_token)
            .field("download", download)
            .field("custom_command_bytes", &custom_command.as_ref().map(String::len))
            .field("redis", redis)
            .field("sso_issuer_bytes", &sso_issuer.as_ref().map(String::len))
            .field("kube_contexts_bytes", &kube.contexts.as_ref().map(String::len))
            .field("own", own)
            .field("env_count", &env.len())
            .field("secret_count", &secrets.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_number_is_the_pods_whole_ordinal_plus_one() {
        for (name, number) in [
            ("jjobs-0", 1),
            ("jjobs-1", 2),
            ("jjobs-9", 10),
            ("jjobs-10", 11),
            ("jjobs-007", 8),
            ("jjobs", 1),
            ("jjobs10", 1),
            ("jjobs-", 1),
            ("jjobs-x1", 1),
            ("jjobs-1a", 1),
            ("jjobs-١", 1),
            ("jjobs-1.jjobs", 1),
            ("", 1),
            ("jjobs-18446744073709551614", u64::MAX),
            ("jjobs-18446744073709551615", 1),
            ("jjobs-99999999999999999999999", 1),
        ] {
            assert_eq!(Hostname(name.to_owned()).server_number(), number, "{name}");
        }
    }
}

//! What this container will do, derived from the [`Contract`] alone: no I/O, no clock.
//!
//! Boot, supervisor, hooks and probes all ask the one [`Plan`]; nothing else may combine
//! `INSTALL_KIND` and `ON_BOOT` a second time.

pub mod component;

pub use self::component::Component;
use crate::contract::{Contract, InstallKind, OnBoot, jdbc::HostPort};

/// What this container installs, waits for, starts, holds and probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whether steps 3 to 8 of a boot happen at all (contract.md §4).
    pub installs: bool,
    /// The components of this kind, in start order, whoever starts them.
    pub installed: Vec<Component>,
    /// What boot starts, in start order.
    pub starts: Vec<Component>,
    /// What must answer before anything is started.
    pub waits_for: Option<Dependency>,
    /// What hooks hold and release.
    pub holds: Vec<Component>,
}

/// What the components need before they can start: any one of `hosts` must accept a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// What it is.
    pub kind: DependencyKind,
    /// Where it may answer. Empty: the URL names no host, so nothing is waited for.
    pub hosts: Vec<HostPort>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyKind {
    /// The meta DB, for manager and server.
    Database,
    /// The server, for an agent.
    Server,
}

/// Which components a readiness probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness<'plan> {
    /// These, which boot starts (and whatever `start` started besides).
    Of(&'plan [Component]),
    /// Boot starts nothing: those that are found running, and none running is not ready.
    WhateverRuns,
}

impl Plan {
    /// What a container with this contract does.
    #[must_use]
    pub fn derive(contract: &Contract) -> Self {
        let (kind, boot) = (contract.install_kind, contract.on_boot);
        let installed = of_kind(kind);
        let starts =
            installed.iter().copied().filter(|component| starts(boot, *component)).collect();
        Self {
            installs: boot.installs(),
            waits_for: waits_for(contract),
            holds: holds(kind, boot),
            installed,
            starts,
        }
    }

    /// What liveness checks from the boot on; `start` adds to it (contract.md §8).
    #[must_use]
    pub fn liveness(&self) -> &[Component] {
        &self.starts
    }

    /// What readiness asks.
    #[must_use]
    pub fn readiness(&self) -> Readiness<'_> {
        if self.starts.is_empty() { Readiness::WhateverRuns } else { Readiness::Of(&self.starts) }
    }

    /// Whether readiness needs the REST token: the manager alone is asked without.
    #[must_use]
    pub fn readiness_needs_token(&self) -> bool {
        self.installed.iter().any(|component| *component != Component::Manager)
            && self.starts != [Component::Manager]
    }

    /// Whether `component` belongs to this container's kind, whoever starts it.
    #[must_use]
    pub fn has(&self, component: Component) -> bool {
        self.installed.contains(&component)
    }

    /// Whether boot starts `component`.
    #[must_use]
    pub fn starts(&self, component: Component) -> bool {
        self.starts.contains(&component)
    }

    /// Whether hooks hold and release `component`.
    #[must_use]
    pub fn holds(&self, component: Component) -> bool {
        self.holds.contains(&component)
    }
}

/// The components of `kind`, in start order.
fn of_kind(kind: InstallKind) -> Vec<Component> {
    let belongs = |component: &Component| match component {
        Component::Manager => kind.has_manager(),
        Component::Server => kind.has_server(),
        Component::Agent => kind.has_agent(),
    };
    Component::ALL.into_iter().filter(belongs).collect()
}

/// Whether a boot of this sort starts `component`, where it is installed.
fn starts(boot: OnBoot, component: Component) -> bool {
    match boot {
        OnBoot::Yes => true,
        OnBoot::ExceptAgent => component != Component::Agent,
        OnBoot::Manager => component == Component::Manager,
        OnBoot::Manual | OnBoot::No => false,
    }
}

/// What hooks act on. With `ON_BOOT=manager` nothing is held, even if an operator starts a server there later.
fn holds(kind: InstallKind, boot: OnBoot) -> Vec<Component> {
    let server = kind.has_server() && matches!(boot, OnBoot::Yes | OnBoot::ExceptAgent);
    let agent = kind.has_agent() && boot == OnBoot::Yes;
    [(server, Component::Server), (agent, Component::Agent)]
        .into_iter()
        .filter_map(|(held, component)| held.then_some(component))
        .collect()
}

/// What must answer before anything is started (contract.md §7). `ON_BOOT=manager` waits for nothing.
fn waits_for(contract: &Contract) -> Option<Dependency> {
    match (contract.install_kind, contract.on_boot) {
        (InstallKind::Agent, OnBoot::Yes) => Some(Dependency {
            kind: DependencyKind::Server,
            hosts: vec![HostPort {
                host: contract.server_host.clone(),
                port: contract.ports.server_web,
            }],
        }),
        (
            InstallKind::Full | InstallKind::Manager | InstallKind::Server,
            OnBoot::Yes | OnBoot::ExceptAgent,
        ) => Some(Dependency {
            kind: DependencyKind::Database,
            hosts: contract.database.address.hosts.clone(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use crate::contract::EnvVars;

    fn plan(vars: &[(&str, &str)]) -> Plan {
        let env: EnvVars =
            vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Plan::derive(&Contract::from_env(env, "jjobs-0").unwrap().contract)
    }

    fn letters(components: &[Component]) -> String {
        components.iter().map(|component| &component.name()[..1]).collect()
    }

    /// One cell as `installs/installed/starts/waits/holds`, components by their first letters.
    fn cell(kind: &str, boot: &str) -> String {
        let plan = plan(&[("INSTALL_KIND", kind), ("ON_BOOT", boot)]);
        let waits = match plan.waits_for.as_ref().map(|dependency| dependency.kind) {
            Some(DependencyKind::Database) => "db",
            Some(DependencyKind::Server) => "server",
            None => "-",
        };
        format!(
            "{}/{}/{}/{waits}/{}",
            plan.installs,
            letters(&plan.installed),
            letters(&plan.starts),
            letters(&plan.holds)
        )
    }

    #[test]
    fn every_cell_of_the_matrix_does_what_the_contract_says() {
        for (boot, cells) in [
            ("yes", ["true/msa/msa/db/sa", "true/m/m/db/", "true/s/s/db/s", "true/a/a/server/a"]),
            ("y", ["true/msa/msa/db/sa", "true/m/m/db/", "true/s/s/db/s", "true/a/a/server/a"]),
            ("", ["true/msa/msa/db/sa", "true/m/m/db/", "true/s/s/db/s", "true/a/a/server/a"]),
            ("exceptagent", ["true/msa/ms/db/s", "true/m/m/db/", "true/s/s/db/s", "refused"]),
            ("manager", ["true/msa/m/-/", "true/m/m/-/", "refused", "refused"]),
            ("manual", ["true/msa//-/", "true/m//-/", "true/s//-/", "true/a//-/"]),
            ("no", ["false/msa//-/", "false/m//-/", "false/s//-/", "false/a//-/"]),
            ("banana", ["false/msa//-/", "false/m//-/", "false/s//-/", "false/a//-/"]),
        ] {
            for (kind, expected) in ["F", "M", "S", "A"].into_iter().zip(cells) {
                if expected == "refused" {
                    let env: EnvVars = [("INSTALL_KIND", kind), ("ON_BOOT", boot)]
                        .map(|(n, v)| (n.into(), v.into()))
                        .into();
                    let error = Contract::from_env(env, "jjobs-0").unwrap_err();
                    assert_eq!(error.violations[0].name, "ON_BOOT", "{kind} {boot}");
                } else {
                    assert_eq!(cell(kind, boot), expected, "{kind} {boot}");
                }
            }
        }
    }

    #[test]
    fn an_agent_waits_for_its_servers_web_port() {
        let plan = plan(&[
            ("INSTALL_KIND", "A"),
            ("JJOBS_SERVER_IP", "[::1]"),
            ("SERVER_WEB_PORT", "8075"),
        ]);
        let hosts = plan.waits_for.unwrap().hosts;
        assert_eq!(hosts, [HostPort { host: "::1".to_owned(), port: 8075 }]);
    }

    #[test]
    fn others_wait_for_any_host_of_the_database() {
        let hosts = |url| {
            plan(&[("DB_TYPE", "oracle"), ("JDBC_URL", url)])
                .waits_for
                .unwrap()
                .hosts
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(hosts("jdbc:oracle:thin:@tcps://a,b:1522/s"), ["a:1522", "b:1522"]);
        assert!(hosts("jdbc:oracle:thin:@ALIAS").is_empty());
    }

    #[test]
    fn readiness_asks_what_boot_starts_or_else_whatever_runs() {
        let full = plan(&[]);
        assert_eq!(full.readiness(), Readiness::Of(&Component::ALL));
        assert!(full.readiness_needs_token());
        assert_eq!(plan(&[("ON_BOOT", "manual")]).readiness(), Readiness::WhateverRuns);
        assert!(!plan(&[("ON_BOOT", "manager")]).readiness_needs_token());
        assert!(!plan(&[("INSTALL_KIND", "M")]).readiness_needs_token());
        assert!(plan(&[("INSTALL_KIND", "A")]).readiness_needs_token());
    }
}

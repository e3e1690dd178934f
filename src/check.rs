//! `check`: what is wrong with the environment, what this container would do, and with which values.
//!
//! # The JSON form
//!
//! One object, which programs may rely on: within a `schema` keys are added, never renamed or removed.
//!
//! ```text
//! schema       1
//! ok           whether the contract is met
//! exit_code    0 or 78
//! violations   [{name, value, accepted, hint}]      value: null where the variable is not set; hint: null or text
//! warnings     [{name, value, text, hint}]          value: null where it says nothing or must not be shown
//! plan         null where the contract is not met, else {
//!     install_kind   "F", "M", "S" or "A"
//!     on_boot        "yes", "manual", "manager", "exceptagent" or "no"
//!     installs       whether the installer runs
//!     installed      components of this kind, in start order
//!     starts         components that boot starts, in start order
//!     waits_for      null or {what: "database" or "server", hosts: ["host:port"], limit_seconds: null or number}
//!     holds          components that hooks hold and release
//!     liveness       components that liveness checks
//!     readiness      components that readiness asks; empty: whatever runs
//!     server_number  the server's number in J-Jobs, null where no server is installed
//!     token          "value", "file" or null
//! }
//! values       {NAME: {value, source}} of every variable that is read; source: "environment", "file" or "default"
//! ```
//!
//! Components are `"manager"`, `"server"`, `"agent"`. Secrets are `"[redacted]"`; long values are cut.

mod text;

use crate::{
    contract::{Checked, Contract, ContractError, EffectiveValue, TokenSource, Violation, Warning},
    exit::ExitCode,
    plan::{Component, DependencyKind, Plan, Readiness},
};
use serde_json::{Map, Value, json};

/// What the report looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: within its `schema`, keys are added and never renamed or removed
    Json,
}

/// The version of the JSON form.
const SCHEMA: u32 = 1;

/// What `check` prints, with a line break at its end.
#[must_use]
pub fn report(result: &Result<Checked, ContractError>, format: Format) -> String {
    let report = Report::new(result);
    match format {
        Format::Text => text::text(&report),
        Format::Json => report.json() + "\n",
    }
}

/// How `check` ends: 0 or 78.
#[must_use]
pub fn exit_code(result: &Result<Checked, ContractError>) -> ExitCode {
    if result.is_ok() { ExitCode::Done } else { ExitCode::Contract }
}

/// Both outcomes of the check, seen alike.
struct Report<'a> {
    violations: &'a [Violation],
    warnings: &'a [Warning],
    values: &'a [EffectiveValue],
    met: Option<(&'a Contract, Plan)>,
    exit_code: u8,
}

impl<'a> Report<'a> {
    fn new(result: &'a Result<Checked, ContractError>) -> Self {
        let exit_code = exit_code(result).code();
        match result {
            Ok(Checked { contract, warnings, values }) => Self {
                violations: &[],
                warnings,
                values,
                met: Some((contract, Plan::derive(contract))),
                exit_code,
            },
            Err(ContractError { violations, warnings, values }) => {
                Self { violations, warnings, values, met: None, exit_code }
            }
        }
    }

    fn json(&self) -> String {
        let violations: Vec<Value> = self
            .violations
            .iter()
            .map(|Violation { name, value, accepted, hint }| {
                json!({"name": name, "value": value, "accepted": accepted, "hint": hint})
            })
            .collect();
        let warnings: Vec<Value> = self
            .warnings
            .iter()
            .map(|Warning { name, value, text, hint }| json!({"name": name, "value": value, "text": text, "hint": hint}))
            .collect();
        let values: Map<String, Value> = self
            .values
            .iter()
            .map(|EffectiveValue { name, value, source }| {
                ((*name).to_owned(), json!({"value": value, "source": source.name()}))
            })
            .collect();
        let report = json!({
            "schema": SCHEMA,
            "ok": self.met.is_some(),
            "exit_code": self.exit_code,
            "violations": violations,
            "warnings": warnings,
            "plan": self.met.as_ref().map(|(contract, plan)| plan_json(contract, plan)),
            "values": values,
        });
        format!("{report:#}")
    }
}

fn plan_json(contract: &Contract, plan: &Plan) -> Value {
    let waits_for = plan.waits_for.as_ref().map(|dependency| {
        json!({
            "what": dependency_name(dependency.kind),
            "hosts": dependency.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "limit_seconds": contract.own.dependency_timeout.map(|limit| limit.as_secs()),
        })
    });
    let token = contract.api_token.as_ref().map(|token| match token {
        TokenSource::Value(_) => "value",
        TokenSource::File(_) => "file",
    });
    json!({
        "install_kind": contract.install_kind.letter(),
        "on_boot": contract.on_boot.name(),
        "installs": plan.installs,
        "installed": names(&plan.installed),
        "starts": names(&plan.starts),
        "waits_for": waits_for,
        "holds": names(&plan.holds),
        "liveness": names(plan.liveness()),
        "readiness": match plan.readiness() {
            Readiness::Of(components) => names(components),
            Readiness::WhateverRuns => Vec::new(),
        },
        "server_number": plan.has(Component::Server).then(|| contract.hostname.server_number()),
        "token": token,
    })
}

fn names(components: &[Component]) -> Vec<&'static str> {
    components.iter().map(|component| component.name()).collect()
}

fn dependency_name(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Database => "database",
        DependencyKind::Server => "server",
    }
}

#[cfg(test)]
mod tests;

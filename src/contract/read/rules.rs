//! What single values cannot tell: contradictions, and ports that two would listen on.

use super::{reader::Reader, values::Refused};
use crate::contract::{Contract, InstallKind, OnBoot};
use std::ops::RangeInclusive;

/// Checks the values against each other.
pub(super) fn check(reader: &mut Reader<'_>, contract: &Contract) {
    contradictions(reader, contract);
    overlaps(reader, contract);
}

/// Combinations that would sit there and do nothing (contract.md §3).
fn contradictions(reader: &mut Reader<'_>, contract: &Contract) {
    if reader.is_refused("INSTALL_KIND") {
        return;
    }
    let (accepted, hint) = match (contract.on_boot, contract.install_kind) {
        (OnBoot::ExceptAgent, InstallKind::Agent) => (
            "yes, y, manual or no where INSTALL_KIND=A: there is only an agent, and exceptagent starts none",
            "set ON_BOOT=yes to start the agent, or INSTALL_KIND=F",
        ),
        (OnBoot::Manager, InstallKind::Agent) => (
            "yes, y, manual or no where INSTALL_KIND=A: no manager is installed that could be started",
            "set ON_BOOT=yes to start the agent, or INSTALL_KIND=M or F",
        ),
        (OnBoot::Manager, InstallKind::Server) => (
            "yes, y, exceptagent, manual or no where INSTALL_KIND=S: no manager is installed that could be started",
            "set ON_BOOT=yes to start the server, or INSTALL_KIND=M or F",
        ),
        _ => return,
    };
    reader.refuse_as("ON_BOOT", accepted, Refused::hinting(hint));
}

/// What listens in this container.
fn listeners(contract: &Contract) -> Vec<(&'static str, &'static str, RangeInclusive<u16>)> {
    let (kind, ports) = (contract.install_kind, contract.ports);
    let mut listeners = Vec::new();
    if kind.has_manager() {
        listeners.push((
            "MANAGER_WEB_PORT",
            "the manager's web port",
            ports.manager_web..=ports.manager_web,
        ));
    }
    if kind.has_server() {
        listeners.push((
            "SERVER_WEB_PORT",
            "the server's web port",
            ports.server_web..=ports.server_web,
        ));
        let last = ports.server_tcp.saturating_add(4);
        listeners.push((
            "SERVER_TCP_PORT",
            "one of the server's five TCP ports",
            ports.server_tcp..=last,
        ));
    }
    if let Some(address) = contract.own.metrics_addr {
        listeners.push((
            "JJOBS_INIT_METRICS_ADDR",
            "the port of the metrics",
            address.port()..=address.port(),
        ));
    }
    listeners
}

fn overlaps(reader: &mut Reader<'_>, contract: &Contract) {
    let listeners = listeners(contract);
    for (at, (name, what, ports)) in listeners.iter().enumerate() {
        for (other_name, other_what, other_ports) in &listeners[at + 1..] {
            let clash = *ports.start().max(other_ports.start());
            if clash > *ports.end().min(other_ports.end()) {
                continue;
            }
            // Of a given value and a default the given one is the mistake.
            let is_first = reader.raw(other_name).is_none();
            let (culprit, other, taken_by) =
                if is_first { (name, other_name, other_what) } else { (other_name, name, what) };
            if reader.is_refused(culprit) || reader.is_refused(other) {
                continue;
            }
            let hint = format!("{clash} is already {taken_by} ({other})");
            reader.refuse_as(
                culprit,
                "a port that nothing else in this container listens on",
                Refused::hinting(hint),
            );
        }
    }
}

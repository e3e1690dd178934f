//! The report for people, who may read it at three in the morning: the verdict first, then what to change.

use super::{Report, dependency_name, names};
use crate::{
    contract::{Contract, EffectiveValue, Source, TokenSource},
    plan::{Component, DependencyKind, Plan, Readiness},
};
use std::fmt::Write;

/// The report as text.
pub(super) fn text(report: &Report<'_>) -> String {
    let mut out = String::new();
    verdict(&mut out, report);
    problems(&mut out, report);
    if let Some((contract, plan)) = &report.met {
        out.push_str("\nPlan\n");
        for (label, line) in plan_lines(contract, plan) {
            let _ = writeln!(out, "  {label:<11}{line}");
        }
    }
    values(&mut out, report);
    out
}

fn verdict(out: &mut String, report: &Report<'_>) {
    let warnings = counted(report.warnings.len(), "warning");
    let _ = if report.met.is_some() {
        writeln!(out, "OK: the environment contract is met ({warnings})")
    } else {
        let violations = counted(report.violations.len(), "problem");
        writeln!(
            out,
            "NOT OK: the environment contract is not met ({violations}, {warnings}): this container would not start, exit {}",
            report.exit_code
        )
    };
}

fn problems(out: &mut String, report: &Report<'_>) {
    if !report.violations.is_empty() {
        out.push_str("\nProblems: each must be corrected in the pod's manifest\n");
    }
    for violation in report.violations {
        let _ = match &violation.value {
            Some(value) => writeln!(out, "  {}=\"{value}\"", violation.name),
            None => writeln!(out, "  {} is not set", violation.name),
        };
        let _ = writeln!(out, "      must be: {}", violation.accepted);
        hint(out, violation.hint.as_deref());
    }
    if !report.warnings.is_empty() {
        out.push_str("\nWarnings\n");
    }
    for warning in report.warnings {
        let _ = match &warning.value {
            Some(value) => writeln!(out, "  {}=\"{value}\"", warning.name),
            None => writeln!(out, "  {}", warning.name),
        };
        let _ = writeln!(out, "      {}", warning.text);
        hint(out, warning.hint.as_deref());
    }
}

fn hint(out: &mut String, hint: Option<&str>) {
    if let Some(hint) = hint {
        let _ = writeln!(out, "      hint: {hint}");
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn list(components: &[Component]) -> String {
    if components.is_empty() { "nothing".to_owned() } else { names(components).join(", ") }
}

fn plan_lines(contract: &Contract, plan: &Plan) -> Vec<(&'static str, String)> {
    let installs = if plan.installs {
        format!(
            "{} with {}",
            contract.paths.jjobs_base.display(),
            contract.paths.installer.display()
        )
    } else {
        "nothing".to_owned()
    };
    let mut lines = vec![
        ("kind", format!("{} ({})", contract.install_kind, list(&plan.installed))),
        ("on boot", contract.on_boot.to_string()),
        ("name", name_line(contract, plan)),
        ("installs", installs),
        ("downloads", download_line(contract, plan)),
        (
            "runs",
            if plan.installs && contract.custom_command.is_some() {
                "CUSTOM_COMMAND"
            } else {
                "no command"
            }
            .to_owned(),
        ),
        ("waits for", waits_line(contract, plan)),
        ("starts", list(&plan.starts)),
        ("holds", list(&plan.holds)),
        ("liveness", list(plan.liveness())),
    ];
    let readiness = match plan.readiness() {
        Readiness::Of(components) => list(components),
        Readiness::WhateverRuns => "whatever runs".to_owned(),
    };
    let without = plan.readiness_needs_token() && contract.api_token.is_none();
    lines.push((
        "readiness",
        readiness + if without { " (not ready without API_PRIVATE_TOKEN)" } else { "" },
    ));
    let token = match &contract.api_token {
        None => "none: hooks hold and release nothing".to_owned(),
        Some(TokenSource::Value(_)) => "from API_PRIVATE_TOKEN".to_owned(),
        Some(TokenSource::File(path)) => format!("from {}", path.display()),
    };
    lines.push(("token", token));
    lines
}

fn name_line(contract: &Contract, plan: &Plan) -> String {
    let name = &contract.hostname;
    if plan.has(Component::Server) {
        format!("{name}, server number {}", name.server_number())
    } else {
        name.to_string()
    }
}

fn download_line(contract: &Contract, plan: &Plan) -> String {
    match contract.download.as_ref().filter(|_| plan.installs) {
        // The address stands below, with what must be hidden in it hidden.
        Some(download) => {
            format!("WGET_URL to {}", download.folder.join(&download.file_name).display())
        }
        None => "nothing".to_owned(),
    }
}

fn waits_line(contract: &Contract, plan: &Plan) -> String {
    let Some(dependency) = &plan.waits_for else { return "nothing".to_owned() };
    let hosts: Vec<String> = dependency.hosts.iter().map(ToString::to_string).collect();
    let what = dependency_name(dependency.kind);
    if hosts.is_empty() {
        return format!("nothing: the {what}'s address names no host");
    }
    let limit = match contract.own.dependency_timeout {
        None => "for ever".to_owned(),
        Some(limit) => format!("up to {} s", limit.as_secs()),
    };
    let any =
        if dependency.kind == DependencyKind::Database && hosts.len() > 1 { "any of " } else { "" };
    format!("the {what} at {any}{}, {limit}", hosts.join(", "))
}

/// Given values first: what the operator wrote is what is looked for.
fn values(out: &mut String, report: &Report<'_>) {
    let width = report.values.iter().map(|value| value.name.len()).max().unwrap_or(0);
    for (title, is_given) in [("Values given (secrets hidden)", true), ("Values by default", false)]
    {
        let of_this_sort = |value: &&EffectiveValue| (value.source != Source::Default) == is_given;
        let mut rows = report
            .values
            .iter()
            .filter(of_this_sort)
            .filter(|value| is_given || !value.value.is_empty())
            .peekable();
        if rows.peek().is_some() {
            let _ = writeln!(out, "\n{title}");
        }
        for row in rows {
            let shown = if row.value.is_empty() { "(empty)" } else { &row.value };
            let origin = if row.source == Source::File { "  (from file)" } else { "" };
            let _ = writeln!(out, "  {:<width$}  {shown}{origin}", row.name);
        }
    }
    let unset = report
        .values
        .iter()
        .filter(|value| value.source == Source::Default && value.value.is_empty());
    let names: Vec<&str> = unset.map(|value| value.name).collect();
    if !names.is_empty() {
        let _ = writeln!(out, "\nNot set");
    }
    for row in names.chunks(4) {
        let _ = writeln!(out, "  {}", row.join(" "));
    }
}

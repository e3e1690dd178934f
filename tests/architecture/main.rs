//! The import rules of the house, checked on the source: who may know whom, who reads the environment, who
//! starts and waits for processes.
//!
//! Sources are read as Rust tokens, so comments and text in quotes cannot confuse it; `#[cfg(test)]` items
//! are left out, because tests may build whatever they need. Each rule is also tried on planted violations:
//! a check that cannot fail proves nothing.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod source;

use source::{ROOT, Source, sources};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What each module of `src` may import from the crate. A module that is not here has no right to be there:
/// a new one takes its place in the order first.
const ALLOWED: &[(&str, &[&str])] = &[
    // Leaves.
    ("contract", &[]),
    ("exit", &[]),
    ("log", &["contract"]),
    // A pure function of the contract.
    ("plan", &["contract"]),
    // Machinery that knows what a value is and not what this container is for.
    ("process", &["contract", "exit", "log"]),
    ("jjobs", &["contract", "exit", "log"]),
    ("control", &["contract", "run_dir", "exit", "log"]),
    ("ledger", &["log"]),
    // The two that act on a plan. Neither knows the other: `entrypoint` joins them.
    ("boot", &["contract", "plan", "process", "jjobs", "run_dir", "exit", "log"]),
    (
        "supervisor",
        &[
            "contract",
            "plan",
            "process",
            "jjobs",
            "control",
            "ledger",
            "termination",
            "run_dir",
            "exit",
            "log",
        ],
    ),
    // Thin clients of PID 1.
    ("hooks", &["control", "exit", "log"]),
    ("probes", &["control", "exit", "log"]),
    ("status", &["control", "exit", "log"]),
    ("verbs", &["control", "exit", "log"]),
    // The command line, and what is printed or written once.
    ("cli", &["check", "control", "status"]),
    ("applet", &["cli", "control", "exit"]),
    ("clients", &["cli", "contract", "control", "hooks", "probes", "status", "verbs", "exit"]),
    ("check", &["contract", "plan", "exit"]),
    ("termination", &["exit"]),
    ("run_dir", &[]),
    // Joins the parts in the order in which data flows; below it nothing knows it.
    (
        "entrypoint",
        &[
            "contract",
            "plan",
            "process",
            "jjobs",
            "control",
            "ledger",
            "boot",
            "supervisor",
            "cli",
            "check",
            "run_dir",
            "termination",
            "exit",
            "log",
        ],
    ),
];

/// Calls that collect children. Two waiters race for one exit status.
const WAITS: [&str; 5] = ["waitpid", "waitid", "wait4", "waitid_pidfd", "waitpgid"];

/// Paths that start a process, or hold one that was started.
const SPAWNS: [&[&str]; 5] = [
    &["std", "process", "Command"],
    &["std", "process", "Child"],
    &["std", "os", "unix", "process"],
    &["tokio", "process"],
    &["nix", "sys", "wait"],
];

#[test]
fn every_module_keeps_to_the_rules_of_the_house() {
    let violations: Vec<String> = sources().iter().flat_map(Source::violations).collect();
    assert!(violations.is_empty(), "forbidden in src:\n  {}", violations.join("\n  "));
}

#[test]
fn the_allowed_imports_have_no_cycle() {
    let mut placed = BTreeSet::new();
    while placed.len() < ALLOWED.len() {
        let before = placed.len();
        for (module, imports) in ALLOWED {
            if imports.iter().all(|import| placed.contains(import)) {
                placed.insert(*module);
            }
        }
        assert!(placed.len() > before, "the table has a cycle; free of it: {placed:?}");
    }
}

#[test]
fn every_source_file_is_looked_at() {
    let all = sources();
    for expected in ["src/main.rs", "src/lib.rs", "src/contract/mod.rs", "src/plan/component.rs"] {
        assert!(
            all.iter().any(|source| source.path == Path::new(expected)),
            "{expected} is not seen"
        );
    }
}

#[test]
fn planted_violations_are_found() {
    let planted = [
        ("src/plan/mod.rs", "use crate::boot::Step;", "`plan` imports `boot`"),
        ("src/plan/matrix.rs", "use super::super::boot::Step;", "`plan` imports `boot`"),
        ("src/plan/mod.rs", "use super::boot;", "`plan` imports `boot`"),
        ("src/contract/mod.rs", "use crate::{exit::ExitCode, plan};", "`contract` imports `plan`"),
        ("src/process/mod.rs", "fn a() { crate::plan::derive() }", "`process` imports `plan`"),
        ("src/jjobs/mod.rs", "use jjobs_init::plan::Plan;", "`jjobs` imports `plan`"),
        ("src/boot/install.rs", "use crate::supervisor::{self};", "`boot` imports `supervisor`"),
        (
            "src/hooks/mod.rs",
            "fn a() { join!(crate::process::reap()) }",
            "`hooks` imports `process`",
        ),
        ("src/plan/mod.rs", "mod a { use super::super::boot; }", "`plan` imports `boot`"),
        ("src/plan/mod.rs", "use crate as house;", "renames the crate"),
        ("src/plan/mod.rs", "use crate::*;", "imports all of the crate"),
        ("src/misc/mod.rs", "", "no place in the table of allowed imports"),
        ("src/boot/mod.rs", "use std::{env, fs};", "reads the environment"),
        ("src/boot/mod.rs", "fn a() { ::std::env::var(X); }", "reads the environment"),
        ("src/lib.rs", "use std::env::vars_os;", "reads the environment"),
        ("src/boot/mod.rs", "use std::process::{Command, Stdio};", "starts a process"),
        ("src/main.rs", "fn a() { std::process::Command::new(X); }", "starts a process"),
        ("src/boot/mod.rs", "use std::process;", "imports all of std::process"),
        ("src/boot/mod.rs", "use std::process::*;", "imports all of std::process"),
        ("src/boot/mod.rs", "use tokio::process::Command;", "starts a process"),
        ("src/boot/mod.rs", "use std::os::unix::process::CommandExt;", "starts a process"),
        (
            "src/supervisor/mod.rs",
            "fn a() { rustix::process::waitpid(None) }",
            "waits for children",
        ),
        ("src/boot/mod.rs", r#"const X: &str = "the simulator";"#, "knows the simulator"),
    ];
    for (path, text, wanted) in planted {
        let found = Source::parse(path, text).violations();
        assert!(
            found.iter().any(|violation| violation.contains(wanted)),
            "{path} with {text:?}: wanted {wanted:?}, found {found:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_complained_about() {
    let fine = [
        ("src/plan/mod.rs", "use crate::contract::{Contract, jdbc::HostPort}; use self::boot::X;"),
        ("src/plan/mod.rs", "pub mod boot; pub use boot::Y; use super::contract;"),
        (
            "src/boot/configure/mod.rs",
            "use super::super::process::reap; use super::install::Install;",
        ),
        ("src/contract/mod.rs", "//! Unlike the simulator.\nstruct A;"),
        ("src/contract/mod.rs", "// use crate::plan;\n/// `std::env` and crate::plan\nstruct A;"),
        ("src/contract/mod.rs", "#[cfg(test)] mod tests { use crate::plan::Plan; use std::env; }"),
        ("src/contract/mod.rs", "#[cfg(test)] #[path = \"x.rs\"] use crate::plan; struct B;"),
        ("src/process/mod.rs", "use std::process::Command; fn a() { rustix::process::wait(X); }"),
        ("src/main.rs", "use jjobs_init::{boot, supervisor}; fn a() { std::env::args_os(); }"),
        ("src/main.rs", "use std::process::ExitCode; fn a() -> std::process::ExitCode {}"),
        ("src/boot/mod.rs", "use std::process::Stdio; fn a() { std::process::id(); env!(X); }"),
    ];
    for (path, text) in fine {
        let found = Source::parse(path, text).violations();
        assert!(found.is_empty(), "{path} with {text:?}: {found:?}");
    }
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_left_out() {
    let parent = Source::parse("src/contract/mod.rs", "#[cfg(test)] mod tests; mod secret;");
    assert_eq!(
        parent.test_modules,
        [PathBuf::from("src/contract/tests.rs"), PathBuf::from("src/contract/tests")]
    );
    let parent = Source::parse("src/contract/jdbc.rs", "#[cfg(test)] mod tests;");
    assert_eq!(parent.test_modules[0], Path::new("src/contract/jdbc/tests.rs"));
}

impl Source {
    /// Everything that this file does against the rules.
    fn violations(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for path in &self.paths {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            found.extend(self.import_violation(&path));
            found.extend(self.environment_violation(&path));
            found.extend(self.process_violation(&path));
        }
        let allowed = ALLOWED.iter().any(|(module, _)| *module == self.top());
        if !allowed && !ROOT.contains(&self.top()) {
            found.insert(format!("`{}` has no place in the table of allowed imports", self.top()));
        }
        let told = |text: &str| text.to_lowercase().contains("simulator");
        if self.literals.iter().any(|text| told(text))
            || self.paths.iter().flatten().any(|text| told(text))
        {
            found.insert("knows the simulator".to_owned());
        }
        found.into_iter().map(|text| format!("{}: {text}", self.path.display())).collect()
    }

    fn import_violation(&self, path: &[&str]) -> Option<String> {
        let [start @ ("crate" | "jjobs_init"), rest @ ..] = path else { return None };
        if ROOT.contains(&self.top()) {
            return None;
        }
        match rest {
            ["as", ..] => Some(format!("renames the crate (`{start} as`)")),
            ["*", ..] => Some("imports all of the crate".to_owned()),
            [import, ..] => {
                let is_module = ALLOWED.iter().any(|(module, _)| module == import);
                let (_, imports) = ALLOWED.iter().find(|(module, _)| *module == self.top())?;
                (is_module && *import != self.top() && !imports.contains(import))
                    .then(|| format!("`{}` imports `{import}`", self.top()))
            }
            [] => None,
        }
    }

    fn environment_violation(&self, path: &[&str]) -> Option<String> {
        let reads = path.starts_with(&["std", "env"]) || path.starts_with(&["std", "*"]);
        (reads && self.top() != "main")
            .then(|| "reads the environment (only main.rs may)".to_owned())
    }

    fn process_violation(&self, path: &[&str]) -> Option<String> {
        if self.top() == "process" {
            return None;
        }
        if path == ["std", "process"] || path.starts_with(&["std", "process", "*"]) {
            return Some("imports all of std::process: name what is needed".to_owned());
        }
        if SPAWNS.iter().any(|spawns| path.starts_with(spawns)) {
            return Some(format!("starts a process by {} (only `process` may)", path.join("::")));
        }
        let waits = path.iter().find(|word| WAITS.contains(word))?;
        Some(format!("waits for children by {waits} (only `process` may)"))
    }
}

//! What every hook and probe does where the server misbehaves: `docs/fault-matrix.md` is what really happens.
//!
//! Each misbehaviour has containers of its own, in which all probes and hooks are called as a kubelet calls them. This test
//! fails where the document is stale; `UPDATE_DOCS=1 cargo test --test fault_matrix` writes it anew.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed step is a failed test"
)]

mod calls;
mod document;
mod plain;
mod rows;
mod setting;
#[path = "../lifecycle/support.rs"]
#[allow(dead_code, reason = "shared with the lifecycle tests, which use all of it")]
mod support;

use calls::Observed;
use rows::{ROWS, Row};
use std::{
    env, fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

const DOCUMENT: &str = "docs/fault-matrix.md";
const UPDATE: &str = "UPDATE_DOCS";
/// Only the rows whose title contains its value are tried, and shown instead of compared.
const ONLY: &str = "FAULT_MATRIX_ROW";

/// More would compete for the processor, and make all times longer.
const AT_A_TIME: usize = 5;

#[test]
fn the_document_says_what_really_happens() {
    let Some(observed) = observe_all() else { return };
    let wrong: Vec<String> = observed.iter().flat_map(Observed::violations).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let fresh = document::whole(&observed);
    if env::var_os(ONLY).is_some() {
        eprintln!("{fresh}");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    if env::var_os(UPDATE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &fresh).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let difference = first_difference(&written, &fresh);
    let how = format!("run `{UPDATE}=1 cargo test --test fault_matrix` and look at what changes");
    assert!(difference.is_none(), "{DOCUMENT} is stale: {difference:#?}\n{how}");
}

/// Every row, a few side by side; `None` where this machine allows no namespaces.
fn observe_all() -> Option<Vec<Observed>> {
    let only = env::var(ONLY).ok();
    let mut rows: Vec<&Row> = ROWS
        .iter()
        .filter(|row| only.as_ref().is_none_or(|only| row.title.contains(only.as_str())))
        .collect();
    // The longest first, so that none of them is left alone at the end.
    rows.sort_by_key(|row| std::cmp::Reverse(row.times.grace));
    let next = AtomicUsize::new(0);
    let observed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(seen) = calls::observe(row) else { return };
                    observed.lock().unwrap().push(seen);
                }
            });
        }
    });
    let mut observed = observed.into_inner().unwrap();
    observed.sort_by_key(|seen| ROWS.iter().position(|row| row.title == seen.row.title));
    (observed.len() == rows.len()).then_some(observed)
}

/// The first line in which two texts differ, in both of them.
fn first_difference(old: &str, new: &str) -> Option<(String, String)> {
    let (mut old, mut new) = (old.lines(), new.lines());
    loop {
        match (old.next(), new.next()) {
            (None, None) => return None,
            (old, new) if old == new => {}
            (old, new) => {
                let told = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return Some((told(old), told(new)));
            }
        }
    }
}

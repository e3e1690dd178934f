//! Every crate that is linked comes from crates.io, under a licence of `deny.toml`'s list, and is none of its
//! banned ones.
//!
//! This needs nothing but cargo, so it holds on every machine; cargo-deny reads the same `deny.toml`.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use serde_json::Value;
use std::{env, fs, path::Path, process::Command};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_crate_has_an_allowed_licence() {
    let allowed = list("allow = [");
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let refused: Vec<String> = packages()
        .iter()
        .filter_map(|package| {
            let licence = package["license"].as_str().unwrap_or("none");
            (!permits(licence, &allowed)).then(|| format!("{}: {licence}", package["name"]))
        })
        .collect();
    assert!(refused.is_empty(), "not in deny.toml's licences:\n  {}", refused.join("\n  "));
}

#[test]
fn every_crate_comes_from_crates_io_or_from_here() {
    let strangers: Vec<String> = packages()
        .iter()
        .filter(|package| package["source"].as_str().is_some_and(|source| source != CRATES_IO))
        .map(|package| format!("{} from {}", package["name"], package["source"]))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[test]
fn no_banned_crate_is_linked() {
    let banned = list("deny = [");
    assert!(banned.contains(&"openssl-sys".to_owned()), "deny.toml was read: {banned:?}");
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        assert!(
            !banned.iter().any(|crate_name| crate_name == name),
            "{name} is banned by deny.toml"
        );
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0", "ISC"];
    for fine in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0 OR MIT",
        "MIT/Unlicense",
        "Apache-2.0 AND ISC",
        "(MIT OR GPL-3.0) AND ISC",
        "GPL-3.0 AND ISC OR MIT",
        "Apache-2.0 WITH LLVM-exception OR MIT",
    ] {
        assert!(permits(fine, &allowed), "{fine}");
    }
    for refused in [
        "GPL-3.0",
        "none",
        "",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND GPL-3.0",
        "GPL-3.0 AND ISC OR LGPL-2.1",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(!permits(refused, &allowed), "{refused}");
    }
}

/// Whether an SPDX expression can be met with the allowed licences. An exception changes a licence, so one
/// `WITH` an exception is a licence of its own. AND binds closer than OR; a slash is the old way to say OR.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words = spaced.replace(" WITH ", "-WITH-");
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut at = 0;
    any(&words, &mut at, allowed) && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word != "(" {
        return allowed.contains(word);
    }
    let met = any(words, at, allowed);
    let closed = words.get(*at) == Some(&")");
    *at += 1;
    met && closed
}

/// What is linked into the static binary, and into the tests on the way.
fn packages() -> Vec<Value> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--locked", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-musl"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The quoted words of one list in `deny.toml`.
fn list(opening: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let lines =
        text.lines().skip_while(|line| *line != opening).skip(1).take_while(|line| *line != "]");
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

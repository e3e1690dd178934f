//! Whole environments and what `check` says of them, to the letter.
//!
//! Each `tests/contract/*.env` stands for a manifest; the `.txt` beside it is the report. After a change that was
//! meant, run with `UPDATE_EXPECTED=1` and read the difference.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_init::{
    check::{Format, exit_code, report},
    contract::{Contract, EnvVars},
    exit::ExitCode,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "env"))
        .collect();
    cases.sort();
    cases
}

fn read_env(path: &Path) -> EnvVars {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

#[test]
fn check_says_of_each_manifest_what_it_should() {
    let cases = cases();
    assert!(cases.len() >= 4, "{cases:?}");
    for case in cases {
        let result = Contract::from_env(read_env(&case), "kernel-0");
        let text = report(&result, Format::Text);
        let json = report(&result, Format::Json);
        let expected = case.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&expected).unwrap(), "{}", case.display());
        assert!(!text.contains("not-for-logs") && !json.contains("not-for-logs"), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["ok"].is_boolean());
        let is_broken = case.ends_with("broken.env");
        assert_eq!(exit_code(&result), if is_broken { ExitCode::Contract } else { ExitCode::Done });
    }
}

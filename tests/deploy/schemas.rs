//! Every document against the schemas of Kubernetes' own releases, the oldest and the newest that the validator has.
//!
//! `kubernetes-validate` holds them, so no network is needed. Strict: a misspelt key is an error.

use crate::{manual, overlays};
use jjobs_harness::{manifests::Manifests, unless_missing};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The validator that `scripts/lib/validator.sh` has set up.
fn validator() -> Result<PathBuf, String> {
    let path = env::var_os("JJOBS_TEST_KUBERNETES_VALIDATE")
        .ok_or("JJOBS_TEST_KUBERNETES_VALIDATE is not set; scripts/test sets it")?;
    if Path::new(&path).is_file() {
        Ok(path.into())
    } else {
        Err(format!("no file {}", path.display()))
    }
}

/// The oldest and the newest release that the validator knows.
fn releases(validator: &Path) -> [String; 2] {
    let output = Command::new(validator.with_file_name("python3"))
        .args(["-c", "from kubernetes_validate.utils import all_versions as v; print(*v())"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let all: Vec<&str> = text.split_whitespace().collect();
    assert!(all.len() > 2, "{all:?} {}", String::from_utf8_lossy(&output.stderr));
    [all[0].to_owned(), all[all.len() - 1].to_owned()]
}

/// Whether all documents are valid for all releases, and what was said.
fn validate(validator: &Path, releases: &[String], documents: &[Value]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.yaml");
    // JSON is YAML; each document on a line of its own.
    let lines: Vec<String> = documents.iter().map(|one| format!("---\n{one}\n")).collect();
    fs::write(&file, lines.concat()).unwrap();
    let mut command = Command::new(validator);
    command.args(["--strict", "--quiet"]);
    for release in releases {
        command.args(["--kubernetes-version", release]);
    }
    let output = command.arg(&file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn every_document_is_valid_in_the_oldest_and_the_newest_release() {
    let Some(validator) = unless_missing("kubernetes-validate", validator()) else { return };
    let Some(overlays) = overlays() else { return };
    let releases = releases(&validator);
    // Overlays share most of their documents.
    let different: BTreeSet<String> = overlays
        .values()
        .chain(manual().values())
        .flat_map(|manifests| manifests.documents.iter().map(Value::to_string))
        .collect();
    let documents: Vec<Value> =
        different.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert!(documents.len() > 40, "only {}", documents.len());
    let (valid, said) = validate(&validator, &releases, &documents);
    assert!(valid, "{releases:?}: {said}");
}

#[test]
fn the_validator_finds_misspelt_and_missing_fields() {
    let Some(validator) = unless_missing("kubernetes-validate", validator()) else { return };
    let releases = releases(&validator);
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: None}\n";
    let good = Manifests::parse(text).unwrap().documents.remove(0);
    assert!(validate(&validator, &releases, std::slice::from_ref(&good)).0);
    for (field, value) in [("publishNotReadyAddress", json!(true)), ("ports", json!([{}]))] {
        let mut bad = good.clone();
        bad["spec"][field] = value;
        assert!(!validate(&validator, &releases[..1], &[bad]).0, "{field}");
    }
}

//! The guides in docs/ are whole: nothing that a user of today's image knows is left out, both languages say the same, and no
//! link leads nowhere.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_init::contract::vars;
use std::{
    fs,
    path::{Path, PathBuf},
};

const MIGRATION: [&str; 2] = ["docs/migration.md", "docs/migration.ko.md"];

/// What manifests and people call in today's image.
const PATHS: [&str; 12] = [
    "/entrypoint.sh",
    "/pre-stop.sh",
    "/post-start.sh",
    "/working/liveness.sh",
    "/working/readiness.sh",
    "/working/agent-healthcheck.sh",
    "/engn001/jjobs/agent/healthcheck.sh",
    "/working/start-all.sh",
    "/working/stop-all.sh",
    "/working/sample-shell.sh",
    "/install/$INSTALL_FILE",
    "/logs001/jjobs",
];

#[test]
fn the_migration_guides_name_every_variable_and_path_of_todays_image() {
    for guide in MIGRATION {
        let text = read(guide);
        let is_todays = |name: &str| {
            !(name.starts_with("JJOBS_INIT_")
                || name.ends_with("_FILE") && name != "INSTALL_FILE"
                // Read as everywhere: nothing of the image's own.
                || name.ends_with("_PROXY")
                || name.starts_with("KUBERNETES_")
                || name == "HOME")
        };
        let missing: Vec<&str> = vars::all()
            .map(|variable| variable.name)
            .filter(|name| is_todays(name))
            .chain(PATHS)
            .filter(|name| !text.contains(&format!("`{name}`")))
            .collect();
        assert!(missing.is_empty(), "{guide} does not say what becomes of {missing:?}");
    }
}

#[test]
fn both_languages_have_the_same_sections_tables_and_code() {
    let guides = files("md").into_iter().filter(|path| path.to_string_lossy().ends_with(".ko.md"));
    let mut count = 0;
    for korean in guides {
        let english = korean
            .with_file_name(korean.file_name().unwrap().to_str().unwrap().replace(".ko.md", ".md"));
        assert_eq!(outline(&english), outline(&korean), "{}", korean.display());
        count += 1;
    }
    assert!(count >= 2, "the guides were not found");
}

#[test]
fn no_link_between_our_documents_leads_nowhere() {
    let mut broken = Vec::new();
    let mut count = 0;
    for document in files("md") {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if path.is_empty() { document.clone() } else { document.with_file_name(path) };
            let found = target.exists()
                && (anchor.is_empty() || anchors(&target).iter().any(|known| known == anchor));
            if !found {
                broken.push(format!("{}: {link}", document.display()));
            }
            count += 1;
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(count > 20, "only {count} links were found");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// Our documents: those beside README, in docs, deploy, installer and the test crates.
fn files(extension: &str) -> Vec<PathBuf> {
    let folders = ["", "docs", "deploy", "installer", "tests/simulator", "tests/data/manual"];
    let mut found: Vec<PathBuf> = folders
        .into_iter()
        .filter_map(|folder| fs::read_dir(root().join(folder)).ok())
        .flat_map(|entries| entries.map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    found
}

/// Headings by their level, the number of cells of each row, and the code without its comments, which are translated.
fn outline(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut is_code = false;
    let mut parts = Vec::new();
    for line in text.lines() {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        if is_fence || is_code {
            let code = line.split(" #").next().unwrap_or_default().trim_end();
            // A place that is only an example may be named in the reader's language.
            if !code.starts_with("cp /") {
                parts.push(code.to_owned());
            }
        } else if line.starts_with('#') {
            parts.push(line.chars().take_while(|letter| *letter == '#').collect());
        } else if line.starts_with('|') {
            parts.push(format!("{} cells", line.replace("\\|", "").matches('|').count()));
        }
    }
    parts
}

/// The targets of the document's links to files of ours and to its own headings.
fn links(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let prose = text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !(is_code || is_fence)
    });
    prose
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
        .filter(|link| !link.contains("://"))
        .collect()
}

/// What a heading may be reached by, as GitHub makes it: lower case, no punctuation, dashes for spaces.
fn anchors(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect()
        })
        .collect()
}

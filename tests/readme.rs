//! The tables of the two README files are the code's own.
//!
//! Between `<!-- NAME:begin -->` and `<!-- NAME:end -->` stands what the code says of itself. This test fails
//! where it is stale; `UPDATE_README=1 cargo test --test readme` writes it anew.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_init::{
    contract::vars::{self, Language},
    exit::ExitCode,
};
use std::{env, fmt::Write, fs, path::Path};

const UPDATE: &str = "UPDATE_README";

#[test]
fn the_english_tables_are_those_of_the_code() {
    compare("README.md", Language::English);
}

#[test]
fn the_korean_tables_are_those_of_the_code() {
    compare("README.ko.md", Language::Korean);
}

#[test]
fn only_what_stands_between_the_marks_is_replaced() {
    let old = "before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter <!-- b:begin -->\n";
    assert_eq!(
        replaced(old, "a", "new\n\n"),
        Some(
            "before\n<!-- a:begin -->\n\nnew\n\n<!-- a:end -->\nafter <!-- b:begin -->\n"
                .to_owned()
        )
    );
    assert_eq!(replaced(old, "b", "new"), None, "a mark without its end");
    assert_eq!(replaced(old, "c", "new"), None, "no mark");
}

#[test]
fn both_readme_files_have_the_same_sections_and_code() {
    let [english, korean] = ["README.md", "README.ko.md"].map(|name| {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let mut is_code = false;
        let mut outline = Vec::new();
        for line in text.lines() {
            let fence = line.starts_with("```");
            is_code ^= fence;
            let heading = line.starts_with('#').then(|| line.split(' ').next().unwrap_or_default());
            // Comments in code are translated, the code is not.
            let code =
                (is_code || fence).then(|| line.split(" #").next().unwrap_or_default().trim_end());
            outline
                .extend(code.or(heading).filter(|part| !part.starts_with("# ")).map(str::to_owned));
        }
        outline
    });
    assert_eq!(english, korean);
}

fn compare(name: &str, language: Language) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = fs::read_to_string(&path).unwrap();
    let mut fresh = text.clone();
    for (mark, table) in
        [("variables", vars::markdown(language)), ("exit-codes", exit_codes(language))]
    {
        fresh = replaced(&fresh, mark, &table)
            .unwrap_or_else(|| panic!("{name} has no <!-- {mark}:begin --> … <!-- {mark}:end -->"));
    }
    if env::var_os(UPDATE).is_some() {
        fs::write(&path, &fresh).unwrap();
    } else {
        assert!(
            text == fresh,
            "{name} is stale: run `{UPDATE}=1 cargo test --test readme` and commit it"
        );
    }
}

/// `text` with `table` between the marks; nothing if it lacks them.
fn replaced(text: &str, mark: &str, table: &str) -> Option<String> {
    let begin = format!("<!-- {mark}:begin -->");
    let (before, rest) = text.split_once(&begin)?;
    let end = format!("<!-- {mark}:end -->");
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", table.trim()))
}

fn exit_codes(language: Language) -> String {
    let mut table = String::from(match language {
        Language::English => "| code | meaning |\n| ---: | --- |\n",
        Language::Korean => "| 코드 | 의미 |\n| ---: | --- |\n",
    });
    for exit in ExitCode::ALL {
        let meaning = match language {
            Language::English => exit.meaning(),
            Language::Korean => exit.meaning_in_korean(),
        };
        writeln!(table, "| {} | {meaning} |", exit.code()).unwrap();
    }
    table
}

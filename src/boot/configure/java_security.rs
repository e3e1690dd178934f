//! Java's DNS caches, in every JRE of the tree.

use super::{
    files::{Severity, Tree, record},
    settings::Settings,
};
use crate::boot::cancel::Cancel;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A JRE lies three levels below `JJOBS_BASE` at most; unpacked web applications are no deeper than this, either.
const MAX_DEPTH: usize = 16;

/// Below a JRE: of JDK 8 (and older), and of 9 and later.
const PLACES: [&str; 2] = ["lib/security/java.security", "conf/security/java.security"];

/// Where such a file is below a symbolic link. Links are not walked: one may lead to `/`, or to a volume that hangs.
const BELOW_LINKS: [&str; 5] = [
    "java.security",
    "security/java.security",
    "lib/security/java.security",
    "conf/security/java.security",
    "jre/lib/security/java.security",
];

/// Writes the two values into every `java.security` of the tree.
pub(crate) fn configure(tree: &mut Tree<'_>, settings: &Settings, cancel: &Cancel) {
    let files = find(&settings.jjobs_base, cancel);
    if files.is_empty() {
        let thing = "java.security of a JRE (DNS caches keep Java's own times)";
        tree.miss(Severity::Warning, &settings.jjobs_base, thing);
    }
    let ttl = settings.dns_cache.ttl.to_string();
    let negative_ttl = settings.dns_cache.negative_ttl.to_string();
    let wanted = [
        ("networkaddress.cache.ttl", ttl.as_str()),
        ("networkaddress.cache.negative.ttl", negative_ttl.as_str()),
    ];
    for file in files {
        tree.edit(&file, Severity::Warning, |bytes| {
            super::set_properties(bytes, &wanted, "DNS caches")
        });
    }
}

/// Every `java.security`, relative to `base`, in a fixed order. Of what lies behind a link
/// only a JRE's own places are looked at.
fn find(base: &Path, cancel: &Cancel) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut linked = Vec::new();
    let mut folders = vec![(PathBuf::new(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        if cancel.is_cancelled() {
            break;
        }
        let Ok(entries) = fs::read_dir(base.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth < MAX_DEPTH && entry.file_name() != record::FOLDER {
                folders.push((path, depth + 1));
            } else if is_place(base, &path) {
                files.push(path);
            } else if kind.is_symlink() {
                linked.push(path);
            }
        }
    }
    files.sort();
    linked.sort();
    let mut known: BTreeSet<PathBuf> =
        files.iter().filter_map(|file| base.join(file).canonicalize().ok()).collect();
    for file in linked.iter().flat_map(|link| BELOW_LINKS.map(|below| link.join(below))) {
        // A JDK is often linked twice: `jdk` and `jdk17`.
        if is_place(base, &file)
            && base.join(&file).canonicalize().is_ok_and(|real| known.insert(real))
        {
            files.push(file);
        }
    }
    files
}

fn is_place(base: &Path, path: &Path) -> bool {
    PLACES.iter().any(|place| path.ends_with(place)) && base.join(path).is_file()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_jre_is_found_once_and_loops_are_not_entered() {
        let base = tempfile::tempdir().unwrap();
        for folder in
            ["jdk8/jre/lib/security", "jdk17/conf/security", "jre/lib/security", "app/security"]
        {
            fs::create_dir_all(base.path().join(folder)).unwrap();
            fs::write(base.path().join(folder).join("java.security"), "").unwrap();
        }
        symlink(".", base.path().join("loop")).unwrap();
        symlink("jdk17", base.path().join("jdk")).unwrap();
        symlink("/", base.path().join("outside")).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        for folder in ["jdk21/conf/security", "deep/jdk/conf/security"] {
            fs::create_dir_all(elsewhere.path().join(folder)).unwrap();
            fs::write(elsewhere.path().join(folder).join("java.security"), "").unwrap();
        }
        symlink(elsewhere.path().join("jdk21"), base.path().join("jdk21")).unwrap();
        symlink(elsewhere.path(), base.path().join("elsewhere")).unwrap();
        fs::create_dir(base.path().join("jdk11")).unwrap();
        symlink(elsewhere.path().join("deep/jdk/conf"), base.path().join("jdk11/conf")).unwrap();

        let found = find(base.path(), &Cancel::default());

        let expected = [
            "jdk17/conf/security/java.security",
            "jdk8/jre/lib/security/java.security",
            "jre/lib/security/java.security",
            "jdk11/conf/security/java.security",
            "jdk21/conf/security/java.security",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}

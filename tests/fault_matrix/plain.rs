//! What is printed, without what differs from run to run.

/// What a slow machine may add: a stop script that took longer than the little time which a short grace period leaves it.
const NOT_OF_THE_API: &str = "script ended with an error";

/// A warning or an error of PID 1, without its time and durations; `None` for any other line.
pub(crate) fn warning(line: &str) -> Option<String> {
    let (time, rest) = line.split_once(' ')?;
    let is_ours = time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z');
    let level = rest.split(' ').next()?;
    let is_told = is_ours && matches!(level, "WARN" | "ERROR") && !rest.contains(NOT_OF_THE_API);
    is_told.then(|| plain(rest))
}

/// The line without its hint, and the hint.
pub(crate) fn hint_apart(line: &str) -> (&str, Option<&str>) {
    match line.split_once(" hint=") {
        Some((line, hint)) => (line, Some(hint.trim_matches('"'))),
        None => (line, None),
    }
}

/// A line with `N` for each number that time decides: `12 s`, `elapsed_ms=12`.
pub(crate) fn plain(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut plain = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let unit = words.get(at + 1).map(|next| next.trim_end_matches([')', ',', ';', '"']));
        let is_number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.');
        if is_number && unit == Some("s") {
            plain.push("N".to_owned());
        } else if word.starts_with("elapsed_ms=") {
            plain.push("elapsed_ms=N".to_owned());
        } else {
            plain.push((*word).to_owned());
        }
    }
    plain.join(" ")
}

#[test]
fn only_what_time_decides_is_hidden() {
    for (line, wanted) in [
        ("agent: status 12 (not ready for 3 s); x", "agent: status 12 (not ready for N s); x"),
        ("no answer within 1.5 s\" hint=a", "no answer within N s\" hint=a"),
        ("not held elapsed_ms=2000 hint=a", "not held elapsed_ms=N hint=a"),
        ("the server answered 404", "the server answered 404"),
    ] {
        assert_eq!(plain(line), wanted);
    }
    let line = "2026-11-21T14:36:29.938Z WARN  cannot hold it component=agent hint=\"do it\"";
    let told = warning(line).unwrap();
    assert_eq!(hint_apart(&told), ("WARN  cannot hold it component=agent", Some("do it")));
    assert_eq!(warning("WARN of somebody else"), None);
}

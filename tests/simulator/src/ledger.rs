//! The record of jobs: one line per event, each written at once by one append, by whichever process it
//! concerns. A job that was started and never ended was lost.

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// `SIM_LEDGER`, else a file of the installation.
pub(crate) fn path(base: &Path) -> PathBuf {
    match env::var_os("SIM_LEDGER") {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => base.join(".simulator/ledger"),
    }
}

/// Records an event of `job`: `submit`, `start` or `end`.
pub(crate) fn record(base: &Path, event: &str, job: &str) -> io::Result<()> {
    let path = path(base);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let line = json!({
        "at": u64::try_from(at).unwrap_or(u64::MAX),
        "event": event,
        "job": job,
        "pid": std::process::id(),
        "host": hostname(),
    });
    // One write of a whole line with O_APPEND: lines of several processes never mix.
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(format!("{line}\n").as_bytes())
}

pub(crate) fn hostname() -> String {
    let given = env::var("HOSTNAME").unwrap_or_default();
    if given.is_empty() {
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
    } else {
        given
    }
}

/// What the ledger says, in numbers and with the names of what is missing.
pub(crate) fn summary(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut jobs: BTreeMap<String, [u32; 3]> = BTreeMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let index = match line["event"].as_str() {
            Some("submit") => 0,
            Some("start") => 1,
            Some("end") => 2,
            _ => continue,
        };
        jobs.entry(line["job"].as_str().unwrap_or_default().to_owned()).or_default()[index] += 1;
    }
    let count = |index: usize| jobs.values().filter(|events| events[index] > 0).count();
    let named = |holds: fn(&[u32; 3]) -> bool| -> Vec<&String> {
        jobs.iter().filter(|(_, events)| holds(events)).map(|(job, _)| job).collect()
    };
    json!({
        "submitted": count(0),
        "started": count(1),
        "ended": count(2),
        "waiting": named(|[submit, start, _]| *submit > 0 && *start == 0),
        "running_or_lost": named(|[_, start, end]| start > end),
        "twice": named(|[_, start, _]| *start > 1),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn a_job_without_an_end_is_named() {
        let path = env::temp_dir().join(format!("ledger-{}", std::process::id()));
        let line =
            |event: &str, job: &str| json!({ "event": event, "job": job }).to_string() + "\n";
        let text = ["submit", "start", "end"].map(|event| line(event, "a")).concat()
            + &line("submit", "b")
            + &line("start", "b")
            + &line("submit", "c");
        fs::write(&path, text).unwrap();
        let summary = summary(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!(
            (&summary["submitted"], &summary["started"], &summary["ended"]),
            (&json!(3), &json!(2), &json!(1))
        );
        assert_eq!(summary["running_or_lost"], json!(["b"]));
        assert_eq!(summary["waiting"], json!(["c"]));
        assert_eq!(summary["twice"], json!([]));
    }
}

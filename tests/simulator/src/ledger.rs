//! The record of jobs: one line per event, each written at once by one append, by whichever process it
//! concerns, of however many containers. A job that was started and never ended was lost, if it does not run still.

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

/// Records an event of `job`: `submit`, `hand` (given to an agent), `back` (it never reached that agent), `start`, `end`,
/// or `lost` (its runtime, or the server that worked on it, is gone).
pub(crate) fn record(base: &Path, event: &str, job: &str) -> io::Result<()> {
    record_of(base, event, job, &hostname())
}

/// The same about an event that concerns another host.
pub(crate) fn record_of(base: &Path, event: &str, job: &str, host: &str) -> io::Result<()> {
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
        "host": host,
    });
    // One write of a whole line with O_APPEND: lines of several processes never mix.
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(format!("{line}\n").as_bytes())
}

/// The number of this host's next job, where nothing but the ledger remembers the earlier ones.
pub(crate) fn next_number(base: &Path) -> u64 {
    let text = fs::read_to_string(path(base)).unwrap_or_default();
    let own = format!("{}-", hostname());
    let number = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["job"].as_str()?.strip_prefix(&own)?.parse::<u64>().ok()
    };
    text.lines().filter_map(number).max().unwrap_or(0) + 1
}

pub(crate) fn hostname() -> String {
    let given = env::var("HOSTNAME").unwrap_or_default();
    if given.is_empty() {
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
    } else {
        given
    }
}

/// How often each event of a job was recorded.
#[derive(Debug, Default)]
struct Events {
    submit: u32,
    hand: u32,
    back: u32,
    start: u32,
    end: u32,
    lost: u32,
}

/// What the ledger says, in numbers and with the names of what is missing.
pub(crate) fn summary(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut jobs: BTreeMap<String, Events> = BTreeMap::new();
    let mut starts: BTreeMap<String, u32> = BTreeMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let events = jobs.entry(line["job"].as_str().unwrap_or_default().to_owned()).or_default();
        let count = match line["event"].as_str() {
            Some("submit") => &mut events.submit,
            Some("hand") => &mut events.hand,
            Some("back") => &mut events.back,
            Some("start") => &mut events.start,
            Some("end") => &mut events.end,
            Some("lost") => &mut events.lost,
            _ => continue,
        };
        *count += 1;
        if line["event"] == "start" {
            *starts.entry(line["host"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    let count = |holds: fn(&Events) -> bool| jobs.values().filter(|events| holds(events)).count();
    let named = |holds: fn(&Events) -> bool| -> Vec<&String> {
        jobs.iter().filter(|(_, events)| holds(events)).map(|(job, _)| job).collect()
    };
    json!({
        "submitted": count(|job| job.submit > 0),
        "started": count(|job| job.start > 0),
        "ended": count(|job| job.end > 0),
        "waiting": named(|job| job.submit > 0 && job.start == 0),
        "handed_not_started": named(|job| job.start == 0 && job.hand > job.back),
        "running_or_lost": named(|job| job.start > job.end),
        "lost": named(|job| job.lost > 0 && job.start > job.end),
        "twice": named(|job| job.start > 1),
        "started_by_host": starts,
    })
}

/// A summary as lines of words.
pub(crate) fn readable(summary: &Value) -> String {
    let number = |name: &str| format!("{name:20}{}\n", summary[name]);
    let names = |name: &str| {
        let all: Vec<&str> =
            summary[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        format!("{:20}{} {}", name.replace('_', " "), all.len(), all.join(" "))
            .trim_end()
            .to_owned()
            + "\n"
    };
    ["submitted", "started", "ended"].map(number).concat()
        + &["waiting", "handed_not_started", "running_or_lost", "lost", "twice"].map(names).concat()
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

    #[test]
    fn what_was_handed_out_and_never_begun_is_named() {
        let path = env::temp_dir().join(format!("ledger-handed-{}", std::process::id()));
        let line =
            |event: &str, job: &str| json!({ "event": event, "job": job }).to_string() + "\n";
        let text =
            ["submit", "hand", "start", "start", "end"].map(|event| line(event, "a")).concat()
                + &["submit", "hand", "back", "hand"].map(|event| line(event, "b")).concat()
                + &["submit", "hand", "back"].map(|event| line(event, "c")).concat()
                + &["submit", "hand", "start", "lost"].map(|event| line(event, "d")).concat();
        fs::write(&path, text).unwrap();
        let summary = summary(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!(summary["handed_not_started"], json!(["b"]));
        assert_eq!(summary["running_or_lost"], json!(["a", "d"]), "one of two starts has no end");
        assert_eq!(summary["lost"], json!(["d"]));
        assert_eq!(summary["twice"], json!(["a"]));
        let text = readable(&summary);
        assert!(text.contains("running or lost     2 a d\n"), "{text}");
        assert!(text.contains("twice               1 a\n"), "{text}");
    }
}

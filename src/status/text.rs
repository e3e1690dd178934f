//! The status for people.

use crate::control::report::{ComponentStatus, DrainStatus, HoldStatus, Status};
use std::time::{SystemTime, UNIX_EPOCH};

const HEAD: [&str; 7] = ["COMPONENT", "STATE", "SINCE", "PID", "RESTARTS", "WANTED", "LAST END"];
/// Of the names on the left.
const LABEL: usize = 11;

/// All of it.
pub(super) fn status(status: &Status) -> String {
    let mut lines = vec![
        labelled("phase", &status.phase),
        labelled("hostname", &status.hostname),
        labelled("uptime", &duration(status.uptime_ms)),
    ];
    lines.push(labelled("runtimes", &runtimes(&status.runtimes)));
    if let Some(drain) = &status.drain {
        lines.extend(drain_lines(drain));
    }
    lines.extend(status.holds.iter().map(|hold| labelled("hold", &hold_text(hold, now()))));
    if let Some(last) = &status.last_life {
        lines.push(labelled("last life", last));
    }
    if !status.components.is_empty() {
        lines.push(String::new());
        lines.extend(table(&status.components));
    }
    lines.join("\n")
}

/// The drain alone.
pub(super) fn drain(status: &Status) -> String {
    match &status.drain {
        Some(drain) => drain_lines(drain).join("\n"),
        None => format!("no drain (phase {})", status.phase),
    }
}

fn drain_lines(drain: &DrainStatus) -> Vec<String> {
    let is = if drain.over { "over" } else { "under way" };
    let since = duration(drain.since_ms);
    let mut lines =
        vec![labelled("drain", &format!("{is}, asked for by {} {since} ago", drain.asked_by))];
    if drain.over {
        return lines;
    }
    if !drain.waiting_for.is_empty() {
        lines.push(labelled("  waits for", &drain.waiting_for));
    }
    let requests = drain.requests.map_or("unknown".to_owned(), |count| count.to_string());
    let left = drain.left_ms.map_or("no limit".to_owned(), duration);
    lines.push(labelled("  runtimes", &drain.runtimes.to_string()));
    lines.push(labelled("  requests", &requests));
    lines.push(labelled("  time left", &left));
    lines
}

fn runtimes(pids: &[i32]) -> String {
    if pids.is_empty() {
        return "none".to_owned();
    }
    let named: Vec<String> = pids.iter().map(ToString::to_string).collect();
    format!("{} (pid {})", pids.len(), named.join(", "))
}

fn hold_text(hold: &HoldStatus, now: u64) -> String {
    let ago = duration(now.saturating_sub(hold.since).saturating_mul(1000));
    format!("{}, not released; set {ago} ago by {}", hold.component, hold.owner)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn table(components: &[ComponentStatus]) -> Vec<String> {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(components.iter().map(row));
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

fn row(component: &ComponentStatus) -> [String; HEAD.len()] {
    let none = || "-".to_owned();
    [
        component.name.clone(),
        component.state.clone(),
        duration(component.since_ms),
        component.pid.map_or_else(none, |pid| pid.to_string()),
        component.restarts.to_string(),
        if component.wanted { "yes" } else { "no" }.to_owned(),
        component.last_end.clone().unwrap_or_else(none),
    ]
}

fn labelled(label: &str, value: &str) -> String {
    format!("{label:LABEL$}  {value}")
}

/// Two units are enough: `3d 4h`, `2h 5m`, `7m 12s`, `9s`.
fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Status {
        let component = |name: &str, state: &str, pid| ComponentStatus {
            name: name.to_owned(),
            state: state.to_owned(),
            since_ms: 62_000,
            pid,
            wanted: true,
            ..ComponentStatus::default()
        };
        Status {
            phase: "draining".to_owned(),
            hostname: "jjobs-0".to_owned(),
            uptime_ms: 7_500_000,
            components: vec![
                component("server", "up", Some(12345)),
                component("agent", "waiting for restart", None),
            ],
            runtimes: vec![7, 8],
            drain: Some(DrainStatus {
                asked_by: "SIGTERM".to_owned(),
                since_ms: 5000,
                waiting_for: "2 runtimes".to_owned(),
                runtimes: 2,
                left_ms: Some(36_000_000),
                ..DrainStatus::default()
            }),
            ..Status::default()
        }
    }

    #[test]
    fn the_table_is_aligned_and_says_everything() {
        let wanted = "\
phase        draining
hostname     jjobs-0
uptime       2h 5m
runtimes     2 (pid 7, 8)
drain        under way, asked for by SIGTERM 5s ago
  waits for  2 runtimes
  runtimes   2
  requests   unknown
  time left  10h 0m

COMPONENT  STATE                SINCE  PID    RESTARTS  WANTED  LAST END
server     up                   1m 2s  12345  0         yes     -
agent      waiting for restart  1m 2s  -      0         yes     -";
        assert_eq!(status(&example()), wanted);
    }

    #[test]
    fn without_a_drain_that_is_said() {
        let none = Status { drain: None, ..example() };
        assert_eq!(drain(&none), "no drain (phase draining)");
        assert!(drain(&example()).starts_with("drain        under way"));
    }

    #[test]
    fn a_hold_tells_its_age_and_owner() {
        let hold = HoldStatus { component: "agent".into(), owner: "jjobs-0".into(), since: 100 };
        assert_eq!(hold_text(&hold, 190), "agent, not released; set 1m 30s ago by jjobs-0");
    }
}

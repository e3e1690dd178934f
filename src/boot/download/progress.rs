//! How far the download is: a bar where somebody watches, else a log line every few seconds.

use super::{Request, feed::Counters};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// Often enough to look alive.
const REDRAW: Duration = Duration::from_millis(200);
const BAR: usize = 30;

#[derive(Debug)]
pub(super) struct Progress {
    bar: bool,
    drawn: bool,
    every: Duration,
    started: Instant,
    last: Instant,
    name: String,
    url: String,
}

impl Progress {
    pub(super) fn new(request: &Request, url: &str) -> Self {
        let now = Instant::now();
        Self {
            bar: request.progress_bar,
            drawn: false,
            every: if request.progress_bar { REDRAW } else { request.timing.progress },
            started: now,
            last: now,
            name: request.file_name.clone(),
            url: url.to_owned(),
        }
    }

    /// Shows something if it is time to.
    pub(super) fn tick(&mut self, counters: &Counters) {
        if self.last.elapsed() < self.every {
            return;
        }
        self.last = Instant::now();
        let (bytes, total) = (counters.received(), counters.total());
        let rate = rate(bytes, self.started.elapsed());
        if self.bar {
            let line = bar(&self.name, bytes, total, rate);
            // Best effort: a terminal that went away is no reason to fail.
            let _ = write!(std::io::stderr().lock(), "\r{line}\x1b[K");
            self.drawn = true;
        } else {
            tracing::info!(
                url = self.url,
                bytes,
                total_bytes = total,
                bytes_per_second = rate,
                "download in progress"
            );
        }
    }

    /// Clears the bar's line, so that the next log line starts at its beginning.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn rate(bytes: u64, elapsed: Duration) -> u64 {
    let millis = elapsed.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / millis).unwrap_or(u64::MAX)
}

fn bar(name: &str, bytes: u64, total: Option<u64>, rate: u64) -> String {
    let rate = human(rate);
    let Some(total) = total.filter(|total| *total > 0) else {
        return format!("{name}  {}  {rate}/s", human(bytes));
    };
    let permille = u128::from(bytes.min(total)) * 1000 / u128::from(total);
    let filled = usize::try_from(permille).unwrap_or_default() * BAR / 1000;
    let percent = permille / 10;
    let (done, open) = ("#".repeat(filled), "-".repeat(BAR - filled));
    format!("{name}  [{done}{open}] {percent:>3} %  {} of {}  {rate}/s", human(bytes), human(total))
}

fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_what_is_known() {
        let line = bar("a.zip", 512 << 20, Some(1 << 30), 5 << 20);
        assert_eq!(
            line,
            format!(
                "a.zip  [{}{}]  50 %  512.0 MiB of 1.0 GiB  5.0 MiB/s",
                "#".repeat(15),
                "-".repeat(15)
            )
        );
        assert_eq!(bar("a.zip", 100, None, 10), "a.zip  100 B  10 B/s");
        assert!(bar("a", 9, Some(3), 1).contains("100 %"));
    }
}

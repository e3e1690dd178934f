//! When to try again, and after how long.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Limits and pauses of the network side; tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// For name resolution, TCP and TLS together.
    pub connect: Duration,
    /// So long without a byte counts as a lost connection.
    pub idle: Duration,
    /// Pauses before the second, third … attempt; their number is the number of retries. Half as much is added at random,
    /// so that the pods of a stateful set do not come back all at once.
    pub pauses: Vec<Duration>,
    /// A server may ask for a longer pause (`Retry-After`), up to this.
    pub longest_retry_after: Duration,
    /// Between two log lines about progress.
    pub progress: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            pauses: [1, 2, 4, 8, 16].map(Duration::from_secs).to_vec(),
            longest_retry_after: Duration::from_mins(1),
            progress: Duration::from_secs(5),
        }
    }
}

impl Timing {
    /// The pause after the `failures`th failure (from 1), or `None` if that was the last attempt.
    pub(super) fn pause(&self, failures: usize, retry_after: Option<Duration>) -> Option<Duration> {
        let pause = *self.pauses.get(failures.checked_sub(1)?)?;
        let asked = retry_after.unwrap_or_default().min(self.longest_retry_after);
        // A hasher that the standard library seeds at random is random enough to spread pods.
        let permille = RandomState::new().hash_one(failures) % 1000;
        let jitter =
            (pause / 2).mul_f64(f64::from(u32::try_from(permille).unwrap_or_default()) / 1000.0);
        Some((pause + jitter).max(asked))
    }
}

/// Statuses that may be different the next time.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// `Retry-After`: seconds, or a date.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = UNIX_EPOCH + Duration::from_secs(http_date(value)?);
    Some(at.duration_since(now).unwrap_or_default())
}

/// The one date form that HTTP still sends (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(',')?.1.split_ascii_whitespace();
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = lengths.iter().take(month).sum();
    let days = years + months + day.checked_sub(1)?;
    Some(days * 86_400 + hour.min(23) * 3600 + minute.min(59) * 60 + second.min(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_after_the_fifth() {
        let timing = Timing::default();
        for (failures, seconds) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16)] {
            let pause = timing.pause(failures, None).unwrap_or_default();
            let least = Duration::from_secs(seconds);
            assert!(pause >= least && pause <= least * 3 / 2, "{pause:?}");
        }
        assert_eq!(timing.pause(6, None), None);
    }

    #[test]
    fn a_server_may_ask_for_a_longer_pause_but_not_for_any() {
        let timing = Timing::default();
        assert_eq!(timing.pause(1, Some(Duration::from_secs(20))), Some(Duration::from_secs(20)));
        assert_eq!(timing.pause(1, Some(Duration::from_secs(9999))), Some(Duration::from_mins(1)));
    }

    #[test]
    fn retry_after_may_be_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1984 08:49:37 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}

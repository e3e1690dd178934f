//! Trying again: how long to wait in between. When to give up is the caller's: a drain has its hold timeout, a probe its
//! deadline, a release none.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// A server that only hiccups is asked again soon.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// A server that comes back is noticed this soon.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Delays between attempts: 0.5, 1, 2 … 10 s, each a fifth longer or shorter at random, so that the pods of a stateful
/// set do not come back all at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    delay: Duration,
    random: RandomState,
    delays: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { delay: FIRST_DELAY, random: RandomState::new(), delays: 0 }
    }
}

impl Backoff {
    /// How long to wait before the next attempt.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so there is no `None`")]
    pub fn next(&mut self) -> Duration {
        let delay = self.delay;
        self.delay = (delay * 2).min(LONGEST_DELAY);
        self.delays += 1;
        // A hasher that the standard library seeds at random is random enough to spread pods.
        let permille = u32::try_from(self.random.hash_one(self.delays) % 401).unwrap_or_default();
        delay * (800 + permille) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn delays_double_up_to_ten_seconds_and_differ_by_a_fifth_at_most() {
        for _ in 0..50 {
            let mut backoff = Backoff::default();
            for wanted in [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000] {
                let delay = backoff.next();
                let wanted = MS * wanted;
                assert!(delay >= wanted * 4 / 5 && delay <= wanted * 6 / 5, "{delay:?} {wanted:?}");
            }
        }
        let different = (0..20).map(|_| Backoff::default().next()).collect::<Vec<_>>();
        assert!(different.iter().any(|delay| *delay != different[0]));
    }
}

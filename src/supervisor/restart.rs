//! When a component that ended unasked is started again, and when not any more.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The first pause; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// This many unasked ends within [`WINDOW`] are "for good".
const ENDS: usize = 5;
/// See [`ENDS`]; a component that was up this long starts with the first pause again.
const WINDOW: Duration = Duration::from_mins(10);

/// What follows an unasked end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again after this pause.
    Again {
        /// The pause.
        delay: Duration,
    },
    /// Give up.
    ForGood,
}

/// The unasked ends of a component.
#[derive(Clone, Debug, Default)]
pub struct Restarts {
    recent: VecDeque<Instant>,
    in_a_row: u32,
    total: u32,
}

impl Restarts {
    /// Counts an end at `now` of a component that had been up since `up`.
    pub fn ended(&mut self, now: Instant, up: Option<Instant>) -> Verdict {
        if up.is_some_and(|up| now.saturating_duration_since(up) >= WINDOW) {
            self.in_a_row = 0;
        }
        self.recent.retain(|end| now.saturating_duration_since(*end) < WINDOW);
        self.recent.push_back(now);
        if self.recent.len() >= ENDS {
            return Verdict::ForGood;
        }
        let delay =
            FIRST_DELAY.saturating_mul(2_u32.saturating_pow(self.in_a_row)).min(LONGEST_DELAY);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.total = self.total.saturating_add(1);
        Verdict::Again { delay }
    }

    /// An operator has started it: what was before does not count any more, and stays in the total.
    pub fn forget(&mut self) {
        *self = Self { total: self.total, ..Self::default() };
    }

    /// How often it was started again.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut restarts = Restarts::default();
        let start = Instant::now();
        let delays: Vec<_> = (0..8_u32)
            .map(|n| restarts.ended(start + WINDOW / 3 * n, None))
            .map(|verdict| match verdict {
                Verdict::Again { delay } => delay.as_secs(),
                Verdict::ForGood => 0,
            })
            .collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn the_fifth_end_within_ten_minutes_is_for_good() {
        let mut restarts = Restarts::default();
        let start = Instant::now();
        for n in 0..4 {
            assert!(matches!(
                restarts.ended(start + Duration::from_mins(2) * n, None),
                Verdict::Again { .. }
            ));
        }
        assert_eq!(restarts.ended(start + Duration::from_secs(599), None), Verdict::ForGood);
    }

    #[test]
    fn a_component_that_was_up_for_long_starts_with_the_first_pause_again() {
        let mut restarts = Restarts::default();
        let start = Instant::now();
        let _ = restarts.ended(start, None);
        let _ = restarts.ended(start + Duration::from_secs(5), None);
        let verdict =
            restarts.ended(start + Duration::from_hours(1), Some(start + Duration::from_secs(10)));
        assert_eq!(verdict, Verdict::Again { delay: FIRST_DELAY });
    }
}

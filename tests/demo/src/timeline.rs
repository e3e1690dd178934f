//! What was seen when, and how it looks as a table.

use std::{fmt::Write, time::Duration};

/// Cells of the bar that stands for the whole time.
const BAR: usize = 32;

/// Something that took time, or a moment where both ends are the same. Times count from PID 1's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// The rows, in the order in which things began.
#[derive(Debug, Default)]
pub(crate) struct Timeline(Vec<Row>);

impl Timeline {
    /// Something that began and ended.
    pub(crate) fn span(&mut self, what: impl Into<String>, from: Duration, to: Duration) {
        self.0.push(Row { what: what.into(), from: from.min(to), to });
        // Stable: of two that began together the one seen first stays first.
        self.0.sort_by_key(|row| row.from);
    }

    /// A moment.
    pub(crate) fn moment(&mut self, what: impl Into<String>, at: Duration) {
        self.span(what, at, at);
    }

    /// The table: when it began, how long it took, what it was, and where that lies in the whole.
    pub(crate) fn table(&self) -> String {
        let whole = self.0.iter().map(|row| row.to).max().unwrap_or_default();
        let width = self.0.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
        let mut text = format!("{:>8}  {:>7}  {:width$}\n", "at s", "took s", "what");
        for Row { what, from, to } in &self.0 {
            let took = if from == to {
                String::new()
            } else {
                format!("{:.3}", to.saturating_sub(*from).as_secs_f64())
            };
            let line = format!(
                "{:>8.3}  {took:>7}  {what:width$}  {}",
                from.as_secs_f64(),
                bar(*from, *to, whole)
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

fn bar(from: Duration, to: Duration, whole: Duration) -> String {
    // Cells are an eye's measure; the numbers stand beside them.
    let cell = |at: Duration| at.as_millis() * BAR as u128 / whole.as_millis().max(1);
    let first = usize::try_from(cell(from)).unwrap_or_default().min(BAR - 1);
    let last = usize::try_from(cell(to)).unwrap_or_default().min(BAR - 1);
    let body = if from == to { "|".to_owned() } else { "=".repeat(last - first + 1) };
    " ".repeat(first) + &body
}

/// How much time the spans cover together; where several overlap it counts once.
pub(crate) fn covered(spans: &[(Duration, Duration)]) -> Duration {
    let mut spans = spans.to_vec();
    spans.sort();
    let mut end = Duration::ZERO;
    let mut sum = Duration::ZERO;
    for (from, to) in spans {
        sum += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    sum
}

/// The value of `name=value` in a line of the log.
pub(crate) fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn rows_stand_in_the_order_in_which_they_began() {
        let mut timeline = Timeline::default();
        timeline.span("late", ms(500), ms(1000));
        timeline.span("early", ms(0), ms(500));
        timeline.moment("end", ms(1000));
        assert_eq!(
            timeline.table(),
            "    at s   took s  what \n\
             \u{20}  0.000    0.500  early  =================\n\
             \u{20}  0.500    0.500  late                   ================\n\
             \u{20}  1.000           end                                   |\n"
        );
    }

    #[test]
    fn overlapping_spans_count_once() {
        assert_eq!(
            covered(&[(ms(5), ms(7)), (ms(0), ms(2)), (ms(1), ms(3)), (ms(1), ms(2))]),
            ms(5)
        );
        assert_eq!(covered(&[]), ms(0));
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let line = "2026-01-01T00:00:00.000Z INFO  step finished step=install elapsed_ms=12";
        assert_eq!(field(line, "step"), Some("install"));
        assert_eq!(field(line, "elapsed_ms"), Some("12"));
        assert_eq!(field(line, "elapsed"), None);
    }
}

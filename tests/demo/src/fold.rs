//! Leaves out the middle of what programs say at length, so that the container's own story stays in sight.
//!
//! Our own log goes to standard error, what programs print to standard output.

use jjobs_harness::{Line, Stream};

/// So many lines of a program's output are shown before the rest of the run is held back.
const SHOWN: usize = 6;

/// One run of output at a time: its beginning, how much was left out, its last line.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    run: usize,
    last: Option<String>,
}

impl Fold {
    /// What is to be shown now that `line` has come.
    pub(crate) fn take(&mut self, line: &Line) -> Vec<String> {
        if line.stream == Stream::Stderr {
            let mut shown = self.unfold();
            shown.push(line.text.clone());
            return shown;
        }
        self.run += 1;
        if self.run <= SHOWN {
            return vec![line.text.clone()];
        }
        self.last = Some(line.text.clone());
        Vec::new()
    }

    /// The end of the run, if something of it was held back.
    pub(crate) fn unfold(&mut self) -> Vec<String> {
        let left_out = self.run.saturating_sub(SHOWN + 1);
        self.run = 0;
        let note =
            (left_out > 0).then(|| format!("... {left_out} lines of output left out here ..."));
        note.into_iter().chain(self.last.take()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shown(lines: &[(Stream, &str)]) -> Vec<String> {
        let mut fold = Fold::default();
        let mut shown: Vec<String> = lines
            .iter()
            .flat_map(|(stream, text)| {
                fold.take(&Line { stream: *stream, at: Instant::now(), text: (*text).to_owned() })
            })
            .collect();
        shown.extend(fold.unfold());
        shown
    }

    #[test]
    fn the_middle_of_a_long_run_of_output_is_left_out() {
        let mut lines = vec![(Stream::Stderr, "begin")];
        lines.extend([(Stream::Stdout, "talk"); 20]);
        lines.extend([(Stream::Stdout, "done"), (Stream::Stderr, "end")]);
        let shown = shown(&lines);
        assert_eq!(shown[1..=SHOWN], ["talk"; SHOWN]);
        assert_eq!(shown[SHOWN + 1..], ["... 14 lines of output left out here ...", "done", "end"]);
    }

    #[test]
    fn short_output_and_our_own_log_are_shown_whole() {
        let mut lines = vec![(Stream::Stderr, "log"); 20];
        lines.extend([(Stream::Stdout, "talk"); SHOWN + 1]);
        assert_eq!(shown(&lines).len(), 20 + SHOWN + 1);
    }
}

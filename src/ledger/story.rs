//! What the lines of a ledger come to: each life's story, and the holds that are still open.
//!
//! Lines are believed in the order in which they stand in the file, never by their times: a clock may jump. Lives may be
//! interleaved, as two containers of one name may run at once. Anything may stand in the file: it is skipped and counted.

use super::event::{DrainOutcome, Event, Line};
use std::collections::{BTreeSet, HashMap};

/// Longer lines are not ours.
const LONGEST_LINE: usize = 16 << 10;

/// Longer ids are not ours.
const LONGEST_ID: usize = 512;

/// So many lives are told apart. Ours are few: where more are, somebody else wrote them.
const MOST_LIVES: usize = 1024;

/// So many open holds are believed. A container has a handful.
const MOST_HOLDS: usize = 64;

/// The latest lives' stories survive a compaction.
const LIVES_KEPT: usize = 8;

/// A server or agent that somebody held and nobody released. Whoever can write to the volume may have said so: believe it
/// only of a server or agent that is one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// `server` or `agent`.
    pub component: String,
    /// The server's number or the agent's name.
    pub name: String,
    /// The id of the life that set it.
    pub owner: String,
    /// Seconds since 1970 (UTC), by that life's clock.
    pub at: u64,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Story {
    lives: Vec<Life>,
    by_id: HashMap<String, usize>,
    /// With the line of each.
    holds: Vec<(Hold, usize)>,
    /// The line of each hold that is over, and the line that ended it: kept alone the first would be believed.
    ended_by: HashMap<usize, usize>,
    /// Lines that say again, or too late, what was said. Kept alone they would be believed.
    repeated: BTreeSet<usize>,
    /// Lines that were not understood.
    pub(super) skipped: usize,
}

/// One life, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) id: String,
    pub(super) at: u64,
    /// Whether anything but its begin was seen.
    pub(super) is_past_boot: bool,
    pub(super) jobs: Option<(usize, Option<usize>)>,
    pub(super) drain: Option<Drain>,
    pub(super) oom: Option<String>,
    pub(super) end: Option<End>,
    latest_n: Option<u64>,
    last_line: usize,
    /// The lines that tell the above.
    telling: Telling,
}

/// A drain, as far as it was told.
#[derive(Debug)]
pub(super) struct Drain {
    pub(super) runtimes: usize,
    pub(super) ended: Option<(DrainOutcome, usize)>,
}

/// How a life said that it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) exit_code: u8,
    pub(super) reason: String,
    pub(super) jobs_left: usize,
    pub(super) left: Vec<String>,
}

/// Line numbers.
#[derive(Debug, Default)]
struct Telling {
    boot: Option<usize>,
    jobs: Option<usize>,
    drain: Option<usize>,
    drain_end: Option<usize>,
    oom: Option<usize>,
    end: Option<usize>,
}

impl Story {
    /// Reads all of `bytes`, which begin with a line's begin.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut story = Self::default();
        for (number, line) in lines(bytes).enumerate() {
            story.take(number, line);
        }
        story
    }

    /// The life that has written last, other than `own`.
    pub(super) fn last_but(&self, own: &str) -> Option<&Life> {
        self.lives.iter().filter(|life| life.id != own).max_by_key(|life| life.last_line)
    }

    /// The number that the next line of `life` must bear, at least.
    pub(super) fn next_n(&self, life: &str) -> u64 {
        let known = self.by_id.get(life).and_then(|at| self.lives[*at].latest_n);
        known.map_or(0, |n| n.saturating_add(1))
    }

    /// What nobody released, oldest first.
    pub(super) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter().map(|(hold, _)| hold)
    }

    /// The lines of `bytes` (of which this is the story) that tell what is worth knowing, and all of the last `recent` bytes.
    pub(super) fn keep(&self, bytes: &[u8], recent: usize) -> Vec<u8> {
        let mut wanted: BTreeSet<usize> = self.holds.iter().map(|(_, line)| *line).collect();
        let mut lives: Vec<&Life> = self.lives.iter().collect();
        lives.sort_by_key(|life| life.last_line);
        wanted.extend(lives.iter().rev().take(LIVES_KEPT).flat_map(|life| life.lines()));
        let ends: Vec<usize> = wanted.iter().flat_map(|line| self.ends_of(*line)).collect();
        wanted.extend(ends);
        let mut kept = Vec::new();
        let mut left = bytes.len();
        for (number, line) in lines(bytes).enumerate() {
            let is_recent = left <= recent && !self.repeated.contains(&number);
            left = left.saturating_sub(line.len() + 1);
            if wanted.contains(&number) || (is_recent && parse(line).is_some()) {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
        }
        kept
    }

    /// The line that ended the hold of this one; where that is a hold too, also the one that ended it, and so on.
    fn ends_of(&self, line: usize) -> impl Iterator<Item = usize> {
        let end_of = |line: &usize| self.ended_by.get(line).copied();
        std::iter::successors(end_of(&line), end_of)
    }

    fn take(&mut self, number: usize, text: &[u8]) {
        if text.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let Some(entry) = parse(text) else {
            self.skipped += 1;
            return;
        };
        let at = match self.by_id.get(&entry.life) {
            Some(at) => *at,
            None => self.meet(&entry.life),
        };
        let life = &mut self.lives[at];
        if entry.n.is_some_and(|n| life.latest_n.is_some_and(|latest| n <= latest)) {
            // It was written twice: by a writer that did not know whether it had come through.
            self.repeated.insert(number);
            return;
        }
        life.latest_n = entry.n.or(life.latest_n);
        life.last_line = number;
        life.at = entry.at;
        match entry.event {
            None => self.skipped += 1,
            Some(Event::Held { component, name }) => {
                life.is_past_boot = true;
                self.end_hold(&component, &name, number);
                let hold = Hold { component, name, owner: entry.life, at: entry.at };
                self.holds.push((hold, number));
                if self.holds.len() > MOST_HOLDS {
                    self.holds.remove(0);
                }
            }
            Some(Event::Released { component, name }) => {
                life.is_past_boot = true;
                self.end_hold(&component, &name, number);
            }
            Some(event) => life.take(number, event),
        }
    }

    fn end_hold(&mut self, component: &str, name: &str, by: usize) {
        let ended = self
            .holds
            .extract_if(.., |(hold, _)| hold.component == component && hold.name == name)
            .map(|(_, line)| (line, by));
        self.ended_by.extend(ended);
    }

    fn meet(&mut self, id: &str) -> usize {
        if self.lives.len() >= MOST_LIVES {
            self.lives.sort_by_key(|life| life.last_line);
            self.lives.drain(..MOST_LIVES / 2);
            let ids = self.lives.iter().map(|life| life.id.clone());
            self.by_id = ids.zip(0..).collect();
        }
        self.by_id.insert(id.to_owned(), self.lives.len());
        self.lives.push(Life { id: id.to_owned(), ..Life::default() });
        self.lives.len() - 1
    }
}

impl Life {
    fn take(&mut self, number: usize, event: Event) {
        self.is_past_boot = !matches!(event, Event::Boot { .. });
        match event {
            Event::Boot { .. } => {
                // An id that is used again: what came before is another's story.
                let (id, at) = (std::mem::take(&mut self.id), self.at);
                *self =
                    Self { id, at, latest_n: self.latest_n, last_line: number, ..Self::default() };
                self.telling.boot = Some(number);
            }
            Event::Jobs { runtimes, requests } => {
                self.jobs = Some((runtimes, requests));
                self.telling.jobs = Some(number);
            }
            Event::DrainBegan { runtimes, .. } => {
                // What was seen before is older than what the drain itself saw.
                self.jobs = None;
                self.drain = Some(Drain { runtimes, ended: None });
                (self.telling.drain, self.telling.drain_end) = (Some(number), None);
            }
            Event::DrainEnded { outcome, jobs_finished, jobs_left, .. } => {
                self.jobs = None;
                let drain = Drain { runtimes: jobs_left, ended: Some((outcome, jobs_finished)) };
                self.drain = Some(drain);
                self.telling.drain_end = Some(number);
            }
            Event::ComponentEnded { component, oom: true, .. } => {
                self.oom = Some(component);
                self.telling.oom = Some(number);
            }
            Event::End { exit_code, reason, jobs_left, left } => {
                self.end = Some(End { exit_code, reason, jobs_left, left });
                self.telling.end = Some(number);
            }
            // A hold is not one life's own story.
            Event::Held { .. }
            | Event::Released { .. }
            | Event::Restarted { .. }
            | Event::ComponentEnded { .. } => {}
        }
    }

    fn lines(&self) -> impl Iterator<Item = usize> {
        let Telling { boot, jobs, drain, drain_end, oom, end } = self.telling;
        let told = [boot, jobs, drain, drain_end, oom, end].into_iter().flatten();
        told.chain([self.last_line])
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n')
}

fn parse(line: &[u8]) -> Option<Line> {
    if line.len() > LONGEST_LINE {
        return None;
    }
    let line: Line = serde_json::from_slice(line).ok()?;
    (line.life.len() <= LONGEST_ID && !line.life.contains(char::is_control)).then_some(line)
}

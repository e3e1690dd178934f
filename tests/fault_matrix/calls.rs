//! Calling every probe and hook of a row as a kubelet does, and noting what comes.

use crate::{
    plain::{self, plain},
    rows::{Class, Row},
    setting::{self, Setting, TOKEN},
    support::SOON,
};
use jjobs_harness::{ExecOutput, Signal};
use std::collections::BTreeSet;

/// Set: everything that is heard is printed.
const VERBOSE: &str = "FAULT_MATRIX_VERBOSE";

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Readiness,
    Liveness,
    Healthcheck,
    PostStart,
    PreStop,
}

impl Call {
    /// In the order in which a row calls them: the drain comes last.
    pub(crate) const ALL: [Self; 5] =
        [Self::Readiness, Self::Liveness, Self::Healthcheck, Self::PostStart, Self::PreStop];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
            Self::Healthcheck => "healthcheck",
            Self::PostStart => "post-start",
            Self::PreStop => "pre-stop",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Readiness => "/working/readiness.sh",
            Self::Liveness => "/working/liveness.sh",
            Self::Healthcheck => "/working/agent-healthcheck.sh",
            Self::PostStart => "/post-start.sh",
            Self::PreStop => "/pre-stop.sh",
        }
    }

    /// When PID 1 logs what it logs because of it.
    pub(crate) fn when(self) -> &'static str {
        match self {
            Self::Readiness | Self::Liveness | Self::Healthcheck => "on the probe",
            Self::PostStart => "while it tries to release",
            Self::PreStop => "while it drains",
        }
    }

    /// How long it takes in that row.
    pub(crate) fn class(self, row: &Row) -> Class {
        match self {
            Self::Readiness => row.classes[0],
            Self::Liveness | Self::Healthcheck => Class::AtOnce,
            Self::PostStart => row.classes[1],
            Self::PreStop => row.classes[2],
        }
    }
}

/// What one call did.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) call: Call,
    pub(crate) code: i32,
    /// Its last line, without what differs from run to run.
    pub(crate) line: String,
    /// The warnings and errors of PID 1 meanwhile, each once.
    pub(crate) told: BTreeSet<String>,
    wrong: Vec<String>,
}

/// What one misbehaviour led to.
pub(crate) struct Observed {
    pub(crate) row: &'static Row,
    pub(crate) cells: Vec<Cell>,
    /// PID 1's own exit code, after the TERM that follows a pre-stop.
    pub(crate) exit_code: i32,
    wrong: Vec<String>,
}

/// Lives through one row; `None` where this machine allows no namespaces.
pub(crate) fn observe(row: &'static Row) -> Option<Observed> {
    let mut setting = setting::healthy(row)?;
    let mut cells = Vec::new();
    for (number, call) in Call::ALL.into_iter().enumerate() {
        if number == 0 || matches!(row.how, crate::rows::Break::AnswerTimes(..)) {
            setting.spoil(row, number);
        }
        cells.push(cell(&setting, row, call));
    }
    setting.life.signal(Signal::SIGTERM);
    let exit_code = setting.life.exit_code(SOON);
    let mut wrong = Vec::new();
    let everything = setting.life.transcript() + &setting.life.termination_message();
    if everything.contains(TOKEN) {
        wrong.push(format!("{}: the token is in PID 1's output:\n{everything}", row.title));
    }
    if env_is_set(VERBOSE) {
        eprintln!("=== {}\n{everything}", row.title);
    }
    Some(Observed { row, cells, exit_code, wrong })
}

fn env_is_set(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

fn cell(setting: &Setting, row: &Row, call: Call) -> Cell {
    let before = setting.life.now();
    let said = setting.life.exec(["/bin/sh", "-c", call.path()]);
    let told: Vec<String> = setting.life.lines()[before..]
        .iter()
        .filter_map(|line| plain::warning(&line.text))
        .collect();
    let mut wrong = violations(row, call, &said);
    let once: BTreeSet<String> = told.iter().cloned().collect();
    if once.len() < told.len() {
        wrong.push(format!("PID 1 says the same thing twice: {told:#?}"));
    }
    if env_is_set(VERBOSE) {
        eprintln!("{} / {}: {said:?}", row.title, call.name());
    }
    let line = plain(said.stdout.lines().last().unwrap_or_default());
    Cell { call, code: said.code, line, told: once, wrong }
}

/// What must hold for each call whatever the document says.
fn violations(row: &Row, call: Call, said: &ExecOutput) -> Vec<String> {
    let (least, most) = call.class(row).bounds(row.times);
    let lines: Vec<&str> = said.stdout.lines().collect();
    let is_probe = !matches!(call, Call::PostStart | Call::PreStop);
    let rules = [
        ((0..=1).contains(&said.code), "ends with neither 0 nor 1"),
        (said.stderr.is_empty(), "prints errors apart from its answer"),
        (!said.leaked_output, "leaves something behind that holds its output"),
        (!said.stdout.contains(TOKEN), "prints the token"),
        (said.elapsed <= most, "takes longer than the document says"),
        (said.elapsed >= least, "is quicker than the document says"),
        (
            !is_probe || lines.len() == usize::from(said.code != 0),
            "is not one line on a no, silent on a yes",
        ),
        (is_probe || !lines.is_empty(), "says nothing"),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, what)| format!("{what}: {said:?}, {least:?} to {most:?}")).collect()
}

impl Observed {
    /// What went against the rules, in words.
    pub(crate) fn violations(&self) -> Vec<String> {
        let title = self.row.title;
        let of_cells = self.cells.iter().flat_map(|cell| {
            let name = cell.call.name();
            cell.wrong.iter().map(move |wrong| format!("{title}: {name} {wrong}"))
        });
        of_cells.chain(self.wrong.iter().cloned()).collect()
    }

    pub(crate) fn cell(&self, call: Call) -> &Cell {
        self.cells.iter().find(|cell| cell.call == call).unwrap()
    }
}

//! What happens to the pods, and what is found to be wrong with their jobs.

use crate::{
    cast::Cast,
    pods::{Pod, Pods, SOON},
    stops::{Stopped, Way, kill_agent},
};
use jjobs_harness::within;
use std::{
    collections::HashSet,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// In seconds.
pub(crate) const SHORT: Range<f64> = 0.0..1.5;
pub(crate) const LONG: Range<f64> = 1.5..100.0;
/// Jobs that nobody has yet, at any time: every agent finds some.
const QUEUE: u64 = 24;
/// From the start script to a stop, in milliseconds: before there is a JVM, while it registers, with its first jobs.
const STARTED_FOR: [u64; 9] = [0, 2, 4, 8, 12, 16, 25, 40, 100];

/// How much of it is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Each pod by the two ways of a container runtime.
    Short,
    /// Each agent in every way, and by a crash; the server; all together; while they start.
    Whole,
}

impl Length {
    fn ways(self) -> &'static [Way] {
        match self {
            Self::Short => &Way::PLAIN,
            Self::Whole => &Way::ALL,
        }
    }
}

pub(crate) struct Story<'a> {
    pub(crate) cast: &'a Cast,
    pub(crate) pods: &'a Pods,
    found: Mutex<Vec<String>>,
    /// Jobs whose loss is in there already.
    known: Mutex<HashSet<String>>,
    is_over: AtomicBool,
}

/// Plays it; returns what was found to be wrong. `None` where this machine allows no namespaces.
pub(crate) fn play(cast: &Cast, length: Length) -> Option<Vec<String>> {
    let pods = cast.boot()?;
    let is_over = AtomicBool::new(false);
    let story =
        Story { cast, pods: &pods, found: Mutex::default(), known: Mutex::default(), is_over };
    thread::scope(|scope| {
        scope.spawn(|| story.feed());
        // Ends the feeding also where a lane fails.
        let _over = Over(&story.is_over);
        thread::scope(|lanes| {
            for (number, agent) in pods.agents.iter().enumerate() {
                let story = &story;
                lanes.spawn(move || story.stop_agent_in_every_way(agent, number, length));
            }
        });
        for way in Way::PLAIN {
            story.stop_server(way);
        }
        if length == Length::Whole {
            story.stop_all_at_once();
            story.stop_agents_while_the_server_is_away();
        }
    });
    story.settle();
    Some(story.found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Story<'_> {
    /// Keeps short jobs coming.
    fn feed(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let guard = self.pods.feeding.lock().unwrap_or_else(PoisonError::into_inner);
            if self.pods.board().is_some_and(|board| board.waiting < QUEUE) {
                for seconds in [0.2, 0.5, 0.7, 1.0] {
                    self.pods.submit(seconds, 1, None);
                }
            }
            drop(guard);
            thread::sleep(Duration::from_millis(300));
        }
    }

    fn stop_agent_in_every_way(&self, agent: &Pod, number: usize, length: Length) {
        let ways = length.ways();
        for turn in 0..ways.len() {
            // Each agent begins elsewhere, so that different stops meet.
            let way = ways[(turn + number * 2) % ways.len()];
            let is_last = turn + 1 == ways.len();
            self.stop_agent(agent, way, || {
                if is_last && length == Length::Whole {
                    self.stop_early(agent, number);
                }
            });
            if length == Length::Whole && turn == number {
                self.crash_agent(agent);
            }
        }
    }

    /// Brings the pod back and stops it while its agent is being started, a few times.
    fn stop_early(&self, agent: &Pod, number: usize) {
        let ways = [Way::HookThenTerm, Way::Term, Way::HookKilledThenTerm];
        let delays = STARTED_FOR.into_iter().skip(number).step_by(self.pods.agents.len());
        for (turn, delay) in delays.enumerate() {
            let way = ways[(turn + number) % ways.len()];
            let from = agent.restart();
            agent.eventually("the agent is being started", |agent| {
                agent.has_said(from, "start script started")
            });
            thread::sleep(Duration::from_millis(delay));
            let what = format!("{delay} ms after its start");
            let ended = self.stop(agent, way, (&what, from));
            self.tell(agent, &format!("{way:?}"), &format!("{what}; {ended}"));
        }
    }

    fn stop_agent(&self, agent: &Pod, way: Way, then: impl FnOnce()) {
        let ran = self.load(agent);
        let ended = self.stop(agent, way, (&ran, agent.now()));
        then();
        let back = self.bring_back(agent);
        self.tell(agent, &format!("{way:?}"), &format!("{ran}; {ended}; back after {back:.1} s"));
    }

    /// Starts the pod again and waits until it works; returns how long that took, in seconds.
    pub(crate) fn bring_back(&self, agent: &Pod) -> f32 {
        let began = Instant::now();
        let from = agent.restart();
        agent.eventually("the agent is back at work", |agent| {
            agent.has_said(from, "all up") && self.pods.is_at_work(agent)
        });
        began.elapsed().as_secs_f32()
    }

    /// Stops the pod; what it may not leave behind is put down. `ran`: what was running.
    pub(crate) fn stop(&self, pod: &Pod, way: Way, (ran, from): (&str, usize)) -> String {
        let began = Instant::now();
        let Stopped { hooks, code, left_over } = way.stop(pod);
        let took = began.elapsed().as_secs_f32();
        let record = self.pods.record();
        // Everything in the pod is gone: what began there and has no end is lost.
        let lost: Vec<String> = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let lost = record.unfinished_on(pod.name).into_iter().map(str::to_owned);
            lost.filter(|job| known.insert(job.clone())).collect()
        };
        if !lost.is_empty() {
            self.accuse(
                pod,
                &format!("{way:?}, {ran}: begun there and never ended: {}", lost.join(" ")),
                from,
            );
        }
        if left_over > 0 {
            let what = format!("{way:?}, {ran}: {left_over} JVMs run after the hook's end");
            self.accuse(pod, &what, from);
        }
        if code != 0 || hooks.iter().any(|hook| *hook != 0) {
            self.accuse(
                pod,
                &format!("{way:?}, {ran}: PID 1 ended with {code}, hooks with {hooks:?}"),
                from,
            );
        }
        format!("ended in {took:.1} s with {code}, hooks {hooks:?}, {} lost", lost.len())
    }

    /// The agent's JVM dies; its runtimes go on, and PID 1 starts another one that picks them up.
    fn crash_agent(&self, agent: &Pod) {
        let ran = self.load(agent);
        let before = agent.agent_pid();
        let began = Instant::now();
        kill_agent(agent);
        agent.eventually("another agent is at work", |agent| {
            agent.agent_pid().is_some_and(|pid| Some(pid) != before) && self.pods.is_at_work(agent)
        });
        let took = began.elapsed().as_secs_f32();
        self.tell(
            agent,
            "crash of the agent alone",
            &format!("ran {ran}; another one at work after {took:.1} s"),
        );
    }

    /// Gives that agent jobs until a short and a long one run there, and, where agents have pockets, one is in there.
    pub(crate) fn load(&self, agent: &Pod) -> String {
        let mut submitted: Option<Instant> = None;
        let loaded = within(SOON, || {
            if submitted.is_none_or(|at| at.elapsed() > Duration::from_secs(3)) {
                submitted = Some(Instant::now());
                self.pods.submit(self.cast.long_job(), 1, Some(agent));
                self.pods.submit(0.8, 4, Some(agent));
            }
            let board = self.pods.board_of(agent);
            let (short, long) = (count(&board.running, &SHORT), count(&board.running, &LONG));
            // The board tells what it was told: that they run now is seen by the processes.
            let alive = agent.runtimes();
            let are_alive = count(&alive, &SHORT) > 0 && count(&alive, &LONG) > 0;
            let is_loaded = are_alive
                && short > 0
                && long > 0
                && (!self.pods.is_contrary || !board.handed.is_empty());
            is_loaded
                .then(|| format!("{short} short, {long} long, {} about to", board.handed.len()))
        });
        loaded.unwrap_or_else(|| {
            panic!("{} never had jobs enough: {:?}", agent.name, self.pods.board())
        })
    }

    /// No more jobs come; all that were submitted are to end.
    fn settle(&self) {
        let is_settled = within(SOON, || {
            let board = self.pods.board()?;
            (board.waiting == 0 && board.working == 0).then_some(())
        });
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if is_settled.is_none() {
            found.push(format!("work goes on: {:?}", self.pods.board()));
        }
        let (record, summary) = (self.pods.record(), self.pods.summary());
        found.extend(record.complaints());
        if !summary.is_complete() || !summary.lost.is_empty() {
            found.push(format!("the ledger is not complete: {summary:?}"));
        }
        println!("{}: {} jobs, {} complaints", self.cast.name, record.submitted(), found.len());
        if !found.is_empty() {
            self.tell_all();
        }
    }

    /// Everything that may explain a complaint.
    fn tell_all(&self) {
        println!("{}: the ledger:\n{}", self.cast.name, self.pods.ledger());
        for pod in self.pods.agents.iter().chain([&self.pods.server]) {
            println!("{}: {} said:\n{}", self.cast.name, pod.name, pod.lock().transcript());
        }
    }

    fn accuse(&self, pod: &Pod, what: &str, from: usize) {
        let said: String =
            pod.lock().lines().into_iter().skip(from).map(|line| line.text + "\n").collect();
        println!("{}: {}: {what}; PID 1 said:\n{said}", self.cast.name, pod.name);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.push(format!("{}: {what}", pod.name));
    }

    pub(crate) fn tell(&self, pod: &Pod, how: &str, what: &str) {
        println!("{:9} {:14} {how:25} {what}", self.cast.name, pod.name);
    }
}

pub(crate) fn count(jobs: &[f64], range: &Range<f64>) -> usize {
    jobs.iter().filter(|seconds| range.contains(seconds)).count()
}

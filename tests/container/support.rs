//! What these tests share: a booted J-Jobs with its meta DB's port, its jobs, and the questions that they ask.

use jjobs_harness::{
    ProcessInfo,
    engine::{Container, ContainerBuilder, Image},
    within,
};
use std::{net::TcpListener, ops::Deref, sync::Mutex, time::Duration};

/// Longer than anything healthy takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(1);

pub(crate) const BASE: &str = "/engn001/jjobs";
pub(crate) const INIT: &str = "/usr/local/bin/jjobs-init";
pub(crate) const TOKEN: &str = "a-token-of-theirs";

const LEDGER: &str = "/logs001/jjobs/jobs";
const DB_PORT: u16 = 7432;
const SERVER_PORT: u16 = 7075;

/// Kind F as the image has it, with a token, so that it can hold and be ready.
pub(crate) fn kind_f() -> Option<ContainerBuilder> {
    let image = Image::simulated()?;
    let container = image.container().hostname("jjobs-0").env("API_PRIVATE_TOKEN", TOKEN);
    // On the image's volume, which is there under a read-only root and after the end, too.
    Some(container.env("SIM_LEDGER", LEDGER))
}

/// A container and its meta DB.
pub(crate) struct Life {
    container: Container,
    db: Mutex<Option<TcpListener>>,
}

impl Deref for Life {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.container
    }
}

/// Starts it, and waits until all that boot starts is up and ready.
#[track_caller]
pub(crate) fn up(builder: ContainerBuilder) -> Life {
    let life = Life { container: builder.start(), db: Mutex::default() };
    life.is_up_from(0);
    life
}

impl Life {
    /// Gives this life its meta DB, whose network is new with each, and waits until it is up and ready.
    #[track_caller]
    pub(crate) fn is_up_from(&self, from: usize) {
        *self.db.lock().unwrap() = self.listen(DB_PORT).ok();
        self.line(from, &["all up"]);
        // An agent that is up may not have registered yet; who holds one by then is not heard at once.
        self.is_ready();
    }

    /// Waits until J-Jobs says that it is ready.
    #[track_caller]
    pub(crate) fn is_ready(&self) {
        self.eventually("it is ready", |life| life.exec(["/working/readiness.sh"]).code == 0);
    }

    /// As the container's own, with our questions.
    #[track_caller]
    pub(crate) fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let held = within(SOON, || holds(self).then_some(()));
        assert!(held.is_some(), "timed out waiting for: {what}; PID 1 said:\n{}", self.logs());
    }

    /// How many lines there are by now: where to look for what comes next.
    pub(crate) fn now(&self) -> usize {
        self.lines().len()
    }

    /// Waits for a line with all of these texts.
    #[track_caller]
    pub(crate) fn line(&self, from: usize, texts: &[&str]) -> String {
        self.wait_for_line_with(from, texts, SOON).text
    }

    /// The lasting JVMs whose command line has this word.
    pub(crate) fn jvms(&self, word: &str) -> Vec<ProcessInfo> {
        let mut found = self.processes_with(word);
        let is_asking = |last: &String| last == "stop" || last == "configtest";
        found.retain(|jvm| jvm.name == "java" && !jvm.argv.last().is_some_and(is_asking));
        // A child that it has just forked, for a `date` say, looks like it until it has become that.
        let pids: Vec<i32> = found.iter().map(|process| process.pid).collect();
        found.retain(|process| !pids.contains(&process.ppid));
        found
    }

    /// Sets a component's misbehaviour.
    #[track_caller]
    pub(crate) fn fault(&self, component: &str, faults: &str) {
        self.write(format!("{BASE}/.simulator/faults/{component}"), faults);
    }

    /// Gives jobs to the agent and waits until each has a runtime.
    #[track_caller]
    pub(crate) fn submit(&self, count: usize, seconds: f64) {
        let before = self.jobs("start");
        let body = format!(r#"{{"seconds":{seconds},"count":{count},"where":"agent"}}"#);
        let answer = self.http_api(SERVER_PORT, ("POST", "/sim/jobs"), TOKEN, &body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let all = before + count;
        self.eventually("each job has a runtime", |life| life.jobs("start") >= all);
    }

    /// How many events of this sort the ledger of the jobs holds; also after the container's end.
    #[track_caller]
    pub(crate) fn jobs(&self, event: &str) -> usize {
        let wanted = format!(r#""event":"{event}""#);
        let ledger = self.saved_text(LEDGER).unwrap_or_default();
        ledger.lines().filter(|line| line.contains(&wanted)).count()
    }

    /// That each of `count` jobs was begun once and ended.
    #[track_caller]
    pub(crate) fn lost_none_of(&self, count: usize) {
        let events = ["start", "end", "lost"].map(|event| self.jobs(event));
        assert_eq!(events, [count, count, 0], "begun, ended, lost; it said:\n{}", self.logs());
    }

    /// That it drains within a `docker stop`, be it that its two jobs still run by then, loses none and ends with 0. For
    /// lives that have had no other jobs.
    #[track_caller]
    pub(crate) fn drains(&self) {
        self.submit(2, 1.5);
        let stop = self.stop(60);
        assert!(stop.elapsed < Duration::from_secs(50), "it was not killed: {stop:?}");
        assert_eq!(self.exit_code(SOON), 0, "{}", self.logs());
        self.line(0, &["drain ended outcome=finished", "jobs_left=0"]);
        self.lost_none_of(2);
    }

    /// That a client's exec ends with that code and leaves nothing behind: neither an open output nor a process.
    #[track_caller]
    pub(crate) fn exec_ends_with(&self, code: i32, argv: &[&str]) {
        let done = self.exec(argv);
        assert_eq!(done.code, code, "{argv:?}: {done:?}\n{}", self.logs());
        assert!(!done.leaked_output, "{argv:?}: {done:?}");
        if code == 0 {
            assert_eq!(done.stderr, "", "{argv:?}");
        }
        // A probe's own process leaves the list a moment after docker has heard of its end.
        self.eventually("it has left no process", |life| {
            life.processes().iter().all(|process| process.ppid != 0 || process.pid == 1)
                && life.zombies().is_empty()
        });
    }
}

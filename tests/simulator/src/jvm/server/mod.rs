//! The server: the REST API of contract.md §8, five TCP ports, and jobs handed out to agents.

mod api;
mod board;
mod state;

use self::state::{JobState, State};
use super::{
    configuration,
    life::Life,
    tomcat::{WebApplication, listen},
};
use crate::{
    http::{self, Answer, Request},
    ledger,
};
use serde_json::Value;
use std::{
    env,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const API: &str = "/jjob-server/api/v1";

pub(crate) struct Server {
    life: Life,
    id: u64,
    effective: Value,
    shared: Arc<Shared>,
    /// Whether a contrary server has yet to say once that it works on nothing while it does.
    owes_a_lie: AtomicBool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, keeps it, and wakes whoever waits for a change.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        state.save();
        drop(state);
        self.changed.notify_all();
        result
    }
}

impl Server {
    pub(crate) fn open(life: &Life, home: &Path, effective: Value) -> Result<Self, String> {
        let classes = home.join("webapps/jjob-server/WEB-INF/classes");
        let settings = configuration::properties(&classes.join("properties/server.properties"));
        let first: u16 = settings
            .get("server.tcp.base_port")
            .and_then(|text| text.parse().ok())
            .ok_or("server.properties names no server.tcp.base_port")?;
        for port in first..first.saturating_add(5) {
            let listener = listen(port)?;
            http::spawn(move || listener.incoming().for_each(drop));
        }
        let given = env::var("JJOB_SERVER_ID").unwrap_or_default();
        let id = given.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or(1);
        let mut state = State::load(&life.base);
        if life.faults.is_on("forget_holds") {
            state.forget_holds();
        }
        state.save();
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let owes_a_lie = AtomicBool::new(true);
        let server = Self { life: life.clone(), id, effective, shared, owes_a_lie };
        server.work_on_own();
        Ok(server)
    }

    /// Requests that need no agent are worked on here, one after the other is started, all side by side.
    fn work_on_own(&self) {
        let (shared, base) = (Arc::clone(&self.shared), self.life.base.clone());
        http::spawn(move || {
            loop {
                let job = {
                    let mut state = shared.lock();
                    loop {
                        let is_held = state.is_held;
                        let next = state.jobs.iter_mut().find(|job| {
                            !is_held && job.is_servers && job.state == JobState::Waiting
                        });
                        if let Some(job) = next {
                            job.state = JobState::Own;
                            let job = job.clone();
                            state.save();
                            break job;
                        }
                        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    }
                };
                let (shared, base) = (Arc::clone(&shared), base.clone());
                http::spawn(move || {
                    let _ = ledger::record(&base, "start", &job.id);
                    thread::sleep(Duration::try_from_secs_f64(job.seconds).unwrap_or_default());
                    let _ = ledger::record(&base, "end", &job.id);
                    shared.change(|state| state.finish(&job.id));
                });
            }
        });
    }

    /// After a hold: what a contrary or a forgetful server makes of it.
    fn was_held(&self) {
        self.owes_a_lie.store(true, Ordering::Relaxed);
        if let Some(delay) = self.life.faults.seconds("forget_after") {
            let shared = Arc::clone(&self.shared);
            http::spawn(move || {
                thread::sleep(delay);
                shared.change(State::forget_holds);
            });
        }
    }

    /// Whether the list of working requests is to be empty this time, though there are some: once in each life and
    /// once after each hold.
    fn is_to_lie(&self) -> bool {
        self.life.faults.is_contrary() && self.owes_a_lie.swap(false, Ordering::Relaxed)
    }
}

impl WebApplication for Server {
    fn answer(&self, request: &Request) -> Answer {
        let path = request.path.as_str();
        if let Some(path) = path.strip_prefix(API) {
            return self.api(path, request);
        }
        if let Some(path) = path.strip_prefix("/sim") {
            return self.sim(path, request);
        }
        match path {
            "/jjob-server/test.jsp" => Answer::html(200, "OK"),
            _ => Answer::html(404, "not found"),
        }
    }
}

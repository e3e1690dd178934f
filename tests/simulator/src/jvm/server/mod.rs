//! The server: the REST API of contract.md §8, five TCP ports, and jobs handed out to agents. With a real meta DB several servers
//! do this together: each takes any call, and works on its own requests.

mod api;
mod board;
mod state;
mod store;

use self::{
    state::{Job, State},
    store::Store,
};
use super::{
    configuration,
    database::{Database, Trouble},
    life::{Life, say},
    tomcat::{WebApplication, listen},
};
use crate::{
    http::{self, Answer, Request},
    ledger,
};
use serde_json::{Value, json};
use std::{
    env,
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const API: &str = "/jjob-server/api/v1";

/// How often a server tells the others that it lives.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Between tries to tell the meta DB of something that must not be forgotten.
const RETRY_DELAY: Duration = Duration::from_millis(300);

/// A server that is alone has nothing to look for: whatever changes wakes it.
const LONG: Duration = Duration::from_hours(1);

pub(crate) struct Server {
    life: Life,
    effective: Value,
    store: Arc<Store>,
    /// Whether a contrary server has yet to say once that it works on nothing while it does.
    owes_a_lie: AtomicBool,
}

/// An answer, or why the meta DB does not let us know it.
type Reply = Result<Answer, Trouble>;

/// The five TCP ports.
pub(crate) struct Ports(Vec<TcpListener>);

impl Ports {
    pub(crate) fn open(home: &Path) -> Result<Self, String> {
        let classes = home.join("webapps/jjob-server/WEB-INF/classes");
        let settings = configuration::properties(&classes.join("properties/server.properties"));
        let first: u16 = settings
            .get("server.tcp.base_port")
            .and_then(|text| text.parse().ok())
            .ok_or("server.properties names no server.tcp.base_port")?;
        (first..first.saturating_add(5)).map(listen).collect::<Result<_, _>>().map(Self)
    }
}

impl Server {
    pub(crate) fn open(life: &Life, ports: Ports, effective: Value) -> Result<Self, Trouble> {
        let given = env::var("JJOB_SERVER_ID").unwrap_or_default();
        let id = given.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or(1);
        let store = if Database::is_wanted() {
            let database = Database::open(&effective["jdbc"], &format!("jjob-server 1-{id}"))?;
            Store::in_database(id, &life.base, database)?
        } else {
            Store::in_file(id, &life.base)
        };
        let address = env::var("JJOB_SERVER_IP").unwrap_or_else(|_| ledger::hostname());
        let is_forgetful = life.faults.is_on("forget_holds");
        store.change(|state| {
            if is_forgetful {
                state.forget_holds();
            }
            state.begin_life(&address);
        })?;
        for listener in ports.0 {
            http::spawn(move || listener.incoming().for_each(drop));
        }
        let (store, owes_a_lie) = (Arc::new(store), AtomicBool::new(true));
        let server = Self { life: life.clone(), effective, store, owes_a_lie };
        server.work_on_own();
        if server.store.is_shared() {
            server.beat();
        }
        Ok(server)
    }

    /// Tells the other servers that this one lives; says it when the meta DB goes, and when it is back.
    fn beat(&self) {
        let store = Arc::clone(&self.store);
        http::spawn(move || {
            let mut is_lost = false;
            loop {
                thread::sleep(HEARTBEAT);
                let told = store.change(State::be_seen);
                match (&told, is_lost) {
                    (Err(trouble), false) => say(&format!("SEVERE [heartbeat] {trouble}")),
                    (Ok(()), true) => say("INFO [heartbeat] the meta DB answers again"),
                    _ => {}
                }
                is_lost = told.is_err();
            }
        });
    }

    /// Requests that need no agent are worked on here, one after the other is started, all side by side.
    fn work_on_own(&self) {
        let (store, base) = (Arc::clone(&self.store), self.life.base.clone());
        http::spawn(move || {
            loop {
                let changes = store.changes();
                let has_some = store.read(|state| state.next_own().is_some()).unwrap_or(false);
                if has_some && let Ok(Some(job)) = store.change(State::take_own) {
                    let (store, base) = (Arc::clone(&store), base.clone());
                    http::spawn(move || work_on(&job, &store, &base));
                } else {
                    store.wait(changes, LONG);
                }
            }
        });
    }

    /// After a hold: what a contrary or a forgetful server makes of it.
    fn was_held(&self) {
        self.owes_a_lie.store(true, Ordering::Relaxed);
        if let Some(delay) = self.life.faults.seconds("forget_after") {
            let store = Arc::clone(&self.store);
            http::spawn(move || {
                thread::sleep(delay);
                let _ = store.change(State::forget_holds);
            });
        }
    }

    /// Whether the list of working requests is to be empty this time, though there are some: once in each life and
    /// once after each hold.
    fn is_to_lie(&self) -> bool {
        self.life.faults.is_contrary() && self.owes_a_lie.swap(false, Ordering::Relaxed)
    }
}

fn work_on(job: &Job, store: &Store, base: &Path) {
    let _ = ledger::record(base, "start", &job.id);
    thread::sleep(Duration::try_from_secs_f64(job.seconds).unwrap_or_default());
    let _ = ledger::record(base, "end", &job.id);
    while store.change(|state| state.finish(&job.id)).is_err() {
        thread::sleep(RETRY_DELAY);
    }
}

impl WebApplication for Server {
    fn answer(&self, request: &Request) -> Answer {
        let path = request.path.as_str();
        let reply = if let Some(path) = path.strip_prefix(API) {
            self.api(path, request)
        } else if let Some(path) = path.strip_prefix("/sim") {
            self.sim(path, request)
        } else if path == "/jjob-server/test.jsp" {
            // A page that asks nobody.
            Ok(Answer::html(200, "OK"))
        } else {
            Ok(Answer::html(404, "not found"))
        };
        reply.unwrap_or_else(|trouble| {
            say(&format!("SEVERE [http] {} {path}: {trouble}", request.method));
            Answer::json(500, &json!({ "message": "Internal Server Error" }))
        })
    }
}

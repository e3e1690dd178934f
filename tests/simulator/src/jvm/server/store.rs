//! Where the [`State`] is kept: in a file of the installation, or with `SIM_DB=postgres` in the meta DB that the installation is
//! configured for, in one row that all servers share.
//!
//! In the DB each change is a transaction that has the row to itself, so what two servers do happens one after the other. What
//! cannot be asked of the DB fails; the next try makes a new connection.

use super::state::State;
use crate::jvm::database::{Database, Trouble};
use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often a server looks for what another one may have changed.
const LOOK: Duration = Duration::from_millis(100);

const TABLE: &str = "
BEGIN;
SELECT pg_advisory_xact_lock(7075);
CREATE TABLE IF NOT EXISTS jjob_state (single boolean PRIMARY KEY DEFAULT true CHECK (single), document text NOT NULL);
INSERT INTO jjob_state (document) VALUES ('') ON CONFLICT DO NOTHING;
COMMIT";

pub(crate) struct Store {
    id: u64,
    base: PathBuf,
    keeping: Keeping,
    /// Counts the changes by this server.
    changes: Mutex<u64>,
    changed: Condvar,
}

enum Keeping {
    File(Mutex<State>, PathBuf),
    Database(Database),
}

impl Store {
    /// The file: `SIM_META`, else one of the installation.
    pub(crate) fn in_file(id: u64, base: &Path) -> Self {
        let file = match env::var_os("SIM_META") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => base.join(".simulator/meta.json"),
        };
        let text = fs::read_to_string(&file).unwrap_or_default();
        let state = State::parse(&text, (id, false), base.to_owned());
        Self::new(id, base, Keeping::File(Mutex::new(state), file))
    }

    pub(crate) fn in_database(id: u64, base: &Path, database: Database) -> Result<Self, Trouble> {
        database.run(TABLE)?;
        Ok(Self::new(id, base, Keeping::Database(database)))
    }

    fn new(id: u64, base: &Path, keeping: Keeping) -> Self {
        let (base, changed) = (base.to_owned(), Condvar::new());
        Self { id, base, keeping, changes: Mutex::new(0), changed }
    }

    /// Whether other servers may have the same state.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.keeping, Keeping::Database(_))
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, Trouble> {
        match &self.keeping {
            Keeping::File(state, _) => Ok(look(&lock(state))),
            Keeping::Database(database) => {
                let text = database.value("SELECT document FROM jjob_state")?;
                Ok(look(&self.parse(&text)))
            }
        }
    }

    /// Changes the state, keeps it, and wakes whoever waits for a change.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Trouble> {
        let result = match &self.keeping {
            Keeping::File(state, file) => {
                let mut state = lock(state);
                let result = change(&mut state);
                save(&state.to_text(), file);
                result
            }
            Keeping::Database(database) => database.change(
                "BEGIN; SELECT document FROM jjob_state FOR UPDATE",
                "UPDATE jjob_state SET document = $1",
                |text| {
                    let mut state = self.parse(text);
                    let result = change(&mut state);
                    (state.to_text(), result)
                },
            )?,
        };
        *lock(&self.changes) += 1;
        self.changed.notify_all();
        Ok(result)
    }

    fn parse(&self, text: &str) -> State {
        State::parse(text, (self.id, true), self.base.clone())
    }

    /// For [`wait`](Self::wait), to be asked before one looks.
    pub(crate) fn changes(&self) -> u64 {
        *lock(&self.changes)
    }

    /// Waits until something has changed since `changes`, or may have; not longer than `limit`.
    pub(crate) fn wait(&self, changes: u64, limit: Duration) {
        let limit = if self.is_shared() { limit.min(LOOK) } else { limit };
        let guard = lock(&self.changes);
        drop(self.changed.wait_timeout_while(guard, limit, |count| *count == changes));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn save(text: &str, file: &Path) {
    let draft = file.with_extension(format!("{}.new", std::process::id()));
    if fs::write(&draft, text).is_ok() {
        let _ = fs::rename(draft, file);
    }
}

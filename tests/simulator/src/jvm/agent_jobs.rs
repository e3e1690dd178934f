//! The jobs that an agent answers for: those whose runtimes it started, and those that it found running.

use super::{
    JavaCommand,
    life::{Life, is_java_with, start_java},
    runtime,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

pub(crate) struct Jobs {
    state: Mutex<State>,
    changed: Condvar,
    folder: PathBuf,
    /// How this vendor version marks a JVM, as the agent's own command line has it.
    marks_as_property: bool,
    home: PathBuf,
}

#[derive(Default)]
struct State {
    /// By job; the value is the runtime's pid.
    running: BTreeMap<String, u32>,
    is_closed: bool,
}

impl Jobs {
    /// Picks up what runtimes of an earlier agent have left behind or still work on.
    pub(crate) fn adopt(life: &Life, java: &JavaCommand) -> Self {
        let folder = runtime::folder(&life.base);
        let mut state = State::default();
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(job) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            let pid = fs::read_to_string(&path).ok().and_then(|text| text.parse().ok());
            state.running.insert(job.to_owned(), pid.unwrap_or(0));
        }
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            folder,
            marks_as_property: java.property("cname").is_some(),
            home: life.base.clone(),
        }
    }

    /// Starts a detached runtime: it shares the agent's process group, as the real one does, and outlives it.
    pub(crate) fn start(&self, job: &str, seconds: f64) -> io::Result<()> {
        let mut words = vec![
            format!("-Djjobs.home={}", self.home.display()),
            format!("-Dsim.job={job}"),
            format!("-Dsim.seconds={seconds}"),
            "-cp".to_owned(),
            "app:lib/*".to_owned(),
            "jjob.runtime.RuntimeMain".to_owned(),
        ];
        if self.marks_as_property {
            words.insert(0, "-Dcname=jjobs".to_owned());
        } else {
            words.push("cname=jjobs".to_owned());
        }
        fs::create_dir_all(&self.folder)?;
        let mut child = start_java(&words)?;
        self.lock().running.insert(job.to_owned(), child.id());
        self.changed.notify_all();
        // Somebody has to collect it, while the agent lives.
        let _ = thread::Builder::new().stack_size(64 << 10).spawn(move || child.wait());
        Ok(())
    }

    /// The jobs whose runtimes have ended, well or badly.
    pub(crate) fn ended(&self) -> Vec<String> {
        let running = self.lock().running.clone();
        let is_over = |(job, pid): &(String, u32)| {
            self.folder.join(format!("{job}.done")).exists()
                || !is_java_with(*pid, "jjob.runtime.RuntimeMain")
        };
        running.into_iter().filter(is_over).map(|(job, _)| job).collect()
    }

    /// A job that was reported.
    pub(crate) fn forget(&self, job: &str) {
        for ending in ["run", "done"] {
            let _ = fs::remove_file(self.folder.join(format!("{job}.{ending}")));
        }
        self.lock().running.remove(job);
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().running.keys().cloned().collect()
    }

    /// Takes no more jobs from now on.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Returns when there is a job to look after or nothing more to come.
    pub(crate) fn wait_for_some(&self) {
        let mut state = self.lock();
        while state.running.is_empty() && !state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

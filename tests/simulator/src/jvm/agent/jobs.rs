//! The jobs that an agent answers for: those whose runtimes it started, those that it found running, and the one that a
//! contrary agent keeps in its pocket.

use crate::jvm::{
    JavaCommand,
    life::{Life, has_gone, is_java_with, start_java},
    runtime,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
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
    pocket: Option<Pocketed>,
    is_closed: bool,
}

/// A job that was handed out and has no runtime yet.
struct Pocketed {
    job: String,
    seconds: f64,
    due: Instant,
}

/// How a runtime has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    /// It is gone and left no word.
    Lost,
}

impl Jobs {
    /// Picks up what runtimes of an earlier agent have left behind or still work on.
    pub(crate) fn adopt(life: &Life, java: &JavaCommand) -> Self {
        let folder = runtime::folder(&life.base);
        let mut state = State::default();
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(job) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            let noted = fs::read_to_string(&path).ok().and_then(|text| text.parse().ok());
            match noted.filter(|pid| *pid != 0).or_else(|| runtime_of(job)) {
                Some(pid) => {
                    state.running.insert(job.to_owned(), pid);
                }
                // The earlier agent ended before there was a runtime: the job was never begun.
                None => {
                    let _ = fs::remove_file(&path);
                }
            }
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
            mark(job),
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
        // So that an agent that ends right now leaves word of what it began; the runtime writes its pid here.
        let note = self.folder.join(format!("{job}.run"));
        fs::write(&note, "0")?;
        let mut child = start_java(&words).inspect_err(|_| {
            let _ = fs::remove_file(&note);
        })?;
        self.lock().running.insert(job.to_owned(), child.id());
        self.changed.notify_all();
        // Somebody has to collect it, while the agent lives.
        let _ = thread::Builder::new().stack_size(64 << 10).spawn(move || child.wait());
        Ok(())
    }

    /// Keeps a job for later; returns the one that was kept so far.
    pub(crate) fn pocket(&self, job: &str, seconds: f64, delay: Duration) -> Option<(String, f64)> {
        let kept = Pocketed { job: job.to_owned(), seconds, due: Instant::now() + delay };
        let before = self.lock().pocket.replace(kept);
        self.changed.notify_all();
        before.map(|before| (before.job, before.seconds))
    }

    /// Lets the kept job wait so long from now on.
    pub(crate) fn postpone(&self, delay: Duration) {
        if let Some(kept) = &mut self.lock().pocket {
            kept.due = Instant::now() + delay;
        }
    }

    /// Takes the kept job out where its time has come.
    pub(crate) fn take_due(&self) -> Option<(String, f64)> {
        let kept = self.lock().pocket.take_if(|kept| kept.due <= Instant::now())?;
        Some((kept.job, kept.seconds))
    }

    /// The jobs whose runtimes have ended.
    pub(crate) fn ended(&self) -> Vec<(String, Ending)> {
        let running = self.lock().running.clone();
        let is_done = |job: &str| self.folder.join(format!("{job}.done")).exists();
        let ending = |(job, pid): (String, u32)| {
            // The pid alone may be another's by now, as after a restart of the container.
            let has_gone = has_gone(pid, &mark(&job));
            match (is_done(&job), has_gone) {
                (true, _) => Some((job, Ending::Done)),
                (false, true) => Some((job, Ending::Lost)),
                (false, false) => None,
            }
        };
        running.into_iter().filter_map(ending).collect()
    }

    /// A job that was reported.
    pub(crate) fn forget(&self, job: &str) {
        for ending in ["run", "done"] {
            let _ = fs::remove_file(self.folder.join(format!("{job}.{ending}")));
        }
        self.lock().running.remove(job);
    }

    /// The jobs that have a runtime.
    pub(crate) fn running(&self) -> Vec<String> {
        self.lock().running.keys().cloned().collect()
    }

    /// Those, and the one that is kept.
    pub(crate) fn known(&self) -> Vec<String> {
        let state = self.lock();
        let kept = state.pocket.iter().map(|kept| kept.job.clone());
        state.running.keys().cloned().chain(kept).collect()
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
        while state.running.is_empty() && state.pocket.is_none() && !state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells a job's runtime from all others.
fn mark(job: &str) -> String {
    format!("-Dsim.job={job}")
}

fn runtime_of(job: &str) -> Option<u32> {
    let processes = fs::read_dir(Path::new("/proc")).ok()?;
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .find(|pid| is_java_with(*pid, &mark(job)))
}

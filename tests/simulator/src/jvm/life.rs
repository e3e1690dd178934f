//! How a JVM begins, crashes, takes signals and ends; the same for every component.

use crate::{fault::Faults, http};
use signal_hook::{
    consts::{SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};
use std::{
    env, fs, io,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Set in a JVM that forked itself away, so that it does so once.
const FORKED: &str = "SIM_FORKED";

/// A life: what it is called in the control files, and where its installation is.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) component: &'static str,
    pub(crate) base: PathBuf,
    pub(crate) faults: Faults,
    started: Instant,
    signals: Arc<Mutex<Option<Signals>>>,
}

impl Life {
    /// Begins a life: crashes at once or forks away where that is asked for. Signals are handled from here on.
    pub(crate) fn begin(component: &'static str, base: &Path) -> Self {
        let faults = Faults::of(base, component);
        if faults.is_on("double_fork") && env::var_os(FORKED).is_none() {
            fork_away();
        }
        // Before anything else, so that a signal in the first moments is one that is handled.
        let signals = Arc::new(Mutex::new(Signals::new([SIGTERM, SIGINT, SIGQUIT]).ok()));
        let life =
            Self { component, base: base.to_owned(), faults, started: Instant::now(), signals };
        let starts = life.faults.count("starts");
        if let Some(times) = life.faults.number("crash_at_start")
            && starts <= u64::try_from(times).unwrap_or(0)
        {
            say(&format!("SEVERE [main] crashes at start {starts} of {times}, on request"));
            life.crash();
        }
        life
    }

    /// Waits as long as a slow start is asked to take.
    pub(crate) fn take_time_to_start(&self) {
        // Looked at again and again: a test may end a slow start early.
        while self.faults.seconds("start_delay").is_some_and(|delay| self.started.elapsed() < delay)
        {
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn elapsed_ms(&self) -> u128 {
        self.started.elapsed().as_millis()
    }

    /// Takes signals until one ends this JVM; `last` is its orderly stop.
    pub(crate) fn live(&self, last: impl Fn()) -> i32 {
        let life = self.clone();
        http::spawn(move || life.watch_for_crash());
        let signals = self.signals.lock().ok().and_then(|mut signals| signals.take());
        let Some(mut signals) = signals else { return 1 };
        for signal in signals.forever() {
            match signal {
                SIGQUIT => say("Full thread dump Simulated VM (0):"),
                _ if self.faults.is_on("refuse_term") => {
                    say("INFO [signal] SIGTERM refused, on request");
                }
                _ => {
                    self.take_time_to_stop();
                    last();
                    return 128 + signal;
                }
            }
        }
        1
    }

    /// The short, orderly stop of a component; longer on request.
    pub(crate) fn take_time_to_stop(&self) {
        say(&format!("INFO [main] {} is stopping", self.component));
        thread::sleep(self.faults.seconds("stop_seconds").unwrap_or(Duration::from_millis(50)));
    }

    fn watch_for_crash(&self) {
        loop {
            thread::sleep(Duration::from_millis(250));
            self.eat_memory();
            let is_due =
                self.faults.seconds("crash_after").is_some_and(|age| self.started.elapsed() >= age);
            if !is_due {
                continue;
            }
            let crashes = self.faults.count("crashes");
            let allowed =
                self.faults.number("crash_times").and_then(|times| u64::try_from(times).ok());
            if allowed.is_none_or(|times| crashes <= times) {
                say("SEVERE [main] crashes, on request");
                self.crash();
            }
            return;
        }
    }

    /// Takes that much memory and keeps it, in one life only.
    fn eat_memory(&self) {
        let mib = self.faults.number("eat_memory").and_then(|mib| usize::try_from(mib).ok());
        if let Some(mib) = mib
            && self.faults.count("meals") == 1
        {
            say(&format!("WARN [main] takes {mib} MiB, on request"));
            // Ones, because zeroes would be no memory before they are touched.
            std::mem::forget(std::hint::black_box(vec![1_u8; mib << 20]));
        }
    }

    fn crash(&self) -> ! {
        if let Some(signal) = self.faults.number("crash_signal") {
            let _ = signal_hook::low_level::raise(signal);
            thread::sleep(Duration::from_secs(1));
        }
        std::process::exit(self.faults.number("crash_code").unwrap_or(1))
    }
}

/// Becomes the grandchild of whoever started this JVM, as a daemon does.
fn fork_away() -> ! {
    let words: Vec<_> = env::args_os().collect();
    let exe = env::current_exe().unwrap_or_default();
    let started = Command::new(exe).arg0(&words[0]).args(&words[1..]).env(FORKED, "1").spawn();
    std::process::exit(i32::from(started.is_err()))
}

/// Starts another `java` with this one's executable, in this one's process group, its output thrown away.
pub(crate) fn start_java(words: &[String]) -> io::Result<std::process::Child> {
    let exe = env::current_exe()?;
    Command::new(&exe)
        .args(words)
        .env_remove(FORKED)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Whether the process `pid` exists and runs a JVM with this word in its command line.
pub(crate) fn is_java_with(pid: u32, word: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| has_word(&line, word))
}

/// Whether no JVM with this word in its command line is or becomes the process `pid`.
///
/// In the middle of its exec, when its parent goes on already, a process has no command line for a moment; one that has
/// ended and was not collected has none either.
pub(crate) fn has_gone(pid: u32, word: &str) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return true };
    if !line.is_empty() {
        return !has_word(&line, word);
    }
    let state = fs::read_to_string(format!("/proc/{pid}/stat"));
    state.map_or(true, |state| state.contains(") Z ") || state.contains(") X "))
}

fn has_word(line: &[u8], word: &str) -> bool {
    line.split(|byte| *byte == 0).any(|found| found == word.as_bytes())
}

/// A line of output; what cannot be written is lost, as with a JVM's `System.out`.
pub(crate) fn say(line: &str) {
    static OUTPUT: Mutex<()> = Mutex::new(());
    let _one_at_a_time = OUTPUT.lock();
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
    let _ = io::stdout().flush();
}

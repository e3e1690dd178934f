//! What `kubectl exec` and the kubelet's exec hooks and probes do: a command in the running container,
//! in a session of its own, with PID 0 as its parent.

use crate::output::{Line, Output, Stream};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    process::{Child, ExitStatus},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// How long after the command's end its output may stay open before it counts as leaked.
const CLOSING_LIMIT: Duration = Duration::from_millis(500);

/// A command that has ended.
#[derive(Debug, Clone)]
pub struct ExecOutput {
    /// The exit code, or 128 plus the signal's number.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
    /// Whether some process still held its output half a second after its end: a container runtime would go
    /// on waiting.
    pub leaked_output: bool,
    /// From its start to its end.
    pub elapsed: Duration,
}

/// A command that runs in the container; dropping it leaves it alone, as a lost connection does.
pub struct ExecChild {
    pid: Pid,
    end: Arc<(Mutex<Option<i32>>, Condvar)>,
    output: Output,
    started: Instant,
}

impl ExecChild {
    pub(crate) fn new(mut child: Child) -> Self {
        let output = Output::new(false);
        if let Some(stdout) = child.stdout.take() {
            output.collect(Stream::Stdout, stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            output.collect(Stream::Stderr, stderr);
        }
        let pid = Pid::from_raw(child.id().cast_signed());
        let end = Arc::<(Mutex<Option<i32>>, Condvar)>::default();
        // Always collected, as a container runtime does: the kernel lets no PID namespace end before.
        let known = Arc::clone(&end);
        thread::spawn(move || {
            let status = child.wait().unwrap();
            *known.0.lock().unwrap() = Some(shell_code(status));
            known.1.notify_all();
        });
        Self { pid, end, output, started: Instant::now() }
    }

    /// Signals it, and nothing that it started.
    pub fn signal(&self, signal: Signal) {
        if self.try_code().is_none() {
            let _ = kill(self.pid, signal);
        }
    }

    /// Its pid on this machine, not in the container.
    pub fn host_pid(&self) -> Pid {
        self.pid
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.output.lines()
    }

    /// Waits for a line that contains `text`.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str, limit: Duration) -> Line {
        self.output.wait_for(text, 0, limit).unwrap_or_else(|| {
            panic!("no line with {text:?} within {limit:?}: {:#?}", self.lines())
        })
    }

    /// Its code if it has ended.
    pub fn try_code(&self) -> Option<i32> {
        *self.end.0.lock().unwrap()
    }

    /// Waits for its end; a command that takes longer than `limit` is killed and fails the test.
    #[track_caller]
    pub fn wait(&self, limit: Duration) -> ExecOutput {
        let guard = self.end.0.lock().unwrap();
        let ended = self.end.1.wait_timeout_while(guard, limit, |code| code.is_none());
        let code = *ended.unwrap().0;
        let Some(code) = code else {
            self.signal(Signal::SIGKILL);
            panic!("a command did not end within {limit:?}: {:#?}", self.lines());
        };
        let elapsed = self.started.elapsed();
        let leaked_output = !self.output.is_closed_within(CLOSING_LIMIT);
        let text = |stream| String::from_utf8_lossy(&self.output.bytes(stream)).into_owned();
        ExecOutput {
            code,
            stdout: text(Stream::Stdout),
            stderr: text(Stream::Stderr),
            leaked_output,
            elapsed,
        }
    }
}

/// The code a shell would report: the exit code, or 128 plus the signal's number.
pub(crate) fn shell_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

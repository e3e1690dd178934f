//! The status as SIGUSR1 writes it to the log.

use super::core::Core;
use rustix::process::Pid;
use std::rc::Rc;

impl Core {
    /// Writes what PID 1 knows to the log, a line each.
    pub(super) fn log_status(self: &Rc<Self>) {
        self.look();
        tracing::info!(
            phase = self.phase().name(),
            runtimes = self.runtime_count(),
            elapsed_ms = self.began.elapsed().as_millis(),
            "status"
        );
        for component in &self.settings.plan.installed {
            self.unit(*component, |unit| {
                tracing::info!(
                    %component,
                    state = unit.state_name(),
                    pid = unit.pid().map(Pid::as_raw_pid),
                    since_ms = unit.since().elapsed().as_millis(),
                    restarts = unit.restarts.total(),
                    last_end = self.last_end_text(*component),
                    "status"
                );
            });
        }
    }
}

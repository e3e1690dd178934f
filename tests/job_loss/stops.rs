//! The ways in which a pod is stopped.

use crate::pods::{Pod, SOON};
use jjobs_harness::{ExecChild, Signal, within};
use std::time::Duration;

/// How a pod is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As a kubelet does it.
    HookThenTerm,
    /// As `docker stop` does it.
    Term,
    /// The hook gets SIGKILL in its middle, and TERM follows at once.
    HookKilledThenTerm,
    /// A hook is delivered at least once: here twice at the same time.
    HooksSideBySideThenTerm,
    /// … and here one after the other.
    HooksInARowThenTerm,
    /// TERM while the first hook still waits.
    TermDuringHook,
    /// The agent's JVM is killed, and the pod is asked to end before it is started again.
    AgentCrashThenTerm,
}

/// What came of it.
pub(crate) struct Stopped {
    /// What the hooks exited with, those that were not killed.
    pub(crate) hooks: Vec<i32>,
    pub(crate) code: i32,
    /// JVMs that were there after the last hook had said that all is stopped, and before TERM.
    pub(crate) left_over: usize,
}

/// A JVM that the drain has not seen shows up by then: a start script takes a few milliseconds.
const LEFT_OVER_WITHIN: Duration = Duration::from_millis(150);

impl Way {
    /// Those of a container runtime that knows nothing of us.
    pub(crate) const PLAIN: [Self; 2] = [Self::HookThenTerm, Self::Term];

    pub(crate) const ALL: [Self; 7] = [
        Self::HookThenTerm,
        Self::Term,
        Self::HookKilledThenTerm,
        Self::HooksSideBySideThenTerm,
        Self::HooksInARowThenTerm,
        Self::TermDuringHook,
        Self::AgentCrashThenTerm,
    ];

    /// Stops the pod and waits for its end.
    pub(crate) fn stop(self, pod: &Pod) -> Stopped {
        let from = pod.now();
        let mut hooks = Vec::new();
        match self {
            Self::HookThenTerm => hooks.push(wait(&pod.pre_stop())),
            Self::Term => {}
            Self::HookKilledThenTerm => {
                let hook = pod.pre_stop();
                until_in_the_middle(pod, from, &hook);
                hook.signal(Signal::SIGKILL);
                wait(&hook);
            }
            Self::HooksSideBySideThenTerm => {
                let both = [pod.pre_stop(), pod.pre_stop()];
                hooks.extend(both.iter().map(wait));
            }
            Self::HooksInARowThenTerm => {
                hooks.push(wait(&pod.pre_stop()));
                hooks.push(wait(&pod.pre_stop()));
            }
            Self::TermDuringHook => {
                let hook = pod.pre_stop();
                until_in_the_middle(pod, from, &hook);
                pod.term();
                hooks.push(wait(&hook));
            }
            Self::AgentCrashThenTerm => {
                kill_agent(pod);
                // PID 1 has seen it and not done anything yet: the first pause before a restart is a second.
                let _ = within(Duration::from_secs(2), || {
                    pod.has_said(from, "component is down, will restart").then_some(())
                });
            }
        }
        let mut left_over = 0;
        if self != Self::TermDuringHook {
            if !hooks.is_empty() {
                let jvms = || Some(pod.jvms()).filter(|jvms| *jvms > 0);
                left_over = within(LEFT_OVER_WITHIN, jvms).unwrap_or_default();
            }
            pod.term();
        }
        Stopped { hooks, code: pod.end(), left_over }
    }
}

/// Kills the agent's JVM.
pub(crate) fn kill_agent(pod: &Pod) {
    let pid = pod.agent_pid().unwrap_or_else(|| panic!("{} has no agent", pod.name));
    assert!(pod.lock().signal_process(pid, Signal::SIGKILL), "{} has no agent", pod.name);
}

/// The drain has begun, and jobs run.
fn until_in_the_middle(pod: &Pod, from: usize, hook: &ExecChild) {
    let _ = within(SOON, || {
        (pod.has_said(from, "held: no new jobs") || hook.try_code().is_some()).then_some(())
    });
}

fn wait(hook: &ExecChild) -> i32 {
    hook.wait(SOON).code
}

//! What the scenes of a drain share: a container with a token, its hooks, and the question whether a job was lost.

use crate::support::{Life, SOON, kind, kind_f, up};
use jjobs_harness::{ContainerBuilder, ExecChild, ExecOutput, Signal, Vendor};
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) const TOKEN: &str = "a-token-of-theirs";

/// The line by which PID 1 says that it waits for jobs.
pub(crate) const WAITS_FOR_JOBS: &str = "waiting for running jobs";

/// Kind F with a token.
pub(crate) fn with_token(vendor: Vendor) -> ContainerBuilder {
    kind_f(vendor).env("API_PRIVATE_TOKEN", TOKEN)
}

/// The same with another kind.
pub(crate) fn kind_with_token(letter: &str, vendor: Vendor) -> ContainerBuilder {
    kind(letter, vendor).env("API_PRIVATE_TOKEN", TOKEN)
}

/// Scenes side by side; the first one that fails fails the test.
pub(crate) fn side_by_side<const N: usize>(scenes: [fn(); N]) {
    std::thread::scope(|scope| {
        for scene in scenes {
            scope.spawn(scene);
        }
    });
}

/// Boots it, and waits until what boot releases is released too: what follows is not mixed up with that.
pub(crate) fn at_work(builder: ContainerBuilder) -> Option<Life> {
    let life = up(builder)?;
    let held = ["server", "agent"].into_iter().filter(|name| !life.jvms(name).is_empty());
    for component in held.collect::<Vec<_>>() {
        life.line(0, &["released", &format!("component={component}")]);
    }
    Some(life)
}

impl Life {
    /// Calls preStop as the kubelet does.
    pub(crate) fn pre_stop(&self) -> ExecChild {
        self.exec_spawn(["/bin/bash", "-c", "/pre-stop.sh"])
    }

    /// Types a command of ours.
    pub(crate) fn type_command(&self, words: &str) -> ExecChild {
        let words = words.split_whitespace();
        self.exec_spawn(["/usr/local/bin/jjobs-init"].into_iter().chain(words))
    }

    /// Types it and waits for its end.
    #[track_caller]
    pub(crate) fn command(&self, words: &str) -> ExecOutput {
        self.type_command(words).wait(SOON)
    }

    /// Gives the server requests that it works on itself.
    #[track_caller]
    pub(crate) fn submit_requests(&self, count: usize, seconds: f64) {
        let body = format!(r#"{{"seconds":{seconds},"count":{count},"where":"server"}}"#);
        let answer = self.http_api(7075, ("POST", "/sim/jobs"), "t", &body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Gives jobs to whoever takes them and waits for nothing.
    #[track_caller]
    pub(crate) fn offer(&self, count: usize, seconds: f64) {
        let body = format!(r#"{{"seconds":{seconds},"count":{count}}}"#);
        let answer = self.http_api(7075, ("POST", "/sim/jobs"), "t", &body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Whether the server is held, as it knows itself.
    pub(crate) fn is_server_held(&self) -> bool {
        self.board()["held"] == true
    }

    /// Whether the server holds the agent of that name.
    pub(crate) fn is_agent_held(&self, agent: &str) -> bool {
        self.board()["agents"][agent]["held"] == true
    }

    fn board(&self) -> Value {
        let answer = self.http_get(7075, "/sim/jobs").ok();
        answer.and_then(|answer| serde_json::from_str(&answer.body).ok()).unwrap_or_default()
    }

    /// Every job that was begun has ended, once: `count` of them.
    #[track_caller]
    pub(crate) fn no_job_was_lost(&self, count: usize) {
        let mut jobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in self.read_text("/engn001/jjobs/.simulator/ledger").lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            if ["start", "end"].contains(&word("event").as_str()) {
                jobs.entry(word("job")).or_default().push(word("event"));
            }
        }
        let all_well = jobs.values().all(|events| *events == ["start", "end"]);
        assert!(all_well && jobs.len() == count, "{jobs:?}\n{}", self.transcript());
    }

    /// The lines of the container's own ledger of that event.
    pub(crate) fn noted(&self, event: &str) -> Vec<Value> {
        let text = self.read_text("/logs001/jjobs/init/jjobs-0/ledger.jsonl");
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines.filter(|line: &Value| line["event"] == event).collect()
    }

    /// Each component that is installed was stopped by its script, and no script was run twice.
    #[track_caller]
    pub(crate) fn one_stop_script_each(&self, components: &[&str]) {
        for component in components {
            let wanted = ["stop script started", &format!("component={component} ")];
            assert_eq!(self.count(&wanted), 1, "{component}\n{}", self.transcript());
        }
        assert_eq!(self.count(&["stop script started"]), components.len(), "{}", self.transcript());
    }

    /// The container ends by TERM with this code.
    #[track_caller]
    pub(crate) fn ends_with(&mut self, code: i32) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.ended().0, code, "{}", self.transcript());
    }

    /// The phase that the termination message names.
    pub(crate) fn told_phase(&self) -> String {
        self.message()["phase"].as_str().unwrap_or_default().to_owned()
    }
}

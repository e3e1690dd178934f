//! Our own commands inside a container, as a kubelet or an operator calls them.

use crate::support::{BASE, Life, SOON};
use jjobs_harness::{ExecOutput, within};
use serde_json::Value;
use std::time::Duration;

pub(crate) const TOKEN: &str = "a-token-of-ours";

impl Life {
    /// `jjobs-init WORDS`.
    #[track_caller]
    pub(crate) fn init(&self, words: &str) -> ExecOutput {
        self.exec(["/usr/local/bin/jjobs-init"].into_iter().chain(words.split_whitespace()))
    }

    /// A verb that must succeed; returns what it said.
    #[track_caller]
    pub(crate) fn done(&self, words: &str) -> String {
        let told = self.init(words);
        assert_eq!(told.code, 0, "{words}: {told:?}\n{}", self.transcript());
        told.stdout
    }

    /// What all the paths of a probe agree on: the exit code, and the one line of a no.
    #[track_caller]
    pub(crate) fn probe(&self, probe: &str) -> (i32, String) {
        let paths: &[&str] = match probe {
            "liveness" => &["/working/liveness.sh"],
            "healthcheck" => &["/working/agent-healthcheck.sh"],
            _ => &["/working/readiness.sh"],
        };
        let told = self.init(probe);
        for path in paths {
            let as_before = self.exec(["/bin/bash", "-c", path]);
            assert_eq!(as_before.code, told.code, "{path}: {as_before:?}");
        }
        let line = told.stdout.trim_end().to_owned();
        assert!(matches!(told.code, 0 | 1), "{told:?}");
        assert_eq!(told.code == 0, line.is_empty(), "{told:?}");
        assert!(!line.contains('\n'), "{line:?}");
        assert!(line.len() < 300, "{line:?}");
        (told.code, line)
    }

    /// Liveness says yes, and the health check too.
    #[track_caller]
    pub(crate) fn is_alive(&self, when: &str) {
        for probe in ["liveness", "healthcheck"] {
            let (code, line) = self.probe(probe);
            assert_eq!(code, 0, "{probe}, {when}: {line}\n{}", self.transcript());
        }
    }

    /// Readiness says no, with this reason.
    #[track_caller]
    pub(crate) fn is_not_ready(&self, reason: &str) {
        let mut last = String::new();
        let said = within(SOON, || {
            let told = self.init("readiness");
            told.stdout.trim_end().clone_into(&mut last);
            (told.code == 1 && last.contains(reason)).then_some(())
        });
        assert!(said.is_some(), "no {reason:?}, but {last:?}:\n{}", self.transcript());
    }

    /// Waits until readiness says yes.
    #[track_caller]
    pub(crate) fn is_ready(&self) {
        self.eventually("it is ready", |life| life.init("readiness").code == 0);
        assert_eq!(self.probe("readiness").0, 0);
    }

    /// `status --format json`.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.done("status --format json")).unwrap()
    }

    /// A component's part of it.
    #[track_caller]
    pub(crate) fn component(&self, name: &str) -> Value {
        let status = self.status();
        let components = status["components"].as_array().unwrap();
        components.iter().find(|component| component["name"] == name).unwrap().clone()
    }

    /// What the server keeps of holds.
    pub(crate) fn meta(&self) -> Value {
        serde_json::from_str(&self.read_text(format!("{BASE}/.simulator/meta.json")))
            .unwrap_or_default()
    }

    /// Whether the server is held.
    pub(crate) fn server_is_held(&self) -> bool {
        self.meta()["held"] == true
    }

    /// Whether this pod's agent is held.
    pub(crate) fn agent_is_held(&self) -> bool {
        self.meta()["agents"]["jjobs-0"] == true
    }

    /// Holds the server, as an operator does in J-Jobs.
    #[track_caller]
    pub(crate) fn hold_server(&self) {
        let body = r#"{"groupId":1,"serverId":1,"holdWorkerYn":"Y"}"#;
        let path = "/jjob-server/api/v1/serversetting/server/hold";
        let answer = self.http_api(7075, ("PUT", path), TOKEN, body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(self.server_is_held());
    }

    /// Gives the server itself work.
    #[track_caller]
    pub(crate) fn submit_requests(&self, count: usize, seconds: f64) {
        let body = format!(r#"{{"seconds":{seconds},"count":{count},"where":"server"}}"#);
        let before = self.jobs("start");
        let answer = self.http_api(7075, ("POST", "/sim/jobs"), TOKEN, &body).unwrap();
        assert!(answer.status < 300, "{answer:?}");
        self.eventually("the server works on it", |_| self.jobs("start") == before + count);
    }

    /// Every job has begun and ended once.
    #[track_caller]
    pub(crate) fn no_job_is_lost(&self, count: usize) {
        self.eventually("the jobs end", |life| life.jobs("end") == count);
        let counts = ["start", "end", "lost"].map(|event| self.jobs(event));
        assert_eq!(
            counts,
            [count, count, 0],
            "{}",
            self.read_text(format!("{BASE}/.simulator/ledger"))
        );
    }

    /// Runs one of the vendor's scripts, as an operator does in a shell that he leaves open; some stay in the foreground.
    pub(crate) fn by_hand(&self, script: &str) {
        self.exec_spawn(["/bin/sh", "-c", &format!("{BASE}/{script} > /dev/null 2>&1")]);
    }

    /// Waits for a line of our own commands' and of nobody else's.
    #[track_caller]
    pub(crate) fn soon(&self, text: &str) {
        self.wait_for_line(text, SOON);
    }
}

/// Runs scenes side by side, and waits for all.
pub(crate) fn side_by_side(scenes: &[fn()]) {
    std::thread::scope(|scope| {
        for scene in scenes {
            scope.spawn(scene);
        }
    });
}

/// Not to be measured more exactly on a busy machine.
pub(crate) const A_MOMENT: Duration = Duration::from_secs(2);

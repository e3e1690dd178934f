//! The termination message: the last state as one short JSON line where the kubelet looks for it.
//!
//! It is rewritten at each phase, so that a SIGKILL leaves the truth there too. The kubelet keeps the last 4096 bytes.

use serde::Serialize;
use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Kubernetes' default `terminationMessagePath`.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// What the container was doing last, and how it ended.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LastState {
    /// The phase, see design.md §4.
    pub phase: &'static str,
    /// The exit code; absent while the container lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The component that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<&'static str>,
    /// Jobs' runtimes known to run.
    pub jobs_left: usize,
}

#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since 1970, UTC.
    at: u64,
    #[serde(flatten)]
    state: &'a LastState,
}

/// Where the last state goes; nowhere if the container has no such file.
#[derive(Debug, Clone, Default)]
pub struct Termination(Option<PathBuf>);

impl Termination {
    /// `/dev/termination-log`, where the kubelet has mounted it.
    #[must_use]
    pub fn find() -> Self {
        Self::at(Path::new(TERMINATION_LOG))
    }

    /// A file that must exist already: we never make it.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.is_file().then(|| path.to_owned()))
    }

    /// Replaces what the file says. Failures are not worth a word: it is a courtesy.
    pub fn write(&self, state: &LastState) {
        let Some(path) = &self.0 else { return };
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let state = &LastState {
            reason: state.reason.as_deref().map(|reason| cut(reason).to_owned()),
            ..state.clone()
        };
        let Ok(mut line) = serde_json::to_vec(&Line { at, state }) else { return };
        line.push(b'\n');
        // A bind mount: it can be rewritten, not replaced. Cut only afterwards, so that a kill in between leaves the new
        // line or the old one, never nothing.
        if let Ok(mut file) = OpenOptions::new().write(true).open(path)
            && file.write_all(&line).is_ok()
        {
            let _ = file.set_len(line.len() as u64);
        }
    }
}

/// The kubelet keeps the last 4096 bytes, and the line must stay whole.
fn cut(reason: &str) -> &str {
    const LONGEST: usize = 1500;
    &reason[..reason.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn the_last_state_replaces_the_one_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let termination = Termination::at(file.path());
        let reason = Some("a long reason that the next state does not have".to_owned());
        termination.write(&LastState { phase: "booting", reason, ..LastState::default() });
        termination.write(&LastState {
            phase: "ended",
            exit_code: Some(0),
            ..LastState::default()
        });
        let line = std::fs::read_to_string(file.path()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["phase"], "ended");
        assert_eq!(json["exit_code"], 0);
        assert!(json.get("reason").is_none());
    }

    #[test]
    fn where_there_is_no_file_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("termination-log");
        Termination::at(&path).write(&LastState::default());
        assert!(!path.exists());
    }
}

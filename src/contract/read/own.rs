//! The `JJOBS_INIT_*` variables.

use super::{
    files::can_be_read,
    reader::Reader,
    values::{
        Parsed, Refused, absolute_path, choice, duration, listen_address, own_folder,
        positive_duration,
    },
};
use crate::contract::{EnvVars, LogFormat, LogLevel, Own, Paths, RestartPolicy, Source};
use std::{path::PathBuf, time::Duration};

/// A socket's path has at most 107 bytes, and ours adds a file name to this folder.
const MAX_RUN_DIR: usize = 90;

impl Own {
    /// Our own variables for hooks and probes, which must work beside whatever else is wrong: a wrong value is taken
    /// as the default. Reads no file.
    #[must_use]
    pub fn lenient(env: &EnvVars, kernel_hostname: &str) -> Self {
        let mut reader = Reader::new(env);
        let paths = super::paths(&mut reader);
        let hostname = super::hostname(&mut reader, kernel_hostname);
        read(&mut reader, &paths, &hostname.0)
    }
}

/// Reads our own variables.
pub(super) fn read(reader: &mut Reader<'_>, paths: &Paths, hostname: &str) -> Own {
    let seconds = Duration::from_secs;
    let default_state = paths.logs_base.join("init").join(hostname);
    Own {
        log_level: reader.value("JJOBS_INIT_LOG", LogLevel::Info, log_level),
        log_format: reader.value("JJOBS_INIT_LOG_FORMAT", LogFormat::Text, |text| {
            choice(
                text,
                &[("text", LogFormat::Text), ("json", LogFormat::Json)],
                &[("plain", "text")],
            )
        }),
        log_prefix: reader.value("JJOBS_INIT_LOG_PREFIX", false, |text| {
            choice(
                text,
                &[("none", false), ("component", true)],
                &[("no", "none"), ("off", "none"), ("yes", "component")],
            )
        }),
        run_dir: reader.optional("JJOBS_INIT_RUN_DIR", run_dir),
        state_dir: reader.optional("JJOBS_INIT_STATE_DIR", own_folder).unwrap_or_else(|| {
            reader.note("JJOBS_INIT_STATE_DIR", &default_state.to_string_lossy(), Source::Default);
            default_state
        }),
        grace_period: reader.optional("JJOBS_INIT_GRACE_PERIOD", positive_duration),
        liveness_grace_period: reader
            .optional("JJOBS_INIT_LIVENESS_GRACE_PERIOD", positive_duration),
        dependency_timeout: reader
            .optional("JJOBS_INIT_DEPENDENCY_TIMEOUT", duration)
            .filter(|timeout| !timeout.is_zero()),
        start_timeout: reader.value("JJOBS_INIT_START_TIMEOUT", seconds(600), positive_duration),
        stop_timeout: reader.value("JJOBS_INIT_STOP_TIMEOUT", seconds(60), duration),
        hold_timeout: reader.value("JJOBS_INIT_HOLD_TIMEOUT", seconds(60), duration),
        post_start_timeout: reader.value("JJOBS_INIT_POST_START_TIMEOUT", seconds(600), duration),
        probe_timeout: reader.value("JJOBS_INIT_PROBE_TIMEOUT", seconds(4), positive_duration),
        restart: reader.value("JJOBS_INIT_RESTART", RestartPolicy::OnFailure, restart),
        ca_file: reader.optional("JJOBS_INIT_CA_FILE", absolute_path),
        scrub_env: reader.value("JJOBS_INIT_SCRUB_ENV", false, |text| {
            choice(
                text,
                &[("yes", true), ("no", false)],
                &[("y", "yes"), ("true", "yes"), ("n", "no"), ("false", "no")],
            )
        }),
        metrics_addr: reader.value("JJOBS_INIT_METRICS_ADDR", None, listen_address),
    }
}

/// What is odd about our own variables together.
pub(super) fn compare(reader: &mut Reader<'_>, own: &Own) {
    if let Some(error) = own.ca_file.as_ref().and_then(|path| can_be_read(path).err()) {
        let text = "cannot be read now: only certificates of the system's CAs will be trusted";
        reader.warn("JJOBS_INIT_CA_FILE", text, Some(&error));
    }
    if let (Some(pod), Some(probe)) = (own.grace_period, own.liveness_grace_period)
        && probe > pod
    {
        let text = "is longer than JJOBS_INIT_GRACE_PERIOD, the pod's own";
        reader.warn("JJOBS_INIT_LIVENESS_GRACE_PERIOD", text, Some("are the two exchanged?"));
    }
}

fn log_level(text: &str) -> Parsed<LogLevel> {
    let words = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    choice(
        text,
        &words,
        &[("warning", "warn"), ("err", "error"), ("verbose", "debug"), ("information", "info")],
    )
}

fn restart(text: &str) -> Parsed<RestartPolicy> {
    let words = [
        ("on-failure", RestartPolicy::OnFailure),
        ("never", RestartPolicy::Never),
        ("exit", RestartPolicy::Exit),
    ];
    // The first two are the pod's own words for its restartPolicy.
    choice(text, &words, &[("onfailure", "on-failure"), ("always", "on-failure"), ("no", "never")])
}

fn run_dir(text: &str) -> Parsed<PathBuf> {
    let path = own_folder(text)?;
    if path.as_os_str().len() > MAX_RUN_DIR {
        return Err(Refused::hinting("a socket in this folder would have too long a path"));
    }
    Ok(path)
}

//! The `sys_*.log` files of agent and runtimes: below the base path of `resource.properties`, a folder
//! per day of the local time zone.

use super::configuration::properties;
use crate::ledger::hostname;
use std::{
    env, fs,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

/// How long a known date may be used.
const DATE_AGE: Duration = Duration::from_secs(30);

pub(crate) struct SysLog {
    folder: PathBuf,
    name: String,
    today: Mutex<Option<(Instant, String)>>,
}

impl SysLog {
    /// The log of a process of `kind` (`agent`, `runtime`), as `sys_<name>.log`.
    pub(crate) fn new(base: &Path, kind: &str, name: &str) -> Self {
        let settings = properties(&base.join("agent/app/META-INF/resource.properties"));
        let logs = settings
            .get("log.file.base_path")
            .cloned()
            .unwrap_or_else(|| base.join("agent/logs").to_string_lossy().into_owned())
            .replace("$AGENT_NAME", &agent_name());
        Self {
            folder: Path::new(&logs).join(kind),
            name: format!("sys_{name}.log"),
            today: Mutex::new(None),
        }
    }

    pub(crate) fn write(&self, line: &str) {
        let folder = self.folder.join(self.date());
        let _ = fs::create_dir_all(&folder);
        let file = OpenOptions::new().create(true).append(true).open(folder.join(&self.name));
        if let Ok(mut file) = file {
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// The local date as `date` knows it: it has the time zones, a static program has not.
    fn date(&self) -> String {
        let Ok(mut today) = self.today.lock() else { return String::new() };
        if let Some((_, date)) = today.as_ref().filter(|(at, _)| at.elapsed() < DATE_AGE) {
            return date.clone();
        }
        let output = Command::new("date").arg("+%Y%m%d").output();
        let date = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let date =
            date.ok().filter(|date| !date.is_empty()).unwrap_or_else(|| "19700101".to_owned());
        *today = Some((Instant::now(), date.clone()));
        date
    }
}

/// The agent's name in J-Jobs: the pod's.
pub(crate) fn agent_name() -> String {
    env::var("AGENT_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(hostname)
}

//! The three programs of J-Jobs.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A J-Jobs program that is started, watched and stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// The web UI, a Tomcat.
    Manager,
    /// The scheduling engine, a Tomcat.
    Server,
    /// The plain JVM that starts runtimes.
    Agent,
}

impl Component {
    /// All of them, in start order.
    pub const ALL: [Self; 3] = [Self::Manager, Self::Server, Self::Agent];

    /// The name in logs, status, script names and folders.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Server => "server",
            Self::Agent => "agent",
        }
    }

    /// Its start script below `JJOBS_BASE`.
    #[must_use]
    pub fn start_script(self, jjobs_base: &Path) -> PathBuf {
        jjobs_base.join(format!("start_{}.sh", self.name()))
    }

    /// Its stop script below `JJOBS_BASE`.
    #[must_use]
    pub fn stop_script(self, jjobs_base: &Path) -> PathBuf {
        jjobs_base.join(format!("stop_{}.sh", self.name()))
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

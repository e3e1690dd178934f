//! What the configure step tells: what it did, and what it could not find.

use crate::exit::ExitCode;
use std::{fmt, path::PathBuf};

/// What was done, for the log and the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What was not found, without harm to a component. Already logged.
    pub warnings: Vec<Missing>,
    /// How many things were changed on disk: 0 where everything was right already.
    pub edits: usize,
}

/// A file that is missing, or a thing in it that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The file.
    pub path: PathBuf,
    /// The thing in it, or what is wrong with the file itself.
    pub thing: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.thing)
    }
}

/// Why the installed tree cannot be configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigureError {
    /// Everything without which a component would run wrongly, in one go.
    #[error("cannot configure the installed tree:{}", list(.0))]
    Missing(Vec<Missing>),
    /// The boot was asked to stop.
    #[error("configuring was interrupted by a stop")]
    Cancelled,
}

impl ConfigureError {
    /// How the boot ends.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::ConfigureFailed
    }

    /// What the operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing(_) => Some(
                "the installed J-Jobs is not laid out as expected; compare these files with the vendor's release",
            ),
            Self::Cancelled => None,
        }
    }
}

fn list(missing: &[Missing]) -> String {
    missing.iter().fold(String::new(), |list, missing| list + &format!("\n  - {missing}"))
}

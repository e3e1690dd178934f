//! What is wrong with an environment, in words for the person who wrote the manifest.
//!
//! A value in here has already been made fit to print: secrets are hidden, control characters escaped, long text cut.

use std::fmt;

/// A value that this container cannot work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The variable.
    pub name: String,
    /// Its value, fit to print; `None` where it is not set.
    pub value: Option<String>,
    /// What it must be, to follow "must be".
    pub accepted: String,
    /// What was probably meant, or what to do.
    pub hint: Option<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, accepted, hint } = self;
        match value {
            Some(value) => write!(f, "{name}=\"{value}\" must be {accepted}")?,
            None => write!(f, "{name} is not set, but must be {accepted}")?,
        }
        hint.as_ref().map_or(Ok(()), |hint| write!(f, " (hint: {hint})"))
    }
}

/// Something the operator may want to change, though this container can work with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The variable.
    pub name: String,
    /// Its value, fit to print; `None` where it says nothing or must not be shown.
    pub value: Option<String>,
    /// What is odd about it, and what we make of it.
    pub text: String,
    /// What was probably meant, or what to do.
    pub hint: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, text, hint } = self;
        match value {
            Some(value) => write!(f, "{name}=\"{value}\" {text}")?,
            None => write!(f, "{name} {text}")?,
        }
        hint.as_ref().map_or(Ok(()), |hint| write!(f, " (hint: {hint})"))
    }
}

/// Where an effective value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The environment.
    Environment,
    /// A file that the environment names.
    File,
    /// Our default: the variable is unset, empty, or its wrong value is not used.
    Default,
}

impl Source {
    /// The word in `check`'s report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File => "file",
            Self::Default => "default",
        }
    }
}

/// What a variable is taken as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveValue {
    /// The variable.
    pub name: &'static str,
    /// The value, fit to print; empty if there is none.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// The environment contract is not met: everything that is wrong, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment contract is not met:{}", list(.violations))]
pub struct ContractError {
    /// What must be changed; never empty.
    pub violations: Vec<Violation>,
    /// What else is odd.
    pub warnings: Vec<Warning>,
    /// What each variable would be taken as.
    pub values: Vec<EffectiveValue>,
}

impl ContractError {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "correct the variables in the pod's manifest; `jjobs-init check` shows what they come to"
    }
}

fn list(violations: &[Violation]) -> String {
    violations.iter().fold(String::new(), |list, violation| list + &format!("\n  - {violation}"))
}

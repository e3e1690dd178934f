//! The installer step: runs the vendor's installer once per file system and set of arguments.
//!
//! What is installed is known from a note ([`marker`]) that only a whole, successful installation leaves. The installer
//! is told its arguments as single words, gets one `y` and then end of file on its standard input, and is killed when it
//! says nothing for ten minutes: without a terminal a second question would otherwise hold the boot for ever.

mod arguments;
mod marker;

use self::marker::{InstallerFile, Marker};
use super::{
    child::{self, Limit, Outcome, RunError},
    configure,
    runnable::{self, NotRunnable},
    step::{StepOutput, StopSignal},
};
use crate::{
    contract::Contract,
    exit::ExitCode,
    plan::Component,
    process::{Children, Input, ProcessEnd, Spawn, Surroundings},
};
use std::{
    cell::RefCell,
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

/// How long an installer may say nothing. It prints a lot and takes minutes at most, so this is never a slow disk.
pub const SILENCE: Duration = Duration::from_mins(10);

/// What the step needs.
#[derive(Debug)]
pub struct Installer<'a, S> {
    /// What to install, with which arguments.
    pub contract: &'a Contract,
    /// The components of this kind: what must be there afterwards.
    pub components: &'a [Component],
    /// Starts the installer.
    pub children: &'a Children,
    /// What the installer inherits.
    pub surroundings: Surroundings,
    /// Where its output goes.
    pub output: Rc<RefCell<S>>,
    /// How long it may say nothing, normally [`SILENCE`].
    pub silence: Duration,
}

/// What the step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// Nothing: an earlier boot installed the same.
    Already,
    /// The installer ran.
    Now,
}

/// The installer step failed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The installer cannot be executed.
    #[error("cannot run the installer")]
    NotRunnable(#[from] NotRunnable),
    /// The operating system did not let it run.
    #[error("cannot run the installer")]
    Run(#[from] RunError),
    /// It failed.
    #[error("the installer failed: {end}")]
    Failed {
        /// How it ended.
        end: ProcessEnd,
        /// Its last lines.
        last_lines: Vec<String>,
    },
    /// It said nothing for too long.
    #[error("the installer was killed after {} s without output", silence.as_secs())]
    Silent {
        /// How long that was.
        silence: Duration,
        /// Its last lines.
        last_lines: Vec<String>,
    },
    /// It reported success, but not everything is there.
    #[error("the installer left out {}", list(missing))]
    Incomplete {
        /// What is missing.
        missing: Vec<PathBuf>,
    },
    /// The note of what is installed cannot be kept.
    #[error("cannot keep note of the installation in {}", path.display())]
    Marker {
        /// The note.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What an earlier life of ours left in the tree cannot be taken away.
    #[error("cannot remove what an earlier boot put below {}", path.display())]
    Leftover {
        /// The installed tree.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The boot was told to stop; the installer is stopped.
    #[error("stopped during the installation")]
    Stopped,
}

impl InstallError {
    /// The code to exit with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Incomplete { .. } => ExitCode::ConfigureFailed,
            Self::Stopped => ExitCode::Done,
            _ => ExitCode::InstallFailed,
        }
    }

    /// What the installer wrote last.
    #[must_use]
    pub fn last_lines(&self) -> &[String] {
        match self {
            Self::Failed { last_lines, .. } | Self::Silent { last_lines, .. } => last_lines,
            _ => &[],
        }
    }

    /// What an operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunnable(NotRunnable::Missing(path)) => Some(missing_hint(path)),
            Self::NotRunnable(error) => error.hint(),
            Self::Failed { end, last_lines } => question_hint(last_lines).or_else(|| end_hint(*end)),
            Self::Silent { last_lines, .. } => question_hint(last_lines).or_else(|| {
                Some("its last lines above say what it was doing; run it by hand with ON_BOOT=no".to_owned())
            }),
            Self::Incomplete { .. } => Some(
                "look for errors in the installer's output, and check that it is the one for this INSTALL_KIND"
                    .to_owned(),
            ),
            Self::Marker { .. } | Self::Leftover { .. } => Some("JJOBS_BASE must be writable by this container's user".to_owned()),
            Self::Run(_) | Self::Stopped => None,
        }
    }
}

/// Installs, unless the same is installed already.
///
/// # Errors
/// When the installer cannot be run, fails, or leaves out something; or when the boot is to end.
pub async fn run<S: StepOutput + 'static>(
    installer: Installer<'_, S>,
    stop: &mut StopSignal,
) -> Result<Installed, InstallError> {
    let paths = &installer.contract.paths;
    let file = &paths.installer;
    let arguments = arguments::arguments(installer.contract);
    // A file that cannot be looked at is explained better by the check.
    let fingerprint = InstallerFile::of(file);
    let why = match &fingerprint {
        Ok(fingerprint) => why_install(&installer, fingerprint, &arguments),
        Err(_) => Some(String::new()),
    };
    let Some(why) = why else {
        tracing::info!("already installed");
        return Ok(Installed::Already);
    };
    runnable::check(file)?;
    let unknown = |source| NotRunnable::Unknown { path: file.clone(), source };
    let fingerprint = fingerprint.map_err(unknown)?;
    let kept = |source| InstallError::Marker { path: marker::path(&paths.jjobs_base), source };
    // From here on the tree may be half of this and half of that.
    marker::remove(&paths.jjobs_base).map_err(kept)?;
    configure::make_way_for_installer(&paths.jjobs_base)
        .map_err(|source| InstallError::Leftover { path: paths.jjobs_base.clone(), source })?;
    tracing::info!(path = %file.display(), args = arguments.len(), reason = why, "installing");
    execute(&installer, &arguments, stop).await?;
    let missing = missing(&installer);
    if !missing.is_empty() {
        return Err(InstallError::Incomplete { missing });
    }
    Marker::new(fingerprint, &arguments)
        .and_then(|marker| marker.write(&paths.jjobs_base))
        .map_err(kept)?;
    Ok(Installed::Now)
}

/// Why the installer must run; `None`: an earlier boot installed the same.
fn why_install<S>(
    installer: &Installer<'_, S>,
    fingerprint: &InstallerFile,
    arguments: &[arguments::Argument],
) -> Option<String> {
    let Some(marker) = Marker::read(&installer.contract.paths.jjobs_base) else {
        return Some("not installed yet".to_owned());
    };
    let differences = marker.differences(fingerprint, arguments);
    if !differences.is_empty() {
        return Some(format!("installed before, but {}", differences.join(", ")));
    }
    let missing = missing(installer);
    (!missing.is_empty()).then(|| format!("installed before, but missing: {}", list(&missing)))
}

async fn execute<S: StepOutput + 'static>(
    installer: &Installer<'_, S>,
    arguments: &[arguments::Argument],
    stop: &mut StopSignal,
) -> Result<(), InstallError> {
    let file = &installer.contract.paths.installer;
    let mut spawn = Spawn::new(file, installer.surroundings.clone());
    spawn.input = Input::Bytes(b"y\n");
    for (flag, value) in arguments {
        spawn = spawn.arg(flag);
        if let Some(value) = value {
            spawn = spawn.arg(value);
        }
    }
    let limit = Limit::Silence(installer.silence);
    let last_lines = || child::last_lines(&installer.output);
    match child::run((installer.children, &spawn), &installer.output, limit, stop).await? {
        Outcome::Ended(end) if end.is_success() => Ok(()),
        Outcome::Ended(end) => Err(InstallError::Failed { end, last_lines: last_lines() }),
        Outcome::Overdue => {
            Err(InstallError::Silent { silence: installer.silence, last_lines: last_lines() })
        }
        Outcome::Stopped => Err(InstallError::Stopped),
    }
}

/// What an installed tree of this kind must have and this one has not.
fn missing<S>(installer: &Installer<'_, S>) -> Vec<PathBuf> {
    let base = &installer.contract.paths.jjobs_base;
    let encrypted = installer.contract.database.encrypted.is_some();
    installer
        .components
        .iter()
        .flat_map(|component| missing_of(*component, base, encrypted))
        .collect()
}

fn missing_of(component: Component, base: &Path, encrypted: bool) -> Vec<PathBuf> {
    let mut missing = vec![component.start_script(base), component.stop_script(base)];
    missing.retain(|script| !script.is_file());
    match component {
        Component::Manager | Component::Server => {
            let name = component.name();
            let war = base.join(format!("{name}/webapps/jjob-{name}.war"));
            // Tomcat or the configure step may have unpacked and removed it.
            if !war.is_file() && !war.with_extension("").join("WEB-INF").is_dir() {
                missing.push(war);
            }
        }
        Component::Agent => {
            let properties = base.join("agent/app/META-INF/resource.properties");
            if !properties.is_file() {
                missing.push(properties);
            }
        }
    }
    // Only the manager's session store needs the decrypted login (contract.md §5).
    let script = base.join("encrypter.sh");
    if component == Component::Manager && encrypted && !script.is_file() {
        missing.push(script);
    }
    missing
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Names what is there instead: most often another version's file name.
fn missing_hint(path: &Path) -> String {
    let folder = path.parent().unwrap_or(path);
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.truncate(5);
    if names.is_empty() {
        return format!("mount or copy the vendor's installer to {}", path.display());
    }
    format!(
        "INSTALL_FILE names the installer in {}; there is: {}",
        folder.display(),
        names.join(", ")
    )
}

/// A program that ended or hangs with a question on its last line wants an answer that it does not get. It may also say a
/// word about that; then the question must be the second one, since the first is among the last lines of many a failure.
fn question_hint(last_lines: &[String]) -> Option<String> {
    const WORDS_AFTER: usize = 2;
    let mut lines = last_lines.iter().rev().map(|line| line.trim()).filter(|line| !line.is_empty());
    let last = lines.next()?;
    let before: Vec<&str> = lines.collect();
    let second = before
        .iter()
        .take(WORDS_AFTER)
        .position(|line| wants_yes_or_no(line))
        .filter(|at| before.iter().skip(at + 1).any(|line| wants_yes_or_no(line)))
        .and_then(|at| before.get(at).copied());
    let is_question = last.ends_with(['?', ':', '>', '？']) || wants_yes_or_no(last);
    let question = Some(last).filter(|_| is_question).or(second)?;
    Some(format!(
        "it seems to ask a second question ({question:?}), but only its first one is answered (with y); this version of the installer may not fit"
    ))
}

fn wants_yes_or_no(line: &str) -> bool {
    let lower = line.trim_end_matches([':', '?', ' ']).to_lowercase();
    ["(y/n)", "[y/n]", "(yes/no)", "[yes/no]", "y/n", "[y]", "[n]"]
        .iter()
        .any(|end| lower.ends_with(end))
}

fn end_hint(end: ProcessEnd) -> Option<String> {
    match end {
        ProcessEnd::Killed(9) => {
            Some("SIGKILL is most often the memory limit: raise the container's".to_owned())
        }
        ProcessEnd::Exited(126 | 127) => {
            // Docker mounts a tmpfs so, and an installer that unpacks itself into /tmp runs programs there.
            let hint = "it, or a program that it calls, is not there or not executable; is the file system, often that of /tmp, mounted noexec?";
            Some(hint.to_owned())
        }
        _ => None,
    }
}

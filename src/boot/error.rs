//! A boot step failed: which one, why, and what the operator can do.

use super::{
    configure::ConfigureError, custom_command::CustomCommandError, download::DownloadError,
    encrypter::DecryptError, install::InstallError, thread::ThreadError, wait_for::WaitError,
};
use crate::exit::ExitCode;
use std::{error::Error, io};

/// Why a boot ended.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The installer.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The encrypted login.
    #[error(transparent)]
    Decrypt(#[from] DecryptError),
    /// The installed tree.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    /// The download or its archive.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The custom command.
    #[error(transparent)]
    CustomCommand(#[from] CustomCommandError),
    /// A dependency.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// A step's thread.
    #[error(transparent)]
    Thread(#[from] ThreadError),
    /// There is no folder of our own.
    #[error("cannot make the folder for run-time state")]
    RunDir(#[source] io::Error),
}

impl BootError {
    /// The code to exit with; [`ExitCode::Done`] where the step only ended because the boot was asked to stop.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Install(error) => error.exit_code(),
            Self::Decrypt(error) => error.exit_code(),
            Self::Configure(ConfigureError::Cancelled)
            | Self::Download(DownloadError::Cancelled)
            | Self::Thread(ThreadError::Stopped) => ExitCode::Done,
            Self::Configure(error) => error.exit_code(),
            Self::Download(error) => error.exit_code(),
            Self::CustomCommand(error) => error.exit_code(),
            Self::Wait(error) => error.exit_code(),
            Self::Thread(ThreadError::Panicked) => ExitCode::Internal,
            Self::Thread(ThreadError::Start(_)) | Self::RunDir(_) => ExitCode::System,
        }
    }

    /// Tells it, once: with its causes, what the operator can do, and the last lines of what the step ran.
    pub(super) fn tell(&self, step: &'static str) {
        let exit_code = self.exit_code();
        if exit_code == ExitCode::Done {
            tracing::info!(step, "step stopped");
            return;
        }
        tracing::error!(
            step,
            exit_code = exit_code.code(),
            error = self.with_causes(),
            hint = self.hint(),
            last_lines = self.last_lines(),
            "step failed"
        );
    }

    /// One sentence for whoever sees nothing but the termination message.
    pub(super) fn in_short(&self, step: &'static str) -> String {
        let said = self.lines().iter().rev().find(|line| !line.trim().is_empty());
        let said = said.map(|line| format!("; it said last: {}", line.trim())).unwrap_or_default();
        format!("{step} failed: {}{said}", self.with_causes())
    }

    fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Install(error) => error.hint(),
            Self::Decrypt(error) => error.hint(),
            Self::Configure(error) => error.hint().map(str::to_owned),
            Self::Download(error) => error.hint().map(str::to_owned),
            Self::CustomCommand(error) => error.hint().map(str::to_owned),
            Self::Wait(error) => error.hint().map(str::to_owned),
            Self::Thread(ThreadError::Panicked) => Some("please report the panic above".to_owned()),
            Self::Thread(_) => None,
            Self::RunDir(_) => {
                Some("JJOBS_INIT_RUN_DIR must name a folder that we can make our own".to_owned())
            }
        }
    }

    fn lines(&self) -> &[String] {
        match self {
            Self::Install(error) => error.last_lines(),
            Self::CustomCommand(error) => error.last_lines(),
            _ => &[],
        }
    }

    fn last_lines(&self) -> Option<String> {
        let lines = self.lines();
        (!lines.is_empty()).then(|| lines.join(" | "))
    }
}

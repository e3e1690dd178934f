//! The one-shot steps of a boot, in plan order (contract.md §4).
//!
//! Each step is told about twice: when it begins (at debug) and when it is done, with how long it took. A step that fails
//! is told once, here, with its cause, what the operator can do, and the last lines of what it ran.

pub mod cancel;
mod child;
pub mod configure;
pub mod custom_command;
pub mod download;
pub mod encrypter;
mod error;
pub mod install;
pub mod kube_contexts;
mod runnable;
pub mod step;
mod thread;
pub mod unpack;
pub mod wait_for;

pub use self::error::BootError;

use self::{
    configure::DecryptedLogin,
    custom_command::{CustomCommand, own_binary},
    download::Request,
    encrypter::Encrypter,
    install::Installer,
    kube_contexts::KubeContexts,
    step::StopSignal,
};
use crate::{
    contract::Contract,
    exit::{ExitCode, Failure},
    log::{Output, Stream},
    plan::{Component, Plan},
    process::{Children, Surroundings},
    run_dir,
};
use std::{
    cell::RefCell,
    future::Future,
    path::{Path, PathBuf},
    rc::Rc,
    time::Instant,
};

/// What a boot works with.
#[derive(Debug)]
pub struct Boot {
    /// The checked environment.
    pub contract: Contract,
    /// What this container does.
    pub plan: Plan,
    /// Starts the steps' children.
    pub children: Children,
    /// Where the steps' output goes.
    pub output: Output,
    /// Tells that the boot is to end.
    pub stop: StopSignal,
}

impl Boot {
    /// Runs all steps before the first component is started. Returns what components inherit, or how to end after a
    /// failure, which was told.
    ///
    /// # Errors
    /// When a step failed, or ended because a stop was asked for.
    pub async fn run(self) -> Result<Surroundings, Failure> {
        let mask = self.output.mask().clone();
        self.run_steps().await.map_err(|failure| Failure {
            // It may quote what a program said.
            reason: mask.hide(&failure.reason).into_owned(),
            ..failure
        })
    }

    async fn run_steps(mut self) -> Result<Surroundings, Failure> {
        let mut surroundings =
            Surroundings { env: self.contract.env.clone(), ..Surroundings::default() };
        self.register_kube_contexts(&surroundings).await;
        if self.plan.installs {
            if let Err(failure) = step("install", self.install(&surroundings)).await {
                return Err(self.what_else_is_missing(failure).await);
            }
            step("configure", self.configure(&surroundings)).await?;
            if self.contract.download.is_some() {
                surroundings.folder = step("download", self.download()).await?;
            }
            if self.contract.custom_command.is_some() {
                surroundings = step("custom_command", self.custom_command(surroundings)).await?;
            }
            if self.plan.waits_for.is_some() {
                step("wait_for", self.wait()).await?;
            }
        }
        if self.contract.own.scrub_env {
            custom_command::scrub(&mut surroundings);
        }
        if self.plan.starts.is_empty() {
            tracing::info!(
                on_boot = self.contract.on_boot.name(),
                "boot finished, nothing is to be started"
            );
        }
        Ok(surroundings)
    }

    /// An installer that left something out: what else is missing is told by the same boot, because each failed one costs
    /// the operator a pod restart.
    async fn what_else_is_missing(&mut self, mut failure: Failure) -> Failure {
        if failure.exit_code == ExitCode::ConfigureFailed
            && let Err(more) = step("configure", self.configure_with(None)).await
            && more.exit_code == ExitCode::ConfigureFailed
        {
            failure.reason = format!("{}; {}", failure.reason, more.reason);
        }
        failure
    }

    /// Never fails the boot: each entry that cannot be registered was told.
    async fn register_kube_contexts(&mut self, surroundings: &Surroundings) {
        let contexts = KubeContexts {
            kube: &self.contract.kube,
            home: &self.contract.paths.home,
            service_account: Path::new(kube_contexts::SERVICE_ACCOUNT),
            children: &self.children,
            surroundings,
            aws_limit: kube_contexts::AWS_LIMIT,
        };
        kube_contexts::register(contexts, &mut self.stop).await;
    }

    async fn install(&mut self, surroundings: &Surroundings) -> Result<(), BootError> {
        let installer = Installer {
            contract: &self.contract,
            components: &self.plan.installed,
            children: &self.children,
            surroundings: surroundings.clone(),
            output: self.stream("installer"),
            silence: install::SILENCE,
        };
        install::run(installer, &mut self.stop).await?;
        Ok(())
    }

    async fn configure(&mut self, surroundings: &Surroundings) -> Result<(), BootError> {
        let login = self.decrypt_login(surroundings).await?;
        self.configure_with(login).await
    }

    async fn configure_with(&mut self, login: Option<DecryptedLogin>) -> Result<(), BootError> {
        let settings = configure::Settings::from_contract(&self.contract, &self.plan, login);
        let settings = match std::fs::read_link("/proc/self/exe") {
            Ok(binary) => settings.with_program(&binary),
            Err(_) => settings,
        };
        let report = thread::run("configure", &mut self.stop, move |cancel| {
            configure::run(&settings, cancel)
        })
        .await??;
        tracing::debug!(
            edits = report.edits,
            warnings = report.warnings.len(),
            "installed tree configured"
        );
        Ok(())
    }

    /// The session store of the manager wants the login in clear (contract.md §5).
    async fn decrypt_login(
        &mut self,
        surroundings: &Surroundings,
    ) -> Result<Option<DecryptedLogin>, BootError> {
        let Some(encrypted) = self.contract.database.encrypted.clone() else { return Ok(None) };
        if !self.plan.installed.contains(&Component::Manager) {
            return Ok(None);
        }
        let decrypter = Encrypter {
            children: &self.children,
            surroundings,
            jjobs_base: &self.contract.paths.jjobs_base,
            limit: encrypter::LIMIT,
        };
        let user = decrypter.decrypt(&encrypted.user, &mut self.stop).await?;
        let password = decrypter.decrypt(&encrypted.password, &mut self.stop).await?;
        self.output.mask().add_all([&user, &password]);
        Ok(Some(DecryptedLogin { user, password }))
    }

    /// Returns the folder that was downloaded into, which is where the custom command starts.
    async fn download(&mut self) -> Result<Option<PathBuf>, BootError> {
        let Some(request) = Request::from_contract(&self.contract) else { return Ok(None) };
        let folder = request.folder.clone();
        thread::run("download", &mut self.stop, move |cancel| download::run(&request, cancel))
            .await??;
        Ok(Some(folder))
    }

    async fn custom_command(
        &mut self,
        surroundings: Surroundings,
    ) -> Result<Surroundings, BootError> {
        let Some(text) = self.contract.custom_command.clone() else { return Ok(surroundings) };
        let run_folder =
            run_dir::make(self.contract.own.run_dir.as_deref()).map_err(BootError::RunDir)?;
        let binary = own_binary();
        let command = CustomCommand {
            text: &text,
            children: &self.children,
            surroundings,
            output: self.stream("custom_command"),
            run_folder: &run_folder,
            binary: &binary,
            shell: None,
        };
        Ok(custom_command::run(command, &mut self.stop).await?)
    }

    async fn wait(&mut self) -> Result<(), BootError> {
        let Some(dependency) = &self.plan.waits_for else { return Ok(()) };
        wait_for::run(dependency, self.contract.own.dependency_timeout, &mut self.stop).await?;
        Ok(())
    }

    fn stream(&self, label: &str) -> Rc<RefCell<Stream>> {
        Rc::new(RefCell::new(self.output.stream(label)))
    }
}

/// Runs one step, tells how long it took or why it failed.
async fn step<T>(
    name: &'static str,
    work: impl Future<Output = Result<T, BootError>>,
) -> Result<T, Failure> {
    let began = Instant::now();
    tracing::debug!(step = name, "step begins");
    let result = work.await.map_err(|error| {
        error.tell(name);
        Failure { exit_code: error.exit_code(), reason: error.in_short(name) }
    })?;
    tracing::info!(step = name, elapsed_ms = began.elapsed().as_millis(), "step finished");
    Ok(result)
}

//! The `boot` and `check` commands: puts the parts together, in the order in which data flows.

use crate::{
    boot::{Boot, step::StopSignal},
    check::{self, Format},
    contract::{Checked, Contract, ContractError, EnvVars, LogFormat, Own, Warning},
    exit::ExitCode,
    ledger::{self, LastLife, Ledger, Past},
    log::{self, Mask, Output},
    plan::Plan,
    process::{Children, Surroundings, signals::Signals},
    supervisor::{
        self,
        core::{Core, System},
        settings::Settings,
    },
    termination::{LastState, Termination},
};
use rustix::process::{Pid, getpid, set_child_subreaper};
use std::{
    ffi::OsString,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    runtime,
    sync::watch,
    task::{LocalSet, spawn_local},
};

/// The last lines of the log may take this long to leave; a reader that is stuck must not hold the container.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Boots the container and lives as its PID 1; returns the exit code.
#[must_use]
pub fn boot(
    vars: impl Iterator<Item = (OsString, OsString)>,
    signals: Signals,
    own_binary: &Path,
) -> u8 {
    let began = Instant::now();
    let output = Output::new(Mask::new());
    let termination = Termination::find();
    let env = collect(vars);
    let checked = match Contract::from_env(env.clone(), &kernel_hostname()) {
        Ok(checked) => checked,
        Err(error) => {
            let own = Own::lenient(&env, &kernel_hostname());
            contract_not_met(&error, &own, &output);
            termination.write(&refusal(&error));
            return ExitCode::Contract.code();
        }
    };
    output.mask().add_all(&checked.contract.secrets);
    begin_log(&checked.contract.own, &output);
    let panicked = log_panics();
    let life = Life {
        checked,
        output: output.clone(),
        termination: termination.clone(),
        signals,
        panicked,
        own_binary,
        began,
    };
    let code = catch_unwind(AssertUnwindSafe(|| life.live())).unwrap_or_else(|_| {
        // The panic hook has told it.
        let code = ExitCode::Internal.code();
        let reason = Some("an internal error".to_owned());
        termination.write(&LastState {
            phase: "ended",
            exit_code: Some(code),
            reason,
            ..LastState::default()
        });
        code
    });
    let _ = output.flush(LAST_LINES);
    code
}

/// Prints what the environment comes to; returns the exit code.
#[must_use]
pub fn check(vars: impl Iterator<Item = (OsString, OsString)>, format: Format) -> u8 {
    let checked = Contract::from_env(collect(vars), &kernel_hostname());
    let report = check::report(&checked, format);
    // A reader that has gone away is no reason to answer differently.
    let _ = io::stdout().write_all(report.as_bytes());
    check::exit_code(&checked).code()
}

struct Life<'a> {
    checked: Checked,
    output: Output,
    termination: Termination,
    signals: Signals,
    panicked: watch::Receiver<bool>,
    own_binary: &'a Path,
    began: Instant,
}

impl Life<'_> {
    fn live(self) -> u8 {
        match self.try_live() {
            Ok(code) => code,
            Err(error) => {
                tracing::error!(%error, "the operating system refuses what we need");
                ExitCode::System.code()
            }
        }
    }

    fn try_live(self) -> io::Result<u8> {
        let contract = self.checked.contract;
        let plan = Plan::derive(&contract);
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            pid = getpid().as_raw_pid(),
            install_kind = contract.install_kind.letter(),
            on_boot = contract.on_boot.name(),
            hostname = contract.hostname.0,
            "jjobs-init begins"
        );
        tell(&self.checked.warnings);
        adopt_orphans()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        let code = local.block_on(&runtime, async {
            let signals = self.signals.listen()?;
            let children = Children::new(self.own_binary.to_owned());
            let surroundings =
                Surroundings { env: contract.env.clone(), ..Surroundings::default() };
            let life = ledger::Life::new(&contract.hostname.0);
            let (ledger, past) = begin_ledger(&contract, life.clone(), &self.output);
            let settings = Settings::new(
                &contract,
                plan.clone(),
                surroundings,
                self.termination,
                self.output.mask(),
            );
            let core = Core::new(
                settings,
                System {
                    children: children.clone(),
                    output: self.output.clone(),
                    ledger,
                    life: life.id,
                    began: self.began,
                },
            );
            spawn_local(Rc::clone(&core).learn_the_past(past));
            supervisor::open_control(&core, contract.own.run_dir.as_deref());
            let boot = Boot {
                contract,
                plan,
                children,
                output: self.output,
                stop: StopSignal::new(core.stop_requested()),
            };
            supervisor::live(core, &signals, self.panicked, boot.run()).await
        });
        // A step's thread may be stuck on a hung volume: it is left behind.
        runtime.shutdown_background();
        code
    }
}

/// Opens the ledger of this pod's lives; where no thread can be had there is none.
fn begin_ledger(contract: &Contract, life: ledger::Life, output: &Output) -> (Ledger, Past) {
    let boot = ledger::Event::Boot {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kind: contract.install_kind.letter().to_string(),
        on_boot: contract.on_boot.name().to_owned(),
    };
    match Ledger::spawn(contract.own.state_dir.clone(), life) {
        Ok((ledger, past)) => {
            let ledger = ledger.masked(output.mask().clone());
            ledger.note(boot);
            (ledger, past)
        }
        Err(error) => {
            let why = error.to_string();
            (Ledger::disabled(), Past::already(LastLife::Unreadable { why }))
        }
    }
}

fn collect(vars: impl Iterator<Item = (OsString, OsString)>) -> EnvVars {
    let mut env = EnvVars::new();
    for (name, value) in vars {
        // As getenv(3) does, the first of two of the same name counts.
        env.entry(name).or_insert(value);
    }
    env
}

fn kernel_hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn begin_log(own: &Own, output: &Output) {
    let (level, format, prefix) = (own.log_level, own.log_format, own.log_prefix);
    // Cannot fail: nothing else in this process installs a subscriber.
    let _ = log::init(log::Settings { level, format, prefix }, output);
}

fn tell(warnings: &[Warning]) {
    for warning in warnings {
        tracing::warn!(
            var = warning.name,
            value = warning.value,
            problem = warning.text,
            hint = warning.hint,
            "questionable variable"
        );
    }
}

/// A list for people, or an event for each problem where a program reads.
fn contract_not_met(error: &ContractError, own: &Own, output: &Output) {
    if own.log_format == LogFormat::Text {
        let _ = writeln!(io::stderr(), "error: {error}");
        for warning in &error.warnings {
            let _ = writeln!(io::stderr(), "warning: {warning}");
        }
        let _ = writeln!(io::stderr(), "hint: {}", error.hint());
        return;
    }
    begin_log(own, output);
    tell(&error.warnings);
    for violation in &error.violations {
        tracing::error!(
            var = violation.name,
            value = violation.value,
            problem = format!("must be {}", violation.accepted),
            hint = violation.hint,
            "wrong variable"
        );
    }
    tracing::error!(
        exit_code = ExitCode::Contract.code(),
        hint = error.hint(),
        "the environment contract is not met"
    );
    let _ = output.flush(LAST_LINES);
}

fn refusal(error: &ContractError) -> LastState {
    let names: Vec<&str> =
        error.violations.iter().map(|violation| violation.name.as_str()).collect();
    LastState {
        phase: "ended",
        exit_code: Some(ExitCode::Contract.code()),
        reason: Some(format!("the environment contract is not met: {}", names.join(", "))),
        ..LastState::default()
    }
}

/// Without this, JVMs that lose their parent would go to the real PID 1 where we are not it.
fn adopt_orphans() -> io::Result<()> {
    if getpid() != Pid::INIT {
        set_child_subreaper(Some(getpid()))?;
        tracing::info!(
            pid = getpid().as_raw_pid(),
            hint = "a shared process namespace or a wrapper; signals must be sent to us",
            "not PID 1, living as a child subreaper"
        );
    }
    Ok(())
}

/// Logs every panic; what is returned becomes true with the first one of this thread, the loop's. A panic elsewhere ends only
/// the work of its own thread, and whoever waits for that is told.
fn log_panics() -> watch::Receiver<bool> {
    let loop_thread = thread::current().id();
    let (broken, panicked) = watch::channel(false);
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(error = text, place, hint = "this is a bug of jjobs-init", "panic");
        if thread::current().id() == loop_thread {
            broken.send_replace(true);
        }
    }));
    panicked
}

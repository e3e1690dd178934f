//! The loop that is PID 1: takes signals, ends of processes and time, one at a time, and hands each to [`core::Core`].
//!
//! The longer stories (boot, start order, drain) are tasks on the same thread; they wait for changes of the core and are
//! cut off by dropping them. Nothing in here blocks and nothing touches a file below `LOGS_BASE`.

mod answers;
pub mod apis;
mod console;
pub mod core;
mod drain;
pub mod follow;
mod jobs;
mod lines;
mod look;
mod oom;
pub mod outcome;
mod past;
mod release;
pub mod restart;
mod scripts;
pub mod settings;
mod shutdown;
mod start;
pub mod state;
mod status;
mod stop_request;
pub mod unit;

use self::{
    core::Core,
    outcome::{Outcome, Phase, Urgency},
};
use crate::{
    control::server,
    exit::{ExitCode, Failure},
    process::{
        Surroundings,
        signals::{Listener, Received},
    },
    run_dir,
};
use std::{future::Future, io, path::Path, rc::Rc};
use tokio::{select, sync::watch, task::spawn_local, time::sleep_until};

/// Answers on the control socket from here on. Where it cannot be had, PID 1 goes on without: jobs matter more than probes.
///
/// `given` is `JJOBS_INIT_RUN_DIR`. Belongs into the runtime and its `LocalSet`.
pub fn open_control(core: &Rc<Core>, given: Option<&Path>) {
    let listener = run_dir::make(given).and_then(|folder| server::Listener::bind(&folder));
    match listener {
        Ok(listener) => {
            let core = Rc::clone(core);
            spawn_local(server::serve(listener, move |request, progress| {
                answers::respond(Rc::clone(&core), request, progress)
            }));
        }
        Err(error) => tracing::error!(
            %error,
            hint = "probes, hooks and status will say no; give JJOBS_INIT_RUN_DIR a folder that can be written",
            "no control socket"
        ),
    }
}

/// Lives PID 1's life: runs `boot`, starts the components, keeps them, stops them. Returns the exit code.
///
/// `boot` is cut off by its own stop signal, not by dropping it; it returns what components inherit, or a failure that it
/// has told already. `panicked` becomes true when any task of this thread has panicked: a loop that has lost one of its
/// tasks would wait for ever for what that was to do.
///
/// # Errors
/// When the operating system takes the signal descriptor away from us.
pub async fn live(
    core: Rc<Core>,
    signals: &Listener,
    mut panicked: watch::Receiver<bool>,
    boot: impl Future<Output = Result<Surroundings, Failure>> + 'static,
) -> io::Result<u8> {
    core.enter(Phase::Booting);
    core.reopen_consoles();
    let boot = spawn_local(boot_and_start(Rc::clone(&core), boot));
    let mut end = spawn_local(Rc::clone(&core).stop_when_asked(boot));
    core.look();
    loop {
        let tick = core.next_tick();
        select! {
            biased;
            // Signals first: a stop request may not wait behind a timer.
            received = signals.receive() => on_signals(&core, &received?),
            Ok(_) = panicked.wait_for(|has| *has) => return Ok(core.end_broken()),
            () = until(tick) => core.tick(),
            () = core.change() => {}
            exit_code = &mut end => return Ok(exit_code.unwrap_or(ExitCode::Internal.code())),
        }
    }
}

fn on_signals(core: &Rc<Core>, received: &[Received]) {
    for signal in received {
        match signal {
            Received::ChildEnded => {
                if core.children().reap() > 0 {
                    core.look_soon();
                }
            }
            Received::Stop(signal) => on_stop(core, *signal),
            Received::Status => core.log_status(),
        }
    }
}

fn on_stop(core: &Rc<Core>, signal: i32) {
    let name = crate::process::signals::name(signal);
    let before = core.note_term();
    if before == 0 {
        tracing::info!(signal = name, phase = core.phase().name(), "asked to stop");
        core.look();
        core.note_asked();
        core.end_with(Outcome::Asked(signal));
    } else if before == 1 && core.urgency() < Urgency::Now {
        core.hurry(Urgency::Now);
    } else {
        core.hurry(Urgency::Kill);
    }
}

async fn boot_and_start(core: Rc<Core>, boot: impl Future<Output = Result<Surroundings, Failure>>) {
    match boot.await {
        Ok(surroundings) if core.urgency() == Urgency::None => {
            core.boot_done(surroundings);
            select! {
                () = core.start_what_boot_starts() => {}
                () = core.urgency_reaches(Urgency::Drain) => {}
            }
        }
        Ok(_) => {}
        // Cut off by the stop that is under way, which decides what comes next.
        Err(failure) if failure.exit_code == ExitCode::Done => {}
        Err(failure) => core.end_with(Outcome::BootFailed(failure)),
    }
}

/// Sleeps until `deadline`, or for ever when there is none.
async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]
mod tests {
    use super::{settings::Settings, *};
    use crate::{
        contract::{Contract, EnvVars},
        ledger::Ledger,
        log::{Mask, Output},
        plan::Plan,
        process::{Children, signals::Signals},
        termination::Termination,
    };
    use std::time::{Duration, Instant};
    use tokio::task::LocalSet;

    /// One that starts nothing and tells its end at `path`.
    fn idle_core(path: &Path, grace_period: Option<Duration>) -> Rc<Core> {
        let env = EnvVars::from([("ON_BOOT".into(), "no".into())]);
        let contract = Contract::from_env(env, "jjobs-0").unwrap().contract;
        let settings = Settings::new(
            &contract,
            Plan::derive(&contract),
            Surroundings::default(),
            Termination::at(path),
            &Mask::new(),
        );
        let settings = Settings { grace_period, ..settings };
        let children = Children::new("/proc/self/exe".into());
        let system = core::System {
            children,
            output: Output::new(Mask::new()),
            ledger: Ledger::disabled(),
            life: String::new(),
            began: Instant::now(),
        };
        Core::new(settings, system)
    }

    #[test]
    fn a_grace_period_that_is_forgotten_while_a_drain_waits_cuts_nothing_off() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let core = idle_core(file.path(), Some(Duration::from_millis(400)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            core.note_asked();
            let forgotten = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                core.forget_asked();
                std::future::pending::<()>().await;
            };
            let cut_off = async {
                select! {
                    () = core.until_reserve() => {}
                    () = forgotten => {}
                }
            };
            let cut_off = tokio::time::timeout(Duration::from_millis(600), cut_off).await;
            assert!(cut_off.is_err(), "the reserve began without a grace period");
            core.note_asked();
            core.until_reserve().await;
        });
    }

    #[test]
    fn a_panic_in_a_task_of_the_loop_ends_it_with_70_and_not_in_silence() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let core = idle_core(file.path(), None);
        let (broken, panicked) = watch::channel(false);
        let boot = async move {
            broken.send_replace(true);
            panic!("a bug")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let life = async {
            let signals =
                Signals::install(&[signal_hook::consts::SIGUSR2]).unwrap().listen().unwrap();
            live(core, &signals, panicked, boot).await
        };
        let exit_code = LocalSet::new().block_on(&runtime, life).unwrap();
        assert_eq!(exit_code, 70);
        let told = std::fs::read_to_string(file.path()).unwrap();
        assert!(told.contains("\"exit_code\":70"), "{told}");
    }
}

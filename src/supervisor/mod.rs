//! The loop that is PID 1: takes signals, ends of processes and time, one at a time, and hands each to [`core::Core`].
//!
//! The longer stories (boot, start order, drain) are tasks on the same thread; they wait for changes of the core and are
//! cut off by dropping them. Nothing in here blocks and nothing touches a file below `LOGS_BASE`.

mod console;
pub mod core;
pub mod follow;
mod look;
pub mod outcome;
pub mod restart;
mod scripts;
pub mod settings;
mod shutdown;
mod start;
pub mod state;
mod status;
pub mod unit;

use self::{
    core::Core,
    outcome::{Outcome, Phase, Urgency},
};
use crate::{
    exit::{ExitCode, Failure},
    process::{
        Surroundings,
        signals::{Listener, Received},
    },
};
use std::{future::Future, io, rc::Rc, time::Duration};
use tokio::{
    select,
    sync::watch,
    task::{JoinHandle, spawn_local},
    time::{sleep_until, timeout},
};

/// A boot that was asked to end must have ended after this; what is stuck then (a thread on a hung volume) is left behind.
const BOOT_ENDS_WITHIN: Duration = Duration::from_secs(9);

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
    let mut end = spawn_local(end_when_asked(Rc::clone(&core), boot));
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
    match core.urgency() {
        Urgency::None => {
            tracing::info!(signal = name, phase = core.phase().name(), "asked to stop");
            core.look();
            core.note_asked();
            core.end_with(Outcome::Asked(signal));
        }
        Urgency::Drain if !core.was_asked() => {
            // The stop that is under way was our own decision: this is the first request of somebody else.
            tracing::info!(signal = name, "asked to stop while stopping");
            core.note_asked();
        }
        Urgency::Drain => core.hurry(Urgency::Now),
        Urgency::Now | Urgency::Kill => core.hurry(Urgency::Kill),
    }
}

async fn boot_and_start(core: Rc<Core>, boot: impl Future<Output = Result<Surroundings, Failure>>) {
    match boot.await {
        Ok(surroundings) if core.urgency() == Urgency::None => {
            core.boot_done(surroundings);
            select! {
                () = core.start_all() => {}
                () = core.urgency_reaches(Urgency::Drain) => {}
            }
        }
        Ok(_) => {}
        Err(failure) => core.end_with(Outcome::BootFailed(failure)),
    }
}

async fn end_when_asked(core: Rc<Core>, boot: JoinHandle<()>) -> u8 {
    core.urgency_reaches(Urgency::Drain).await;
    core.close();
    select! {
        ended = timeout(BOOT_ENDS_WITHIN, boot) => if ended.is_err() {
            tracing::warn!("a boot step is stuck and is left behind");
        },
        () = core.urgency_reaches(Urgency::Kill) => {}
    }
    core.shut_down().await
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
        log::{Mask, Output},
        plan::Plan,
        process::{Children, signals::Signals},
        termination::Termination,
    };
    use std::time::Instant;
    use tokio::task::LocalSet;

    #[test]
    fn a_panic_in_a_task_of_the_loop_ends_it_with_70_and_not_in_silence() {
        let env = EnvVars::from([("ON_BOOT".into(), "no".into())]);
        let contract = Contract::from_env(env, "jjobs-0").unwrap().contract;
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = Settings::new(
            &contract,
            Plan::derive(&contract),
            Surroundings::default(),
            Termination::at(file.path()),
        );
        let children = Children::new("/proc/self/exe".into());
        let core = Core::new(settings, children, Output::new(Mask::new()), Instant::now());
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

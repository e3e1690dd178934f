//! The way from the first TERM to the end.

use crate::support::{Life, boot, kind, kind_f, up};
use jjobs_harness::{Signal, Vendor};
use std::{ops::Range, time::Duration};

/// What a stop of the server may take beside what it is made to wait for.
const MARGIN: f64 = 3.5;

#[test]
fn a_drain_lets_jobs_finish_and_stops_in_reverse_order() {
    for vendor in Vendor::ALL {
        let Some(mut life) = up(kind_f(vendor)) else { return };
        life.submit(3, 1.5);
        let (code, took) = life.stop();
        assert_eq!(code, 0, "{}", life.transcript());
        assert_eq!((life.jobs("start"), life.jobs("end")), (3, 3));
        let stopped = |component: &str| {
            life.line(0, &["component stopped", &format!("component={component}")])
        };
        let order = [
            stopped("agent"),
            life.line(0, &["all running jobs have ended"]),
            stopped("server"),
            stopped("manager"),
            life.line(0, &["container ends", "exit_code=0"]),
        ];
        assert!(order.is_sorted(), "{}", life.transcript());
        // The jobs' time, three looks a second apart, and little more.
        assert!(took < Duration::from_secs(8), "{took:?}");
        assert_eq!(life.count(&["stop script started"]), 3);
        assert_eq!(life.message()["jobs_left"], 0);
    }
}

/// How long the server takes from its stop to its end, and how the container ends.
fn server_stop(fault: &str, vendor: Vendor, wanted: Range<f64>) -> Option<Life> {
    let image = kind("S", vendor).env("JJOBS_INIT_STOP_TIMEOUT", "2s");
    let mut life = up(image.env("SIM_FAULTS_SERVER", fault))?;
    assert_eq!(life.stop().0, 0, "{}", life.transcript());
    let took = life.state("server", "stopped") - life.state("server", "stopping");
    assert!(wanted.contains(&took.as_secs_f64()), "{fault}: {took:?}\n{}", life.transcript());
    assert_eq!(life.count(&["stop script started"]), 1);
    Some(life)
}

#[test]
fn a_stop_script_that_does_not_do_it_is_followed_by_term_and_kill() {
    std::thread::scope(|scope| {
        // Fails: TERM at once.
        scope.spawn(|| server_stop("stop_script=fail", Vendor::A, 0.0..MARGIN - 1.6));
        // Ends and leaves the JVM: TERM after 5 s, but not later than the stop timeout.
        scope.spawn(|| server_stop("refuse_stop=yes", Vendor::B, 1.9..2.0 + MARGIN));
        // Hangs: TERM after the stop timeout.
        scope.spawn(|| server_stop("stop_script=hang", Vendor::A, 1.9..2.0 + MARGIN));
        // The JVM ignores TERM: KILL after 10 s.
        scope.spawn(|| {
            let faults = "stop_script=fail;refuse_term=yes";
            let Some(life) = server_stop(faults, Vendor::B, 9.9..10.0 + MARGIN) else { return };
            life.line(0, &["killing", "component=server"]);
        });
        scope.spawn(leaves_its_jvm_for_five_seconds);
    });
}

fn leaves_its_jvm_for_five_seconds() {
    let image = kind("S", Vendor::A).env("SIM_FAULTS_SERVER", "refuse_stop=yes");
    let Some(mut life) = up(image) else { return };
    assert_eq!(life.stop().0, 0);
    let took = life.state("server", "stopped") - life.state("server", "stopping");
    assert!((4.9..5.0 + MARGIN).contains(&took.as_secs_f64()), "{took:?}");
}

#[test]
fn a_second_term_skips_the_drain_and_says_which_jobs_are_lost() {
    let Some(mut life) = up(kind_f(Vendor::A)) else { return };
    life.submit(2, 60.0);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("waiting for running jobs", crate::support::SOON);
    let (code, took) = life.stop();
    assert_eq!(code, 27, "{}", life.transcript());
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(life.message()["jobs_left"], 2);
    life.line(0, &["the container ends while jobs run", "jobs_left=2"]);
    assert_eq!(life.count(&["stop script started"]), 3);
}

#[test]
fn a_third_term_kills_and_the_jobs_that_it_kills_count_too() {
    let faults = "stop_script=hang;refuse_term=yes";
    let image = kind_f(Vendor::B).env("SIM_FAULTS_SERVER", faults);
    let Some(mut life) = up(image) else { return };
    life.submit(1, 60.0);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("waiting for running jobs", crate::support::SOON);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("skipping the drain", crate::support::SOON);
    life.state("server", "stopping");
    let (code, took) = life.stop();
    assert_eq!(code, 27, "{}", life.transcript());
    assert_eq!(life.message()["jobs_left"], 1);
    assert!(took < Duration::from_secs(4), "{took:?}");
    let scripts = life.count(&["stop script started", "component=server"]);
    assert_eq!(scripts, 1, "never two stop scripts at once");
}

#[test]
fn a_drain_ends_early_enough_before_the_grace_period_is_over() {
    let image = kind_f(Vendor::B).env("JJOBS_INIT_GRACE_PERIOD", "12s");
    let Some(mut life) = up(image) else { return };
    life.submit(1, 100.0);
    let (code, took) = life.stop();
    assert_eq!(code, 27, "{}", life.transcript());
    // Half of so short a period is kept for stopping.
    assert!((5.9..11.0).contains(&took.as_secs_f64()), "{took:?}");
    life.line(0, &["the grace period is nearly over", "jobs_left=1"]);
    let stopped = ["manager", "server"].map(|name| life.state(name, "stopped"));
    assert!(stopped.iter().all(|at| *at < life.line(0, &["container ends"])));
}

#[test]
fn a_jvm_that_ignores_term_is_killed_before_the_grace_period_is_over() {
    let image = kind("S", Vendor::A)
        .env("JJOBS_INIT_GRACE_PERIOD", "6s")
        .env("SIM_FAULTS_SERVER", "stop_script=fail;refuse_term=yes");
    let Some(mut life) = up(image) else { return };
    let (code, took) = life.stop();
    assert_eq!(code, 0, "{}", life.transcript());
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(life.message()["exit_code"], 0);
}

#[test]
fn one_that_is_not_up_yet_gets_term_at_once_and_kill_after_five_seconds() {
    std::thread::scope(|scope| {
        for (faults, wanted) in [
            ("start_delay=100", 0.0..MARGIN),
            ("start_delay=100;refuse_term=yes", 4.9..5.0 + MARGIN),
        ] {
            scope.spawn(move || {
                let Some(mut life) = boot(kind("S", Vendor::A).env("SIM_FAULTS_SERVER", faults))
                else {
                    return;
                };
                life.state("server", "running");
                let (code, took) = life.stop();
                assert_eq!(code, 0, "{}", life.transcript());
                assert!(wanted.contains(&took.as_secs_f64()), "{faults}: {took:?}");
                assert_eq!(life.count(&["stop script started"]), 0);
            });
        }
    });
}

#[test]
fn a_start_script_that_runs_is_ended_by_a_stop() {
    for vendor in Vendor::ALL {
        let image = kind("S", vendor).env("SIM_FAULTS_SERVER", "start_script=hang");
        let Some(mut life) = boot(image) else { return };
        life.eventually("the script hangs", |life| !life.processes_with("100000").is_empty());
        let (code, took) = life.stop();
        assert_eq!(code, 0, "{}", life.transcript());
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
}

#[test]
fn a_stop_while_a_component_waits_for_its_restart_ends_at_once() {
    let Some(mut life) = up(kind("S", Vendor::B)) else { return };
    for _ in 0..2 {
        let from = life.now();
        life.kill_jvm("server", Signal::SIGKILL);
        life.state_from(from, "server", "waiting for restart");
        if life.count(&["will restart"]) < 2 {
            life.state_from(from, "server", "up");
        }
    }
    let (code, took) = life.stop();
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(life.count(&["script started"]), 2);
}

#[test]
fn a_drain_restarts_nothing_and_sleeps_while_it_waits() {
    let Some(mut life) = up(kind_f(Vendor::A)) else { return };
    life.submit(1, 4.0);
    life.kill_jvm("server", Signal::SIGKILL);
    life.state("server", "waiting for restart");
    life.signal(Signal::SIGTERM);
    life.wait_for_line("waiting for running jobs", crate::support::SOON);
    let before = cpu_ticks(&life);
    life.kill_jvm("manager", Signal::SIGKILL);
    life.state("manager", "ended");
    life.eventually("the job ends", |life| life.jobs("end") == 1);
    let used = cpu_ticks(&life) - before;
    // It was a loop without a pause once.
    assert!(used < 60, "{used} ticks of 10 ms");
    let (code, _) = life.ended();
    assert_eq!(code, 0, "{}", life.transcript());
    assert_eq!(life.count(&["start script started"]), 3);
}

/// The processor time that PID 1 has used.
fn cpu_ticks(life: &Life) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", life.host_pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn what_an_operator_starts_during_a_drain_is_stopped_too() {
    let Some(mut life) = up(kind_f(Vendor::A).env("ON_BOOT", "exceptagent")) else { return };
    let _shell = life.exec_spawn(["/engn001/jjobs/start_agent.sh"]);
    life.state("agent", "up");
    life.submit(1, 5.0);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("waiting for running jobs", crate::support::SOON);
    // Only then: a second agent beside the first would take the stop script's word for itself.
    life.state("agent", "stopped");
    let from = life.now();
    let _again = life.exec_spawn(["/engn001/jjobs/start_agent.sh"]);
    life.state_from(from, "agent", "stopping");
    life.state_from(from, "agent", "stopped");
    assert_eq!(life.ended().0, 0, "{}", life.transcript());
    assert_eq!((life.jobs("start"), life.jobs("end")), (1, 1));
}

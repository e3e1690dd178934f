//! What ends unasked, and what then happens.

use crate::support::{BASE, SOON, kind, kind_f, up};
use jjobs_harness::{Signal, Vendor};
use std::time::Duration;

#[test]
fn a_component_that_crashes_is_started_again_after_1_2_and_4_seconds() {
    std::thread::scope(|scope| {
        for vendor in Vendor::ALL {
            scope.spawn(move || crashes_thrice(vendor));
        }
    });
}

fn crashes_thrice(vendor: Vendor) {
    let Some(mut life) = up(kind("S", vendor)) else { return };
    for pause in [1.0, 2.0, 4.0] {
        let from = life.now();
        if pause > 1.5 {
            life.kill_jvm("server", Signal::SIGKILL);
        } else {
            life.fault("server", "crash_after=0.1\ncrash_times=1");
        }
        let ended = life.state_from(from, "server", "waiting for restart");
        let waited = life.state_from(from, "server", "starting") - ended;
        life.state_from(from, "server", "up");
        assert!((pause - 0.2..pause + 0.9).contains(&waited.as_secs_f64()), "{pause}: {waited:?}");
    }
    assert_eq!(life.count(&["will restart", "\"exit code 1\""]), 1, "{}", life.transcript());
    assert_eq!(life.stop().0, 0);
}

#[test]
fn an_agents_crash_leaves_its_runtimes_and_their_jobs_alone() {
    for vendor in Vendor::ALL {
        let Some(mut life) = up(kind_f(vendor)) else { return };
        life.submit(2, 4.0);
        let runtimes: Vec<i32> = life.jvms("runtime").iter().map(|jvm| jvm.pid).collect();
        let from = life.now();
        life.kill_jvm("agent", Signal::SIGKILL);
        life.state_from(from, "agent", "up");
        let now: Vec<i32> = life.jvms("runtime").iter().map(|jvm| jvm.pid).collect();
        assert_eq!(now, runtimes, "{}", life.transcript());
        life.eventually("the jobs end", |life| life.jobs("end") == 2);
        life.submit(1, 0.1);
        assert_eq!(life.stop().0, 0);
        assert_eq!((life.jobs("start"), life.jobs("end")), (3, 3));
    }
}

#[test]
fn one_that_was_up_and_ends_by_term_was_stopped_by_hand_and_stays_down() {
    for vendor in Vendor::ALL {
        let Some(mut life) = up(kind("S", vendor)) else { return };
        life.kill_jvm("server", Signal::SIGTERM);
        life.state("server", "stopped by hand");
        assert_eq!(life.count(&["will restart"]), 0);
        let (code, took) = life.stop();
        assert_eq!(code, 0);
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert_eq!(life.count(&["script started"]), 1);
    }
}

#[test]
fn the_fifth_end_in_ten_minutes_drains_the_others_and_ends_the_container_with_26() {
    let Some(mut life) =
        crate::support::boot(kind_f(Vendor::B).env("SIM_FAULTS_SERVER", "crash_after=0.2"))
    else {
        return;
    };
    let (code, took) = life.ended();
    assert_eq!(code, 26, "{}", life.transcript());
    assert!(took > Duration::from_secs(14), "{took:?}");
    assert_eq!(life.count(&["start script started", "component=server"]), 5);
    assert_eq!(life.count(&["component failed for good", "component=server"]), 1);
    assert_eq!(life.count(&["component stopped", "component=manager"]), 1);
    let message = life.message();
    assert_eq!(message["component"], "server", "{message}");
    assert_eq!(message["exit_code"], 26);
}

#[test]
fn a_failed_agent_does_not_end_the_container_while_a_runtime_lives() {
    // The grace period is the kubelet's, and no kubelet has asked for anything.
    let image = kind_f(Vendor::A).env("JJOBS_INIT_GRACE_PERIOD", "2s");
    let Some(mut life) = up(image) else { return };
    life.submit(1, 20.0);
    life.fault("agent", "crash_after=0.2");
    life.state("agent", "failed");
    assert_eq!(life.jobs("end"), 0, "the job was to outlive the agent");
    let (code, _) = life.ended();
    assert_eq!(code, 26, "{}", life.transcript());
    assert_eq!(life.jobs("end"), 1);
    assert_eq!(life.message()["component"], "agent");
    assert!(
        life.line(0, &["component stopped", "component=server"])
            > life.line(0, &["job jjobs-0-1 has ended"])
    );
}

#[test]
fn restart_never_leaves_what_has_ended_down() {
    let Some(mut life) = up(kind("S", Vendor::A).env("JJOBS_INIT_RESTART", "never")) else {
        return;
    };
    life.kill_jvm("server", Signal::SIGKILL);
    life.state("server", "ended");
    assert!(life.is_running());
    life.shell(&format!("{BASE}/start_server.sh > /dev/null 2>&1"));
    let from = life.now();
    life.state_from(from.saturating_sub(1), "server", "up");
    assert_eq!(life.stop().0, 0);
    assert_eq!(life.count(&["start script started"]), 1);
}

#[test]
fn restart_exit_ends_with_the_components_code_after_its_runtimes() {
    let image = kind_f(Vendor::B).env("JJOBS_INIT_RESTART", "exit");
    let Some(mut life) = up(image) else { return };
    life.submit(1, 2.0);
    life.fault("agent", "crash_after=0.1\ncrash_code=7");
    let code = life.exit_code(SOON);
    assert_eq!(code, 7, "{}", life.transcript());
    assert_eq!(life.jobs("end"), 1);
    assert_eq!(life.message()["exit_code"], 7);
}

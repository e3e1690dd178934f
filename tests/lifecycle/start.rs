//! Start order, slow starts, and starts that fail.

use crate::support::{boot, kind, kind_f, up};
use jjobs_harness::Vendor;
use std::time::Duration;

const MANAGER: &str = "SIM_FAULTS_MANAGER";
const SERVER: &str = "SIM_FAULTS_SERVER";

#[test]
fn each_component_waits_for_the_one_before() {
    for vendor in Vendor::ALL {
        let slow = kind_f(vendor).env(MANAGER, "start_delay=0.7").env(SERVER, "start_delay=0.7");
        let Some(life) = up(slow) else { return };
        let order = [
            life.state("manager", "starting"),
            life.state("manager", "up"),
            life.state("server", "starting"),
            life.state("server", "up"),
            life.state("agent", "starting"),
            life.state("agent", "up"),
        ];
        assert!(order.is_sorted(), "{}", life.transcript());
    }
}

#[test]
fn what_we_add_to_the_components_own_start_times_is_below_half_a_second() {
    let own = Duration::from_millis(1_400);
    let mut took = Duration::MAX;
    // A busy machine may delay anything: the best of three counts.
    for _ in 0..3 {
        let slow = kind_f(Vendor::A).env(MANAGER, "start_delay=0.7").env(SERVER, "start_delay=0.7");
        let Some(life) = up(slow) else { return };
        took = took.min(life.line(0, &["all up"]) - life.state("manager", "starting"));
        if took < own + Duration::from_millis(500) {
            return;
        }
    }
    panic!("{took:?} from the first start to all up");
}

#[test]
fn the_server_is_started_ten_seconds_after_a_manager_that_is_not_up() {
    let slow = kind_f(Vendor::B).env("ON_BOOT", "exceptagent").env(MANAGER, "start_delay=12");
    let Some(mut life) = up(slow) else { return };
    let waited = life.state("server", "starting") - life.state("manager", "starting");
    assert!((9.5..12.0).contains(&waited.as_secs_f64()), "{waited:?}");
    assert!(life.state("manager", "up") > life.state("server", "up"));
    assert_eq!(life.stop().0, 0);
}

#[test]
fn a_jvm_that_never_answers_is_warned_about_once_and_the_next_one_is_started() {
    let deaf = kind_f(Vendor::A)
        .env("JJOBS_INIT_START_TIMEOUT", "2s")
        .env(SERVER, "answer:/jjob-server=500");
    let Some(mut life) = boot(deaf) else { return };
    life.state("agent", "up");
    let waited = life.state("agent", "starting") - life.state("server", "starting");
    assert!((1.5..6.0).contains(&waited.as_secs_f64()), "{waited:?}");
    life.line(0, &["component answers, but is not up", "component=server", "status=500"]);
    let server = life.jvm("server").pid;
    // It may come up at any later time.
    life.fault("server", "");
    assert_eq!(life.jvm("server").pid, server, "it is not killed");
    assert_eq!(life.count(&["component answers, but is not up"]), 1);
    assert_eq!(life.count(&["all up"]), 0);
    assert_eq!(life.stop().0, 0);
}

fn fails_to_start(fault: &str, timeout: &str, waits: std::ops::Range<f64>) {
    let image = kind("S", Vendor::A).env("JJOBS_INIT_START_TIMEOUT", timeout);
    // From a file, so that a later start succeeds.
    let faults = "/sim/server";
    let image = image.env("SIM_CONTROL_DIR", "/sim").file(faults, fault, 0o644);
    let Some(mut life) = boot(image) else { return };
    let failed = life.state("server", "waiting for restart") - life.state("server", "starting");
    life.write(faults, "");
    assert!(waits.contains(&failed.as_secs_f64()), "{fault}: {failed:?}");
    let from = life.now();
    life.state_from(from, "server", "up");
    assert_eq!(life.count(&["will restart"]), 1, "{}", life.transcript());
    assert_eq!(life.jvms("server").len(), 1);
    assert_eq!(life.processes_with("100000").len(), 0, "the script that hung is gone");
    assert_eq!(life.stop().0, 0);
}

#[test]
fn a_start_script_that_brings_no_jvm_is_a_failed_start_after_ten_seconds() {
    std::thread::scope(|scope| {
        scope.spawn(|| fails_to_start("start_script=fail", "60s", 9.5..14.0));
        scope.spawn(|| fails_to_start("start_script=nothing", "60s", 9.5..14.0));
    });
}

#[test]
fn a_start_script_that_hangs_is_ended_after_the_start_timeout() {
    // The foreground shell of vendor b hangs itself; that of vendor a leaves what hangs in the background.
    let image = kind("S", Vendor::B).env("JJOBS_INIT_START_TIMEOUT", "2s");
    let faults = "/sim/server";
    let image = image.env("SIM_CONTROL_DIR", "/sim").file(faults, "start_script=hang", 0o644);
    let Some(mut life) = boot(image) else { return };
    let failed = life.state("server", "waiting for restart") - life.state("server", "starting");
    life.write(faults, "");
    assert!((1.8..6.0).contains(&failed.as_secs_f64()), "{failed:?}");
    life.state("server", "up");
    assert_eq!(life.processes_with("100000").len(), 0, "what hung is gone");
    assert_eq!(life.stop().0, 0);
}

#[test]
fn a_hanging_start_script_that_ignores_term_never_meets_the_next_one() {
    let image = kind("S", Vendor::B).env("JJOBS_INIT_START_TIMEOUT", "1s").env(
        "CUSTOM_COMMAND",
        "sed -i \"2i [ -e /tmp/second ] || { trap '' TERM; : > /tmp/second; while :; do sleep 0.1; done; }\" \
         $JJOBS_BASE/start_server.sh; sed -n 1,4p $JJOBS_BASE/start_server.sh",
    );
    let Some(mut life) = boot(image.env("JJOBS_BASE", crate::support::BASE)) else { return };
    life.state("server", "up");
    let scripts = life.processes_with("/engn001/jjobs/start_server.sh");
    assert_eq!(scripts.len(), 1, "{scripts:?}");
    // The end of the first script, whenever it came, says nothing about the second start.
    assert_eq!(life.count(&["will restart"]), 1);
    assert_eq!(life.stop().0, 0);
}

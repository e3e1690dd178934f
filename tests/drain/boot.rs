//! A stop that comes before there is anything to drain.

use crate::{
    scene::{TOKEN, kind_with_token, side_by_side, with_token},
    support::{SOON, boot},
};
use jjobs_harness::Vendor;
use std::time::Duration;

const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn a_pre_stop_during_the_boot_ends_it() {
    side_by_side([
        before_anything_was_started,
        while_only_the_manager_is_up,
        where_nothing_is_installed,
    ]);
}

fn before_anything_was_started() {
    let image = with_token(Vendor::A).env("CUSTOM_COMMAND", "echo at it; sleep 1000");
    let Some(mut life) = boot(image) else { return };
    life.wait_for_line("at it", SOON);
    let hook = life.pre_stop().wait(SOON);
    assert_eq!((hook.code, hook.elapsed < AT_ONCE), (0, true), "{hook:?}");
    life.eventually("it stays", |life| life.told_phase() == "stopped");
    assert_eq!(life.command("liveness").code, 0);
    let start = life.command("start all");
    assert_eq!(start.code, 1, "what was not configured cannot be started: {start:?}");
    let again = life.pre_stop().wait(SOON);
    assert_eq!((again.code, again.elapsed < AT_ONCE), (0, true), "{again:?}");
    let (code, took) = life.stop();
    assert_eq!(code, 0, "{}", life.transcript());
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(life.count(&["start script started"]), 0);
    assert!(!life.transcript().contains(TOKEN));
}

fn while_only_the_manager_is_up() {
    let image = with_token(Vendor::B).env("SIM_FAULTS_SERVER", "start_script=hang");
    let Some(mut life) = boot(image) else { return };
    life.state("manager", "up");
    life.state("server", "starting");
    let hook = life.pre_stop().wait(SOON);
    assert_eq!(hook.code, 0, "{hook:?}\n{}", life.transcript());
    life.one_stop_script_each(&["manager"]);
    assert_eq!(life.count(&["start script started", "component=agent"]), 0);
    life.ends_with(0);
}

fn where_nothing_is_installed() {
    let Some(mut life) = boot(kind_with_token("F", Vendor::A).env("ON_BOOT", "no")) else { return };
    life.eventually("it is there", |life| life.told_phase() == "running");
    let hook = life.pre_stop().wait(SOON);
    assert_eq!((hook.code, hook.elapsed < AT_ONCE), (0, true), "{hook:?}");
    assert_eq!(life.told_phase(), "stopped");
    let (code, took) = life.stop();
    assert_eq!((code, took < AT_ONCE), (0, true), "{}", life.transcript());
}

//! Who asks for a drain, and who else does: preStop, TERM, an operator, each of them again.

use crate::{
    scene::{TOKEN, WAITS_FOR_JOBS, at_work, side_by_side, with_token},
    support::SOON,
};
use jjobs_harness::{Signal, Vendor};
use std::time::Duration;

/// What nobody waits for takes less than this, on a busy machine too.
const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn whoever_asks_for_a_drain_no_job_is_lost_and_it_is_one_drain() {
    side_by_side([by_pre_stop, by_term_alone, by_an_operator, by_everybody_at_once]);
}

fn by_pre_stop() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    life.submit(2, 2.0);
    assert_eq!(life.told_phase(), "running");
    let hook = life.pre_stop();
    life.eventually("the last state says so", |life| life.told_phase() == "draining");
    let hook = hook.wait(SOON);
    assert_eq!(hook.code, 0, "{hook:?}\n{}", life.transcript());
    assert!(!hook.leaked_output);
    life.no_job_was_lost(2);
    // The agent has ended by itself: its script is for one that does not.
    life.one_stop_script_each(&["manager", "server"]);
    assert_eq!(life.told_phase(), "stopped");
    assert_eq!(life.command("liveness").code, 0, "stopped as asked");
    assert_eq!(life.command("readiness").code, 1);
    let again = life.exec(["/bin/bash", "-c", "/pre-stop.sh"]);
    assert_eq!((again.code, again.elapsed < AT_ONCE), (0, true), "{again:?}");
    let (code, took) = life.stop();
    assert_eq!(code, 0);
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(life.message()["phase"], "ended");
    assert!(!life.transcript().contains(TOKEN));
    let noted = life.noted("drain_ended");
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert_eq!((&noted[0]["outcome"], &noted[0]["jobs_finished"]), (&"finished".into(), &2.into()));
}

fn by_term_alone() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    life.submit(2, 2.0);
    life.signal(Signal::SIGTERM);
    life.eventually("it says so", |life| life.told_phase() == "draining");
    life.eventually("both are held", |life| life.is_server_held() && life.is_agent_held("jjobs-0"));
    // What comes now waits for another agent.
    life.offer(1, 0.1);
    assert_eq!(life.ended().0, 0, "{}", life.transcript());
    life.no_job_was_lost(2);
    life.one_stop_script_each(&["manager", "server"]);
}

fn by_an_operator() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    life.submit(1, 2.0);
    let drain = life.command("drain");
    assert_eq!(drain.code, 0, "{drain:?}");
    assert!(drain.stdout.contains("1 job finished"), "{drain:?}");
    life.no_job_was_lost(1);
    let status = life.command("drain status");
    assert!(status.stdout.contains("is over, 1 job finished, phase stopped"), "{status:?}");
    life.ends_with(0);
}

fn by_everybody_at_once() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    life.submit(2, 3.0);
    let hooks = [life.pre_stop(), life.pre_stop(), life.type_command("drain")];
    life.wait_for_line(WAITS_FOR_JOBS, SOON);
    life.signal(Signal::SIGTERM);
    // Answered before PID 1 is gone.
    for hook in hooks {
        let ended = hook.wait(SOON);
        assert_eq!(ended.code, 0, "{ended:?}\n{}", life.transcript());
    }
    assert_eq!(life.ended().0, 0, "{}", life.transcript());
    life.no_job_was_lost(2);
    life.one_stop_script_each(&["manager", "server"]);
    assert_eq!(life.count(&["drain ended"]), 1);
    assert_eq!(life.noted("drain_began").len(), 1);
}

#[test]
fn a_drain_goes_on_whatever_becomes_of_its_hook_and_can_be_followed() {
    side_by_side([
        a_hook_that_is_killed_changes_nothing_and_one_that_is_called_again_attaches,
        a_pre_stop_can_be_followed_on_its_own_output_and_in_the_log,
        a_pid_1_that_is_stopped_for_a_while_does_no_harm_to_jobs,
    ]);
}

fn a_hook_that_is_killed_changes_nothing_and_one_that_is_called_again_attaches() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    life.submit(1, 4.0);
    // Without the shell around it: the kubelet kills the hook itself.
    let first = life.exec_spawn(["/pre-stop.sh"]);
    life.wait_for_line(WAITS_FOR_JOBS, SOON);
    first.signal(Signal::SIGKILL);
    assert_eq!(first.wait(SOON).code, 137);
    let status = life.command("drain status");
    assert!(status.stdout.contains("asked for by pre-stop"), "{status:?}");
    assert!(status.stdout.contains("1 runtime"), "{status:?}");
    let second = life.pre_stop().wait(SOON);
    assert_eq!(second.code, 0, "{second:?}");
    life.no_job_was_lost(1);
    assert_eq!(life.count(&["drain ended"]), 1);
    let third = life.pre_stop().wait(SOON);
    assert_eq!((third.code, third.elapsed < AT_ONCE), (0, true), "{third:?}");
    life.ends_with(0);
}

fn a_pre_stop_can_be_followed_on_its_own_output_and_in_the_log() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    life.submit(3, 13.0);
    let hook = life.pre_stop();
    let told = hook.wait_for_line("3 runtimes", SOON);
    assert!(told.text.contains("running jobs"), "{}", told.text);
    assert_eq!(hook.wait(SOON).code, 0);
    // Nothing changed but the end, so once or twice in thirteen seconds.
    let lines = life.count(&[WAITS_FOR_JOBS]);
    assert!((1..=3).contains(&lines), "{lines}\n{}", life.transcript());
    life.line(0, &[WAITS_FOR_JOBS, "runtimes=3", "elapsed_ms="]);
    life.no_job_was_lost(3);
    life.ends_with(0);
}

fn a_pid_1_that_is_stopped_for_a_while_does_no_harm_to_jobs() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    life.submit(2, 2.0);
    let hook = life.pre_stop();
    life.wait_for_line(WAITS_FOR_JOBS, SOON);
    life.signal(Signal::SIGSTOP);
    life.eventually("the jobs end", |life| life.jobs("end") == 2);
    assert!(hook.try_code().is_none());
    life.signal(Signal::SIGCONT);
    assert_eq!(hook.wait(SOON).code, 0, "{}", life.transcript());
    life.no_job_was_lost(2);
    life.ends_with(0);
}

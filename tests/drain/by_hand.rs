//! What operators and vendors' scripts do in the middle of a drain.

use crate::{
    scene::{WAITS_FOR_JOBS, at_work, side_by_side, with_token},
    support::{SOON, kind_f, up},
};
use jjobs_harness::Vendor;

#[test]
fn whatever_is_done_by_hand_in_the_middle_of_a_drain_is_coped_with_and_told() {
    side_by_side([
        an_agent_that_is_started_anew,
        a_restart_that_is_cut_off,
        a_stop_script_that_kills_runtimes,
    ]);
}

#[test]
fn a_stop_timeout_of_zero_does_not_take_the_agent_from_its_jobs() {
    let image = with_token(Vendor::A)
        .env("SIM_FAULTS_AGENT", "contrary=yes")
        .env("JJOBS_INIT_STOP_TIMEOUT", "0");
    let Some(mut life) = at_work(image) else { return };
    life.submit(1, 3.0);
    // One of them is handed out, and begun only after the hold.
    life.offer(2, 1.0);
    let hook = life.pre_stop().wait(SOON);
    assert_eq!(hook.code, 0, "{hook:?}\n{}", life.transcript());
    life.ends_with(0);
    life.no_job_was_lost(3);
}

/// It knows nothing of the hold that its predecessor was told.
fn an_agent_that_is_started_anew() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    life.submit(1, 6.0);
    let hook = life.pre_stop();
    life.line(0, &["held: no new jobs", "component=agent"]);
    let again = "cd /engn001/jjobs && ./stop_agent.sh; ./start_agent.sh";
    let by_hand = life.exec_spawn(["/bin/sh", "-c", again]);
    life.line(0, &["started by somebody else during the drain", "component=agent"]);
    let hook = hook.wait(SOON);
    assert_eq!(hook.code, 0, "{hook:?}");
    assert!(hook.elapsed.as_secs() < 25, "held too late: {hook:?}\n{}", life.transcript());
    drop(by_hand);
    life.ends_with(0);
    life.no_job_was_lost(1);
}

/// Its operator wanted the server to run, and so does who takes the drain back.
fn a_restart_that_is_cut_off() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    life.submit_requests(1, 3.0);
    let restart = life.type_command("restart server");
    life.line(0, &["held: no new jobs", "component=server"]);
    assert_eq!(life.pre_stop().wait(SOON).code, 0);
    assert_eq!(restart.wait(SOON).code, 1);
    let from = life.now();
    assert_eq!(life.command("drain abort").code, 0);
    life.state_from(from, "server", "up");
    life.state_from(from, "agent", "up");
    life.line(from, &["released", "component=server"]);
    life.ends_with(0);
}

fn a_stop_script_that_kills_runtimes() {
    let Some(mut life) = up(kind_f(Vendor::A)) else { return };
    let script = life.read_text("/engn001/jjobs/stop_agent.sh");
    // As long as the agent lives, their ends are told to it.
    let wait = "n=0; while cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -qx 'cname=agen[t]' \
                && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.1; done";
    let kill = "for process in /proc/[0-9]*; do tr '\\0' '\\n' < $process/cmdline \
                | grep -qx 'cname=jjob[s]' && kill -9 ${process#/proc/}; done; exit 0";
    life.write("/engn001/jjobs/stop_agent.sh", format!("{script}\n{wait}\n{kill}\n"));
    life.submit(2, 60.0);
    let hook = life.pre_stop();
    life.line(0, &[WAITS_FOR_JOBS]);
    hook.wait(SOON);
    assert_eq!(life.count(&["a runtime was killed during the drain", "its job did not finish"]), 2);
    assert_eq!(life.count(&["drain ended", "jobs_finished=0"]), 1, "{}", life.transcript());
    life.ends_with(0);
}

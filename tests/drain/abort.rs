//! A drain that is taken back.

use crate::{
    scene::{WAITS_FOR_JOBS, at_work, kind_with_token, side_by_side, with_token},
    support::{Life, SOON},
};
use jjobs_harness::{Signal, Vendor};

impl Life {
    /// Takes the drain back and waits until all of these are up and take jobs again.
    #[track_caller]
    fn abort(&self, components: &[&str]) {
        let from = self.now();
        let abort = self.command("drain abort");
        assert_eq!(abort.code, 0, "{abort:?}\n{}", self.transcript());
        self.eventually("work goes on", |life| {
            components.iter().all(|component| life.jvms(component).len() == 1)
                && !life.is_server_held()
                && !life.is_agent_held("jjobs-0")
        });
        self.line(from, &["released", "component=server"]);
        self.eventually("the phase is right", |life| life.told_phase() == "running");
        assert_eq!(self.command("liveness").code, 0);
    }
}

#[test]
fn a_drain_can_be_taken_back_at_any_time() {
    side_by_side([
        while_holding,
        while_a_hold_is_under_way,
        while_jobs_run,
        while_stopping,
        when_stopped,
        while_components_were_being_started,
        what_an_operator_keeps_down_stays_down,
    ]);
}

fn while_holding() {
    let image = with_token(Vendor::A)
        .env("SIM_FAULTS_AGENT", "contrary=yes")
        .env("JJOBS_INIT_STOP_TIMEOUT", "3s");
    let Some(mut life) = at_work(image) else { return };
    life.fault("server", "answer:/jjob-server/api=500");
    let hook = life.pre_stop();
    life.line(0, &["cannot hold it, will retry", "component=server"]);
    life.fault("server", "");
    life.abort(&["manager", "server", "agent"]);
    let hook = hook.wait(SOON);
    assert_eq!(hook.code, 1, "{hook:?}");
    assert!((hook.stdout + &hook.stderr).contains("aborted"));
    life.submit(1, 0.5);
    life.ends_with(0);
    life.no_job_was_lost(1);
}

/// A server that hangs may carry out a hold after the release that follows it.
fn while_a_hold_is_under_way() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    life.fault("server", "answer:/jjob-server/api/v1/serversetting/agent/holdAndStopAgent=hang");
    let hook = life.pre_stop();
    // By then the agent's hold is under way, too.
    life.line(0, &["held: no new jobs", "component=server"]);
    let abort = life.command("drain abort");
    assert_eq!(abort.code, 0, "{abort:?}");
    assert_eq!(hook.wait(SOON).code, 1);
    life.eventually("it is held all the same", |life| life.is_agent_held("jjobs-0"));
    life.eventually("and released again", |life| !life.is_agent_held("jjobs-0"));
    life.fault("server", "");
    // It has ended, as it was told to, and that is no stop by hand.
    assert_eq!(life.command("liveness").code, 0, "{}", life.transcript());
    life.submit(1, 0.5);
    life.ends_with(0);
}

fn while_components_were_being_started() {
    let image = with_token(Vendor::B).env("SIM_FAULTS_SERVER", "start_delay=3");
    let Some(mut life) = crate::support::boot(image) else { return };
    life.state("server", "running");
    let hook = life.pre_stop();
    life.state("server", "stopping");
    life.abort(&["manager", "server", "agent"]);
    assert_eq!(hook.wait(SOON).code, 1);
    life.submit(1, 0.5);
    life.ends_with(0);
    life.no_job_was_lost(1);
}

fn what_an_operator_keeps_down_stays_down() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    assert_eq!(life.command("stop agent").code, 0);
    let hook = life.pre_stop();
    life.state("server", "stopping");
    life.abort(&["manager", "server"]);
    assert_eq!(hook.wait(SOON).code, 1);
    assert!(life.jvms("agent").is_empty(), "{}", life.transcript());
    life.ends_with(0);
}

/// The agent that was told to end does so, and is started again.
fn while_jobs_run() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    life.submit(2, 4.0);
    let hook = life.pre_stop();
    life.line(0, &["held: no new jobs", "component=agent"]);
    life.line(0, &[WAITS_FOR_JOBS]);
    let first = life.jvm("agent").pid;
    life.abort(&["manager", "server", "agent"]);
    let hook = hook.wait(SOON);
    assert_eq!(hook.code, 1, "{hook:?}");
    life.eventually("it has ended by itself and another one runs", |life| {
        assert_eq!(life.command("liveness").code, 0, "{}", life.transcript());
        assert_eq!(life.command("healthcheck").code, 0);
        life.jvms("agent").first().is_some_and(|agent| agent.pid != first)
    });
    assert_eq!(life.jobs("end"), 2);
    life.submit(1, 0.5);
    assert_eq!(life.noted("drain_ended")[0]["outcome"], "aborted");
    life.ends_with(0);
    life.no_job_was_lost(3);
}

fn while_stopping() {
    let image = with_token(Vendor::A).env("SIM_FAULTS_SERVER", "stop_seconds=4");
    let Some(mut life) = at_work(image) else { return };
    let hook = life.pre_stop();
    life.state("server", "stopping");
    life.abort(&["manager", "server", "agent"]);
    assert_eq!(hook.wait(SOON).code, 1);
    life.eventually("the server is a new one", |life| {
        life.count(&["start script started", "component=server"]) == 2
    });
    life.line(0, &["component=manager", "to=up"]);
    life.submit(1, 0.5);
    life.ends_with(0);
    life.no_job_was_lost(1);
}

fn when_stopped() {
    let Some(mut life) = at_work(with_token(Vendor::B)) else { return };
    assert_eq!(life.pre_stop().wait(SOON).code, 0);
    assert_eq!(life.told_phase(), "stopped");
    life.abort(&["manager", "server", "agent"]);
    life.submit(1, 0.5);
    assert_eq!(life.command("drain abort").code, 1, "there is none any more");
    life.ends_with(0);
    life.no_job_was_lost(1);
}

fn after_term_it_is_too_late() {
    let Some(mut life) = at_work(with_token(Vendor::A)) else { return };
    life.submit(1, 3.0);
    life.signal(Signal::SIGTERM);
    life.line(0, &[WAITS_FOR_JOBS]);
    let abort = life.command("drain abort");
    assert_eq!(abort.code, 1, "{abort:?}");
    assert!((abort.stdout + &abort.stderr).contains("too late"));
    assert_eq!(life.ended().0, 0);
    life.no_job_was_lost(1);
}

#[test]
fn term_ends_an_abort_and_the_grace_period_goes_on_until_a_start() {
    side_by_side([abort_and_term, start_and_term, after_term_it_is_too_late]);
}

fn abort_and_term() {
    let Some(mut life) = at_work(with_token(Vendor::B).env("JJOBS_INIT_GRACE_PERIOD", "24s"))
    else {
        return;
    };
    let asked = std::time::Instant::now();
    let hook = life.pre_stop();
    life.line(0, &["held: no new jobs", "component=agent"]);
    life.abort(&["manager", "server", "agent"]);
    assert_eq!(hook.wait(SOON).code, 1);
    life.eventually("an agent takes jobs", |life| {
        life.jobs("start") == 1 || {
            if life.jobs("submit") == 0 {
                life.offer(1, 60.0);
            }
            false
        }
    });
    life.signal(Signal::SIGTERM);
    assert_eq!(life.ended().0, 27, "{}", life.transcript());
    // Twelve seconds are the reserve of twenty-four; from TERM on there would be more.
    let took = asked.elapsed().as_secs_f64();
    assert!((11.5..20.0).contains(&took), "{took}\n{}", life.transcript());
}

fn start_and_term() {
    let image = kind_with_token("S", Vendor::A).env("JJOBS_INIT_GRACE_PERIOD", "20s");
    let Some(mut life) = at_work(image) else { return };
    assert_eq!(life.pre_stop().wait(SOON).code, 0);
    assert_eq!(life.told_phase(), "stopped");
    let start = life.command("start all");
    assert_eq!(start.code, 0, "{start:?}\n{}", life.transcript());
    life.eventually("it is released", |life| !life.is_server_held());
    assert_eq!(life.command("liveness").code, 0);
    life.submit_requests(1, 60.0);
    let asked = std::time::Instant::now();
    life.signal(Signal::SIGTERM);
    assert_eq!(life.ended().0, 27, "{}", life.transcript());
    let took = asked.elapsed().as_secs_f64();
    assert!((9.5..15.0).contains(&took), "{took}");
}

//! Jobs at work, the probes beside them, and the drain that lets them finish.

use crate::scene::{Scene, title};
use jjobs_harness::{ExecChild, within};
use std::time::{Duration, Instant};

/// How long each of the jobs takes, in seconds, and where it runs.
const JOBS: [(f64, u32, &str); 3] = [(1.0, 3, "agent"), (6.0, 2, "agent"), (5.0, 1, "server")];

/// The simulator writes there what became of each job.
const LEDGER: &str = "/engn001/jjobs/.simulator/ledger";

/// Jobs start within milliseconds of being submitted; this is for a machine that does much else.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// Longer than the longest job and all that follows.
const DRAINED_WITHIN: Duration = Duration::from_mins(2);

/// What the ledger counts.
pub(crate) struct Count {
    pub(crate) submitted: usize,
    pub(crate) started: usize,
    pub(crate) ended: usize,
}

impl Scene {
    /// Submits the jobs and waits until every one of them runs.
    pub(crate) fn put_to_work(&mut self) -> Result<(), String> {
        for (seconds, count, place) in JOBS {
            let body = format!(r#"{{"seconds":{seconds},"count":{count},"where":"{place}"}}"#);
            let answer = self.container.http_api(7075, ("POST", "/sim/jobs"), "", &body);
            let answer = answer.map_err(|error| format!("cannot submit jobs: {error}"))?;
            if answer.status >= 300 {
                return Err(format!("the server takes no jobs: {} {}", answer.status, answer.body));
            }
            println!("  submitted: {count} x {seconds} s on the {place}");
        }
        let started = within(STARTED_WITHIN, || {
            self.look();
            let count = self.count();
            (count.started == count.submitted && count.submitted > 0).then_some(())
        });
        started.ok_or_else(|| format!("not all jobs started within {STARTED_WITHIN:?}"))
    }

    /// What the probes of a manifest get.
    pub(crate) fn probe(&mut self) -> Result<(), String> {
        println!();
        for probe in
            ["/working/liveness.sh", "/working/readiness.sh", "/working/agent-healthcheck.sh"]
        {
            let began = Instant::now();
            let answer = self.container.exec(["/bin/bash", "-c", probe]);
            let took = began.elapsed().as_secs_f64() * 1000.0;
            println!(
                "  {probe}: exit code {} in {took:.0} ms, bash and namespaces included {}",
                answer.code,
                answer.stdout.trim()
            );
            if answer.code != 0 {
                return Err(format!("{probe} says no to a healthy container"));
            }
        }
        println!();
        for line in self.container.exec(["/usr/local/bin/jjobs-init", "status"]).stdout.lines() {
            println!("  {line}");
        }
        Ok(())
    }

    /// Calls preStop as a kubelet does and watches until it has returned.
    pub(crate) fn drain(&mut self) -> Result<(), String> {
        let hook = self.container.exec_spawn(["/bin/bash", "-c", "/pre-stop.sh"]);
        let ended = within(DRAINED_WITHIN, || {
            self.look();
            hook.try_code()
        });
        self.show_rest();
        let code =
            ended.ok_or_else(|| format!("preStop has not returned within {DRAINED_WITHIN:?}"))?;
        show_hook(&hook, code);
        if code == 0 { Ok(()) } else { Err(format!("preStop returned {code}")) }
    }

    /// What the ledger says.
    pub(crate) fn count(&self) -> Count {
        let ledger = self.container.read_text(LEDGER);
        let of = |event: &str| {
            let wanted = format!(r#""event":"{event}""#);
            ledger.lines().filter(|line| line.contains(&wanted)).count()
        };
        Count { submitted: of("submit"), started: of("start"), ended: of("end") }
    }
}

/// The verdict on the jobs.
pub(crate) fn account(count: &Count) -> Result<(), String> {
    title("What became of the jobs, by the simulated J-Jobs' own ledger");
    let Count { submitted, started, ended } = count;
    println!(
        "  {submitted} submitted, {started} started, {ended} ended, {} lost",
        started.saturating_sub(*ended)
    );
    if submitted == started && started == ended { Ok(()) } else { Err("a job was lost".to_owned()) }
}

fn show_hook(hook: &ExecChild, code: i32) {
    println!("\n  the hook printed (a kubelet shows it only if the hook fails):");
    for line in hook.lines() {
        println!("    {}", line.text);
    }
    println!("  and returned {code}");
}

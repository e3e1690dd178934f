//! The other side of "no job was lost": an entrypoint that simply kills loses jobs, and the count says so.

use super::support::{BASE, host, jvms, member, start_server};
use jjobs_harness::{Cluster, Signal, Vendor};
use std::time::Duration;

/// What many an image does: start, wait, and on SIGTERM end everything at once. Started by hand after the installation,
/// which an image has behind it.
const NAIVE: &str = "\
trap 'kill -9 -1; exit 0' TERM
while [ ! -x @BASE@/started ]; do sleep 0.05; done
@BASE@/start_agent.sh &
echo started
while :; do sleep 0.1; done
";

/// The same without the trap: PID 1 ends, and the kernel ends the rest.
const SILENT: &str = "\
trap 'exit 0' TERM
while [ ! -x @BASE@/started ]; do sleep 0.05; done
@BASE@/start_agent.sh &
echo started
while :; do sleep 0.1; done
";

#[test]
fn an_entrypoint_that_kills_on_term_loses_jobs_and_the_ledger_counts_them() {
    for script in [NAIVE, SILENT] {
        let Some(cluster) = Cluster::new(&["server-0", "jjobs-0"]) else { return };
        let server = member(&cluster, ("server-0", "S"), host(Vendor::A));
        start_server(&server);
        let script = script.replace("@BASE@", BASE);
        let plan = host(Vendor::B).argv(["/bin/sh", "-c", &script]);
        let mut agent = member(&cluster, ("jjobs-0", "A"), plan);
        agent.shell(&format!("ln -s /bin/true {BASE}/started"));
        agent.wait_for_line("started", Duration::from_secs(20));
        cluster.submit(&server, 0.2, 40);
        cluster.submit_to(&server, "jjobs-0", (8.0, 2));
        server.eventually("short and long jobs run", |server| {
            let Some(board) = cluster.board(server) else { return false };
            board.running("jjobs-0", 0.0..1.0) > 0 && board.running("jjobs-0", 1.0..9.0) == 2
        });

        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.exit_code(Duration::from_secs(10)), 0);
        let ledger = cluster.ledger();
        assert!(ledger.running_or_lost.len() >= 2, "nothing runs any more: {ledger:?}");

        // The pod comes back, and does what is left; what was lost stays lost.
        agent.restart();
        server.eventually("all is reported", |server| {
            cluster.board(server).is_some_and(|board| board.done + board.lost == 42)
        });
        let after = cluster.ledger();
        assert!(!after.is_complete());
        assert!(after.lost.len() >= 2 && after.lost == after.running_or_lost, "{after:?}");
        assert_eq!(after.ended + after.lost.len() as u64, 42, "{after:?}");
        assert_eq!(jvms(&agent, "cname=jjobs"), 0);
    }
}

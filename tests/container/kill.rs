//! KILL, from `docker kill` or at the end of `docker stop -t`, and the life after it on the same file system.

use crate::support::{SOON, kind_f, up};
use jjobs_harness::Signal;

#[test]
fn the_life_after_a_kill_says_so_and_works() {
    let Some(image) = kind_f() else { return };
    let life = up(image);
    life.submit(2, 60.0);
    life.line_in_ledger("\"runtimes\":2");
    life.kill(Signal::SIGKILL);
    assert_eq!(life.exit_code(SOON), 137);
    assert_eq!(life.state()["OOMKilled"], false);

    // The socket, the pipes and the pid files of the first life are still there.
    let second = life.now();
    life.start();
    life.is_up_from(second);
    life.line(second, &["last life", "killed or out of memory without a word while 2 jobs ran"]);
    life.exec_ends_with(0, &["/working/liveness.sh"]);
    life.line(second, &["Server startup in"]);

    // PID 1 was told of no grace period, so it waits for the job until the engine kills it.
    life.submit(1, 60.0);
    life.line_in_ledger("\"runtimes\":1");
    let stop = life.stop(2);
    assert!(stop.elapsed.as_secs() >= 2, "{stop:?}");
    assert_eq!(life.exit_code(SOON), 137);
    life.line(second, &["waiting for running jobs"]);

    let third = life.now();
    life.start();
    life.is_up_from(third);
    life.line(third, &["last life", "killed or out of memory", "while it was draining, 1 job"]);
    life.stop(30);
    assert_eq!(life.exit_code(SOON), 0, "{}", life.logs());
}

impl crate::support::Life {
    /// Waits until PID 1's ledger, which is written in the background, says so.
    #[track_caller]
    fn line_in_ledger(&self, text: &str) {
        self.eventually("the ledger says it", |life| {
            life.read_text("/logs001/jjobs/init/jjobs-0/ledger.jsonl").contains(text)
        });
    }
}

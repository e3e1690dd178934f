//! What a life leaves to the next one.

use crate::{
    ask::{A_MOMENT, TOKEN, side_by_side},
    support::{Life, boot, kind, kind_f, up},
};
use jjobs_harness::{Signal, Vendor, eventually};
use std::time::Duration;

#[test]
fn the_next_life_says_how_the_last_one_ended() {
    side_by_side(&[
        after_a_drain,
        after_a_kill_that_no_probe_saw_coming,
        after_jobs_were_left,
        after_a_boot_that_failed,
    ]);
}

#[test]
fn a_state_folder_that_does_not_work_stops_nothing() {
    side_by_side(&[
        one_that_is_read_only,
        one_that_is_full,
        one_that_hangs,
        two_pods_have_a_folder_each,
    ]);
}

impl Life {
    /// How the life before this one ended, in the log of this one.
    #[track_caller]
    fn last_life(&self, from: usize, sentence: &str) {
        self.line(from, &["last life", sentence]);
        self.eventually("the status says it too", |life| {
            life.status()["last_life"].as_str().is_some_and(|last| last.contains(sentence))
        });
        let said = self.done("status");
        assert!(said.contains(&format!("last life    {sentence}")), "{said}");
    }
}

fn after_a_drain() {
    let Some(mut life) = up(kind_f(Vendor::A).env("API_PRIVATE_TOKEN", TOKEN)) else { return };
    life.is_ready();
    life.submit(3, 2.0);
    assert_eq!(life.stop().0, 0);
    let from = life.now();
    life.restart();
    life.last_life(from, "drained, 3 jobs finished");
}

fn after_a_kill_that_no_probe_saw_coming() {
    let Some(mut life) = up(kind_f(Vendor::B)) else { return };
    life.submit(2, 60.0);
    // The ledger is written in the background; nobody asks PID 1 for anything.
    let ledger = "/logs001/jjobs/init/jjobs-0/ledger.jsonl";
    eventually("the jobs are in the ledger", || {
        life.read_text(ledger).contains("\"runtimes\":2").then_some(())
    });
    let from = life.now();
    life.restart();
    life.last_life(from, "killed or out of memory without a word while 2 jobs ran");
    life.line(from, &["all up"]);
    life.submit(1, 1.0);
    let latest = |runtimes: usize| {
        let text = life.read_text(ledger);
        let latest = text.lines().rfind(|line| line.contains("\"event\":\"jobs\""));
        latest.is_some_and(|line| line.contains(&format!("\"runtimes\":{runtimes}"))).then_some(())
    };
    eventually("the job is in the ledger", || latest(1));
    eventually("its end too", || latest(0));
}

fn after_jobs_were_left() {
    let Some(mut life) = up(kind_f(Vendor::A)) else { return };
    life.submit(2, 60.0);
    life.signal(Signal::SIGTERM);
    life.soon("asked to stop");
    life.signal(Signal::SIGTERM);
    assert_eq!(life.ended().0, 27, "{}", life.transcript());
    let message = life.message();
    assert_eq!(message["jobs_left"], 2, "{message}");
    let from = life.now();
    life.restart();
    life.line(from, &["last life", "stopped: stopped by SIGTERM", "2 jobs left: runtime "]);
}

fn after_a_boot_that_failed() {
    let image = kind("S", Vendor::A).env("SIM_INSTALLER_FAULT", "exit=3");
    let Some(mut life) = boot(image) else { return };
    assert_eq!(life.ended().0, 20);
    let from = life.now();
    life.restart();
    life.line(from, &["last life", "ended with exit code 20: "]);
}

/// Boots with a state folder of its own that `mount` has spoilt.
fn with_state(mount: &str) -> Option<Life> {
    let prepare =
        format!("mkdir /engn001/state && {mount} && exec /entrypoint.sh; echo cannot be spoilt");
    let image = kind_f(Vendor::A)
        .argv(["/bin/sh", "-c", &prepare])
        .env("API_PRIVATE_TOKEN", TOKEN)
        .env("JJOBS_INIT_STATE_DIR", "/engn001/state");
    boot(image)
}

fn one_that_is_read_only() {
    let Some(life) = with_state("mount -t tmpfs -o ro none /engn001/state") else { return };
    lives_on(life, "cannot write the ledger");
}

fn one_that_is_full() {
    let spoilt = "mount -t tmpfs -o size=4k none /engn001/state && head -c 4096 /dev/zero > /engn001/state/full";
    let Some(life) = with_state(spoilt) else { return };
    lives_on(life, "cannot write the ledger");
}

#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn one_that_hangs() {
    // A file system whose server never says a word: whoever looks at it hangs.
    let spoilt = "mknod /dev/fuse c 10 229 && exec 3<>/dev/fuse && \
                  mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none /engn001/state";
    let Some(life) = with_state(spoilt) else { return };
    eventually("it begins or cannot", || (!life.lines().is_empty()).then_some(()));
    if life.transcript().contains("cannot be spoilt") {
        eprintln!("skipped: FUSE is not allowed here");
        return;
    }
    life.soon("cannot read the ledger");
    lives_on(life, "ledger's volume does not answer");
}

/// Boot, probes, drain and end, all of them in their time; `warning` is said once.
fn lives_on(mut life: Life, warning: &str) {
    life.soon("all up");
    life.soon(warning);
    let liveness = life.init("liveness");
    assert_eq!(liveness.code, 0, "{liveness:?}");
    assert!(liveness.elapsed < A_MOMENT, "{liveness:?}");
    life.is_ready();
    life.soon("releasing it component=server");
    let hook = life.exec(["/pre-stop.sh"]);
    assert_eq!(hook.code, 0, "{hook:?}\n{}", life.transcript());
    assert!(hook.elapsed < Duration::from_secs(15), "{hook:?}");
    let (code, took) = life.stop();
    assert_eq!(code, 0, "{}", life.transcript());
    assert!(took < Duration::from_secs(5), "{took:?}");
    for once in [warning, "cannot read the ledger"] {
        assert!(life.count(&[once]) <= 1, "{once}: {}", life.transcript());
    }
    assert_eq!(life.count(&[" ERROR "]), 0, "{}", life.transcript());
}

fn two_pods_have_a_folder_each() {
    let volume = tempfile::tempdir().unwrap();
    let image = |name: &str| kind("S", Vendor::A).hostname(name).shared_logs(volume.path());
    let Some(mut one) = up(image("jjobs-0")) else { return };
    let Some(mut other) = up(image("jjobs-1")) else { return };
    assert_eq!((one.stop().0, other.stop().0), (0, 0));
    for name in ["jjobs-0", "jjobs-1"] {
        let text =
            std::fs::read_to_string(volume.path().join(format!("jjobs/init/{name}/ledger.jsonl")))
                .unwrap();
        assert!(text.contains("\"event\":\"end\""), "{text}");
    }
    let from = other.now();
    other.restart();
    other.last_life(from, "drained, no job had to be waited for");
}

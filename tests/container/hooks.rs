//! Hooks and probes as manifests write them, by `docker exec`.

use crate::support::{BASE, INIT, SOON, kind_f, up};

#[test]
fn every_form_of_probes_and_hooks_that_manifests_use_works() {
    let Some(image) = kind_f() else { return };
    let life = up(image);
    let probes = [
        "/working/liveness.sh",
        "/working/readiness.sh",
        "/working/agent-healthcheck.sh",
        "/engn001/jjobs/agent/healthcheck.sh",
    ];
    for probe in probes {
        let forms: [&[&str]; 3] =
            [&[probe], &["/bin/bash", "-c", probe], &["/bin/sh", "-c", probe]];
        for form in forms {
            life.exec_ends_with(0, form);
        }
    }
    for words in ["liveness", "readiness", "healthcheck", "status", "status --format json"] {
        let words = [INIT].into_iter().chain(words.split_whitespace());
        life.exec_ends_with(0, &words.collect::<Vec<_>>());
    }
    life.exec_ends_with(0, &["/bin/sh", "-c", "/post-start.sh"]);
    life.exec_ends_with(0, &["/bin/bash", "-c", "/post-start.sh"]);
    life.exec_ends_with(0, &["/post-start.sh"]);

    // Nobody reads what they print, and nothing may be there to be written to.
    for nowhere in [">/dev/full 2>&1", ">&- 2>&-", "| true"] {
        life.exec_ends_with(0, &["/bin/bash", "-c", &format!("/working/liveness.sh {nowhere}")]);
    }

    // PreStop: with jobs running, called twice, the second time while nobody listens.
    life.submit(2, 5.0);
    let first = life.exec_spawn(["/bin/bash", "-c", "/pre-stop.sh"]);
    life.line(0, &["waiting for running jobs"]);
    let deaf = life.exec_spawn_with(["--detach"], ["/bin/sh", "-c", "/pre-stop.sh"]).wait(SOON);
    assert_eq!((deaf.code, deaf.stdout.as_str()), (0, ""));
    life.exec_ends_with_while_others_run(0, &["/working/liveness.sh"]);
    let first = first.wait(SOON);
    assert_eq!(first.code, 0, "{first:?}\n{}", life.logs());
    assert!(!first.leaked_output);
    life.eventually("both hooks are gone", |life| {
        life.processes().iter().all(|process| process.ppid != 0 || process.pid == 1)
    });
    life.lost_none_of(2);
    life.exec_ends_with(0, &["/bin/bash", "-c", "/pre-stop.sh"]);
    life.exec_ends_with(0, &["/bin/bash", "-c", "/working/liveness.sh"]);
    let unready = life.exec(["/bin/bash", "-c", "/working/readiness.sh"]);
    assert_eq!((unready.code, unready.stdout.lines().count()), (1, 1), "{unready:?}");

    // What the kubelet does next.
    life.stop(30);
    assert_eq!(life.exit_code(SOON), 0, "{}", life.logs());
    assert_eq!(life.count(&["drain ended"]), 1, "{}", life.logs());
    assert!(life.saved_text(&format!("{BASE}/agent/healthcheck.sh")).is_some());
}

impl crate::support::Life {
    /// As the other, where a hook is under way.
    #[track_caller]
    fn exec_ends_with_while_others_run(&self, code: i32, argv: &[&str]) {
        let done = self.exec(argv);
        assert_eq!((done.code, done.leaked_output), (code, false), "{argv:?}: {done:?}");
    }
}

//! Plain programs as Jobs and `CronJobs`, under our PID 1.

use crate::support::{assert_all_was_run, patched, render};
use jjobs_harness::{
    engine::Image,
    kubelet::{Kubelet, Outcome},
    manifests::Manifests,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

pub(crate) const OVERLAYS: &[&str] = &["batch-program", "scheduled-program"];

const SOON: Duration = Duration::from_mins(1);

/// The batch program's manifest with another program, and a volume for it to write to.
fn with_program(rendered: &Manifests, script: &str, change: impl FnOnce(&mut Value)) -> Manifests {
    patched(rendered, ("Job", "jjobs-batch-program"), |job| {
        let pod = &mut job["spec"]["template"]["spec"];
        pod["securityContext"]["fsGroup"] = json!(10001);
        let volume = json!({ "name": "notes", "persistentVolumeClaim": { "claimName": "notes" } });
        pod["volumes"].as_array_mut().unwrap().push(volume);
        let container = &mut pod["containers"][0];
        container["args"] =
            json!(["run", "--", "/bin/sh", "-c", script, "part", "$(JOB_COMPLETION_INDEX)"]);
        let mount = json!({ "name": "notes", "mountPath": "/notes" });
        container["volumeMounts"].as_array_mut().unwrap().push(mount);
        change(job);
    })
}

#[test]
fn a_program_in_parts_runs_each_part_until_it_succeeds() {
    let Some(image) = Image::simulated() else { return };
    let Some(rendered) = render("batch-program") else { return };
    let kubelet = Kubelet::new(&image, rendered.clone());
    let mut job = kubelet.job("jjobs-batch-program").unwrap();

    // Part 1 fails at its first try.
    let script = "echo \"$1 as $(id -u)\" >>/notes/tries; [ \"$1\" != 1 ] || [ -e /notes/failed ] || { touch /notes/failed; exit 5; }";
    let failing = Kubelet::new(
        &image,
        with_program(&rendered, script, |job| {
            job["spec"]["completions"] = json!(3);
        }),
    );
    let mut retried = failing.job("jjobs-batch-program").unwrap();

    // Whatever is tried, a program that is not there is not there.
    let missing = patched(&rendered, ("Job", "jjobs-batch-program"), |job| {
        job["spec"]["template"]["spec"]["containers"][0]["args"] =
            json!(["run", "--", "/no/such/program"]);
    });
    let missing = Kubelet::new(&image, missing);
    let mut hopeless = missing.job("jjobs-batch-program").unwrap();

    // The deadline of all parts together; the program hears of it.
    let script =
        "trap 'echo \"$1\" >>/notes/told; exit 3' TERM; echo up; while :; do sleep 0.1; done";
    let endless = Kubelet::new(
        &image,
        with_program(&rendered, script, |job| {
            job["spec"]["activeDeadlineSeconds"] = json!(6);
        }),
    );
    let mut late = endless.job("jjobs-batch-program").unwrap();

    assert_eq!(job.finish(SOON), Outcome::Complete);
    let logs = job.logs();
    let parts: BTreeSet<&str> = logs.lines().filter(|line| line.len() == 1).collect();
    assert_eq!(parts, BTreeSet::from(["0", "1", "2", "3", "4", "5", "6"]), "{logs}");
    assert_eq!(logs.matches("SUCCESS").count(), 6, "{logs}");
    assert_all_was_run(&kubelet, &rendered);

    assert_eq!(retried.finish(SOON), Outcome::Complete, "{}", retried.logs());
    let tries = std::fs::read_to_string(failing.claim("notes").join("tries")).unwrap();
    let mut tries: Vec<&str> = tries.lines().collect();
    tries.sort_unstable();
    assert_eq!(tries, ["0 as 10001", "1 as 10001", "1 as 10001", "2 as 10001"]);
    assert_eq!(retried.failures(), 1);

    assert_eq!(hopeless.finish(SOON), Outcome::Failed("PodFailurePolicy"));
    assert!(hopeless.codes().into_values().flatten().any(|code| code == 127));

    assert_eq!(late.finish(SOON), Outcome::Failed("DeadlineExceeded"));
    let told = std::fs::read_to_string(endless.claim("notes").join("told")).unwrap_or_default();
    assert_eq!(told.lines().count(), 2, "{told:?} {}", late.logs());
    assert!(late.codes().into_values().flatten().all(|code| code == 3), "{:?}", late.codes());
}

#[test]
fn a_scheduled_program_runs_once_it_is_no_longer_suspended() {
    let Some(image) = Image::simulated() else { return };
    let Some(rendered) = render("scheduled-program") else { return };
    let kubelet = Kubelet::new(&image, rendered.clone());
    assert!(kubelet.cron_job_at_its_hour("jjobs-scheduled-program", &[]).unwrap().is_none());
    let on = patched(&rendered, ("CronJob", "jjobs-scheduled-program"), |job| {
        job["spec"]["suspend"] = json!(false);
    });
    let kubelet = kubelet.applied(on);
    let mut job = kubelet.cron_job_at_its_hour("jjobs-scheduled-program", &[]).unwrap().unwrap();
    assert_eq!(job.finish(SOON), Outcome::Complete, "{}", job.logs());
    assert_eq!(job.logs(), "nightly\nSUCCESS\n");
    assert_all_was_run(&kubelet, &rendered);
}

//! The meta DB's backup, really made of a `PostgreSQL` that really runs, and restored.

use crate::{
    database::{Database, PostgresImage},
    support::{assert_all_was_run, patched, render},
};
use jjobs_harness::{
    engine::Image,
    kubelet::{Kubelet, Outcome},
    within,
};
use serde_json::json;
use std::{fs, path::PathBuf, time::Duration};

pub(crate) const OVERLAYS: &[&str] = &["meta-db-backup"];

const SOON: Duration = Duration::from_mins(1);

const JOB: &str = "jjobs-meta-db-backup";

const CONTENT: &str = "SELECT count(*), sum(id), md5(string_agg(name, ',' ORDER BY id)) FROM jobs";

/// What is in the backups' volume.
fn backups(kubelet: &Kubelet) -> Vec<PathBuf> {
    let entries = fs::read_dir(kubelet.claim(JOB)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn a_backup_restores_to_the_same_and_a_failed_one_leaves_nothing_behind() {
    let Some(image) = Image::simulated() else { return };
    let Some(programs) = PostgresImage::find() else { return };
    let Some(rendered) = render("meta-db-backup") else { return };
    let kubelet = Kubelet::new(&image, rendered.clone());
    let kubelet = kubelet.other_image("postgres", &image, &programs.options());

    // Nobody there: pg_dump says 1.
    let mut unreachable = kubelet.cron_job(JOB).unwrap();
    within(SOON, || unreachable.pods()[0].has_ended().then_some(()));
    assert_eq!(unreachable.codes().into_values().next().unwrap(), [1, 0]);
    assert_eq!(backups(&kubelet), [""; 0].map(PathBuf::from));

    // The DB comes, and the next try succeeds: that is what backoffLimit is for.
    let db = Database::start(&image, &programs, &kubelet);
    db.run("jjobs", "CREATE TABLE jobs (id int PRIMARY KEY, name text)");
    db.run("jjobs", "INSERT INTO jobs SELECT n, '작업-' || n FROM generate_series(1, 5000) n");
    assert_eq!(unreachable.finish(SOON), Outcome::Complete, "{}", unreachable.logs());
    let kept = backups(&kubelet);
    let [backup] = &kept[..] else { panic!("one backup: {kept:?}") };
    let name = backup.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with("jjobs-2") && name.ends_with("Z.dump"), "{name}");

    db.run("postgres", "CREATE DATABASE again");
    db.container().write("/tmp/restored.dump", fs::read(backup).unwrap());
    let restore = Database::client("pg_restore -d again \"$0\"", "/tmp/restored.dump");
    let restored = db.container().exec(restore);
    assert_eq!(restored.code, 0, "{restored:?}");
    let content = db.query("jjobs", CONTENT);
    assert!(content.as_ref().is_some_and(|rows| rows.starts_with("5000|")), "{content:?}");
    assert_eq!(db.query("again", CONTENT), content);
    assert_all_was_run(&kubelet, &rendered);

    // A wrong password, tried once: pg_dump's code, and no file, half or whole.
    let wrong = patched(&rendered, ("CronJob", JOB), |job| {
        job["spec"]["jobTemplate"]["spec"]["backoffLimit"] = json!(0);
    });
    let wrong = patched(&wrong, ("Secret", "jjobs-meta-db"), |secret| {
        secret["data"] = json!(null);
        secret["stringData"] = json!({ "password": "another: \\one" });
    });
    let mut failed = kubelet.applied(wrong).cron_job(JOB).unwrap();
    assert_eq!(failed.finish(SOON), Outcome::Failed("BackoffLimitExceeded"));
    assert!(failed.logs().contains("password authentication failed"), "{}", failed.logs());
    assert_eq!(failed.codes().into_values().next().unwrap(), [1, 0]);
    assert_eq!(backups(&kubelet), kept);

    // Stopped while it waits for a lock: the program ends, and takes its half file with it.
    let lock = "BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)";
    let _locker = db.container().exec_spawn(Database::client("psql -d jjobs -c \"$0\"", lock));
    let says_one = |question| db.query("postgres", question).as_deref() == Some("1");
    let locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted";
    db.container().eventually("the table is locked", |_| says_one(locked));
    let stopped = kubelet.cron_job(JOB).unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    db.container().eventually("pg_dump waits for the lock", |_| says_one(waiting));
    let end = stopped.pods()[0].delete_within(Duration::from_secs(25));
    assert!(end.code != 0 && end.code != 137, "{end:?}");
    assert_eq!(backups(&kubelet), kept);
}

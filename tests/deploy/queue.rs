//! The work queue's scripts, run as their pods run them: several workers under `run`, one of which is killed.

use jjobs_harness::{eventually, manifests};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// A queue folder with a program that writes down the items that it is called with. An item called `gated…` lasts until the
/// gate is opened; one called `bad…` fails.
struct Queue {
    root: TempDir,
}

impl Queue {
    fn new(items: &str) -> Self {
        let queue = Self { root: tempfile::tempdir().unwrap() };
        fs::write(queue.path("items.txt"), items).unwrap();
        fs::write(queue.path("gate"), "").unwrap();
        let root = queue.root.path().display();
        let program = format!(
            "#!/bin/sh\ncat \"$2\" >>{root}/journal\n\
             case $1 in gated*) while [ -e {root}/gate ]; do sleep 0.05; done ;; bad*) exit 1 ;; esac\n"
        );
        fs::write(queue.path("work"), program).unwrap();
        fs::set_permissions(queue.path("work"), fs::Permissions::from_mode(0o755)).unwrap();
        queue
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jjobs-init"));
        command.args(["run", "--"]);
        self.shell(command, name)
    }

    /// A worker in a process group with all that it starts, which can be killed as a lost container is: at once.
    fn script_without_init(&self, name: &str) -> Command {
        let mut command = Command::new("/usr/bin/env");
        command.process_group(0);
        self.shell(command, name)
    }

    fn shell(&self, mut command: Command, name: &str) -> Command {
        command
            .arg("/bin/sh")
            .arg(manifests::folder().join("base/work-queue").join(name))
            .env("QUEUE_DIR", self.path("queue"))
            .stdin(Stdio::null());
        command
    }

    fn fill(&self) -> String {
        let output = self.script("fill.sh").arg(self.path("items.txt")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn worker(&self, name: &str, lease: &str) -> Child {
        self.start(self.script("worker.sh"), name, lease)
    }

    fn start(&self, mut script: Command, name: &str, lease: &str) -> Child {
        script
            .envs([("POD_NAME", name), ("QUEUE_LEASE", lease), ("QUEUE_BACKOFF", "1")])
            .envs([("QUEUE_PAUSE", "0.1"), ("QUEUE_TRIES", "2")])
            .env("QUEUE_COMMAND", self.path("work"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The items in one of the queue's folders.
    fn items(&self, state: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path("queue").join(state)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn is_claimed_by(&self, item: &str, worker: &str) -> bool {
        self.items("claimed").iter().any(|claim| {
            claim.starts_with(&format!("{item},")) && claim.ends_with(&format!(",{worker}"))
        })
    }

    /// Items in the order in which the program was called with them.
    fn journal(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn open_the_gate(&self) {
        fs::remove_file(self.path("gate")).unwrap();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}

fn exit_code(child: &mut Child) -> i32 {
    let status = eventually("the worker ends", || child.try_wait().unwrap());
    status.code().unwrap_or_else(|| panic!("{status}"))
}

#[test]
fn workers_share_the_items_and_end_with_0_when_all_are_done() {
    let items: Vec<String> = (1..=9).map(|number| format!("item-{number} of 9")).collect();
    let queue = Queue::new(&format!("# a comment\n\n{}", items.join("\n")));
    // They wait until the queue is filled, or an empty one would look done.
    let mut workers = ["a", "b", "c"].map(|name| queue.worker(name, "300"));
    assert!(queue.fill().contains("9 items"));
    for worker in &mut workers {
        assert_eq!(exit_code(worker), 0);
    }
    let mut journal = queue.journal();
    journal.sort();
    assert_eq!(journal, items, "each once, with what its line says");
    assert_eq!(queue.items("done").len(), 9);

    // The Job of the same batch again, as after a node was lost: nothing is done twice.
    assert!(queue.fill().contains("filled already"));
    assert_eq!(exit_code(&mut queue.worker("d", "300")), 0);
    assert_eq!(queue.journal().len(), 9);
}

#[test]
fn an_item_of_a_killed_worker_is_done_by_another_which_waits_for_it() {
    let queue = Queue::new("gated-1\n");
    queue.fill();
    let mut victim = queue.start(queue.script_without_init("worker.sh"), "victim", "3");
    eventually("the item is worked on", || (!queue.journal().is_empty()).then_some(()));
    let mut heir = queue.worker("heir", "3");
    killpg(pid(&victim), Signal::SIGKILL).unwrap();
    victim.wait().unwrap();
    eventually("the lease runs out", || (queue.journal().len() > 1).then_some(()));
    assert!(queue.is_claimed_by("gated-1", "heir"));
    assert!(heir.try_wait().unwrap().is_none(), "ended while an item was claimed");
    queue.open_the_gate();
    assert_eq!(exit_code(&mut heir), 0);
    assert_eq!(queue.items("done"), BTreeSet::from(["gated-1".to_owned()]));
    assert_eq!(queue.journal().len(), 2, "at least once");
}

#[test]
fn a_worker_that_is_told_to_stop_finishes_its_item_and_is_no_success() {
    let queue = Queue::new("gated-1\nitem-2\n");
    queue.fill();
    let mut worker = queue.worker("a", "300");
    eventually("the item is claimed", || queue.is_claimed_by("gated-1", "a").then_some(()));
    kill(pid(&worker), Signal::SIGTERM).unwrap();
    queue.open_the_gate();
    assert_eq!(exit_code(&mut worker), 143);
    assert_eq!(queue.items("done"), BTreeSet::from(["gated-1".to_owned()]));
    assert_eq!(queue.items("ready"), BTreeSet::from(["item-2".to_owned()]));
}

#[test]
fn an_item_that_keeps_failing_fails_for_good_and_so_does_the_job() {
    let queue = Queue::new("bad-1\nitem-2\n");
    queue.fill();
    assert_eq!(exit_code(&mut queue.worker("a", "300")), 3);
    assert_eq!(queue.items("failed"), BTreeSet::from(["bad-1".to_owned()]));
    assert_eq!(queue.items("done"), BTreeSet::from(["item-2".to_owned()]));
    let mut journal = queue.journal();
    journal.sort();
    assert_eq!(journal, ["bad-1", "bad-1", "item-2"], "two tries");
}

#[test]
fn a_list_with_a_name_that_is_a_path_is_refused() {
    let queue = Queue::new("../../etc/cron.d/item\n");
    let output = queue.script("fill.sh").arg(queue.path("items.txt")).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
}

//! The thread that lives in the container's namespaces and does there what it is asked to do.
//!
//! Nothing slow may be asked of it: everything that a test does in the container passes through here.

use nix::{
    sched::{CloneFlags, setns, unshare},
    unistd::gettid,
};
use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::mpsc::{Receiver, Sender, channel, sync_channel},
    thread::{self, JoinHandle},
};

type Job = Box<dyn FnOnce(&mut Stage) + Send>;

/// What the keeper needs to begin a second life of the container.
pub(crate) struct Stage {
    /// The mount namespace in which the overlay is mounted and this machine's tree still visible.
    pub(crate) mounts: File,
    own_pids: File,
}

impl Stage {
    /// Leaves an earlier life of the container behind and enters fresh mount and PID namespaces. The next
    /// process that this thread spawns is PID 1.
    pub(crate) fn begin_life(&self) -> io::Result<()> {
        setns(&self.mounts, CloneFlags::CLONE_NEWNS)?;
        setns(&self.own_pids, CloneFlags::CLONE_NEWPID)?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
        Ok(())
    }
}

pub(crate) struct Keeper {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// The thread's id, to be found below `/proc/<process>/task`.
    pub(crate) tid: i32,
}

impl Keeper {
    /// Starts a keeper in namespaces of its own, with the network of `network` where one is given.
    ///
    /// # Errors
    /// The kernel allows no namespaces here.
    pub(crate) fn start(network: Option<File>) -> io::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let (report, started) = sync_channel(1);
        let thread =
            thread::Builder::new().name("keeper".to_owned()).spawn(move || {
                match enter(network) {
                    Ok(stage) => {
                        let _ = report.send(Ok(gettid().as_raw()));
                        work(stage, &queue);
                    }
                    Err(error) => {
                        let _ = report.send(Err(error));
                    }
                }
            })?;
        let tid = started.recv().unwrap_or_else(|_| Err(io::Error::other("the keeper died")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), tid })
    }

    /// Runs `job` in the container's namespaces and returns what it returns, panics included.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Stage) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = sync_channel(1);
        let job: Job = Box::new(move |stage| {
            let _ = answer.send(catch_unwind(AssertUnwindSafe(|| job(stage))));
        });
        self.jobs.as_ref().unwrap().send(job).expect("the keeper is alive");
        answered.recv().expect("the keeper answers").unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn enter(network: Option<File>) -> io::Result<Stage> {
    // Opened before anything changes: a PID namespace can be unshared only from one's own.
    let own_pids = File::open("/proc/thread-self/ns/pid")?;
    let mut wanted = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
    match network {
        Some(network) => setns(network, CloneFlags::CLONE_NEWNET)?,
        None => wanted |= CloneFlags::CLONE_NEWNET,
    }
    unshare(wanted)?;
    if wanted.contains(CloneFlags::CLONE_NEWNET) {
        crate::network::bring_loopback_up()?;
    }
    Ok(Stage { mounts: File::open("/proc/thread-self/ns/mnt")?, own_pids })
}

fn work(mut stage: Stage, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        job(&mut stage);
    }
}

//! Looking into a running container: its processes, its files, the ports of its loopback.
//!
//! A thread joins the mount and network namespaces of PID 1, does one thing there and ends. Nothing is started in the
//! container, so what is seen is not disturbed by the looking.

use super::{cli::docker, container::Container};
use crate::{
    http::{self, HttpAnswer},
    procs::{self, ProcessInfo},
};
use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::signal::{Signal, kill},
};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

/// Loopback connections are made or refused at once; only a full backlog makes one wait.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

impl Container {
    /// Runs `job` with the container's file system and network around it, as this machine's root.
    ///
    /// # Errors
    /// When the container does not run, or this test may not join it.
    pub fn inside<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let pid = self.host_pid().ok_or_else(|| io::Error::other("the container does not run"))?;
        let open = |kind: &str| File::open(format!("/proc/{pid}/ns/{kind}"));
        let (network, mounts) = (open("net")?, open("mnt")?);
        let visitor = thread::spawn(move || {
            // Threads share their root and working folder, and only one that does not may change its mounts.
            unshare(CloneFlags::CLONE_FS)?;
            setns(network, CloneFlags::CLONE_NEWNET)?;
            setns(mounts, CloneFlags::CLONE_NEWNS)?;
            Ok(job())
        });
        visitor.join().expect("the visit panicked")
    }

    // ---- processes ------------------------------------------------------------------------------

    /// Every process, by pid; none when the container does not run.
    pub fn processes(&self) -> Vec<ProcessInfo> {
        self.inside(procs::list).unwrap_or_default()
    }

    /// The processes that have `word` as a whole word of their command line.
    pub fn processes_with(&self, word: &str) -> Vec<ProcessInfo> {
        let mut processes = self.processes();
        processes.retain(|process| process.has_word(word) && !process.is_zombie());
        processes
    }

    /// The processes that have ended and were not collected.
    pub fn zombies(&self) -> Vec<ProcessInfo> {
        let mut processes = self.processes();
        processes.retain(ProcessInfo::is_zombie);
        processes
    }

    /// Signals the process that the container calls `pid`; false if there is none.
    pub fn signal_process(&self, pid: i32, signal: Signal) -> bool {
        let init = self.host_pid();
        let found = init.and_then(|init| procs::host_pid(init, pid));
        found.is_some_and(|pid| kill(pid, signal).is_ok())
    }

    // ---- network --------------------------------------------------------------------------------

    /// Connects to a port of the container's loopback.
    pub fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        self.inside(move || TcpStream::connect_timeout(&address, CONNECT_LIMIT))?
    }

    /// Listens on a port in the container (a DB, a download server); serve it from any thread. Each life has a network of its
    /// own, so after a restart somebody must listen again.
    pub fn listen(&self, port: u16) -> io::Result<TcpListener> {
        self.inside(move || TcpListener::bind(("0.0.0.0", port)))?
    }

    /// `GET http://localhost:PORT/PATH` from inside.
    pub fn http_get(&self, port: u16, path: &str) -> io::Result<HttpAnswer> {
        http::get(self.connect(port)?, path)
    }

    /// A request with the REST API's headers: `private-token` and a JSON body.
    pub fn http_api(
        &self,
        port: u16,
        call: (&str, &str),
        token: &str,
        body: &str,
    ) -> io::Result<HttpAnswer> {
        http::api(self.connect(port)?, call, token, body)
    }

    // ---- files ----------------------------------------------------------------------------------

    /// The file's bytes, if the container runs and the file can be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let path = path.as_ref().to_owned();
        self.inside(|| fs::read(path).ok()).ok()?
    }

    /// The same as text, empty if it cannot be read.
    pub fn read_text(&self, path: impl AsRef<Path>) -> String {
        let bytes = self.read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A file's text, also of a container that has ended (`docker cp`); `None` if it is not there. What was on a tmpfs is gone
    /// by then.
    #[track_caller]
    pub fn saved_text(&self, path: &str) -> Option<String> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let copy = folder.path().join("copy");
        let source = OsString::from(format!("{}:{path}", self.name()));
        let done =
            docker([OsStr::new("cp"), OsStr::new("--follow-link"), &source, copy.as_os_str()]);
        let bytes = (done.code == 0).then(|| fs::read(copy).expect("it is a file"))?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes a file, with its folders, readable by everybody.
    #[track_caller]
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let (path, content) = (path.as_ref().to_owned(), content.as_ref().to_owned());
        self.inside(move || {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            fs::write(path, content)
        })
        .flatten()
        .expect("a file of the container cannot be written");
    }

    /// Whether something is there.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref().to_owned();
        self.inside(move || fs::symlink_metadata(path).is_ok()).unwrap_or(false)
    }
}

//! The server, asked by plain sockets.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use super::*;
use crate::control::message::{Answer, Reply};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::{
        fs::MetadataExt,
        net::{UnixListener, UnixStream as Stream},
    },
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Instant,
};
use tempfile::TempDir;
use tokio::{
    runtime,
    sync::oneshot,
    task::{LocalSet, yield_now},
};

/// Longer than anything healthy takes on a busy machine.
const SOON: Duration = Duration::from_secs(30);
const LIMIT: usize = 16;

/// A server in a thread of its own. Its answers: `liveness` yes; `status` a flood of progress; `pre-stop` waits for its
/// client to be gone; `drain` waits for ever, `drain-force` after too long an answer. What was carried out to its end comes out of `ended`.
struct Server {
    folder: TempDir,
    ended: mpsc::Receiver<Request>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let (tell_end, ended) = mpsc::channel();
        let (tell_ready, ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let listener = Listener::bind(&path).unwrap();
                tell_ready.send(()).unwrap();
                let respond = move |request, progress| respond(request, progress, tell_end.clone());
                select! {
                    () = serve_within(Slots::new(LIMIT), listener, respond) => {}
                    _ = stopped => {}
                }
            });
        });
        ready.recv_timeout(SOON).unwrap();
        Self { folder, ended, stop: Some(stop), thread: Some(thread) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    fn connect(&self) -> Stream {
        let stream = Stream::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    fn send(&self, bytes: &[u8]) -> Stream {
        let mut stream = self.connect();
        // One that is thrown out may be closed already.
        let _ = stream.write_all(bytes);
        stream
    }

    fn ask(&self, request: &str) -> Stream {
        self.send(format!("{{\"version\":1,\"request\":\"{request}\"}}\n").as_bytes())
    }

    fn lives(&self) -> bool {
        done(self.ask("liveness")).is_some_and(|done| done.exit_code == 0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn respond(request: Request, progress: Progress, ended: mpsc::Sender<Request>) -> Done {
    match request {
        Request::Status => {
            while !progress.is_gone() {
                progress.say("x".repeat(10_000)).await;
            }
        }
        Request::PreStop => {
            progress.say("draining").await;
            progress.gone().await;
            progress.say("nobody hears it").await;
            yield_now().await;
        }
        Request::Drain => std::future::pending().await,
        Request::DrainForce => {
            progress.say("x".repeat(10_000_000)).await;
            let _ = ended.send(request);
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    let _ = ended.send(request);
    Done { exit_code: 0, text: String::new() }
}

fn answers(stream: Stream) -> impl Iterator<Item = Answer> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.map(|line| serde_json::from_str::<Reply>(&line).unwrap().answer)
}

fn done(stream: Stream) -> Option<Done> {
    answers(stream).find_map(|answer| match answer {
        Answer::Done(done) => Some(done),
        _ => None,
    })
}

#[test]
fn what_is_not_understood_is_answered_and_closed() {
    let server = Server::start();
    let mut long = vec![b' '; 70_000];
    long.push(b'\n');
    let cases: [(&[u8], &str); 5] = [
        (b"\n", "not understood"),
        (b"GET / HTTP/1.1\r\n", "not understood"),
        (b"{\"version\":1,\"request\":\"explode\"}\n", "explode"),
        (b"{\"version\":2,\"request\":\"liveness\"}\n", "version 2"),
        (&long, "longer than"),
    ];
    for (bytes, wanted) in cases {
        let said: Vec<Answer> = answers(server.send(bytes)).collect();
        let [Answer::Done(Done { exit_code: 64, text })] = &said[..] else {
            unreachable!("{wanted:?}: {said:?}")
        };
        assert!(text.contains(wanted), "{text}");
    }
    assert!(server.lives());
}

#[test]
fn half_a_request_costs_its_client_five_seconds_and_nobody_else_anything() {
    let server = Server::start();
    let half = server.send(b"{\"version\":1,");
    let began = Instant::now();
    assert!(server.lives());
    assert!(began.elapsed() < Duration::from_secs(4));
    let refused = done(half).unwrap();
    assert_eq!(refused.exit_code, 64);
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn a_client_that_closes_its_writing_side_is_still_answered() {
    let server = Server::start();
    let stream = server.ask("pre-stop");
    stream.shutdown(Shutdown::Write).unwrap();
    let first = answers(stream).next().unwrap();
    assert_eq!(first, Answer::Progress { text: "draining".to_owned() });
}

#[test]
fn a_client_that_hangs_up_does_not_cancel_what_it_asked_for() {
    let server = Server::start();
    let stream = server.ask("pre-stop");
    let mut heard = BufReader::new(stream);
    heard.read_line(&mut String::new()).unwrap();
    drop(heard);
    assert_eq!(server.ended.recv_timeout(SOON).unwrap(), Request::PreStop);
}

#[test]
fn a_reader_that_does_not_read_counts_as_gone_and_holds_nobody_up() {
    let server = Server::start();
    let stuck = server.ask("status");
    let began = Instant::now();
    assert!(server.lives());
    assert_eq!(server.ended.recv_timeout(SOON).unwrap(), Request::Liveness);
    assert_eq!(server.ended.recv_timeout(SOON).unwrap(), Request::Status);
    assert!(began.elapsed() >= WRITE_LIMIT);
    drop(stuck);
}

#[test]
fn a_stuck_reader_is_closed_though_its_request_goes_on() {
    let server = Server::start();
    let mut stuck = server.ask("drain-force");
    assert_eq!(server.ended.recv_timeout(SOON).unwrap(), Request::DrainForce);
    // All that was written before is still to be had, then comes the end.
    let mut heard = Vec::new();
    stuck.read_to_end(&mut heard).unwrap();
    assert!(heard.len() < 10_000_000, "{}", heard.len());
}

#[test]
fn a_flood_of_silent_clients_costs_the_oldest_and_keeps_no_probe_out() {
    let server = Server::start();
    let mut silent: Vec<Stream> = Vec::new();
    for _ in 0..10 {
        silent.extend((0..LIMIT).map(|_| server.connect()));
        assert!(server.lives());
    }
    let last = silent.pop().unwrap();
    for mut thrown_out in silent.drain(..LIMIT * 8) {
        assert_eq!(thrown_out.read(&mut [0]).unwrap(), 0);
    }
    let mut last = last;
    last.write_all(b"{\"version\":1,\"request\":\"liveness\"}\n").unwrap();
    assert_eq!(done(last).unwrap().exit_code, 0);
}

#[test]
fn too_many_requests_at_once_are_refused_and_liveness_is_not() {
    let server = Server::start();
    let waiting: Vec<Stream> = (0..LIMIT * 3 / 4).map(|_| server.ask("drain")).collect();
    let deadline = Instant::now() + SOON;
    // They are heard one after the other.
    let refused = loop {
        let stream = server.ask("drain");
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        if let Some(done) = done(stream) {
            break done;
        }
        assert!(Instant::now() < deadline, "never refused");
    };
    assert_eq!(refused.exit_code, 1);
    assert!(refused.text.contains("too many requests"));
    assert!(server.lives());
    drop(waiting);
}

#[test]
fn the_socket_is_for_its_owner_alone() {
    let server = Server::start();
    assert_eq!(std::fs::metadata(server.path()).unwrap().mode() & 0o777, 0o600);
}

fn bind(folder: &Path) -> std::io::Result<Listener> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    Listener::bind(folder)
}

#[test]
fn a_socket_of_an_earlier_life_is_replaced_and_a_living_ones_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET);
    let earlier = UnixListener::bind(&path).unwrap();
    let error = bind(folder.path()).unwrap_err();
    assert!(error.to_string().contains("another jjobs-init"), "{error}");
    drop(earlier);
    assert!(path.exists());
    bind(folder.path()).unwrap();
    // A file that is no socket is nobody's.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    bind(folder.path()).unwrap();
}

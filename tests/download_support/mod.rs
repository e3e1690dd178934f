//! A scripted HTTP server on 127.0.0.1, and the requests of the tests.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_init::boot::download::{Proxies, Request, Timing};
use jjobs_init::contract::secret::Secret;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What a client asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte that `Range` asks for.
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// A server whose answers are written by a function of the request's number (from 0) and content.
pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) fn start(
        answer: impl Fn(usize, &Asked, &mut dyn ReadWrite) + Send + Sync + 'static,
    ) -> Self {
        Self::start_over(|stream| Some(Box::new(stream)), answer)
    }

    /// The same over whatever `wrap` makes of a connection (TLS).
    pub(crate) fn start_over(
        wrap: impl Fn(TcpStream) -> Option<Box<dyn ReadWrite>> + Send + Sync + 'static,
        answer: impl Fn(usize, &Asked, &mut dyn ReadWrite) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer, wrap) = (Arc::clone(&asked), Arc::new(answer), Arc::new(wrap));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer, wrap) =
                    (Arc::clone(&log), Arc::clone(&answer), Arc::clone(&wrap));
                std::thread::spawn(move || {
                    let Some(mut stream) = wrap(stream) else { return };
                    let Some(request) = read_request(&mut *stream) else { return };
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(request.clone());
                        log.len() - 1
                    };
                    answer(number, &request, &mut *stream);
                    let _ = stream.flush();
                });
            }
        });
        Self { port, asked }
    }

    /// Serves `body` properly, with an `ETag` and ranges.
    pub(crate) fn serving(body: Vec<u8>) -> Self {
        Self::start(move |_, asked, stream| serve(stream, asked, &body, "\"v1\""))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}

fn read_request(stream: &mut dyn ReadWrite) -> Option<Asked> {
    let mut lines = BufReader::with_capacity(1, stream).lines();
    let first = lines.next()?.ok()?;
    let target = first.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    Some(Asked { target, headers })
}

/// Status, headers and an end of headers.
pub(crate) fn head(stream: &mut dyn ReadWrite, status: u16, headers: &[(&str, &str)]) {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\n");
    for (name, value) in headers {
        text = format!("{text}{name}: {value}\r\n");
    }
    let _ = stream.write_all((text + "\r\n").as_bytes());
}

/// A complete answer.
pub(crate) fn reply(
    stream: &mut dyn ReadWrite,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) {
    let length = body.len().to_string();
    let headers = [headers, &[("Content-Length", length.as_str())]].concat();
    head(stream, status, &headers);
    let _ = stream.write_all(body);
}

/// What a proper file server does, ranges included.
pub(crate) fn serve(stream: &mut dyn ReadWrite, asked: &Asked, body: &[u8], etag: &str) {
    serve_cut(stream, asked, (body, etag), usize::MAX);
}

/// The same, but the connection is lost after `most` bytes.
pub(crate) fn serve_cut(
    stream: &mut dyn ReadWrite,
    asked: &Asked,
    (body, etag): (&[u8], &str),
    most: usize,
) {
    let start = match asked.range_start() {
        Some(start) if asked.header("if-range").is_none_or(|known| known == etag) => start,
        _ => 0,
    };
    let rest = &body[start..];
    let length = rest.len().to_string();
    let range = format!("bytes {start}-{}/{}", body.len().saturating_sub(1), body.len());
    let mut headers = vec![("ETag", etag), ("Content-Length", length.as_str())];
    if start > 0 {
        headers.push(("Content-Range", &range));
    }
    head(stream, if start > 0 { 206 } else { 200 }, &headers);
    let _ = stream.write_all(&rest[..most.min(rest.len())]);
}

/// Pauses of milliseconds, so that a test of retries ends at once.
pub(crate) fn quick() -> Timing {
    Timing {
        connect: Duration::from_secs(5),
        idle: Duration::from_secs(5),
        pauses: [1, 2, 3, 4, 5].map(Duration::from_millis).to_vec(),
        longest_retry_after: Duration::from_secs(2),
        progress: Duration::from_secs(5),
    }
}

pub(crate) fn request(url: &str, folder: &Path, file_name: &str) -> Request {
    Request {
        url: Secret::new(url),
        folder: folder.to_owned(),
        file_name: file_name.to_owned(),
        sha256: None,
        header: None,
        timeout: Some(Duration::from_secs(30)),
        max_bytes: 100 << 20,
        ca_file: None,
        hostname: "jjobs-0".to_owned(),
        proxies: Proxies::default(),
        as_root: false,
        progress_bar: false,
        timing: quick(),
    }
}

/// Everything below a folder: path, and kind with mode, content or target, and time.
pub(crate) fn snapshot(folder: &Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::MetadataExt;
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder_now) = open.pop() {
        for entry in std::fs::read_dir(&folder_now).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let content = if meta.is_dir() {
                open.push(path.clone());
                String::new()
            } else if meta.is_symlink() {
                std::fs::read_link(&path).unwrap().display().to_string()
            } else {
                format!("{:?}", std::fs::read(&path).unwrap().escape_ascii().to_string())
            };
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            let times = if meta.is_dir() { 0 } else { meta.mtime() };
            all.insert(name, format!("{:o} {times} {content}", meta.mode()));
        }
    }
    all
}

/// A small tar with a few kinds of entries.
pub(crate) fn sample_tar(file_bytes: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, name: &str, mode: u32, data: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_600_000_000);
        header.set_size(data.len() as u64);
        match link {
            Some(link) => tar.append_link(&mut header, name, link).unwrap(),
            None => tar.append_data(&mut header, name, data).unwrap(),
        }
    };
    let data: Vec<u8> = (0..file_bytes).map(|at| u8::try_from(at * 7919 % 251).unwrap()).collect();
    add(tar::EntryType::Directory, "app/", 0o750, b"", None);
    add(tar::EntryType::Regular, "app/한글 파일.bin", 0o640, &data, None);
    add(tar::EntryType::Regular, "app/run.sh", 0o755, b"#!/bin/sh\n", None);
    add(tar::EntryType::Symlink, "app/link", 0o777, b"", Some("../../elsewhere"));
    add(tar::EntryType::Link, "app/hard", 0o755, b"", Some("app/run.sh"));
    add(tar::EntryType::Directory, "app/empty/", 0o700, b"", None);
    tar.into_inner().unwrap()
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

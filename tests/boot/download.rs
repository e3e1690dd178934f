//! `WGET_*` in a real boot.

use crate::support::{BOOT, Boot, DB_PORT, count, kind, last_state, running, wait_until_up};
use flate2::{Compression, write::GzEncoder};
use jjobs_harness::{Container, ContainerBuilder, Stream, Vendor};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

const PORT: u16 = 8080;

fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o750);
        // Not `append_data`, which refuses the hostile names that some tests are about.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Answers every request with what `answer` makes of it.
fn serve(listener: TcpListener, answer: impl Fn(TcpStream) + Send + 'static) {
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            answer(stream);
        }
    });
}

fn respond(status: &'static str, body: Vec<u8>) -> impl Fn(TcpStream) + Send + 'static {
    move |mut stream| {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&body);
    }
}

fn downloading(file_name: &str) -> ContainerBuilder {
    kind(Vendor::A, "F", "yes")
        .env("WGET_URL", format!("http://user:pass-word-1@localhost:{PORT}/a.tgz?sig=s3cr3t-sig"))
        .env("WGET_FOLDER_PATH", "/engn001/shared")
        .env("WGET_FILE_NAME", file_name)
}

fn boot(
    builder: ContainerBuilder,
    answer: impl Fn(TcpStream) + Send + 'static,
) -> Option<(Container, TcpListener)> {
    let mut container = builder.prepare()?;
    let database = container.listen(DB_PORT).unwrap();
    serve(container.listen(PORT).unwrap(), answer);
    container.start();
    Some((container, database))
}

#[test]
fn an_archive_is_unpacked_and_the_custom_command_starts_beside_it() {
    let body = archive(&[("lib/a.jar", "jar"), ("run.sh", "#!/bin/sh\necho ran in $PWD\n")]);
    let builder = downloading("x.tar.gz").env("CUSTOM_COMMAND", "./run.sh");
    let Some((mut container, _database)) = boot(builder, respond("200 OK", body)) else { return };
    wait_until_up(&container);
    assert_eq!(container.read_text("/engn001/shared/lib/a.jar"), "jar");
    assert_eq!(count(&container, "ran in /engn001/shared"), 1);
    let left = container.shell("ls -A /engn001/shared").stdout;
    assert_eq!(left, "lib\nrun.sh\n", "no archive and no staging folder are left");
    // At every boot again.
    Boot::restart(&mut container).wait_for(&container, "all up");
    assert_eq!(count(&container, "ran in /engn001/shared"), 2);
    assert!(!container.transcript().contains("pass-word-1"), "{}", container.transcript());
    assert!(!container.transcript().contains("s3cr3t-sig"), "{}", container.transcript());
    drop(container);
}

#[test]
fn a_terminal_sees_a_bar_while_the_file_arrives() {
    let (go_on, told) = std::sync::mpsc::channel();
    let answer = move |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
        // Half of it, then bit by bit until the bar was seen.
        let _ = stream.write_all(&vec![b'x'; 100_000]);
        let mut sent = 100_000;
        while told.recv_timeout(Duration::from_millis(50)).is_err() && sent < 190_000 {
            let _ = stream.write_all(&[b'x'; 100]);
            sent += 100;
        }
        let _ = stream.write_all(&vec![b'x'; 200_000 - sent]);
    };
    let Some((container, _database)) = boot(downloading("x.bin").terminal(), answer) else {
        return;
    };
    container.eventually("a bar", |c| {
        let shown = String::from_utf8_lossy(&c.bytes(Stream::Stdout)).into_owned();
        shown.contains("\rx.bin  [###") && shown.contains("KiB/s")
    });
    go_on.send(()).unwrap();
    wait_until_up(&container);
    assert_eq!(container.read("/engn001/shared/x.bin").map(|file| file.len()), Some(200_000));
    drop(container);
}

#[test]
fn a_tgz_is_kept_as_it_is() {
    let body = archive(&[("a", "b")]);
    let Some((container, _database)) = boot(downloading("x.tgz"), respond("200 OK", body.clone()))
    else {
        return;
    };
    wait_until_up(&container);
    assert_eq!(container.read("/engn001/shared/x.tgz"), Some(body));
    drop(container);
}

#[test]
fn failures_end_the_boot_with_their_codes_and_start_nothing() {
    type Answer = Box<dyn Fn(TcpStream) + Send>;
    let cases: Vec<(&str, ContainerBuilder, Answer, i32)> = vec![
        ("not found", downloading("x.tar.gz"), Box::new(respond("404 Not Found", Vec::new())), 22),
        ("refused", downloading("x.tar.gz"), Box::new(respond("403 Forbidden", Vec::new())), 22),
        (
            "checksum",
            downloading("x.bin").env("WGET_SHA256", "0".repeat(64)),
            Box::new(respond("200 OK", b"hello".to_vec())),
            22,
        ),
        (
            "no archive",
            downloading("x.tar.gz"),
            Box::new(respond("200 OK", b"<html>".to_vec())),
            23,
        ),
        (
            "outside",
            downloading("x.tar.gz"),
            Box::new(respond("200 OK", archive(&[("ok", "1"), ("../out", "x")]))),
            23,
        ),
        (
            "absolute",
            downloading("x.tar.gz"),
            Box::new(respond("200 OK", archive(&[("ok", "1"), ("/engn001/out", "x")]))),
            23,
        ),
    ];
    for (name, builder, answer, code) in cases {
        let Some((mut container, _database)) = boot(builder, answer) else { return };
        assert_eq!(container.exit_code(BOOT), code, "{name}: {}", container.transcript());
        assert_eq!(last_state(&container)["exit_code"], code, "{name}");
        assert_eq!(count(&container, "step failed"), 1, "{name}");
        assert!(
            !container.transcript().contains("s3cr3t-sig"),
            "{name}: {}",
            container.transcript()
        );
        assert!(
            !container.exists("/engn001/out") && !container.exists("/engn001/shared/ok"),
            "{name}"
        );
        assert_eq!(running(&container), [""; 0], "{name}");
        assert_eq!(count(&container, "start script"), 0, "{name}");
    }
}

#[test]
fn pods_that_share_the_target_do_not_disturb_each_other() {
    let shared = tempfile::tempdir().unwrap();
    // Of a pod that is unpacking right now: nobody else's business.
    let body = archive(&[("data/x", "1")]);
    let pods: Vec<_> = (0..3)
        .filter_map(|pod| {
            let builder = downloading("x.tar.gz")
                .hostname(&format!("jjobs-{pod}"))
                .bind(shared.path(), "/engn001/shared");
            boot(builder, respond("200 OK", body.clone()))
        })
        .collect();
    for (container, _) in &pods {
        wait_until_up(container);
    }
    for (container, _) in pods {
        drop(container);
    }
    let mut left: Vec<_> =
        std::fs::read_dir(shared.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert!(left.is_empty() || left == ["data"], "{left:?}");
    assert_eq!(left, ["data"]);
}

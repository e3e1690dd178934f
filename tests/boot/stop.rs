//! SIGTERM at each step of a boot: PID 1 ends soon with 0, nothing more is started, nothing is left.

use crate::support::{
    BASE, BOOT, DB_PORT, INSTALLER, STOP, bare_image, boot_with_database, count, kind, last_state,
    running, side_by_side,
};
use jjobs_harness::{Container, ContainerBuilder, Signal, Vendor};
use std::{
    io::{Cursor, Read, Write},
    thread::{self, sleep},
    time::{Duration, Instant},
};

/// Stops the container, which is in `step`, and looks at what is left.
#[track_caller]
fn stop_in(step: &str, mut container: Container) {
    // The keeper's view of processes goes with PID 1, so they are looked at from inside until then.
    let scripts = count(&container, "start script started");
    let began = Instant::now();
    container.signal(Signal::SIGTERM);
    let code = container.exit_code(BOOT);
    let took = began.elapsed();
    let said = container.transcript();
    assert_eq!(code, 0, "{step}: {said}");
    assert!(took < STOP, "{step}: {took:?}: {said}");
    assert_eq!(count(&container, "start script started"), scripts, "{step}: {said}");
    let asked = said.lines().position(|line| line.contains("asked to stop")).unwrap();
    let told = said.lines().skip(asked).any(|line| line.contains(step));
    assert!(told, "the log says in which step it was stopped ({step}):\n{said}");
    assert_eq!(count(&container, "step failed"), 0, "{step}: {said}");
    assert_eq!(count(&container, "ERROR"), 0, "{step}: {said}");
    assert_eq!(last_state(&container)["exit_code"], 0, "{step}");
    assert_eq!(last_state(&container)["phase"], "ended", "{step}");
}

fn script(text: &str) -> ContainerBuilder {
    bare_image().file(INSTALLER, format!("#!/bin/bash\n{text}\n"), 0o755).env("INSTALL_KIND", "F")
}

#[test]
fn during_the_installer() {
    let cases: Vec<(&str, ContainerBuilder)> = vec![
        ("simulated", kind(Vendor::A, "F", "yes").env("SIM_INSTALL_SECONDS", "600")),
        ("hanging", kind(Vendor::B, "F", "yes").env("SIM_INSTALLER_FAULT", "hang")),
        ("stubborn", script("trap '' TERM; echo Terms; sleep 600 & while :; do sleep 1; done")),
        ("halted", script("echo Terms; kill -STOP $$")),
        ("flooding", script("echo Terms; while :; do echo flood flood flood; done")),
    ];
    side_by_side(cases, |(_, builder)| {
        let Some((container, _database)) = boot_with_database(builder) else { return };
        container.wait_for_line("Terms", BOOT);
        let installed = container.exists(format!("{BASE}/.jjobs-init/installed.json"));
        assert!(!installed);
        stop_in("install", container);
    });
}

#[test]
fn during_configuring_a_big_tree() {
    let folder = tempfile::tempdir().unwrap();
    let war = folder.path().join("big.war");
    std::fs::write(&war, big_war()).unwrap();
    let installer = "read a\nB=$2; mkdir -p $B/server/webapps\ncp /install/big.war $B/server/webapps/jjob-server.war\n\
                     touch $B/start_server.sh $B/stop_server.sh; echo laid out";
    for delay in [0, 300] {
        let builder =
            script(installer).env("INSTALL_KIND", "S").bind_read_only(&war, "/install/big.war");
        let builder = builder.env("JJOBS_INIT_LOG", "debug");
        let Some((container, _database)) = boot_with_database(builder) else { return };
        container.wait_for_line("step begins step=configure", BOOT);
        sleep(Duration::from_millis(delay));
        stop_in("configure", container);
    }
}

/// Some hundred megabytes of zeros, packed once and copied.
fn big_war() -> Vec<u8> {
    let mut one = zip::ZipWriter::new(Cursor::new(Vec::new()));
    one.start_file("x", zip::write::SimpleFileOptions::default()).unwrap();
    one.write_all(&vec![0; 16 << 20]).unwrap();
    let mut one = zip::ZipArchive::new(one.finish().unwrap()).unwrap();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..30 {
        let packed = one.by_index_raw(0).unwrap();
        zip.raw_copy_file_rename(packed, format!("WEB-INF/lib/{number}.jar")).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn downloading(name: &str) -> ContainerBuilder {
    kind(Vendor::A, "A", "yes")
        .env("WGET_URL", "http://localhost:8080/a")
        .env("WGET_FOLDER_PATH", "/engn001/shared")
        .env("WGET_FILE_NAME", name)
}

#[test]
fn during_a_hanging_download() {
    // Accepted and never answered; answered and never continued; not accepted at all.
    for (answer, name) in [
        (None, "a.bin"),
        (Some("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"), "a.tar.gz"),
        (Some("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nabc"), "a.zip"),
    ] {
        let Some(mut container) = downloading(name).prepare() else { return };
        let listener = container.listen(8080).unwrap();
        let (tell, asked) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 1024]);
                if let Some(answer) = answer {
                    let _ = stream.write_all(answer.as_bytes());
                }
                open.push(stream);
                let _ = tell.send(());
            }
        });
        container.start();
        asked.recv_timeout(BOOT).unwrap();
        sleep(Duration::from_millis(100));
        stop_in("download", container);
    }
}

#[test]
fn between_the_tries_of_a_download() {
    let Some(container) = downloading("a.bin").boot() else { return };
    container.wait_for_line("download", BOOT);
    sleep(Duration::from_millis(300));
    stop_in("download", container);
}

#[test]
fn during_a_custom_command() {
    let commands = vec![
        "echo begun; sleep 600",
        "trap '' TERM; echo begun; while :; do sleep 1; done",
        "(trap '' TERM; sleep 601) & echo begun; wait",
        "echo begun; kill -STOP $$",
        "echo begun; trap 'exit 0' TERM; while :; do sleep 0.1; done",
        "echo begun; trap 'echo more; sleep 2; exit 3' TERM; while :; do sleep 0.1; done",
    ];
    side_by_side(commands, |command| {
        let builder = kind(Vendor::A, "A", "yes").env("CUSTOM_COMMAND", command);
        let Some(container) = builder.boot() else { return };
        container.wait_for_line("begun", BOOT);
        stop_in("custom_command", container);
    });
}

#[test]
fn during_the_aws_cli() {
    let builder = bare_image()
        .env("ON_BOOT", "no")
        .env("KUBE_CONTEXTS", r#"[{"alias":"a","cluster":"c"},{"alias":"b","cluster":"c"}]"#)
        .file(
            "/usr/local/bin/aws",
            "#!/bin/bash\ntrap '' TERM\necho begun\nwhile :; do sleep 1; done\n",
            0o755,
        );
    let Some(container) = builder.boot() else { return };
    container.wait_for_line("begun", BOOT);
    stop_in("KUBE_CONTEXTS", container);
}

#[test]
fn while_waiting() {
    let Some(container) = kind(Vendor::B, "F", "yes").boot() else { return };
    container.wait_for_line("does not answer", BOOT);
    stop_in("wait_for", container);
}

#[test]
fn between_the_starts_of_two_components() {
    for (begun, faults) in [
        ("component=manager", ("SIM_FAULTS_MANAGER", "start_delay=600")),
        ("component=server", ("SIM_FAULTS_SERVER", "start_delay=600")),
    ] {
        let Some((container, _database)) =
            boot_with_database(kind(Vendor::A, "F", "yes").env(faults.0, faults.1))
        else {
            return;
        };
        container.eventually("the first process runs", |c| {
            c.lines()
                .iter()
                .any(|line| line.text.contains("to=running") && line.text.contains(begun))
        });
        assert!(!running(&container).contains(&"agent"));
        stop_in("starting", container);
    }
}

#[test]
fn during_the_decryption() {
    let builder = kind(Vendor::A, "M", "yes")
        .env("USE_DB_ENCRYPT", "Y")
        .env("ENCRYPTED_DB_USER", "AAAAAAAA")
        .env("ENCRYPTED_DB_PASSWD", "BBBBBBBB")
        // Replaces the vendor's script by one that hangs, as soon as it is there.
        .file(INSTALLER.replace("jjob_installer_linux_x64", "wrap"), "#!/bin/bash\n/install/jjob_installer_linux_x64.sh \"$@\" || exit\nprintf '#!/bin/sh\\ntouch /tmp/begun\\nsleep 600\\n' > $2/encrypter.sh\n", 0o755)
        .env("INSTALL_FILE", "wrap.sh");
    let Some((container, _database)) = boot_with_database(builder) else { return };
    container.eventually("the encrypter hangs", |c| c.exists("/tmp/begun"));
    stop_in("configure", container);
}

#[test]
fn a_signal_in_the_first_moments_is_never_lost() {
    let Some(probe) = bare_image().env("ON_BOOT", "no").boot() else { return };
    drop(probe);
    let rounds: Vec<u64> = (0..120).collect();
    side_by_side(rounds, |round| {
        let container = bare_image().env("ON_BOOT", "no").boot();
        let Some(mut container) = container else { return };
        // Before its first instruction nothing can be done; from then on the signal is held or handled.
        while !takes_sigterm(&container) {}
        sleep(Duration::from_micros(round * 97 % 3_000));
        container.signal(Signal::SIGTERM);
        let code = container.try_exit_code(Duration::from_secs(10));
        assert_eq!(code, Some(0), "round {round}: {}", container.transcript());
    });
}

/// Whether SIGTERM is blocked or caught by PID 1.
fn takes_sigterm(container: &Container) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", container.host_pid()));
    let bit = 1_u64 << (Signal::SIGTERM as u64 - 1);
    status.unwrap().lines().any(|line| {
        let set = line.strip_prefix("SigBlk:").or_else(|| line.strip_prefix("SigCgt:"));
        set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
            .is_some_and(|set| set & bit != 0)
    })
}

#[test]
fn during_any_moment_of_a_boot() {
    let rounds: Vec<u64> = (0..48).collect();
    side_by_side(rounds, |round| {
        let vendor = if round % 2 == 0 { Vendor::A } else { Vendor::B };
        let Some(mut container) = kind(vendor, "F", "yes").prepare() else { return };
        let _database = container.listen(DB_PORT).unwrap();
        container.start();
        while !takes_sigterm(&container) {}
        sleep(Duration::from_millis(round * 23));
        let began = Instant::now();
        container.signal(Signal::SIGTERM);
        let code = container.exit_code(BOOT);
        assert_eq!(code, 0, "round {round}: {}", container.transcript());
        // An agent that ran is followed by three looks for its runtimes.
        assert!(
            began.elapsed() < STOP,
            "round {round}: {:?} {}",
            began.elapsed(),
            container.transcript()
        );
        let said = container.transcript();
        let asked = said.find("asked to stop").unwrap();
        assert!(!said[asked..].contains("start script started"), "round {round}: {said}");
    });
}

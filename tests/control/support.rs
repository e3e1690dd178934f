//! What the control socket's tests share.

use jjobs_harness::{Container, ContainerBuilder, ExecOutput};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

/// Longer than anything healthy takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(40);

pub(crate) const BINARY: &str = "/usr/local/bin/jjobs-init";
pub(crate) const LIVENESS: &str = "/working/liveness.sh";
pub(crate) const SOCKET: &str = "/run/jjobs-init/control.sock";

/// A container that installs and starts nothing: PID 1 and its socket alone.
pub(crate) fn bare() -> ContainerBuilder {
    Container::image(env!("CARGO_BIN_EXE_jjobs-init"))
        .env("ON_BOOT", "no")
        .env("JJOBS_INIT_LOG", "debug")
}

/// Boots it and waits until its boot is over.
pub(crate) fn booted(builder: ContainerBuilder) -> Option<Container> {
    let container = builder.boot()?;
    container.wait_for_line("phase begins phase=running", SOON);
    Some(container)
}

/// A yes: 0, and not a word.
#[track_caller]
pub(crate) fn assert_yes(probe: &ExecOutput) {
    assert_eq!(
        (probe.code, probe.stdout.as_str(), probe.stderr.as_str()),
        (0, "", ""),
        "{probe:?}"
    );
    assert!(!probe.leaked_output);
}

/// A no: 1, and one line with these words.
#[track_caller]
pub(crate) fn assert_no(probe: &ExecOutput, words: &str) {
    assert_eq!(probe.code, 1, "{probe:?}");
    assert_eq!(probe.stdout.lines().count(), 1, "{probe:?}");
    assert!(probe.stdout.contains(words) && probe.stderr.is_empty(), "{probe:?}");
}

/// Sends bytes from inside and returns the first line that comes back.
pub(crate) fn say(container: &Container, bytes: Vec<u8>) -> String {
    container.inside(move || {
        let mut stream = UnixStream::connect(SOCKET).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        // It may be closed before we have said it all.
        let _ = stream.write_all(&bytes);
        let mut line = String::new();
        let _ = BufReader::new(stream).read_line(&mut line);
        line
    })
}

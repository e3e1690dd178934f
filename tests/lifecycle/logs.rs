//! The agents' and runtimes' own log files in the container's log.

use crate::support::{SOON, kind_f, up};
use jjobs_harness::{Signal, Vendor};
use nix::mount::{MsFlags, mount};
use std::{
    fs::File,
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

#[test]
fn the_last_lines_of_agent_and_runtime_are_not_lost() {
    for vendor in Vendor::ALL {
        let Some(mut life) = up(kind_f(vendor).env("JJOBS_INIT_LOG_PREFIX", "component")) else {
            return;
        };
        life.submit(1, 0.5);
        life.wait_for_line("[agent] INFO starts a runtime for job", SOON);
        assert_eq!(life.stop().0, 0);
        for line in [
            "[runtime] INFO job jjobs-0-1 has ended",
            "[agent] INFO agent is stopping, its runtimes go on",
            "[server] INFO [main] org.apache.catalina.startup.Catalina.start Server startup",
            "[manager] INFO [main] manager is stopping",
        ] {
            assert_eq!(life.count(&[line]), 1, "{line}: {}", life.transcript());
        }
    }
}

#[test]
fn what_is_written_in_the_very_last_moment_is_in_the_log() {
    let Some(mut life) = up(kind_f(Vendor::A)) else { return };
    life.wait_for_line("INFO agent jjobs-0 has started", SOON);
    let day = life.shell("ls -d /logs001/jjobs/agent/jjobs-0/logs/agent/*").stdout;
    let day = day.trim();
    // The manager is the last to end.
    life.shell(&format!(
        "printf 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo console $i; done\\n' >> /engn001/jjobs/stop_manager.sh; \
         printf 'echo the very last >> {day}/sys_agent.log\\n' >> /engn001/jjobs/manager/bin/shutdown.sh; \
         sed -i 's/^exec //' /engn001/jjobs/manager/bin/shutdown.sh"
    ));
    assert_eq!(life.stop().0, 0);
    life.line(0, &["the very last"]);
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn a_log_volume_that_hangs_delays_neither_signals_nor_the_end() {
    let Ok(device) = File::options().read(true).write(true).open("/dev/fuse") else {
        eprintln!("skipped: this machine has no FUSE");
        return;
    };
    let image =
        kind_f(Vendor::A).env("ON_BOOT", "exceptagent").env("CUSTOM_COMMAND", "cd /logs001");
    let Some(mut container) = image.env("JJOBS_INIT_LOG", "debug").prepare() else { return };
    container.start();
    container.wait_for_line("step begins step=wait_for", SOON);
    // A file system whose server never says a word: whoever looks at it hangs.
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    let mounted = container.inside(move || {
        mount(Some("none"), "/logs001", Some("fuse"), MsFlags::empty(), Some(options.as_str()))
    });
    if let Err(error) = mounted {
        eprintln!("skipped: FUSE is not allowed here ({error})");
        return;
    }
    let db = container.listen(7432).unwrap();
    // PID 1 must start the scripts in a working folder that hangs, and follow logs that hang.
    container.wait_for_line("start script started component=manager", SOON);
    for _ in 0..3 {
        let from = container.lines().len();
        let asked = Instant::now();
        container.signal(Signal::SIGUSR1);
        container.wait_for_line_from(from, "status component=agent", SOON);
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    let asked = Instant::now();
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(Duration::from_secs(20)), 0);
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    drop((device, db));
}

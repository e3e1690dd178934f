//! The ledger on volumes that work, and on those that do not.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_harness::{eventually, within};
use jjobs_init::{
    contract::secret::Secret,
    ledger::{During, Event, Known, LastEnd, LastLife, Ledger, Life, Past},
    log::{self, Mask, Output},
};
use nix::{
    mount::{MsFlags, mount, umount},
    sched::{CloneFlags, unshare},
};
use proptest::prelude::*;
use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);

/// How long a call takes at most that does not wait; a busy machine may take a thread off for a while.
const AT_ONCE: Duration = Duration::from_millis(500);

/// One life that writes below a folder of a test.
struct Writer {
    ledger: Ledger,
    past: Past,
    life: Life,
}

impl Writer {
    fn begin(folder: &Path) -> Self {
        collected();
        let life = Life::new("pod-0");
        let (ledger, past) = Ledger::spawn(folder.to_owned(), life.clone()).unwrap();
        Self { ledger, past, life }
    }

    fn past(&mut self) -> LastLife {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let read = async { tokio::time::timeout(SOON, self.past.read()).await };
        runtime.block_on(read).unwrap()
    }

    fn known(&mut self) -> Known {
        match self.past() {
            LastLife::Known(known) => known,
            other => panic!("{other:?}"),
        }
    }

    fn end(self) {
        self.ledger.finish(SOON);
    }
}

fn path_of(folder: &Path) -> PathBuf {
    folder.join("ledger.jsonl")
}

fn boot() -> Event {
    Event::Boot { version: "1".to_owned(), kind: "F".to_owned(), on_boot: "all".to_owned() }
}

fn jobs(runtimes: usize) -> Event {
    Event::Jobs { runtimes, requests: None }
}

fn held(name: &str) -> Event {
    Event::Held { component: "agent".to_owned(), name: name.to_owned() }
}

fn released(name: &str) -> Event {
    Event::Released { component: "agent".to_owned(), name: name.to_owned() }
}

/// Reads what `folder` holds, as the next life would.
fn next_life(folder: &Path) -> LastLife {
    let mut writer = Writer::begin(folder);
    let past = writer.past();
    writer.end();
    past
}

/// What all ledgers of this process have logged.
fn collected() -> &'static Mutex<String> {
    static LOG: OnceLock<Arc<Mutex<String>>> = OnceLock::new();
    LOG.get_or_init(|| {
        let (mut reader, writer) = io::pipe().unwrap();
        let output = Output::to(File::create("/dev/null").unwrap(), writer, Mask::new());
        log::init(log::Settings::default(), &output).unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let text = Arc::clone(&log);
        thread::spawn(move || {
            let _output = output;
            let mut block = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut block) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&block[..read]));
            }
        });
        log
    })
}

/// The lines that were logged about `folder`.
fn logged(folder: &Path) -> Vec<String> {
    let path = folder.display().to_string();
    let log = collected().lock().unwrap();
    log.lines().filter(|line| line.contains(&path)).map(str::to_owned).collect()
}

#[test]
fn the_next_life_learns_what_was_held_and_how_the_last_one_ended() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("init/pod-0");
    let mut first = Writer::begin(&folder);
    for event in [boot(), held("one"), held("two"), released("one"), jobs(2)] {
        first.ledger.note(event);
    }
    assert_eq!(first.past(), LastLife::First);
    let owner = first.life.id.clone();
    first.end();

    let mut second = Writer::begin(&folder);
    let known = second.known();
    assert_eq!(known.sentence(), "killed or out of memory without a word while 2 jobs ran");
    assert_eq!(known.holds.len(), 1);
    assert_eq!((&*known.holds[0].name, &*known.holds[0].owner), ("two", &*owner));
    second.ledger.note(boot());
    second.ledger.note(Event::End {
        exit_code: 26,
        reason: "the agent failed for good".to_owned(),
        jobs_left: 0,
        left: Vec::new(),
    });
    second.end();

    let LastLife::Known(known) = next_life(&folder) else { panic!() };
    assert_eq!(known.sentence(), "ended with exit code 26: the agent failed for good");
    // It was set two lives ago, and nobody released it.
    assert_eq!(known.holds[0].owner, owner);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&path_of(&folder))), (0o700, 0o600));
    let text = fs::read_to_string(path_of(&folder)).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        (&line["v"], &line["event"], &line["life"]),
        (&1.into(), &"held".into(), &owner.into())
    );
    assert!(line["at"].as_u64().unwrap() > 1_700_000_000);
}

#[test]
fn a_torn_last_line_costs_nobody_elses_line_wherever_it_is_torn() {
    let base = tempfile::tempdir().unwrap();
    let writer = Writer::begin(base.path());
    writer.ledger.note(boot());
    writer.ledger.note(held("one"));
    writer.end();
    let whole = fs::read(path_of(base.path())).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in first..whole.len() {
        fs::write(path_of(base.path()), &whole[..cut]).unwrap();
        let mut next = Writer::begin(base.path());
        let known = next.known();
        // Without its line's end it is whole all the same.
        assert_eq!(known.holds.len(), usize::from(cut == whole.len() - 1), "cut at {cut}");
        next.ledger.note(held("two"));
        next.end();
        let LastLife::Known(known) = next_life(base.path()) else { panic!("cut at {cut}") };
        assert!(known.holds.iter().any(|hold| hold.name == "two"), "cut at {cut}");
    }
}

#[test]
fn two_containers_of_one_name_write_whole_lines_side_by_side() {
    let base = tempfile::tempdir().unwrap();
    let writers = [0, 1].map(|_| Writer::begin(base.path()));
    thread::scope(|scope| {
        for writer in &writers {
            scope.spawn(move || {
                for count in 0..2000 {
                    // What waits longest is dropped if there is too much of it.
                    if count % 100 == 99 {
                        thread::sleep(Duration::from_millis(20));
                    }
                    writer.ledger.note(jobs(count));
                }
                writer.ledger.note(held(&writer.life.id));
            });
        }
    });
    for writer in writers {
        writer.end();
    }
    let LastLife::Known(known) = next_life(base.path()) else { panic!() };
    assert_eq!((known.holds.len(), known.skipped), (2, 0));
    for hold in known.holds {
        assert_eq!(hold.owner, hold.name);
    }
}

#[test]
fn a_huge_foreign_file_is_read_at_its_end_only_and_then_shortened() {
    let base = tempfile::tempdir().unwrap();
    let path = path_of(base.path());
    let writer = Writer::begin(base.path());
    writer.ledger.note(held("one"));
    writer.end();
    let line = fs::read(&path).unwrap();
    let mut file = File::options().write(true).open(&path).unwrap();
    file.set_len(10 << 30).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"\n").unwrap();
    file.write_all(&line).unwrap();
    let began = Instant::now();
    let mut next = Writer::begin(base.path());
    assert_eq!(next.known().holds.len(), 1);
    next.ledger.note(boot());
    next.end();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let meta = fs::metadata(&path).unwrap();
    assert!(meta.len() < 2 << 20, "{}", meta.len());
    assert_eq!(meta.mode() & 0o777, 0o600);
    let LastLife::Known(known) = next_life(base.path()) else { panic!() };
    assert_eq!(known.holds[0].name, "one");
}

#[test]
fn what_others_put_in_its_place_is_neither_followed_nor_waited_for() {
    let base = tempfile::tempdir().unwrap();
    let target = base.path().join("precious");
    fs::write(&target, "untouched").unwrap();
    for name in ["symlink", "folder", "pipe"] {
        let folder = base.path().join(name);
        fs::create_dir(&folder).unwrap();
        let path = path_of(&folder);
        match name {
            "symlink" => symlink(&target, path).unwrap(),
            "folder" => fs::create_dir(path).unwrap(),
            _ => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        }
        let mut writer = Writer::begin(&folder);
        let past = writer.past();
        assert!(matches!(past, LastLife::Unreadable { .. }), "{name}: {past:?}");
        assert!(past.sentence().contains("ledger.jsonl"), "{}", past.sentence());
        writer.ledger.note(boot());
        writer.end();
        eventually("it is said", || (!logged(&folder).is_empty()).then_some(()));
        assert!(logged(&folder)[0].contains("hint="), "{:?}", logged(&folder));
    }
    assert_eq!(fs::read(&target).unwrap(), b"untouched");
}

#[test]
fn a_folder_that_cannot_be_made_is_said_once_and_so_is_that_it_can() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("in-the-way/pod-0");
    fs::write(base.path().join("in-the-way"), "a file").unwrap();
    let mut writer = Writer::begin(&folder);
    assert!(matches!(writer.past(), LastLife::Unreadable { .. }));
    writer.ledger.note(boot());
    writer.ledger.note(held("one"));
    eventually("it is said", || {
        logged(&folder).iter().any(|line| line.contains("cannot write the ledger")).then_some(())
    });
    // One more failure by its own is not said again.
    thread::sleep(Duration::from_millis(1200));
    fs::remove_file(base.path().join("in-the-way")).unwrap();
    eventually("it is written after all", || path_of(&folder).exists().then_some(()));
    eventually("that is said", || {
        logged(&folder).iter().any(|line| line.contains("written again")).then_some(())
    });
    writer.end();
    assert_eq!(logged(&folder).len(), 2, "{:?}", logged(&folder));
    let LastLife::Known(known) = next_life(&folder) else { panic!() };
    assert_eq!(known.holds.len(), 1);
}

#[test]
fn a_folder_that_was_there_keeps_its_mode() {
    let base = tempfile::tempdir().unwrap();
    fs::set_permissions(base.path(), Permissions::from_mode(0o750)).unwrap();
    let writer = Writer::begin(base.path());
    writer.ledger.note(boot());
    writer.end();
    assert_eq!(fs::metadata(base.path()).unwrap().mode() & 0o777, 0o750);
}

#[test]
fn known_secrets_do_not_get_into_the_file() {
    let base = tempfile::tempdir().unwrap();
    let writer = Writer::begin(base.path());
    let mask = Mask::new();
    mask.add(&Secret::new("s3cr3t-token"));
    let ledger = writer.ledger.clone().masked(mask);
    ledger.note(Event::ComponentEnded {
        component: "agent".to_owned(),
        end: "said s3cr3t-token".to_owned(),
        oom: false,
    });
    writer.end();
    let text = fs::read_to_string(path_of(base.path())).unwrap();
    assert!(text.contains("said [redacted]") && !text.contains("s3cr3t"), "{text}");
}

#[test]
fn a_ledger_that_nobody_finished_is_written_all_the_same() {
    let base = tempfile::tempdir().unwrap();
    let writer = Writer::begin(base.path());
    writer.ledger.note(boot());
    drop(writer);
    eventually("it is written", || {
        fs::read(path_of(base.path())).ok().filter(|bytes| bytes.ends_with(b"\n"))
    });
}

/// Runs `work` in a mount namespace of its own, or says why not.
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn with_mounts(work: impl FnOnce(&TempDir) + Send + 'static) {
    let done = thread::spawn(|| {
        let private = unshare(CloneFlags::CLONE_NEWNS).and_then(|()| {
            let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        });
        if let Err(error) = private {
            let required = std::env::var_os("JJOBS_REQUIRE_NAMESPACES")
                .is_some_and(|value| !value.is_empty() && value != "0");
            assert!(!required, "namespaces are required, and cannot be had: {error}");
            eprintln!("skipped: this machine does not allow namespaces ({error})");
            return;
        }
        work(&tempfile::tempdir().unwrap());
    });
    done.join().unwrap();
}

fn mount_small(folder: &Path, options: &str) {
    let options = Some(options);
    mount(Some("none"), folder, Some("tmpfs"), MsFlags::empty(), options).unwrap();
}

#[test]
fn a_full_disk_costs_nothing_that_room_does_not_bring_back() {
    with_mounts(|base| {
        mount_small(base.path(), "size=64k");
        let filler = base.path().join("filler");
        let mut writer = Writer::begin(base.path());
        writer.ledger.note(held("one"));
        assert_eq!(writer.past(), LastLife::First);
        eventually("it is written", || {
            fs::read(path_of(base.path())).ok().filter(|bytes| !bytes.is_empty())
        });
        let mut file = File::create(&filler).unwrap();
        while file.write(&[b'x'; 512]).is_ok() {}
        drop(file);
        // More than the page that the ledger has already.
        for count in 0..60 {
            writer.ledger.note(held(&format!("{count}-{}", "n".repeat(100))));
        }
        eventually("it is said", || {
            logged(base.path()).iter().any(|line| line.contains("cannot write")).then_some(())
        });
        fs::remove_file(filler).unwrap();
        eventually("it is written after all", || {
            logged(base.path()).iter().any(|line| line.contains("written again")).then_some(())
        });
        writer.ledger.note(jobs(3));
        writer.end();
        let LastLife::Known(known) = next_life(base.path()) else { panic!() };
        assert_eq!(known.holds.len(), 61);
        assert_eq!(
            known.end,
            LastEnd::Vanished { during: During::Work, runtimes: Some(3), requests: None }
        );
        assert_eq!(logged(base.path()).len(), 2, "{:?}", logged(base.path()));
        umount(base.path()).unwrap();
    });
}

#[test]
fn a_read_only_volume_is_read_and_the_end_does_not_wait_for_it() {
    with_mounts(|base| {
        mount_small(base.path(), "size=1m");
        let writer = Writer::begin(base.path());
        writer.ledger.note(held("one"));
        writer.end();
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, base.path(), None::<&str>, flags, None::<&str>).unwrap();
        let mut next = Writer::begin(base.path());
        assert_eq!(next.known().holds.len(), 1);
        next.ledger.note(boot());
        let asked = Instant::now();
        next.ledger.finish(SOON);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        eventually("it is said", || {
            logged(base.path())
                .iter()
                .find(|line| line.contains("cannot write the ledger"))
                .cloned()
        });
        umount(base.path()).unwrap();
    });
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn a_volume_that_hangs_makes_nobody_wait() {
    let Ok(device) = File::options().read(true).write(true).open("/dev/fuse") else {
        eprintln!("skipped: this machine has no FUSE");
        return;
    };
    with_mounts(move |base| {
        // A file system whose server never says a word: whoever looks at it hangs.
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let options = Some(options.as_str());
        if let Err(error) =
            mount(Some("none"), base.path(), Some("fuse"), MsFlags::empty(), options)
        {
            eprintln!("skipped: FUSE is not allowed here ({error})");
            return;
        }
        let writer = Writer::begin(&base.path().join("pod-0"));
        assert!(!writer.ledger.is_stuck());
        let asked = Instant::now();
        for count in 0..10_000 {
            writer.ledger.note(jobs(count));
        }
        assert!(asked.elapsed() < SOON / 10, "{:?}", asked.elapsed());
        assert!(writer.past.now().is_none());
        let stuck = within(SOON, || writer.ledger.is_stuck().then(|| asked.elapsed()));
        assert!(stuck.unwrap() >= Duration::from_secs(4));
        let asked = Instant::now();
        writer.ledger.note(boot());
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
        writer.ledger.finish(Duration::from_millis(100));
        assert!(asked.elapsed() < AT_ONCE * 2, "{:?}", asked.elapsed());
        // Whatever hangs in it is let go with an error.
        drop(device);
        let mut past = writer.past.clone();
        let awaited = eventually("the thread comes back", || past.now());
        assert!(matches!(awaited, LastLife::Unreadable { .. }), "{awaited:?}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(past.read()), awaited);
        let said = |what: &str| {
            collected().lock().unwrap().lines().filter(|line| line.contains(what)).count()
        };
        eventually("its return is said", || (said("volume answers again") == 1).then_some(()));
        assert_eq!(said("volume does not answer"), 1);
        // The mount is gone with the namespace.
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_as_a_ledger_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let base = tempfile::tempdir().unwrap();
        fs::write(path_of(base.path()), &bytes).unwrap();
        let mut writer = Writer::begin(base.path());
        prop_assert!(!writer.past().sentence().contains('\n'));
        writer.ledger.note(held("one"));
        writer.end();
        let LastLife::Known(known) = next_life(base.path()) else { panic!("{bytes:?}") };
        prop_assert_eq!(&known.holds[0].name, "one");
    }
}

//! Following log files, against real folders: once told by inotify, once by looking every second.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod following;

use following::{Following, append, lines};
use jjobs_init::contract::secret::Secret;
use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{FileExt, symlink},
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn what_was_there_before_is_shown_from_its_last_100_lines_and_of_the_newest_day_alone() {
    for mut f in Following::in_both_modes() {
        append(&f.agent("20260730/sys_old.log"), "not today\n");
        append(&f.agent("20260731/sys_long.log"), &lines("long", 0..250));
        append(&f.agent("20260731/sys_short.log"), &lines("short", 0..3));
        append(&f.agent("20260731/sys_open.log"), &(lines("open", 0..150) + "no end"));
        append(&f.agent("20260731/other.log"), "not a sys log\n");
        append(&f.runtime("20260729/sys_run.log"), &lines("run", 0..2));
        f.start();
        f.expect("run 1\n");
        f.expect("long 249\n");
        append(&f.agent("20260730/sys_old.log"), "nor later\n");
        append(&f.agent("20260731/sys_long.log"), "long on\n");
        f.expect("long on\n");
        assert!(f.finish());
        let text = f.shown();
        assert_eq!(f.of("long"), lines("long", 150..250) + "long on\n");
        assert_eq!(f.of("short"), lines("short", 0..3));
        assert_eq!(f.of("open"), lines("open", 51..150));
        assert!(text.contains("no end"));
        assert!(!text.contains("not ") && !text.contains("nor "), "{text}");
    }
}

#[test]
fn what_appears_later_is_shown_from_its_beginning() {
    for mut f in Following::in_both_modes() {
        append(&f.agent("20260731/sys_a.log"), &lines("a", 0..1));
        f.start();
        f.expect("a 0\n");
        append(&f.agent("20260731/sys_b.log"), &lines("b", 0..300));
        f.expect("b 299\n");
        append(&f.agent("20260801/sys_a.log"), &lines("c", 0..300));
        f.expect("c 299\n");
        // Also an earlier day's: clocks are set back.
        append(&f.agent("20260729/sys_a.log"), &lines("d", 0..300));
        f.expect("d 299\n");
        append(&f.agent("20260731/sys_a.log"), "a on\n");
        f.expect("a on\n");
        for name in ["b", "c", "d"] {
            assert_eq!(f.of(name), lines(name, 0..300));
        }
    }
}

#[test]
fn folders_need_not_exist_at_the_start_and_may_go_and_come_back() {
    for mut f in Following::in_both_modes() {
        f.start();
        f.settle();
        append(&f.runtime("20260731/sys_r.log"), &lines("r", 0..150));
        f.expect("r 149\n");
        append(&f.agent("20260731/sys_a.log"), &lines("a", 0..150));
        f.expect("a 149\n");
        fs::remove_dir_all(f.base()).unwrap();
        f.settle();
        append(&f.agent("20260731/sys_a.log"), &lines("again", 0..150));
        f.expect("again 149\n");
        fs::rename(f.base().join("agent"), f.base().join("aside")).unwrap();
        append(&f.agent("20260801/sys_n.log"), &lines("new", 0..150));
        f.expect("new 149\n");
        for name in ["r", "a", "again", "new"] {
            assert_eq!(f.of(name), lines(name, 0..150));
        }
    }
}

#[test]
fn several_files_that_grow_at_once_lose_no_line_and_share_none() {
    for mut f in Following::in_both_modes() {
        f.start();
        f.settle();
        let paths = [
            f.agent("20260731/sys_a.log"),
            f.agent("20260731/sys_b.log"),
            f.runtime("20260731/sys_c.log"),
        ];
        std::thread::scope(|scope| {
            for (path, name) in paths.iter().zip(["a", "b", "c"]) {
                scope.spawn(move || {
                    let mut file = following::open(path);
                    for count in 0..20_000 {
                        for piece in format!("{name} {count}\n").as_bytes().chunks(3) {
                            file.write_all(piece).unwrap();
                        }
                    }
                });
            }
        });
        for name in ["a", "b", "c"] {
            f.expect(&format!("{name} 19999\n"));
            assert!(f.of(name) == lines(name, 0..20_000), "lines of {name} are not as written");
        }
    }
}

#[test]
fn a_line_waits_for_its_end_and_at_the_latest_for_ours() {
    for mut f in Following::in_both_modes() {
        let path = f.agent("20260731/sys_a.log");
        append(&path, "one\ntw");
        f.start();
        f.expect("one\n");
        append(&f.agent("20260731/sys_b.log"), "b 1\n");
        f.expect("b 1\n");
        assert!(!f.shown().contains("tw"));
        append(&path, "o\nthr");
        f.expect("two\n");
        append(&path, "ee");
        assert!(f.finish());
        f.expect("three");
    }
}

#[test]
fn what_is_written_just_before_the_end_is_shown() {
    for mut f in Following::in_both_modes() {
        f.start();
        f.settle();
        append(&f.agent("20260731/sys_a.log"), &lines("a", 0..5000));
        append(&f.runtime("20260731/sys_r.log"), "last words");
        assert!(f.finish());
        f.expect("last words");
        assert_eq!(f.of("a"), lines("a", 0..5000));
    }
}

#[test]
fn an_emptied_file_is_begun_anew_also_if_it_is_longer_than_before_when_we_look() {
    for mut f in Following::in_both_modes() {
        let path = f.agent("20260731/sys_a.log");
        append(&path, &lines("a", 0..50));
        f.start();
        f.expect("a 49\n");
        File::create(&path).unwrap();
        f.settle();
        append(&path, "b 0\n");
        f.expect("b 0\n");
        fs::write(&path, lines("c", 0..500)).unwrap();
        f.expect("c 499\n");
        assert_eq!(f.of("c"), lines("c", 0..500));
        assert_eq!(f.of("a"), lines("a", 0..50));
    }
}

#[test]
fn a_writer_that_goes_on_behind_a_hole_after_emptying_does_not_fill_the_log_with_zeros() {
    for mut f in Following::in_both_modes() {
        let path = f.agent("20260731/sys_a.log");
        append(&path, &lines("a", 0..100_000));
        f.start();
        f.expect("a 99999\n");
        let length = fs::metadata(&path).unwrap().len();
        let file = File::create(&path).unwrap();
        file.write_all_at(b"b 0\n", length).unwrap();
        f.expect("b 0\n");
        fs::write(&path, "c 0\n").unwrap();
        f.expect("c 0\n");
        assert!(!f.shown().contains('\0'));
    }
}

#[test]
fn a_rotated_file_is_finished_before_its_successor_is_begun() {
    for mut f in Following::in_both_modes() {
        let (path, rotated) = (f.agent("20260731/sys_a.log"), f.agent("20260731/sys_a.log.1"));
        append(&path, &lines("a", 0..10));
        f.start();
        f.expect("a 9\n");
        for round in 0..3 {
            let mut writer = following::open(&path);
            fs::rename(&path, &rotated).unwrap();
            f.settle();
            // The writer has not noticed yet.
            writer.write_all(format!("late {round}\n").as_bytes()).unwrap();
            f.expect(&format!("late {round}\n"));
            writer.write_all(format!("end {round}\n").as_bytes()).unwrap();
            append(&path, &format!("new {round}\n"));
            f.expect(&format!("new {round}\n"));
        }
        let text = f.shown();
        let tail = text.split_once("a 9\n").unwrap().1;
        assert_eq!(tail, "late 0\nend 0\nnew 0\nlate 1\nend 1\nnew 1\nlate 2\nend 2\nnew 2\n");
    }
}

#[test]
fn a_file_keeps_its_place_under_any_name_that_is_a_logs() {
    for mut f in Following::in_both_modes() {
        let name = |count: usize| format!("20260731/sys_a{}.log", "_".repeat(count));
        append(&f.agent(&name(0)), "round 0\n");
        f.start();
        f.expect("round 0\n");
        for round in 1..5_usize {
            for count in (0..round).rev() {
                fs::rename(f.agent(&name(count)), f.agent(&name(count + 1))).unwrap();
            }
            append(&f.agent(&name(1)), &format!("late {round}\n"));
            append(&f.agent(&name(0)), &format!("round {round}\n"));
            f.expect(&format!("round {round}\n"));
            f.expect(&format!("late {round}\n"));
        }
        fs::rename(f.agent("20260731"), f.agent("20260801")).unwrap();
        append(&f.agent("20260801/sys_a.log"), "round 5\n");
        f.expect("round 5\n");
        append(&f.runtime("20260801/sys_a.log"), "");
        fs::rename(f.agent("20260801/sys_a.log"), f.runtime("20260801/sys_b.log")).unwrap();
        append(&f.runtime("20260801/sys_b.log"), "round 6\n");
        f.expect("round 6\n");
        assert_eq!(f.of("round"), lines("round", 0..7));
        assert_eq!(f.of("late"), lines("late", 1..5));
    }
}

#[test]
fn a_deleted_file_is_closed_and_a_new_one_of_its_name_is_begun() {
    for mut f in Following::in_both_modes() {
        let path = f.agent("20260731/sys_a.log");
        append(&path, "a 0\n");
        f.start();
        f.expect("a 0\n");
        for round in 0..5 {
            let mut writer = following::open(&path);
            writer.write_all(format!("end {round}\n").as_bytes()).unwrap();
            f.expect(&format!("end {round}\n"));
            drop(writer);
            fs::remove_file(&path).unwrap();
            f.eventually("no deleted file is held open", |f| {
                f.open_files().iter().all(|open| !open.contains("deleted"))
            });
            append(&path, &format!("begin {round}\n"));
            f.expect(&format!("begin {round}\n"));
        }
        assert_eq!(f.of("end"), lines("end", 0..5));
        assert_eq!(f.of("begin"), lines("begin", 0..5));
    }
}

#[test]
fn thousands_of_files_need_few_descriptors() {
    for mut f in Following::in_both_modes() {
        let path = |f: &Following, count: usize| f.agent(&format!("20260731/sys_{count}.log"));
        for count in 0..2000 {
            append(&path(&f, count), &format!("first {count}\n"));
        }
        f.start();
        f.eventually("all are shown", |f| f.of("first").lines().count() == 2000);
        for count in 0..2000 {
            append(&path(&f, count), &format!("second {count}\n"));
        }
        f.eventually("all are shown", |f| f.of("second").lines().count() == 2000);
        assert!(f.open_files().len() < 40, "{} are open", f.open_files().len());
        assert!(f.finish());
        assert_eq!(f.of("first").lines().count(), 2000);
    }
}

#[test]
fn only_regular_files_are_read() {
    for mut f in Following::in_both_modes() {
        let outside = f.base().join("outside");
        append(&outside, "must stay hidden\n");
        append(&f.agent("20260731/sys_a.log"), "a 0\n");
        symlink(&outside, f.agent("20260731/sys_link.log")).unwrap();
        fs::create_dir(f.agent("20260731/sys_folder.log")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, f.agent("20260731/sys_fifo.log"), 0o600.into())
            .unwrap();
        symlink(f.base(), f.agent("20260801")).unwrap();
        f.start();
        f.expect("a 0\n");
        symlink(&outside, f.agent("20260731/sys_later.log")).unwrap();
        fs::remove_file(f.agent("20260731/sys_a.log")).unwrap();
        symlink(&outside, f.agent("20260731/sys_a.log")).unwrap();
        append(&f.agent("20260731/sys_b.log"), "b 0\n");
        f.expect("b 0\n");
        assert!(f.finish());
        assert!(!f.shown().contains("hidden"));
    }
}

#[test]
fn bytes_that_are_no_text_and_lines_without_end_pass_through() {
    for mut f in Following::in_both_modes() {
        let path = f.agent("20260731/sys_a.log");
        f.start();
        f.settle();
        let block: Vec<u8> =
            (0..=255_u8).filter(|byte| *byte != b'\n').cycle().take(1 << 20).collect();
        for _ in 0..20 {
            following::open(&path).write_all(&block).unwrap();
        }
        append(&path, "\r\nnext\n");
        f.expect("next\n");
        assert!(f.bytes() == [block.repeat(20).as_slice(), b"\r\nnext\n"].concat());
    }
}

#[test]
fn a_burst_is_late_but_whole_if_nobody_reads_for_a_while() {
    for mut f in Following::in_both_modes() {
        f.hold_reading();
        f.start();
        f.settle();
        let path = f.agent("20260731/sys_a.log");
        for part in 0..64 {
            append(&path, &lines("burst", part * 50_000..(part + 1) * 50_000));
        }
        f.settle();
        f.go_on_reading();
        f.expect("burst 3199999\n");
        assert!(f.of("burst") == lines("burst", 0..3_200_000));
        assert_eq!(f.output().lost_lines(), 0);
    }
}

#[test]
fn more_events_than_the_kernel_keeps_lose_no_file() {
    let mut f = Following::new(false);
    f.hold_reading();
    f.start();
    f.settle();
    // The follower waits for its output meanwhile.
    append(&f.agent("20260731/sys_big.log"), &lines("big", 0..1_000_000));
    for count in 0..9000 {
        append(&f.agent(&format!("20260731/sys_{count}.log")), &format!("small {count}\n"));
    }
    f.go_on_reading();
    f.eventually("all are shown", |f| f.of("small").lines().count() == 9000);
}

#[test]
fn the_end_comes_in_time_though_nobody_reads() {
    for mut f in Following::in_both_modes() {
        f.hold_reading();
        f.start();
        append(&f.agent("20260731/sys_a.log"), &lines("a", 0..1_000_000));
        f.settle();
        let begun = Instant::now();
        let _ = f.handle().finish(Duration::from_millis(500));
        assert!(begun.elapsed() < SOON);
        f.go_on_reading();
    }
}

#[test]
fn secrets_are_hidden_also_across_two_looks() {
    for mut f in Following::in_both_modes() {
        f.output().mask().add(&Secret::new("first line\nsecond line"));
        f.output().mask().add(&Secret::new("hush-hush"));
        f.start();
        let path = f.agent("20260731/sys_a.log");
        append(&path, "password is hush-");
        f.settle();
        append(&path, "hush\nkey: first line\n");
        f.settle();
        append(&path, "second line\ndone\n");
        f.expect("done\n");
        assert_eq!(f.shown(), "password is [redacted]\nkey: [redacted]\ndone\n");
    }
}

#[test]
fn an_unreadable_file_is_said_once_and_read_when_it_can_be() {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        // Nothing is unreadable for root: run as another user to see this one.
        return;
    }
    for mut f in Following::in_both_modes() {
        let path = f.agent("20260731/sys_a.log");
        append(&path, "a 0\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        f.start();
        f.eventually("it is said", |f| f.notices().len() == 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        f.expect("a 0\n");
        assert_eq!(f.notices().len(), 1);
    }
}

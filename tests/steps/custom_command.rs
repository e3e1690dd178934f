//! What of a custom command reaches the components. Every promise is tried with every shell that there is.

use crate::support::{BINARY, Log, eventually, in_loop, stop, surroundings};
use jjobs_init::{
    boot::{
        custom_command::{self, CustomCommand, CustomCommandError, Shell},
        step::StopSignal,
    },
    exit::ExitCode,
    process::{Children, Surroundings},
};
use std::{
    cell::RefCell,
    ffi::OsStr,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};

struct Bed {
    children: Children,
    folder: TempDir,
    surroundings: Surroundings,
    shell: Option<Shell>,
    log: Rc<RefCell<Log>>,
    stop: StopSignal,
}

impl Bed {
    fn new(children: &Children) -> Self {
        let folder = tempdir().unwrap();
        let mut surroundings = surroundings();
        surroundings.folder = Some(fs::canonicalize(folder.path()).unwrap());
        let children = children.clone();
        Self { children, folder, surroundings, shell: None, log: Log::new(), stop: stop().1 }
    }

    async fn run(&mut self, text: &str) -> Result<Surroundings, CustomCommandError> {
        let run_folder = self.folder.path().join("it's run");
        fs::create_dir_all(&run_folder).unwrap();
        let command = CustomCommand {
            text,
            children: &self.children,
            surroundings: self.surroundings.clone(),
            output: Rc::clone(&self.log),
            run_folder: &run_folder,
            binary: Path::new(BINARY),
            shell: self.shell.clone(),
        };
        let left = custom_command::run(command, &mut self.stop).await;
        assert_eq!(fs::read_dir(&run_folder).unwrap().count(), 0, "something is left of the pipe");
        left
    }

    fn folder(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap()
    }
}

/// Tries `test` with bash, and with every other shell that this machine has.
fn with_each_shell(test: impl AsyncFn(Bed)) {
    let shells = tempdir().unwrap();
    let busybox = shells.path().join("sh");
    symlink("/usr/bin/busybox", &busybox).unwrap();
    let others = [PathBuf::from("/bin/dash"), busybox].into_iter().filter(|path| path.exists());
    let others = others.map(|path| Some(Shell { path, keeps_all_names: false }));
    in_loop(async |children| {
        for shell in std::iter::once(None).chain(others) {
            let bed = Bed { shell, ..Bed::new(&children) };
            test(bed).await;
        }
    });
}

fn value<'a>(surroundings: &'a Surroundings, name: &str) -> Option<&'a str> {
    surroundings.env.get(OsStr::new(name)).and_then(|value| value.to_str())
}

fn limit(surroundings: &Surroundings, name: &str) -> Option<(Option<u64>, Option<u64>)> {
    let mut limits = surroundings.limits.iter();
    limits.find(|limit| limit.0 == name).map(|limit| (limit.1, limit.2))
}

#[test]
fn variables_folder_mask_and_limits_reach_the_components() {
    with_each_shell(async |mut bed| {
        bed.surroundings.env.insert("GONE".into(), "1".into());
        bed.surroundings.env.insert("a.b-c".into(), "kept".into());
        let text = "export NEW='two\nlines = \"x\"'; unset GONE; NOT_EXPORTED=1; umask 027\n\
                    mkdir -p 'a b'; cd 'a b'; ulimit -n 64; ulimit -S -c 0; ulimit -f 0; echo hello";
        let left = bed.run(text).await.unwrap();
        assert_eq!(value(&left, "NEW"), Some("two\nlines = \"x\""));
        assert_eq!(value(&left, "GONE"), None);
        assert_eq!(value(&left, "NOT_EXPORTED"), None);
        assert_eq!(value(&left, "a.b-c"), Some("kept"));
        assert_eq!(value(&left, "HOME"), Some("/root"));
        assert_eq!(value(&left, "CUSTOM_COMMAND"), Some(text));
        assert_eq!(left.umask, Some(0o27));
        assert_eq!(left.folder, Some(bed.folder().join("a b")));
        assert_eq!(limit(&left, "nofile"), Some((Some(64), Some(64))));
        assert_eq!(limit(&left, "fsize"), Some((Some(0), Some(0))));
        assert_eq!(bed.log.borrow().text(), "hello\n");
        let ours = left.env.keys().any(|name| name.to_string_lossy().contains("jjobs_init"));
        assert!(!ours && value(&left, "_").is_none(), "{:?}", left.env);
    });
}

#[test]
fn a_soft_limit_keeps_its_hard_one() {
    with_each_shell(async |mut bed| {
        let left = bed.run("ulimit -S -n 100; ulimit -H -n 512").await.unwrap();
        assert_eq!(limit(&left, "nofile"), Some((Some(100), Some(512))));
    });
}

#[test]
fn exit_0_ends_only_the_text_and_keeps_what_was_done() {
    with_each_shell(async |mut bed| {
        let left = bed.run("export A=1; umask 077; exit 0; export A=2").await.unwrap();
        assert_eq!((value(&left, "A"), left.umask), (Some("1"), Some(0o77)));
        let left = bed.run("export A=1; (exit 0); x=$(exit 0); export A=2").await.unwrap();
        assert_eq!(value(&left, "A"), Some("2"));
    });
}

#[test]
fn a_failing_command_fails_the_step_with_its_last_lines() {
    with_each_shell(async |mut bed| {
        for (text, code) in
            [("echo why; false; echo never", 1), ("echo why; exit 3", 3), ("echo why; (exit 9)", 9)]
        {
            let error = bed.run(text).await.unwrap_err();
            assert_eq!(error.exit_code(), ExitCode::CustomCommandFailed);
            assert_eq!(
                error.to_string(),
                format!("CUSTOM_COMMAND failed: exit code {code}"),
                "{text}"
            );
            assert_eq!(error.last_lines().last().map(String::as_str), Some("why"));
        }
        for text in ["if", "kill -9 $$", "no-such-command", "kill $$; sleep 10", "set -u; echo $x"]
        {
            let error = bed.run(text).await.unwrap_err();
            assert!(matches!(error, CustomCommandError::Failed { .. }), "{text}: {error:?}");
        }
    });
}

#[test]
fn set_plus_e_is_the_users_choice() {
    with_each_shell(async |mut bed| {
        let left = bed.run("set +e; false; export A=1").await.unwrap();
        assert_eq!(value(&left, "A"), Some("1"));
    });
}

#[test]
fn a_text_that_breaks_its_own_surroundings_still_passes_them_on() {
    with_each_shell(async |mut bed| {
        for text in [
            "export A=1; PATH=; unset HOME",
            "export A=1; unset PATH",
            "exec >/dev/null 2>&1; export A=1",
            "exec <&- >&- 2>&-; export A=1",
            "set -aeu; A=1",
            "export A=1; export LD_PRELOAD=/no/such/lib.so",
            "export A=1; set -- x y; IFS=abc",
            "export A=1; trap 'echo bye' EXIT",
            "export A=1; : \"${b:=)}\" # a comment",
        ] {
            let left = bed.run(text).await.unwrap();
            assert_eq!(value(&left, "A"), Some("1"), "{text}");
        }
        assert!(bed.log.borrow().text().contains("bye"));
    });
}

#[test]
fn a_text_that_replaces_its_shell_passes_nothing_on() {
    with_each_shell(async |mut bed| {
        for text in ["export A=1; exec true", "export A=1; trap 'echo bye' EXIT; exit 0"] {
            let started = Instant::now();
            let left = bed.run(text).await.unwrap();
            assert_eq!(value(&left, "A"), None, "{text}");
            assert_eq!(left.folder, bed.surroundings.folder);
            assert!(started.elapsed() < Duration::from_secs(1), "{text}");
        }
    });
}

#[test]
fn a_removed_folder_is_not_passed_on() {
    with_each_shell(async |mut bed| {
        let left = bed.run("mkdir gone; cd gone; rmdir ../gone; export A=1").await.unwrap();
        assert_eq!(left.folder, bed.surroundings.folder);
        assert_eq!(value(&left, "A"), Some("1"));
    });
}

#[test]
fn what_is_left_in_the_background_goes_on_and_is_not_waited_for() {
    with_each_shell(async |mut bed| {
        let started = Instant::now();
        bed.run("(while [ ! -e go ]; do sleep 0.02; done; echo done) & echo started")
            .await
            .unwrap();
        assert!(started.elapsed() < Duration::from_secs(2));
        fs::write(bed.folder().join("go"), "").unwrap();
        let log = Rc::clone(&bed.log);
        eventually("the background's output is in the log", || {
            log.borrow().text().contains("done")
        })
        .await;
    });
}

#[test]
fn it_has_no_input_and_a_group_of_its_own() {
    with_each_shell(async |mut bed| {
        bed.run("read x || echo end; kill -0 -$$ && echo leads").await.unwrap();
        assert_eq!(bed.log.borrow().text(), "end\nleads\n");
    });
}

#[test]
fn a_long_text_and_long_values_pass() {
    with_each_shell(async |mut bed| {
        let text = format!("export LONG={}; # {}", "x".repeat(60_000), "y".repeat(60_000));
        for number in 0..20 {
            bed.surroundings.env.insert(format!("BIG{number}").into(), "z".repeat(30_000).into());
        }
        let left = bed.run(&text).await.unwrap();
        assert_eq!(value(&left, "LONG").map(str::len), Some(60_000));
        assert_eq!(value(&left, "BIG19").map(str::len), Some(30_000));
    });
}

#[test]
fn exported_functions_of_bash_are_passed_on() {
    in_loop(async |children| {
        let mut bed = Bed::new(&children);
        let left = bed.run("hi() { echo \"hi $1\"; }; export -f hi").await.unwrap();
        assert!(value(&left, "BASH_FUNC_hi%%").is_some_and(|text| text.starts_with("() {")));
        bed.surroundings = left;
        bed.run("hi you").await.unwrap();
        assert_eq!(bed.log.borrow().text(), "hi you\n");
    });
}

#[test]
fn without_a_shell_the_step_fails() {
    in_loop(async |children| {
        let mut bed = Bed::new(&children);
        bed.shell = Some(Shell { path: "/no/such/shell".into(), keeps_all_names: true });
        assert_eq!(bed.run(":").await.unwrap_err().exit_code(), ExitCode::CustomCommandFailed);
    });
}

#[test]
fn a_stop_ends_the_command() {
    with_each_shell(async |mut bed| {
        let (sender, signal) = stop();
        bed.stop = signal;
        let log = Rc::clone(&bed.log);
        let stopping = async {
            eventually("it runs", || log.borrow().text().contains("ready")).await;
            sender.send(true).unwrap();
        };
        let started = Instant::now();
        let (left, ()) = tokio::join!(bed.run("echo ready; sleep 100"), stopping);
        assert!(matches!(left, Err(CustomCommandError::Stopped)));
        assert!(started.elapsed() < Duration::from_secs(3));
    });
}

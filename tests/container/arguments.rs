//! `docker run IMAGE WORDS…`.

use jjobs_harness::{ExecOutput, engine::Image};
use std::time::Duration;

#[track_caller]
fn run(image: &Image, words: &[&str]) -> ExecOutput {
    image.container().hostname("jjobs-3").args(words).run()
}

#[test]
fn the_words_after_the_image_are_a_command_of_ours_or_anybodys() {
    let Some(image) = Image::simulated() else { return };
    let check = run(&image, &["check"]);
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.stdout.contains("server number 4"), "{check:?}");

    let wrong = image.container().env("SERVER_WEB_PORT", "tcp://10.0.0.1:80").args(["check"]).run();
    assert_eq!(wrong.code, 78, "{wrong:?}");
    assert!(wrong.stdout.contains("SERVER_WEB_PORT"), "{wrong:?}");

    let list = run(&image, &["ls", "-l", "/"]);
    assert_eq!(list.code, 0, "{list:?}");
    for link in ["entrypoint.sh", "pre-stop.sh", "post-start.sh"] {
        let shown = list.stdout.lines().find(|line| line.contains(&format!(" {link} -> ")));
        assert!(shown.is_some_and(|line| line.starts_with('l')), "{list:?}");
    }
    let words = run(&image, &["printf", "[%s]\\n", "a b", "", "--", "$HOME", "*"]);
    assert_eq!((words.code, words.stdout.as_str()), (0, "[a b]\n[]\n[--]\n[$HOME]\n[*]\n"));
    assert_eq!(words.stderr, "", "nothing of ours stands between");

    let codes: [(&[&str], i32); 6] = [
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["no-such-command"], 127),
        (&["/etc/passwd"], 126),
        (&["--no-such-option"], 64),
        (&["run"], 64),
    ];
    std::thread::scope(|scope| {
        for (words, code) in codes {
            let image = &image;
            scope.spawn(move || {
                let done = run(image, words);
                assert_eq!(done.code, code, "{words:?}: {done:?}");
                let says_why = code < 64 || code == 137 || !done.stderr.is_empty();
                assert!(says_why, "{words:?}: {done:?}");
            });
        }
    });
}

#[test]
fn what_ends_a_container_s_command_is_a_stop_of_the_container() {
    let Some(image) = Image::simulated() else { return };
    let script = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.1; done";
    let container = image.container().args(["sh", "-c", script]).start();
    container.wait_for_line("ready", Duration::from_secs(30));
    let stop = container.stop(30);
    assert!(stop.elapsed < Duration::from_secs(20), "{stop:?}");
    assert_eq!(container.exit_code(Duration::from_secs(30)), 3);
    assert_eq!(container.logs(), "ready\nasked\n");
}

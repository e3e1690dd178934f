//! The engine's containers, of whatever the image holds: what the other tests rely on.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jjobs_harness::{
    Signal,
    engine::{Container, Image, Network, Volume, docker},
    unless_missing,
};
use std::{panic, time::Duration};

const SOON: Duration = Duration::from_secs(30);

fn shell(image: &Image, script: &str) -> Container {
    image.container().command(["/bin/sh", "-c"]).args([script]).start()
}

#[test]
fn nothing_is_left_of_a_container_when_its_test_fails() {
    let Some(image) = Image::simulated() else { return };
    let volume = Volume::new();
    let volumes = [volume.name().to_owned()];
    let container = image
        .container()
        .options(["--volume", "/anonymous"])
        .volume(&volume, "/named")
        .command(["sleep", "1000"])
        .start();
    drop(volume);
    let name = container.name().to_owned();
    let mounts = container.inspect()["Mounts"].take();
    let anonymous =
        mounts.as_array().unwrap().iter().find(|mount| mount["Destination"] == "/anonymous");
    let anonymous = anonymous.unwrap()["Name"].as_str().unwrap().to_owned();
    let failed = panic::catch_unwind(panic::AssertUnwindSafe(move || {
        assert!(!container.is_running(), "this is the failure");
        drop(container);
    }));
    assert!(failed.is_err());
    assert_eq!(docker(["container", "inspect", &name]).code, 1);
    for volume in volumes.iter().chain([&anonymous]) {
        assert_eq!(docker(["volume", "inspect", volume]).code, 1, "{volume}");
    }
}

#[test]
fn commands_signals_and_lives_are_told_as_they_are() {
    let Some(image) = Image::simulated() else { return };
    let script =
        "trap 'echo asked; exit 3' TERM; echo out; echo err >&2; while :; do sleep 0.05; done";
    let container = shell(&image, script);
    container.wait_for_line("err", SOON);
    for (words, code) in [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137)] {
        assert_eq!(container.shell(words).code, code, "{words}");
    }
    let said = container.exec(["printf", "[%s]", "a b", "$HOME"]);
    assert_eq!((said.stdout.trim_end(), said.stderr.as_str()), ("[a b][$HOME]", ""));
    container.write("/folder/file", "text\n");
    assert_eq!(container.read_text("/folder/file"), "text\n");
    assert_eq!(container.shell("cat /folder/file").stdout, "text\n");
    assert_eq!(container.processes()[0].pid, 1);

    let second = container.lines().len();
    container.restart(10);
    container.wait_for_line_from(second, "asked", SOON);
    container.wait_for_line_from(second, "err", SOON);
    container.kill(Signal::SIGKILL);
    assert_eq!(container.exit_code(SOON), 137);
    assert!(container.processes().is_empty());
    assert_eq!(container.saved_text("/folder/file").as_deref(), Some("text\n"));
    assert_eq!(container.saved_text("/folder/none"), None);
    assert_eq!(container.logs().lines().count(), 5, "{}", container.logs());
}

#[test]
fn containers_of_a_network_find_each_other_until_the_plug_is_pulled() {
    let Some(image) = Image::simulated() else { return };
    let network = Network::new();
    let name = network.name().to_owned();
    let sleeper = image.container().command(["sleep", "1000"]).network(&network, &["jjobs-0"]);
    let (first, second) = (sleeper.clone().start(), sleeper.start());
    drop(network.clone());
    let address = first.address().unwrap();
    let found = second.shell("getent ahostsv4 jjobs-0");
    assert!(found.stdout.contains(&address), "{found:?}");
    let listener = first.listen(4000).unwrap();
    let connect = format!("exec 3<>/dev/tcp/{address}/4000");
    assert_eq!(second.exec(["bash", "-c", &connect]).code, 0);
    assert!(first.connect(4000).is_ok());
    network.disconnect(&first);
    assert_eq!(first.address(), None);
    assert_ne!(second.exec(["timeout", "1", "bash", "-c", &connect]).code, 0);
    network.connect(&first, &["jjobs-0"]);
    assert!(first.address().is_some());
    drop((first, second, listener, network));
    assert_eq!(docker(["network", "inspect", &name]).code, 1);
}

#[test]
fn a_missing_image_is_said() {
    let Some(_) = Image::simulated() else { return };
    let missing = Image::find("jjobs-init-no-such-image:none");
    assert!(missing.as_ref().is_err_and(|error| error.contains("o such image")), "{missing:?}");
    assert!(unless_missing("nothing", Ok::<_, String>(())).is_some());
}

//! A container with kubectl and contexts, and what is asked of both.

use jjobs_harness::{Container, ContainerBuilder, ExecOutput, unless_missing};
use serde_json::Value;
use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

/// A boot that starts nothing takes a moment; tests run side by side on a busy machine.
pub(crate) const BOOT: Duration = Duration::from_mins(1);
/// A Job as a job plug-in makes it.
const JOB: &str = r#"{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "nightly"}, "spec": {"template": {"spec":
    {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox", "command": ["true"]}]}}}}"#;
pub(crate) const JOB_FILE: &str = "/run/job.json";

/// The image with kubectl in it, which registers `contexts` and starts nothing.
pub(crate) fn image(contexts: &Value) -> Option<ContainerBuilder> {
    image_with(&contexts.to_string())
}

/// The same with any text as `KUBE_CONTEXTS`.
pub(crate) fn image_with(contexts: &str) -> Option<ContainerBuilder> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let kubectl = unless_missing("kubectl", FOUND.get_or_init(find_kubectl).as_ref())?;
    // Wherever it is here: some of this machine's folders are not to be seen in a container.
    let image = Container::image(env!("CARGO_BIN_EXE_jjobs-init"))
        .bind_read_only(kubectl, "/usr/local/bin/kubectl")
        .file(JOB_FILE, JOB, 0o644)
        .env("ON_BOOT", "no")
        .env("KUBE_CONTEXTS", contexts);
    Some(image)
}

fn find_kubectl() -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|folder| folder.join("kubectl"))
        .find(|file| file.is_file())
        .ok_or("there is none on the PATH")?;
    let found = found.canonicalize().map_err(|error| error.to_string())?;
    let mut command = Command::new(&found);
    command.args(["version", "--client"]).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(found),
        Ok(status) => Err(format!("{} ends with {status}", found.display())),
        Err(error) => Err(format!("{}: {error}", found.display())),
    }
}

/// Starts it and waits until the boot is over.
#[track_caller]
pub(crate) fn start(container: &mut Container) {
    container.start();
    wait_for_boot(container, 0);
}

/// Restarts it on the same file system and waits until that boot is over; the lines of it.
#[track_caller]
pub(crate) fn restart(container: &mut Container) -> Vec<String> {
    container.kill();
    let from = container.lines().len();
    container.restart();
    wait_for_boot(container, from);
    container.lines().into_iter().skip(from).map(|line| line.text).collect()
}

#[track_caller]
fn wait_for_boot(container: &Container, from: usize) {
    container.wait_for_line_from(from, "boot finished", BOOT);
}

/// `kubectl WORDS` in the container, as an operator or a job plug-in would.
pub(crate) fn kubectl(container: &Container, words: &[&str]) -> ExecOutput {
    // A cluster that is not there must not hold the test.
    let words = [&["kubectl", "--request-timeout=20s"], words].concat();
    container.exec(words)
}

/// The same, which must succeed; what it printed.
#[track_caller]
pub(crate) fn kubectl_says(container: &Container, words: &[&str]) -> String {
    let output = kubectl(container, words);
    assert_eq!(output.code, 0, "{words:?}: {output:?}\n{}", container.transcript());
    output.stdout
}

/// `kubectl --context=ALIAS get pods`, which must list the pod of the cluster that is played.
#[track_caller]
pub(crate) fn list_pods(container: &Container, alias: &str) {
    let said = kubectl_says(container, &[&format!("--context={alias}"), "get", "pods"]);
    assert!(said.contains("jjobs-0"), "{said}");
}

/// The same where it must fail; what it said.
#[track_caller]
pub(crate) fn cannot_list_pods(container: &Container, alias: &str) -> String {
    let output = kubectl(container, &[&format!("--context={alias}"), "get", "pods"]);
    assert_ne!(output.code, 0, "{output:?}");
    output.stderr
}

/// The contexts that kubectl knows.
#[track_caller]
pub(crate) fn contexts(container: &Container) -> Vec<String> {
    let said = kubectl_says(container, &["config", "get-contexts", "-o", "name"]);
    said.lines().map(str::to_owned).collect()
}

/// The lines of our log about contexts; each begins with the variable's name, after time and level.
#[track_caller]
pub(crate) fn said(container: &Container) -> Vec<String> {
    let lines = container.lines().into_iter().map(|line| line.text);
    let lines: Vec<String> = lines.filter(|line| line.contains("KUBE_CONTEXTS")).collect();
    for line in &lines {
        let message = line.split_whitespace().nth(2).unwrap_or_default();
        assert_eq!(message, "[KUBE_CONTEXTS]", "{line}");
    }
    lines
}

/// The warnings among them.
#[track_caller]
pub(crate) fn warnings(container: &Container) -> Vec<String> {
    let mut lines = said(container);
    lines.retain(|line| line.contains(" WARN "));
    lines
}

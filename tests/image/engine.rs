//! The container engine, through its command line, and what must not be left behind.

use jjobs_harness::unless_missing;
use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

/// The image under test, or `None` where there is no engine or no image.
pub(crate) fn image() -> Option<String> {
    let look = || {
        let image = env::var("JJOBS_TEST_IMAGE")
            .ok()
            .filter(|image| !image.is_empty())
            .ok_or("JJOBS_TEST_IMAGE names none; scripts/test builds it")?;
        let found = Command::new("docker").args(["image", "inspect", &image]).output();
        match found {
            Ok(output) if output.status.success() => Ok(image),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("docker: {error}")),
        }
    };
    unless_missing("the image", look())
}

/// A name that nobody else uses.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("jjobs-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn try_docker(args: &[&str]) -> Output {
    Command::new("docker").args(args).output().expect("docker cannot be started")
}

/// Standard output of a docker command that must succeed.
#[track_caller]
pub(crate) fn docker(args: &[&str]) -> String {
    let output = try_docker(args);
    assert!(output.status.success(), "docker {args:?}:\n{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Both streams, for people and for looking into.
pub(crate) fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// Standard output of a command in a container of its own.
#[track_caller]
pub(crate) fn run(image: &str, options: &[&str], command: &[&str]) -> String {
    let fixed = ["run", "--rm", "--network", "none", "--label", "jjobs-init-test"];
    docker(&[&fixed, options, &[image], command].concat())
}

/// A container that was created, and goes away with this.
pub(crate) struct Created(String);

impl Created {
    pub(crate) fn new(image: &str, options: &[&str]) -> Self {
        // An image from scratch has no command, which `create` insists on.
        Self::create(options, &[image, "boot"])
    }

    /// One that will run `script` in an image without an entrypoint.
    pub(crate) fn shell(image: &str, script: &str) -> Self {
        Self::create(&["--network", "none"], &[image, "sh", "-c", script])
    }

    fn create(options: &[&str], image_and_command: &[&str]) -> Self {
        let name = unique();
        let fixed = ["create", "--name", &name, "--label", "jjobs-init-test"];
        docker(&[&fixed, options, image_and_command].concat());
        Self(name)
    }

    pub(crate) fn id(&self) -> &str {
        &self.0
    }

    pub(crate) fn put(&self, file: &Path, path: &str) {
        docker(&["cp", file.to_str().unwrap(), &format!("{}:{path}", self.0)]);
    }

    /// Copies the container's jjobs-init to `file`.
    pub(crate) fn put_program(&self, file: &Path) {
        let _ = fs::remove_file(file);
        docker(&["cp", &format!("{}:{}", self.0, super::PROGRAM), file.to_str().unwrap()]);
    }

    pub(crate) fn log(&self) -> String {
        text(&try_docker(&["logs", &self.0]))
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        try_docker(&["rm", "--force", "--volumes", &self.0]);
    }
}

/// An image that goes away with this.
pub(crate) struct Built(pub(crate) String);

impl Drop for Built {
    fn drop(&mut self) {
        try_docker(&["image", "rm", "--force", &self.0]);
    }
}

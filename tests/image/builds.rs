//! Builds from the Dockerfile, on the base of the image under test and without any network.

use crate::engine::{Built, Created, docker, image, run, text, try_docker, unique};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A build context as the repository is one, with the binary of `image` and no installer.
fn context(image: &str) -> TempDir {
    let context = tempfile::tempdir().unwrap();
    for name in ["Dockerfile", ".dockerignore", "image"] {
        let copied = Command::new("cp")
            .arg("-r")
            .arg(Path::new(ROOT).join(name))
            .arg(context.path())
            .output()
            .unwrap();
        assert!(copied.status.success(), "{copied:?}");
    }
    fs::create_dir(context.path().join("installer")).unwrap();
    fs::copy(
        Path::new(ROOT).join("installer/README.md"),
        context.path().join("installer/README.md"),
    )
    .unwrap();
    let container = Created::new(image, &[]);
    for architecture in ["amd64", "arm64"] {
        let folder = context.path().join("dist/linux").join(architecture);
        fs::create_dir_all(&folder).unwrap();
        container.put_program(&folder.join("jjobs-init"));
    }
    context
}

fn base_of(image: &str) -> String {
    let label = "{{index .Config.Labels \"org.opencontainers.image.base.name\"}}";
    docker(&["image", "inspect", "-f", label, image]).trim().to_owned()
}

fn build(context: &TempDir, tag: &str, base: &str, options: &[&str]) -> Output {
    let base = format!("BASE_IMAGE={base}");
    let fixed = [
        "build",
        "--force-rm",
        "--network",
        "none",
        "--label",
        "jjobs-init-test",
        "--tag",
        tag,
        "--build-arg",
        &base,
    ];
    try_docker(&[&fixed, options, &[context.path().to_str().unwrap()]].concat())
}

#[test]
fn a_missing_or_empty_installer_is_named_by_the_build() {
    let Some(image) = image() else { return };
    let context = context(&image);
    let base = base_of(&image);
    let tag = Built(unique());
    fs::write(context.path().join("installer/empty.sh"), "").unwrap();
    for (argument, wanted) in [
        (&[][..], "missing, or empty: installer/jjob_installer_linux_x64.sh"),
        (&["--build-arg", "INSTALL_FILE=empty.sh"], "missing, or empty: installer/empty.sh"),
        (&["--build-arg", "INSTALL_FILE=../x"], "'../x' is not the name of a file"),
    ] {
        let output =
            build(&context, &tag.0, &base, &[argument, &["--target", "installer"]].concat());
        assert!(!output.status.success());
        let said = text(&output);
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[test]
fn the_binary_stage_is_one_static_file_that_runs_from_scratch() {
    let Some(image) = image() else { return };
    let context = context(&image);
    let stage = Built(unique());
    let output = build(&context, &stage.0, "no.such/base", &["--target", "binary"]);
    assert!(output.status.success(), "{}", text(&output));

    // What the engine itself puts into a container is empty in the image.
    let container = Created::new(&stage.0, &[]);
    let tar = context.path().join("stage.tar");
    docker(&["export", "--output", tar.to_str().unwrap(), container.id()]);
    let mut archive = tar::Archive::new(fs::File::open(&tar).unwrap());
    let files: Vec<String> = archive
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.size() > 0)
        .map(|entry| entry.path().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, ["jjobs-init"]);

    let other = tempfile::tempdir().unwrap();
    let lines = format!(
        "FROM scratch\nCOPY --from={} /jjobs-init /init\nENTRYPOINT [\"/init\"]\n",
        stage.0
    );
    fs::write(other.path().join("Dockerfile"), lines).unwrap();
    let tag = Built(unique());
    docker(&["build", "--tag", &tag.0, other.path().to_str().unwrap()]);
    let version = run(&tag.0, &[], &["--version"]);
    assert!(version.starts_with("jjobs-init "), "{version}");
}

/// The real script on a real base without the vendor's packages. A build of all steps would say no more, and take a minute.
#[test]
fn a_slim_base_is_prepared_without_the_vendors_packages_and_otherwise_missed() {
    let Some(image) = image() else { return };
    let base = base_of(&image);
    let strip =
        "rm -f /usr/bin/ps /bin/ps /usr/bin/gawk /usr/bin/fc-list; sh /tmp/image/prepare.sh";

    let prepare = |slim: &str| {
        let script = format!(
            "export SLIM={slim}; {strip} && ! command -v ps gawk fc-list && LANG=ko_KR.utf8 locale charmap"
        );
        let container = Created::shell(&base, &script);
        container.put(&Path::new(ROOT).join("image"), "/tmp/image");
        try_docker(&["start", "--attach", container.id()])
    };
    let slim = prepare("yes");
    assert!(slim.status.success(), "{}", text(&slim));
    assert_eq!(String::from_utf8_lossy(&slim.stdout), "UTF-8\n");

    // There is no network to get them from.
    let full = prepare("no");
    assert!(!full.status.success(), "{}", text(&full));
    let said = text(&full);
    assert!(said.contains("installing with apt-get: procps gawk fontconfig"), "{said}");
    assert!(said.contains("error: apt-get"), "{said}");
}

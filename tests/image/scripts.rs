//! The image's scripts with stand-ins for package managers and downloads, whose real ones need a registry or another base.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// An empty system: a root for what the scripts look at and write, and the only folder of programs.
struct System {
    folder: TempDir,
}

impl System {
    fn new(real_tools: &[&str]) -> Self {
        let system = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(system.root().join("etc")).unwrap();
        fs::create_dir(system.bin()).unwrap();
        for tool in
            ["sh", "cat", "chmod", "cp", "cut", "grep", "head", "ln", "mkdir", "mv", "rm", "touch"]
                .iter()
                .chain(real_tools)
        {
            let real = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
            let real =
                real.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {tool} here"));
            symlink(real, system.bin().join(tool)).unwrap();
        }
        // A locale works once its package, or what was compiled, is there.
        system.program(
            "locale",
            "[ -e \"$ROOT/langpack\" ] || [ -e \"$ROOT/usr/lib/locale/ko_KR.utf8\" ] || exit 1; echo UTF-8",
        );
        system
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A package manager that notes how it was called, and brings what the packages of that name bring.
    fn package_manager(&self, name: &str, refused: &str) {
        let script = format!(
            r#"echo "{name} $*" >>"$ROOT/calls"
            case "$1" in clean|update) exit 0 ;; esac
            bring() {{ for tool; do printf '#!/bin/sh\n' >"$BIN/$tool"; chmod 755 "$BIN/$tool"; done; }}
            for word; do case "$word" in
                -*|install) ;;
                {refused}) echo "no package $word" >&2; exit 1 ;;
                tzdata) mkdir -p "$ROOT/usr/share/zoneinfo/Asia"; touch "$ROOT/usr/share/zoneinfo/Asia/Seoul" ;;
                ca-certificates) mkdir -p "$ROOT/etc/pki/tls/certs"; touch "$ROOT/etc/pki/tls/certs/ca-bundle.crt" ;;
                glibc-langpack-ko) touch "$ROOT/langpack" ;;
                locales) mkdir -p "$ROOT/usr/share/i18n/locales"; touch "$ROOT/usr/share/i18n/locales/ko_KR" ;;
                procps|procps-ng) bring ps ;;
                findutils) bring find ;;
                ncurses|ncurses-bin) bring tput ;;
                fontconfig) bring fc-list ;;
                kubernetes-client) bring kubectl ;;
                awscli|awscli-2) bring aws ;;
                *) bring "$word" ;;
            esac; done"#
        );
        self.program(name, &script);
    }

    fn run(&self, script: &str, env: &[(&str, &str)], args: &[&str]) -> Output {
        Command::new("/bin/sh")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("image").join(script))
            .args(args)
            .env_clear()
            .env("PATH", self.bin())
            .env("BIN", self.bin())
            .env("ROOT", self.root())
            .envs(env.iter().copied())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn prepare(&self, env: &[(&str, &str)]) {
        let output = self.run("prepare.sh", env, &[]);
        assert!(output.status.success(), "{}", said(&output));
    }

    #[track_caller]
    fn refusal(&self, script: &str, env: &[(&str, &str)], args: &[&str]) -> String {
        let output = self.run(script, env, args);
        assert!(!output.status.success(), "{}", said(&output));
        said(&output)
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.root().join("calls")).unwrap_or_default()
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

#[test]
fn what_a_red_hat_base_lacks_is_installed_once_and_its_caches_go() {
    for manager in ["dnf", "microdnf"] {
        let system = System::new(&["bash", "gzip", "tar"]);
        system.package_manager(manager, "-");
        system.prepare(&[]);

        let calls = system.calls();
        let packages = "install tzdata ca-certificates procps-ng hostname findutils gawk ncurses fontconfig glibc-langpack-ko\n";
        assert!(calls.lines().next().unwrap().contains("--assumeyes"), "{calls}");
        assert!(calls.contains(packages), "{calls}");
        assert!(calls.ends_with(&format!("{manager} clean all\n")), "{calls}");
        let zone = fs::read_link(system.root().join("etc/localtime")).unwrap();
        assert_eq!(zone, Path::new("/usr/share/zoneinfo/Asia/Seoul"));
        assert!(!system.root().join("etc/timezone").exists(), "Debian's alone");

        // Nothing is missing now: nobody is asked.
        fs::remove_file(system.root().join("calls")).unwrap();
        system.prepare(&[]);
        assert_eq!(system.calls(), "");
    }
}

#[test]
fn a_debian_base_gets_its_own_names_and_keeps_no_sources_of_locales() {
    let system = System::new(&["bash", "gzip", "tar"]);
    system.package_manager("apt-get", "-");
    system.program("dpkg", r#"echo "dpkg $*" >>"$ROOT/calls""#);
    system.program("localedef", r#"for word; do :; done; mkdir -p "$word""#);
    fs::write(system.root().join("etc/debian_version"), "12\n").unwrap();
    system.prepare(&[("KUBECTL", "package"), ("AWS_CLI", "package")]);

    let calls = system.calls();
    let packages = "tzdata ca-certificates procps hostname findutils gawk ncurses-bin fontconfig kubernetes-client awscli locales\n";
    assert!(calls.contains(packages), "{calls}");
    assert!(calls.contains("dpkg --purge --force-depends locales"), "{calls}");
    assert_eq!(fs::read_to_string(system.root().join("etc/timezone")).unwrap(), "Asia/Seoul\n");
}

#[test]
fn slim_asks_for_nothing_that_only_the_vendor_needs() {
    for slim in ["yes", "true", "1"] {
        let system = System::new(&[]);
        system.package_manager("dnf", "-");
        system.prepare(&[("SLIM", slim)]);
        let calls = system.calls();
        assert!(
            calls.contains("install tzdata ca-certificates glibc-langpack-ko\n"),
            "SLIM={slim}: {calls}"
        );
    }
}

#[test]
fn preparing_says_what_failed_and_why() {
    let system = System::new(&[]);
    let said = system.refusal("prepare.sh", &[], &[]);
    assert!(said.contains("lacks: the time zone Asia/Seoul CA certificates bash ps"), "{said}");
    assert!(said.contains("none of dnf, microdnf and apt-get"), "{said}");

    system.package_manager("dnf", "awscli-2");
    let said = system.refusal("prepare.sh", &[("AWS_CLI", "package")], &[]);
    assert!(
        said.contains("no package awscli-2") && said.contains("dnf could not install:"),
        "{said}"
    );
    system.package_manager("dnf", "kubectl");
    let said = system.refusal("prepare.sh", &[("KUBECTL", "package")], &[]);
    assert!(said.contains("is asked for by KUBECTL=v1.34.1"), "{said}");
    for (name, value) in [("SLIM", "maybe"), ("AWS_CLI", "v2")] {
        let said = system.refusal("prepare.sh", &[(name, value)], &[]);
        assert!(said.contains(&format!("{name}={value} is neither")), "{said}");
    }

    // A package that brings nothing of what it should.
    system.program("dnf", "exit 0");
    let said = system.refusal("prepare.sh", &[], &[]);
    assert!(said.contains("these are missing all the same: the locale ko_KR.utf8"), "{said}");
}

/// A release server of two files.
fn releases(system: &System, sum: &str) -> PathBuf {
    let served = system.folder.path().join("served");
    fs::create_dir_all(&served).unwrap();
    fs::write(served.join("kubectl"), "kubectl itself").unwrap();
    fs::write(served.join("kubectl.sha256"), sum).unwrap();
    system.program("uname", "echo aarch64");
    system.program(
        "curl",
        r#"for word; do
               case "$last" in --output) out="$word" ;; esac
               case "$word" in http*) url="$word" ;; esac
               last="$word"
           done
           case "$url" in https://mirror/k8s/v1.34.1/bin/linux/arm64/*) ;; *) echo "404 $url" >&2; exit 22 ;; esac
           cat "$SERVED/${url##*/}" >"$out""#,
    );
    served
}

#[test]
fn a_release_of_kubectl_is_checked_against_its_published_sum() {
    let system = System::new(&["sha256sum", "tr"]);
    let folder = system.folder.path().join("out");
    let out = folder.to_str().unwrap();
    let good = "1d0cc0d2cb7ce2ea6fbafd0ed6ff4e8d2bb7cb7c2c1e4ed2e9b4a3b0a0b6b1f0";
    let served = releases(&system, good);
    let env = |version: &'static str| {
        [
            ("KUBECTL", version),
            ("KUBECTL_URL", "https://mirror/k8s/"),
            ("SERVED", served.to_str().unwrap()),
        ]
    };

    let said = system.refusal("kubectl.sh", &env("v1.34.1"), &[out]);
    assert!(said.contains(&format!("and {good} is published for it")), "{said}");
    assert!(!folder.join("kubectl").exists());

    let sum = Command::new("sha256sum").arg(served.join("kubectl")).output().unwrap();
    fs::write(served.join("kubectl.sha256"), &sum.stdout[..64]).unwrap();
    let output = system.run("kubectl.sh", &env("v1.34.1"), &[out]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(folder.join("kubectl")).unwrap(), "kubectl itself");
    assert_eq!(fs::metadata(folder.join("kubectl")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

    let said = system.refusal("kubectl.sh", &env("v1.0.0"), &[out]);
    assert!(said.contains("cannot download https://mirror/k8s/v1.0.0/"), "{said}");
    let said = system.refusal("kubectl.sh", &env("latest"), &[out]);
    assert!(said.contains("KUBECTL=latest is none of"), "{said}");
}

#[test]
fn no_kubectl_is_an_empty_folder() {
    for word in ["none", "package"] {
        let system = System::new(&[]);
        let folder = system.folder.path().join("out");
        let output = system.run("kubectl.sh", &[("KUBECTL", word)], &[folder.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }
}

/// The binary of a release takes minutes to build: whoever mistyped an option should not wait for it.
#[test]
fn the_image_script_refuses_what_it_cannot_do_before_it_builds_anything() {
    let system = System::new(&[]);
    // An engine without BuildKit, and no Rust.
    system.program("docker", "case $1 in version) echo 28.2.2 ;; info) ;; *) exit 1 ;; esac");
    system.program("cargo", "echo cargo was called; exit 1");
    let path = format!("{}:/usr/bin:/bin", system.bin().display());
    for (arguments, complaint) in [
        (["--tag", "--slim"].as_slice(), "error: --tag needs a value"),
        (&["--simulated", "--base="], "error: --base needs a value"),
        (&["--simulated", "--kubectl", "latest"], "error: --kubectl latest is none of"),
        (&["--simulated", "--aws=v2"], "error: --aws v2 is neither"),
        (&["--simulated", "--platform", "linux/riscv64"], "there is no binary for linux/riscv64"),
        (&["--simulated", "--platform", OTHER_PLATFORM], "the classic builder cannot build for"),
    ] {
        let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/image"))
            .args(arguments)
            .env("PATH", &path)
            .env("CARGO_HOME", system.folder.path())
            .env_remove("DOCKER_BUILDKIT")
            .output()
            .unwrap();
        let said = said(&output);
        assert!(!output.status.success() && said.contains(complaint), "{arguments:?}: {said}");
        assert!(!said.contains("cargo was called"), "{said}");
    }
}

const OTHER_PLATFORM: &str =
    if cfg!(target_arch = "x86_64") { "linux/arm64" } else { "linux/amd64" };

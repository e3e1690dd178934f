//! Finding or building the simulator, and the installers that it makes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock},
};

/// The simulator's two "vendor versions"; `tests/simulator/README.md` has the differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// JDK 8 folder, background start scripts.
    A,
    /// JDK 17 folder, foreground start scripts, files in other shapes.
    B,
}

impl Vendor {
    /// Both of them, for tests that must hold for either.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    fn word(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// The simulator's binary: `JJOBS_SIMULATOR_BIN`, else built by cargo once per test process.
pub fn simulator_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("JJOBS_SIMULATOR_BIN") {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => build(),
    })
}

fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", "jjobs-simulator", "--message-format", "json"])
        .current_dir(workspace)
        .output()
        .expect("cargo cannot be started");
    assert!(
        output.status.success(),
        "the simulator cannot be built:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let path = messages
        .lines()
        .filter_map(|line| line.split_once("\"executable\":\"")?.1.split('"').next())
        .find(|path| path.ends_with("/jjobs-simulator"))
        .expect("cargo names the simulator's binary");
    PathBuf::from(path)
}

/// An installer of that version: made beside the simulator's binary, and made again when that is newer.
pub(crate) fn installer(vendor: Vendor) -> PathBuf {
    static MADE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MADE.lock();
    let binary = simulator_binary();
    let path = binary.with_file_name(format!("jjobs-installer-{}.sh", vendor.word()));
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    if modified(&path) <= modified(binary) {
        // Written beside and moved, since another test process may be at the same.
        let draft = path.with_extension(std::process::id().to_string());
        let made = Command::new(binary)
            .args(["make-installer", "--vendor-version", vendor.word(), "--out"])
            .arg(&draft)
            .output()
            .expect("the simulator cannot be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::rename(&draft, &path).unwrap();
    }
    path
}

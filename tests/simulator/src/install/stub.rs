//! The installer file: a shell script with the simulator's own binary behind its last line, as the vendor's
//! self-extracting installer has its archive.

use std::{env, fs, io, os::unix::fs::PermissionsExt, path::Path};

/// `make-installer --vendor-version {a|b} --out FILE [--binary PATH | --copy PATH]`. With `--binary` the file holds no
/// copy but runs the binary at that path; with `--copy` it holds a copy of that one, which may be for another machine.
pub(crate) fn make(options: &[&str]) -> i32 {
    let option = |name: &str| {
        options.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair.get(1)).copied()
    };
    let (Some(vendor @ ("a" | "b")), Some(out)) = (option("--vendor-version"), option("--out"))
    else {
        eprintln!(
            "usage: jjobs-simulator make-installer --vendor-version {{a|b}} --out FILE [--binary PATH | --copy PATH]"
        );
        return 2;
    };
    match write(vendor, Path::new(out), option("--binary"), option("--copy")) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("cannot write {out}: {error}");
            1
        }
    }
}

fn write(vendor: &str, out: &Path, binary: Option<&str>, copy: Option<&str>) -> io::Result<()> {
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    let content = if let Some(binary) = binary {
        format!(
            "#!/bin/sh\n# A simulated J-Jobs installer; not the vendor's software.\n\
             exec '{binary}' install --sim-vendor {vendor} --sim-temporary '' \"$@\"\n"
        )
        .into_bytes()
    } else {
        let mut content = script(vendor).into_bytes();
        content.extend(match copy {
            Some(copy) => fs::read(copy)?,
            None => fs::read(env::current_exe()?)?,
        });
        content
    };
    fs::write(out, content)?;
    fs::set_permissions(out, fs::Permissions::from_mode(0o755))
}

fn script(vendor: &str) -> String {
    let lines = [
        "#!/bin/sh",
        "# A simulated J-Jobs installer; not the vendor's software. A program follows the last line.",
        "for folder in \"${TMPDIR:-/tmp}\" /tmp /var/tmp /dev/shm; do",
        "    work=$(mktemp -d \"$folder/jjob_installer.XXXXXX\" 2>/dev/null) && break",
        "done",
        "[ -n \"$work\" ] || { echo 'jjob_installer: no folder to unpack to' >&2; exit 1; }",
        "tail -n +@LINE@ \"$0\" > \"$work/setup\" && chmod 700 \"$work/setup\" || exit 1",
        "exec \"$work/setup\" install --sim-vendor @VENDOR@ --sim-temporary \"$work\" \"$@\"",
        "exit 1",
        "",
    ];
    lines.join("\n").replace("@LINE@", &lines.len().to_string()).replace("@VENDOR@", vendor)
}

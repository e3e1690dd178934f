//! `kill -9` of PID 1 at any moment, and a restart on what it left.

use crate::support::{
    BASE, BOOT, Boot, boot_with_database, installs, kind, wait_for_nothing_to_start, wait_until_up,
};
use jjobs_harness::{Container, ContainerBuilder, Vendor};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

#[test]
fn a_kill_in_the_middle_of_an_installation_installs_again() {
    for vendor in Vendor::ALL {
        let builder = kind(vendor, "F", "yes").env("SIM_INSTALL_SECONDS", "60");
        let Some((mut container, _database)) = boot_with_database(builder) else { return };
        container.wait_for_line("[  3/", BOOT);
        container.set_env("SIM_INSTALL_SECONDS", "0");
        let boot = Boot::restart(&mut container);
        boot.wait_for(&container, "all up");
        assert!(boot.wait_for(&container, "installing").text.contains("not installed yet"));
        assert_eq!(installs(&container), 1);
        drop(container);
    }
}

/// What differs from boot to boot in the rounds below.
const ROUNDS: [(&str, &str); 4] = [
    ("JDBC_PARAMETERS", "?a=1&b=<2>"),
    ("JDBC_PARAMETERS", ""),
    ("LOG_KEEP_DATE", "9"),
    ("NETWORKADDRESS_CACHE_TTL", "77"),
];

#[test]
fn a_kill_at_any_moment_of_configuring_leaves_a_tree_that_the_next_boot_completes() {
    let began = Instant::now();
    for vendor in Vendor::ALL {
        let settled = [
            ("JDBC_PARAMETERS", "?x=1"),
            ("LOG_KEEP_DATE", "3"),
            ("NETWORKADDRESS_CACHE_TTL", "5"),
        ];
        let clean = |builder: ContainerBuilder| builder.env("JJOBS_INIT_LOG", "debug");
        let Some(mut container) = clean(kind(vendor, "F", "manual")).boot() else { return };
        wait_for_nothing_to_start(&container);
        let mut delay = 0_u64;
        for round in 0..200_usize {
            if began.elapsed() > Duration::from_secs(8) * (vendor as u32 + 1) {
                break;
            }
            let (name, value) = ROUNDS[round % ROUNDS.len()];
            container.set_env(name, value);
            // Every third one installs first, so that web applications are unpacked anew.
            container.set_env("AGENT_GROUP_ID", (round / 3).to_string());
            let boot = Boot::restart(&mut container);
            boot.wait_for(&container, "step begins step=configure");
            delay = (delay * 5 + 1_237) % 12_000;
            sleep(Duration::from_micros(delay));
        }
        for (name, value) in settled {
            container.set_env(name, value);
        }
        container.set_env("AGENT_GROUP_ID", "0");
        let boot = Boot::restart(&mut container);
        boot.wait_for(&container, "boot finished");

        let fresh = clean(kind(vendor, "F", "manual")).envs(settled);
        let Some(fresh) = fresh.boot() else { return };
        wait_for_nothing_to_start(&fresh);
        let (found, wanted) = (tree(&container), tree(&fresh));
        let names = |tree: &BTreeMap<PathBuf, _>| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&wanted), "{vendor:?}");
        for (path, content) in &wanted {
            assert!(found.get(path) == Some(content), "{vendor:?}: {} differs", path.display());
        }
    }
}

#[test]
fn a_kill_at_any_moment_of_a_boot_leaves_what_the_next_boot_brings_up() {
    for vendor in Vendor::ALL {
        let Some((mut container, _database)) = boot_with_database(kind(vendor, "F", "yes")) else {
            return;
        };
        for round in 0..8 {
            sleep(Duration::from_millis(20 + 60 * round));
            Boot::restart(&mut container);
        }
        let boot = Boot::restart(&mut container);
        boot.wait_for(&container, "all up");
        drop(container);
    }
}

/// Mode and content of everything that is installed, but for what differs from run to run by its nature.
fn tree(container: &Container) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    container.inside(|| {
        let mut found = BTreeMap::new();
        walk(Path::new(BASE), &mut found);
        found.retain(|path, _| {
            let path = path.strip_prefix(BASE).unwrap();
            !path.starts_with(".simulator")
                && path != Path::new(".jjobs-init/installed.json")
                // Remembers what was written before, and that differs.
                && !path.starts_with(".jjobs-init/configured")
        });
        // The note holds the WAR's time, which differs from installation to installation.
        for (path, (_, content)) in &mut found {
            if path.ends_with(".jjobs-init-unpacked") {
                content.clear();
            }
        }
        found
    })
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if !(metadata.is_file() || metadata.is_dir() || metadata.is_symlink()) {
            // The FIFO of a Tomcat's console, which is made when the boot is over.
            continue;
        }
        let content = if metadata.is_file() {
            fs::read(&path).unwrap()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            walk(&path, found);
            Vec::new()
        };
        found.insert(path, (metadata.permissions().mode(), content));
    }
}

#[test]
fn a_second_boot_changes_no_byte_of_the_installed_tree() {
    for vendor in Vendor::ALL {
        let Some(mut container) = kind(vendor, "F", "manual").boot() else { return };
        wait_for_nothing_to_start(&container);
        let before = tree(&container);
        Boot::restart(&mut container).wait_for(&container, "boot finished");
        let after = tree(&container);
        for (path, content) in &before {
            assert!(after.get(path) == Some(content), "{vendor:?}: {} differs", path.display());
        }
        assert_eq!(before.len(), after.len());
        drop(container);
    }
}

#[test]
fn a_boot_after_the_components_ran_comes_up_again() {
    let Some((mut container, _database)) = boot_with_database(kind(Vendor::B, "F", "yes")) else {
        return;
    };
    wait_until_up(&container);
    Boot::restart(&mut container).wait_for(&container, "all up");
    drop(container);
}

//! Archives of all kinds, good and hostile, as they come out of a download.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod download_support;

use download_support::*;
use jjobs_init::{
    boot::{
        cancel::Cancel,
        download::{DownloadError, Outcome, OutcomeKind, run},
        unpack::Refusal,
    },
    exit::ExitCode,
};
use std::{
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
};
use tar::{EntryType, Header};

const MIB: u64 = 1 << 20;

/// Unpacks `data`, called `name`, into `folder`.
fn unpack(name: &str, data: Vec<u8>, folder: &Path) -> Result<Outcome, DownloadError> {
    unpack_up_to(10 * MIB, name, data, folder)
}

fn unpack_up_to(
    max_bytes: u64,
    name: &str,
    data: Vec<u8>,
    folder: &Path,
) -> Result<Outcome, DownloadError> {
    let server = Server::serving(data);
    let mut request = request(&server.url("/x"), folder, name);
    request.max_bytes = max_bytes;
    request.as_root = rustix::process::geteuid().is_root();
    run(&request, &Cancel::default())
}

/// A header and its data, with nothing checked, so that hostile ones can be made.
fn entry(kind: u8, name: &[u8], link: &[u8], data: &[u8]) -> Vec<u8> {
    entry_of_size(kind, name, link, (data, data.len() as u64))
}

fn entry_of_size(kind: u8, name: &[u8], link: &[u8], (data, size): (&[u8], u64)) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(rustix::process::getuid().as_raw().into());
    header.set_gid(rustix::process::getgid().as_raw().into());
    header.set_mtime(1_600_000_000);
    header.set_size(size);
    header.set_entry_type(EntryType::new(kind));
    let bytes = header.as_mut_bytes();
    bytes[..name.len()].copy_from_slice(name);
    bytes[157..157 + link.len()].copy_from_slice(link);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn file(name: &str, data: &str) -> Vec<u8> {
    entry(b'0', name.as_bytes(), b"", data.as_bytes())
}

fn tar_of(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + rest.to_string().len();
        length = rest + length.to_string().len();
        data.extend_from_slice(format!("{length} {key}=").as_bytes());
        data.extend_from_slice(value);
        data.push(b'\n');
    }
    entry(b'x', b"pax", b"", &data)
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn hostile_tars() -> Vec<(&'static str, Vec<u8>)> {
    let many_levels = "d/".repeat(45) + "f";
    let deep: Vec<u8> = "d/".repeat(300).into_bytes();
    vec![
        ("upwards", tar_of(&[file("../evil", "x")])),
        ("upwards inside", tar_of(&[file("a/../../evil", "x")])),
        ("upwards at the end", tar_of(&[entry(b'5', b"a/..", b"", b"")])),
        ("absolute", tar_of(&[file("/tmp/evil", "x")])),
        ("absolute folder", tar_of(&[entry(b'5', b"/evil/", b"", b"")])),
        ("upwards by long name", tar_of(&[entry(b'L', b"L", b"", b"../evil\0"), file("ok", "x")])),
        ("upwards by pax", tar_of(&[pax(&[("path", b"../evil")]), file("ok", "x")])),
        ("nul in a pax name", tar_of(&[pax(&[("path", b"ok\0/../evil")]), file("ok", "x")])),
        (
            "upwards by sparse name",
            tar_of(&[
                pax(&[
                    ("GNU.sparse.name", b"../evil"),
                    ("GNU.sparse.realsize", b"1"),
                    ("GNU.sparse.map", b"0,1"),
                ]),
                file("ok", "x"),
            ]),
        ),
        ("through an own symlink", tar_of(&[entry(b'2', b"l", b"..", b""), file("l/evil", "x")])),
        (
            "through an absolute symlink",
            tar_of(&[entry(b'2', b"l", b"/tmp", b""), file("l/evil", "x")]),
        ),
        (
            "folder through a symlink",
            tar_of(&[entry(b'2', b"l", b"..", b""), entry(b'5', b"l/evil/", b"", b"")]),
        ),
        (
            "symlink through a symlink",
            tar_of(&[entry(b'2', b"l", b"..", b""), entry(b'2', b"l/evil", b"x", b"")]),
        ),
        (
            "through a symlink in a folder",
            tar_of(&[
                entry(b'5', b"a/", b"", b""),
                file("a/f", "x"),
                entry(b'2', b"a/l", b"../..", b""),
                file("a/l/evil", "x"),
            ]),
        ),
        (
            "symlink over a folder, then through it",
            tar_of(&[
                entry(b'5', b"a/", b"", b""),
                entry(b'2', b"a", b"..", b""),
                file("a/evil", "x"),
            ]),
        ),
        (
            "folder over a symlink",
            tar_of(&[entry(b'2', b"a", b"..", b""), entry(b'5', b"a/", b"", b"")]),
        ),
        ("hard link upwards", tar_of(&[entry(b'1', b"h", b"../victim", b"")])),
        ("hard link absolute", tar_of(&[entry(b'1', b"h", b"/etc/passwd", b"")])),
        (
            "hard link through a symlink",
            tar_of(&[entry(b'2', b"l", b"..", b""), entry(b'1', b"h", b"l/victim", b"")]),
        ),
        (
            "hard link to a symlink",
            tar_of(&[entry(b'2', b"l", b"../victim", b""), entry(b'1', b"h", b"l", b"")]),
        ),
        (
            "hard link to a folder",
            tar_of(&[entry(b'5', b"a/", b"", b""), entry(b'1', b"h", b"a", b"")]),
        ),
        ("hard link to a file of the target", tar_of(&[entry(b'1', b"h", b"kept", b"")])),
        ("hard link to nothing", tar_of(&[entry(b'1', b"h", b"a/b/c", b"")])),
        ("character device", tar_of(&[entry(b'3', b"d", b"", b"")])),
        ("block device", tar_of(&[entry(b'4', b"d", b"", b"")])),
        ("named pipe", tar_of(&[entry(b'6', b"p", b"", b"")])),
        ("unknown type", tar_of(&[entry(b'Z', b"z", b"", b"")])),
        ("empty name", tar_of(&[entry(b'0', b"", b"", b"x")])),
        ("the root as a file", tar_of(&[entry(b'2', b"./", b"x", b"")])),
        ("a file as folder", tar_of(&[file("a", "x"), file("a/b", "x")])),
        ("a folder as file", tar_of(&[file("a/b", "x"), file("a", "x")])),
        ("empty symlink", tar_of(&[entry(b'2', b"l", b"", b"")])),
        ("too large", tar_of(&[entry(b'0', b"a", b"", &vec![0; 1 << 20]), file("b", "x")])),
        ("said to be huge", tar_of(&[entry_of_size(b'0', b"a", b"", (b"x", u64::MAX / 2))])),
        (
            "size beyond all numbers",
            tar_of(&[entry_of_size(b'0', b"a", b"", (b"x", i64::MAX as u64))]),
        ),
        ("huge long name", tar_of(&[entry_of_size(b'L', b"L", b"", (b"x", 1 << 33))])),
        (
            "huge hole",
            tar_of(&[
                pax(&[("GNU.sparse.realsize", b"1000000000000"), ("GNU.sparse.map", b"0,1")]),
                file("s", "x"),
            ]),
        ),
        (
            "senseless sparse map",
            tar_of(&[
                pax(&[("GNU.sparse.realsize", b"9"), ("GNU.sparse.map", b"5,1,0,1")]),
                file("s", "xx"),
            ]),
        ),
        ("nested too deep", tar_of(&[entry(b'L', b"L", b"", &deep), file("ok", "x")])),
        ("name too long", tar_of(&[entry(b'L', b"L", b"", &[b'n'; 300]), file("ok", "x")])),
        ("broken pax", tar_of(&[entry(b'x', b"p", b"", b"99 path=a\n"), file("ok", "x")])),
        ("broken checksum", {
            let mut tar = tar_of(&[file("a", "x"), file("b", "x")]);
            tar[1024] ^= 1;
            tar
        }),
        (
            "good first, evil at the end",
            tar_of(&[file(&many_levels, "x"), file("kept", "new"), file("../evil", "x")]),
        ),
        ("long name of nothing", tar_of(&[file("a", "x"), entry(b'L', b"L", b"", b"b\0")])),
        ("no end marker", file("a", "x")),
        ("an HTML page", b"<!DOCTYPE html><html>login</html>".to_vec()),
        ("nothing at all", Vec::new()),
        ("a zip", b"PK\x03\x04".to_vec()),
    ]
}

/// A zip with one entry, raw: `host` and `attributes` as in the central directory.
struct RawZip<'a> {
    name: &'a [u8],
    host: u8,
    attributes: u32,
    flags: u16,
    method: u16,
    data: &'a [u8],
    size: Option<u32>,
}

impl<'a> RawZip<'a> {
    fn new(name: &'a [u8], data: &'a [u8]) -> Self {
        Self { name, host: 3, attributes: 0o100_644 << 16, flags: 0, method: 0, data, size: None }
    }

    fn with(self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self;
        change(&mut changed);
        changed
    }

    fn bytes(&self) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        crc.update(self.data);
        let length = u32::try_from(self.data.len()).unwrap();
        let mut common = Vec::new();
        common.extend(self.flags.to_le_bytes());
        common.extend(self.method.to_le_bytes());
        common.extend([0, 0, 0x21, 0x50]);
        common.extend(crc.sum().to_le_bytes());
        common.extend(length.to_le_bytes());
        common.extend(self.size.unwrap_or(length).to_le_bytes());
        common.extend(u16::try_from(self.name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        let local = [b"PK\x03\x04\x14\0", &common[..], self.name, self.data].concat();
        let mut central = b"PK\x01\x02\x14".to_vec();
        central.extend([self.host, 20, 0]);
        central.extend(&common);
        central.extend([0; 6]);
        central.extend(self.attributes.to_le_bytes());
        central.extend([0; 4]);
        central.extend(self.name);
        let mut end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec();
        end.extend(u32::try_from(central.len()).unwrap().to_le_bytes());
        end.extend(u32::try_from(local.len()).unwrap().to_le_bytes());
        end.extend([0, 0]);
        [local, central, end].concat()
    }
}

fn hostile_zips() -> Vec<(&'static str, Vec<u8>)> {
    let raw = RawZip::new;
    let mut links = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    links.add_symlink("l", "..", options).unwrap();
    links.start_file("l/evil", options).unwrap();
    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["a", "b", "c"] {
        bomb.start_file(name, options).unwrap();
        bomb.write_all(&vec![0; 400 << 10]).unwrap();
    }
    let good = raw(b"a", b"some data").bytes();
    let mut damaged = good.clone();
    damaged[32] ^= 1;
    vec![
        ("upwards", raw(b"../evil", b"x").bytes()),
        ("absolute", raw(b"/tmp/evil", b"x").bytes()),
        ("upwards by backslash", raw(br"..\..\evil", b"x").with(|z| z.host = 0).bytes()),
        ("absolute by backslash", raw(br"\evil", b"x").with(|z| z.host = 0).bytes()),
        ("nul in the name", raw(b"a\0b", b"x").bytes()),
        ("through a symlink", links.finish().unwrap().into_inner()),
        ("device", raw(b"d", b"").with(|z| z.attributes = 0o020_666 << 16).bytes()),
        ("named pipe", raw(b"p", b"").with(|z| z.attributes = 0o010_666 << 16).bytes()),
        ("encrypted", raw(b"a", &[9; 20]).with(|z| z.flags = 1).bytes()),
        ("unknown method", raw(b"a", b"xyz").with(|z| z.method = 77).bytes()),
        ("lzma", raw(b"a", b"xyz").with(|z| z.method = 14).bytes()),
        ("a bomb", bomb.finish().unwrap().into_inner()),
        ("says a smaller size", raw(b"a", b"xyz").with(|z| z.size = Some(1)).bytes()),
        ("says a larger size", raw(b"a", b"xyz").with(|z| z.size = Some(4_000_000_000)).bytes()),
        ("damaged data", damaged),
        ("cut off", good[..good.len() - 10].to_vec()),
        ("an HTML page", b"<html><body>no</body></html>".to_vec()),
        ("nothing at all", Vec::new()),
        ("a gzip", gzip(b"x")),
    ]
}

fn refused(name: &str, what: &str, data: Vec<u8>) {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("target");
    std::fs::create_dir_all(folder.join("a")).unwrap();
    std::fs::write(folder.join("kept"), "old").unwrap();
    std::fs::write(base.path().join("victim"), "untouched").unwrap();
    symlink(base.path(), folder.join("l")).unwrap();
    let before = snapshot(base.path());
    let error = unpack_up_to(MIB, name, data, &folder);
    let Err(error) = error else { panic!("accepted: {what}") };
    assert_eq!(error.exit_code(), ExitCode::ArchiveRefused, "{what}: {error:?}");
    assert_eq!(snapshot(base.path()), before, "{what}");
    assert_eq!(std::fs::metadata(base.path().join("victim")).unwrap().nlink(), 1, "{what}");
}

#[test]
fn hostile_and_broken_archives_are_refused_and_leave_nothing() {
    for (what, data) in hostile_tars() {
        refused("a.tar", what, data.clone());
        refused("a.tar.gz", what, gzip(&data));
    }
    for (what, data) in hostile_zips() {
        refused("a.zip", what, data);
    }
    refused("a.tar.gz", "a plain tar", tar_of(&[file("a", "x")]));
    refused("a.tar", "a gzip", gzip(&tar_of(&[file("a", "x")])));
}

#[test]
fn every_truncation_is_refused() {
    let tar = tar_of(&[
        file("a", "x"),
        entry(b'L', b"L", b"", b"long/name\0"),
        file("b", &"y".repeat(1500)),
    ]);
    // Without its last block it still has an end marker, which GNU tar takes as well.
    for end in (0..tar.len() - 512).step_by(512).chain([100, 600, 1537]) {
        refused("a.tar", &format!("cut at {end}"), tar[..end].to_vec());
        refused("a.tar.gz", &format!("cut at {end}, then compressed"), gzip(&tar[..end]));
    }
    let gz = gzip(&tar);
    for end in (0..gz.len()).step_by(7) {
        refused("a.tar.gz", &format!("compressed, then cut at {end}"), gz[..end].to_vec());
    }
}

#[test]
fn refusals_say_what_arrived_instead() {
    let folder = tempfile::tempdir().unwrap();
    let error = unpack("a.tar.gz", b"<html>login</html>".to_vec(), folder.path()).unwrap_err();
    assert!(matches!(error.refusal(), Some(Refusal::NotWhatItsNameSays { .. })));
    assert!(error.to_string().contains("HTML") && error.hint().is_some());
    let error = unpack("a.tar.gz", tar_of(&[file("a", "x")]), folder.path()).unwrap_err();
    assert!(error.to_string().contains("a plain tar") && error.hint().is_some());
    let error =
        unpack("a.zip", RawZip::new(b"a", &[9; 20]).with(|z| z.flags = 1).bytes(), folder.path())
            .unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::Encrypted));
}

#[test]
fn folders_are_merged_and_files_and_symlinks_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(at("app/conf")).unwrap();
    std::fs::create_dir_all(at("gone")).unwrap();
    std::fs::write(at("app/conf/own"), "own").unwrap();
    std::fs::write(at("app/conf/both"), "old").unwrap();
    std::fs::write(outside.path().join("real"), "real").unwrap();
    symlink(outside.path().join("real"), at("app/file")).unwrap();
    symlink(outside.path(), at("app/logs")).unwrap();
    std::fs::write(at("app/data"), "a file").unwrap();
    let tar = tar_of(&[
        file("app/conf/both", "new"),
        file("app/conf/more", "more"),
        file("app/file", "new"),
        entry(b'5', b"app/logs/", b"", b""),
        file("app/logs/log", "x"),
        file("app/data/inner", "x"),
        file("gone", "a file now"),
    ]);
    // Twice, as the same container's second boot does.
    for _ in 0..2 {
        unpack("a.tar", tar.clone(), folder.path()).unwrap();
    }
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    assert_eq!(read("app/conf/own"), "own");
    assert_eq!(read("app/conf/both"), "new");
    assert_eq!(read("app/conf/more"), "more");
    assert_eq!(read("app/file"), "new");
    assert_eq!(read("app/data/inner"), "x");
    assert_eq!(read("gone"), "a file now");
    assert!(at("app/logs").symlink_metadata().unwrap().is_dir());
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(outside.path().join("real")).unwrap(), "real");
}

#[test]
fn a_file_in_the_place_of_a_full_folder_is_refused_before_anything_moves() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("z/y")).unwrap();
    std::fs::write(folder.path().join("z/y/own"), "own").unwrap();
    let before = snapshot(folder.path());
    let tar = tar_of(&[file("a", "x"), file("z/y", "x")]);
    let error = unpack("a.tar", tar, folder.path()).unwrap_err();
    assert!(matches!(error.refusal(), Some(Refusal::FolderInTheWay(_))), "{error}");
    assert_eq!(snapshot(folder.path()), before);
}

#[test]
fn the_last_of_two_entries_with_one_name_wins_and_linked_files_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let tar = tar_of(&[
        file("a", "one"),
        entry(b'1', b"b", b"a", b""),
        file("a", "two"),
        entry(b'2', b"c", b"x", b""),
        file("c", "f"),
    ]);
    let outcome = unpack("a.tar", tar, folder.path()).unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Unpacked { entries: 5, bytes: 7 });
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!((read("a"), read("b"), read("c")), ("two".into(), "one".into(), "f".into()));
}

#[test]
fn a_limit_that_is_just_met_is_no_limit() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serving(tar_of(&[file("a", "12345"), file("b", "67890")]));
    let mut request = request(&server.url("/x"), folder.path(), "a.tar");
    request.max_bytes = 10;
    run(&request, &Cancel::default()).unwrap();
    request.max_bytes = 9;
    let error = run(&request, &Cancel::default()).unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::TooLarge(9)));
}

#[test]
fn bits_that_raise_rights_are_dropped_and_other_modes_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut entries = Vec::new();
    for (name, mode) in [("suid", 0o6755), ("shut", 0o000), ("open", 0o777), ("read", 0o444)] {
        let mut header = Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_mode(mode);
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_cksum();
        entries.push(header.as_bytes().to_vec());
        header.set_path(format!("d-{name}/")).unwrap();
        header.set_entry_type(EntryType::Directory);
        header.set_cksum();
        entries.push(header.as_bytes().to_vec());
        header.set_path(format!("d-{name}/inner")).unwrap();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_cksum();
        entries.push(header.as_bytes().to_vec());
    }
    // Twice: the second time, folders without any rights stand in the way.
    for _ in 0..2 {
        unpack("a.tar", tar_of(&entries), folder.path()).unwrap();
        for (name, mode) in [("suid", 0o755), ("shut", 0), ("open", 0o777), ("read", 0o444)] {
            for prefix in ["", "d-"] {
                let meta = folder.path().join(format!("{prefix}{name}")).metadata().unwrap();
                assert_eq!(meta.permissions().mode() & 0o7777, mode, "{prefix}{name}");
                assert_eq!(meta.mtime(), 1, "{prefix}{name}");
            }
        }
    }
    // So that the test's folder can be removed by whoever runs it.
    std::fs::set_permissions(folder.path().join("d-shut"), PermissionsExt::from_mode(0o700))
        .unwrap();
}

#[test]
fn the_targets_own_attributes_are_not_the_archives_business() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o2711)).unwrap();
    unpack("a.tar", tar_of(&[entry(b'5', b"./", b"", b""), file("./a", "x")]), folder.path())
        .unwrap();
    assert_eq!(folder.path().metadata().unwrap().permissions().mode() & 0o7777, 0o2711);
    assert!(folder.path().join("a").exists());
}

/// A folder with everything that should survive.
fn rich_tree(root: &Path) {
    let at = |name: &str| root.join(name);
    std::fs::create_dir_all(at("tree/빈 폴더")).unwrap();
    let long = format!("tree/{}/{}", "l".repeat(120), "m".repeat(200));
    std::fs::create_dir_all(at(&long)).unwrap();
    std::fs::write(at(&long).join("파일.txt"), "long").unwrap();
    std::fs::write(at("tree/run.sh"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(at("tree/run.sh"), PermissionsExt::from_mode(0o750)).unwrap();
    std::fs::hard_link(at("tree/run.sh"), at("tree/hard")).unwrap();
    symlink("/nowhere/at/all", at("tree/link")).unwrap();
    symlink("t".repeat(180), at("tree/longlink")).unwrap();
    let mut sparse = std::fs::File::create(at("tree/sparse")).unwrap();
    for hole in 1..30_u64 {
        std::io::Seek::seek(&mut sparse, std::io::SeekFrom::Start(hole * 100_000)).unwrap();
        sparse.write_all(b"data").unwrap();
    }
    sparse.set_len(4_000_000).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(at("tree/run.sh"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::lchown(at("tree/link"), Some(1234), Some(4321)).unwrap();
    }
    let touched = Command::new("find")
        .arg(at("tree"))
        .args(["-depth", "-exec", "touch", "-h", "-d", "@1500000000.25", "{}", "+"])
        .status();
    assert!(touched.unwrap().success());
}

/// What `find` says of a tree: kind, mode, owner, size, link target, links and time.
fn listing(root: &Path, format: &str) -> String {
    let output = Command::new("find")
        .arg("tree")
        .args(["-printf", format])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success());
    let mut lines: Vec<_> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}

#[test]
fn what_gnu_tar_packs_in_any_of_its_formats_comes_out_the_same() {
    let source = tempfile::tempdir().unwrap();
    rich_tree(source.path());
    let formats: [(&str, &[&str], &str); 5] = [
        ("gnu", &["--format=gnu"], "%T@"),
        ("gnu sparse", &["--format=gnu", "-S"], "%T@"),
        ("pax", &["--format=posix"], "%T@"),
        ("pax sparse 1.0", &["--format=posix", "-S"], "%T@"),
        ("pax sparse 0.1", &["--format=posix", "-S", "--sparse-version=0.1"], "%T@"),
    ];
    for (what, options, _) in formats {
        let packed = Command::new("tar")
            .args(options)
            .args(["-cf", "-", "tree"])
            .current_dir(source.path())
            .output()
            .unwrap();
        assert!(packed.status.success(), "{what}");
        let folder = tempfile::tempdir().unwrap();
        unpack("a.tar.gz", gzip(&packed.stdout), folder.path()).unwrap();
        // GNU's own format has whole seconds.
        let time = if what.starts_with("pax") { "%T@" } else { "%Ts" };
        let format = format!("%P|%y|%m|%U:%G|%s|%l|%n|{time}\\n");
        let format =
            if source.path().join("tree").is_dir() { format.replace("|%s|", "|") } else { format };
        assert_eq!(listing(folder.path(), &format), listing(source.path(), &format), "{what}");
        let same = |name: &str| {
            std::fs::read(folder.path().join(name)).unwrap()
                == std::fs::read(source.path().join(name)).unwrap()
        };
        assert!(same("tree/sparse") && same("tree/run.sh"), "{what}");
        if what.contains("sparse") {
            let blocks = folder.path().join("tree/sparse").metadata().unwrap().blocks();
            assert!(blocks * 512 < 3_000_000, "{what}: holes were filled");
        }
    }
}

#[test]
fn what_info_zip_packs_comes_out_the_same() {
    let source = tempfile::tempdir().unwrap();
    rich_tree(source.path());
    let archive = source.path().join("a.zip");
    let Ok(status) = Command::new("zip")
        .args(["-qry"])
        .arg(&archive)
        .arg("tree")
        .current_dir(source.path())
        .status()
    else {
        // The zip crate's own archives are covered elsewhere.
        return;
    };
    assert!(status.success());
    let folder = tempfile::tempdir().unwrap();
    unpack("a.zip", std::fs::read(&archive).unwrap(), folder.path()).unwrap();
    let format = "%P|%y|%m|%U:%G|%l|%Ts\n";
    assert_eq!(listing(folder.path(), format), listing(source.path(), format));
    assert!(
        std::fs::read(folder.path().join("tree/sparse")).unwrap()
            == std::fs::read(source.path().join("tree/sparse")).unwrap()
    );
}

#[test]
fn korean_and_windows_zips_get_their_names() {
    let folder = tempfile::tempdir().unwrap();
    // "한글/설정.txt" in CP949, as Windows Explorer writes it.
    let name = b"\xc7\xd1\xb1\xdb\\\xbc\xb3\xc1\xa4.txt";
    unpack(
        "a.zip",
        RawZip::new(name, b"x")
            .with(|z| {
                z.host = 0;
                z.attributes = 0x20;
            })
            .bytes(),
        folder.path(),
    )
    .unwrap();
    assert_eq!(std::fs::read(folder.path().join("한글/설정.txt")).unwrap(), b"x");
    let mode = folder.path().join("한글/설정.txt").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7111, 0, "made on Windows: no program, no special bits");
}

#[test]
fn padding_and_members_do_not_matter() {
    let tar = tar_of(&[file("a", &"x".repeat(5000)), file("b", "y")]);
    let (one, two) = tar.split_at(2000);
    let cases = [
        ("a.tar", [tar.clone(), vec![0; 10_240]].concat()),
        ("a.tar", [tar.clone(), b"garbage".repeat(2000)].concat()),
        ("a.tar", tar[..tar.len() - 512].to_vec()),
        ("a.tar.gz", [gzip(one), gzip(two)].concat()),
        ("a.tar.gz", [gzip(&tar), vec![0; 1000]].concat()),
    ];
    for (name, data) in cases {
        let folder = tempfile::tempdir().unwrap();
        unpack(name, data, folder.path()).unwrap();
        assert_eq!(std::fs::read(folder.path().join("b")).unwrap(), b"y");
    }
    let mut wrong = gzip(&tar);
    let at = wrong.len() - 6;
    wrong[at] ^= 1;
    refused("a.tar.gz", "wrong checksum at the very end", wrong);
}

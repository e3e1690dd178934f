//! Unpacking an archive into a folder that may hold other things, without trusting the archive.
//!
//! # Theory of operation
//!
//! Everything is written into a hidden [`staging`] folder inside the target, through file
//! descriptors of folders that were opened without following symlinks, so no entry can reach out of
//! it, whatever links the archive makes. Only when the whole archive has been read and found good are
//! the entries moved ([`merge`]) to where they belong, which is mostly one `rename` per top-level entry.
//! A failure before that leaves the target as it was.

mod error;
pub(crate) mod merge;
pub(crate) mod meta;
mod name;
pub(crate) mod sniff;
pub(crate) mod staging;
pub(crate) mod tar;
mod tar_header;
mod tar_pax;
pub(crate) mod tree;
pub(crate) mod zip;
mod zip_meta;

pub use error::{Refusal, UnpackError};

/// What is done with a downloaded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `.zip`: unpacked from a temporary file, because its directory stands at its end.
    Zip,
    /// `.tar`: unpacked while it arrives.
    Tar,
    /// `.tar.gz`: inflated and unpacked while it arrives.
    TarGz,
    /// Anything else, `.tgz` too: kept as it is.
    Plain,
}

impl Kind {
    /// The kind that `file_name` promises; its content is checked against that later.
    #[must_use]
    pub fn of(file_name: &str) -> Self {
        // As they stand: today's scripts do not take `.ZIP` for one either.
        const ENDINGS: [(&str, Kind); 3] =
            [(".zip", Kind::Zip), (".tar", Kind::Tar), (".tar.gz", Kind::TarGz)];
        let found = ENDINGS.iter().find(|(ending, _)| file_name.ends_with(ending));
        found.map_or(Self::Plain, |(_, kind)| *kind)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::{Kind, tar, tree::Tree, zip};
    use std::{fs::File, io::Write};

    /// Unpacks `archive` with some bytes changed, many times; nothing may panic or get out.
    fn survive_damage(archive: &[u8], unpack: impl Fn(&[u8], &mut Tree)) {
        let base = tempfile::tempdir().unwrap();
        let mut seed = 1_u64;
        let mut random = |below: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for _ in 0..1500 {
            let mut damaged = archive.to_vec();
            for _ in 0..=random(4) {
                let at = random(damaged.len());
                damaged[at] = u8::try_from(random(256)).unwrap();
            }
            if random(4) == 0 {
                damaged.truncate(random(archive.len()));
            }
            let root = base.path().join("root");
            std::fs::create_dir(&root).unwrap();
            let mut tree = Tree::new(File::open(&root).unwrap().into(), 1 << 20, false).unwrap();
            unpack(&damaged, &mut tree);
            assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
            std::fs::remove_dir_all(&root).unwrap();
        }
    }

    #[test]
    fn damaged_tars_never_panic() {
        let mut builder = ::tar::Builder::new(Vec::new());
        let mut header = ::tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o644);
        builder.append_data(&mut header, "n".repeat(150), &b"abc"[..]).unwrap();
        builder
            .append_pax_extensions([("mtime", &b"1.5"[..]), ("GNU.sparse.map", b"0,3")])
            .unwrap();
        builder.append_data(&mut header, "a/b", &b"abc"[..]).unwrap();
        let whole = builder.into_inner().unwrap();
        survive_damage(&whole, |data, tree| {
            // With its checksums made right again, so that the damage gets further than them.
            let mut data = data.to_vec();
            for block in
                data.chunks_exact_mut(512).filter(|block| block.get(257..262) == Some(b"ustar"))
            {
                let mut header = ::tar::Header::from_byte_slice(block).clone();
                header.set_cksum();
                block.copy_from_slice(header.as_bytes());
            }
            let _ = tar::unpack(&mut data.as_slice(), tree);
        });
    }

    #[test]
    fn damaged_zips_never_panic() {
        let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        for name in ["a/b", "한글"] {
            writer.start_file(name, options).unwrap();
            writer.write_all(&[b'x'; 300]).unwrap();
        }
        writer.add_symlink("link", "target", options).unwrap();
        let whole = writer.finish().unwrap().into_inner();
        survive_damage(&whole, |data, tree| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(data).unwrap();
            let _ = zip::unpack(&file, tree, &|| Ok(()));
        });
    }

    #[test]
    fn the_name_alone_decides_what_is_unpacked() {
        let cases = [
            ("a.zip", Kind::Zip),
            ("a.tar", Kind::Tar),
            ("a.tar.gz", Kind::TarGz),
            ("a.tgz", Kind::Plain),
            ("a.gz", Kind::Plain),
            ("a.zip.bak", Kind::Plain),
            ("zip", Kind::Plain),
        ];
        for (name, kind) in cases {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }
}

//! What a shell would give its children, written down by one of its children.
//!
//! [`main`] is the small program that the custom command's shell starts at its end: it inherits environment, folder, mask
//! and limits exactly as a component would, and writes them to the pipe that it is told. [`parse`] reads that again.
//! The text is a list of items that end with a NUL, the one byte that no item can hold.

use crate::process::{Surroundings, exec};
use rustix::{
    fs::Mode,
    process::{Rlimit, getrlimit, umask},
};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// The first argument of our binary when it is this program. No operator types it.
pub const ARG: &str = "jjobs-init-capture";

const HEADER: &[u8] = b"jjobs-init-capture 1";
const END: &[u8] = b"end";

/// Writes what it inherited to the pipe named by the first of `args` (those after [`ARG`]); `env` is its environment.
/// Returns the code to exit with.
#[must_use]
pub fn main(
    mut args: impl Iterator<Item = OsString>,
    env: impl Iterator<Item = (OsString, OsString)>,
) -> u8 {
    let pipe = args.next().unwrap_or_default();
    match write(Path::new(&pipe), env) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "jjobs-init: cannot pass on what the custom command exported: {error}"
            );
            1
        }
    }
}

fn write(pipe: &Path, env: impl Iterator<Item = (OsString, OsString)>) -> io::Result<()> {
    let mut text = Vec::new();
    let mut item = |parts: &[&[u8]]| {
        text.extend(parts.concat());
        text.push(0);
    };
    item(&[HEADER]);
    // The folder itself, not what PWD says of it. It may have been removed: then there is no such item.
    if let Ok(folder) = fs::canonicalize(".") {
        item(&[b"folder=", folder.as_os_str().as_bytes()]);
    }
    // The mask can only be read by setting it (umask(2)).
    let mask = umask(Mode::empty());
    item(&[b"umask=", format!("{:o}", mask.bits()).as_bytes()]);
    for (name, resource) in exec::LIMITS {
        let Rlimit { current, maximum } = getrlimit(resource);
        item(&[format!("limit={name}:{}:{}", number(current), number(maximum)).as_bytes()]);
    }
    item(&[b"env"]);
    for (name, value) in env {
        item(&[name.as_bytes(), b"=", value.as_bytes()]);
    }
    item(&[END]);
    OpenOptions::new().write(true).open(pipe)?.write_all(&text)
}

fn number(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

/// What [`main`] wrote; `None` unless it is whole. Only limits that differ from ours are kept.
pub(super) fn parse(text: &[u8]) -> Option<Surroundings> {
    let mut items = text.strip_suffix(b"\0")?.split(|byte| *byte == 0);
    if items.next()? != HEADER || items.next_back()? != END {
        return None;
    }
    let mut surroundings = Surroundings::default();
    for item in items.by_ref().take_while(|item| *item != b"env") {
        let (key, value) = split(item)?;
        match key {
            b"folder" => surroundings.folder = Some(PathBuf::from(OsStr::from_bytes(value))),
            b"umask" => {
                let value = std::str::from_utf8(value).ok()?;
                surroundings.umask = Some(u32::from_str_radix(value, 8).ok()?);
            }
            b"limit" => surroundings.limits.extend(limit(std::str::from_utf8(value).ok()?)),
            _ => {}
        }
    }
    for item in items {
        let (name, value) = split(item)?;
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        surroundings.env.insert(text(name), text(value));
    }
    Some(surroundings)
}

/// Splits at the first `=` after the first byte: a name is never empty.
fn split(item: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = item.iter().skip(1).position(|byte| *byte == b'=')? + 1;
    Some((item.get(..at)?, item.get(at + 1..)?))
}

fn limit(text: &str) -> Option<(String, Option<u64>, Option<u64>)> {
    let mut parts = text.split(':');
    let name = parts.next()?;
    let mut value = || parts.next().and_then(|text| text.parse().ok());
    let (soft, hard) = (value(), value());
    let (_, resource) = exec::LIMITS.iter().find(|(known, _)| *known == name)?;
    let own = getrlimit(*resource);
    (own != Rlimit { current: soft, maximum: hard }).then(|| (name.to_owned(), soft, hard))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    const WHOLE: &[u8] = b"jjobs-init-capture 1\0folder=/a b\0umask=27\0limit=core:17:18\0env\0A=1=2\n\0B=\xff\0C=\0end\0";

    #[test]
    fn what_was_written_is_read_again() {
        let surroundings = parse(WHOLE).unwrap();
        assert_eq!(surroundings.folder.as_deref(), Some(Path::new("/a b")));
        assert_eq!(surroundings.umask, Some(0o27));
        assert_eq!(surroundings.limits, [("core".to_owned(), Some(17), Some(18))]);
        let value = |name: &str| {
            surroundings.env.get(OsStr::new(name)).map(|value| value.as_bytes().to_vec())
        };
        assert_eq!(value("A"), Some(b"1=2\n".to_vec()));
        assert_eq!(value("B"), Some(b"\xff".to_vec()));
        assert_eq!(value("C"), Some(Vec::new()));
    }

    #[test]
    fn anything_that_is_not_whole_is_nothing() {
        for length in 0..WHOLE.len() {
            assert_eq!(parse(&WHOLE[..length]), None, "{length}");
        }
        assert_eq!(parse(b"hello\0end\0"), None);
    }
}

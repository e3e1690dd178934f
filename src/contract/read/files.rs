//! Secrets that stand in files (`…_FILE`), as Kubernetes mounts them.

use super::{
    reader::Reader,
    values::{Refused, absolute_path},
};
use crate::contract::{Source, vars};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// More is no password but the wrong file.
const MAX_BYTES: u64 = 64 * 1024;

/// Why a file gives no secret.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    #[error("this is no regular file")]
    NotAFile,
    #[error("the file is larger than 64 KiB")]
    TooLarge,
    #[error("the file is empty")]
    Empty,
    #[error("the file's content is not UTF-8 text without NUL bytes")]
    NotText,
}

/// The text in `path` without the line breaks at its end.
///
/// Looks before it opens: opening a FIFO would wait for a writer for ever.
fn read_secret(path: &Path) -> Result<String, FileError> {
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::NotAFile);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| FileError::NotText)?;
    let text = text.trim_end_matches(['\r', '\n']);
    match text {
        "" => Err(FileError::Empty),
        text if text.contains('\0') => Err(FileError::NotText),
        text => Ok(text.to_owned()),
    }
}

/// Whether `path` is a file that can be opened now.
pub(super) fn can_be_read(path: &Path) -> Result<(), String> {
    let look = || {
        if fs::metadata(path)?.is_file() {
            File::open(path).map(drop).map_err(FileError::from)
        } else {
            Err(FileError::NotAFile)
        }
    };
    look().map_err(|error| error.to_string())
}

/// The text in `path`, where it can be read; for masking alone.
pub(super) fn secret_for_masking(path: &str) -> Option<String> {
    absolute_path(path).ok().and_then(|path| read_secret(&path).ok())
}

impl Reader<'_> {
    /// The value of `name`, or what stands in the file that `file_name` names, which wins.
    ///
    /// A file that was asked for and gives nothing is refused even if the variable itself is set: the operator moved
    /// the secret there, and the old value would be the wrong one.
    pub(super) fn text_or_file(
        &mut self,
        name: &'static str,
        file_name: &'static str,
    ) -> Option<String> {
        let Some(path) = self.optional(file_name, absolute_path) else {
            if self.is_refused(file_name) {
                return None;
            }
            return self.text(name).map(str::to_owned);
        };
        // The image sets the documented default for everybody: that is nobody's wish.
        let default = vars::find(name).map_or("", |variable| variable.default);
        if self.raw(name).is_some_and(|raw| raw != default) {
            self.warn_of_name(
                name,
                &format!("is set and so is {file_name}: the file wins"),
                Some(format!("remove {name}")),
            );
        }
        match read_secret(&path) {
            Ok(text) => {
                self.note(name, &text, Source::File);
                Some(text)
            }
            Err(error) => {
                self.refuse(file_name, Refused::hinting(error.to_string()));
                None
            }
        }
    }

    /// Says so where the token's file cannot be read now. It is read at every use, so that is no error yet.
    pub(super) fn look_at_token_file(&mut self, path: &Path) {
        if let Err(error) = read_secret(path) {
            let text = "cannot be used yet: hooks and readiness will fail until the token is there";
            self.warn("API_PRIVATE_TOKEN_FILE", text, Some(&error.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn read(content: &[u8]) -> Result<String, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        read_secret(&path)
    }

    #[test]
    fn line_breaks_at_the_end_are_dropped_and_nothing_else() {
        assert_eq!(read(b" pass word \n").unwrap(), " pass word ");
        assert_eq!(read(b"pass\r\n\n").unwrap(), "pass");
        assert_eq!(read(b"a\nb").unwrap(), "a\nb");
    }

    #[test]
    fn what_can_be_no_secret_is_refused() {
        assert!(matches!(read(b""), Err(FileError::Empty)));
        assert!(matches!(read(b"\n"), Err(FileError::Empty)));
        assert!(matches!(read(b"a\0b"), Err(FileError::NotText)));
        assert!(matches!(read(b"\xff\xfe"), Err(FileError::NotText)));
        assert!(matches!(read(&vec![b'x'; 65537]), Err(FileError::TooLarge)));
        assert!(matches!(read_secret(Path::new("/")), Err(FileError::NotAFile)));
        assert!(matches!(read_secret(Path::new("/dev/zero")), Err(FileError::NotAFile)));
        assert!(matches!(read_secret(Path::new("/nonexistent/x")), Err(FileError::Io(_))));
    }
}

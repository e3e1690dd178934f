//! What a file is, by its first bytes: for messages that say what arrived instead of the archive.

/// How many first bytes [`describe`] can use: up to the end of a tar header.
pub(crate) const WANTED: usize = 512;

/// The first two bytes of every gzip member.
pub(crate) const GZIP: &[u8] = b"\x1f\x8b";

const MAGIC: [(&[u8], &str); 8] = [
    (GZIP, "gzip data"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
];

/// Names what starts with `first`.
pub(crate) fn describe(first: &[u8]) -> &'static str {
    if first.is_empty() {
        return "an empty file";
    }
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| first.starts_with(magic)) {
        return name;
    }
    if first.get(257..262) == Some(b"ustar".as_slice()) {
        return "a plain tar archive";
    }
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    let starts =
        |tag: &[u8]| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    if starts(b"<!doctype html") || starts(b"<html") || starts(b"<head") {
        "an HTML page, perhaps of a login or an error"
    } else if starts(b"<") {
        "XML or HTML text"
    } else if starts(b"{") || starts(b"[") {
        "JSON text"
    } else {
        "something else"
    }
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn common_mistakes_are_called_by_their_name() {
        assert_eq!(describe(b""), "an empty file");
        assert_eq!(describe(b"\x1f\x8b\x08"), "gzip data");
        assert_eq!(describe(b"PK\x03\x04"), "a zip archive");
        assert_eq!(
            describe(b"\xef\xbb\xbf\r\n<!DOCTYPE HTML>"),
            "an HTML page, perhaps of a login or an error"
        );
        assert_eq!(describe(b"{\"error\":1}"), "JSON text");
        assert_eq!(describe(b"\0\x01"), "something else");
    }
}

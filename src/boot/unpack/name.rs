//! The names of archive entries, made relative and harmless, or refused.

use super::error::{Refusal, shown};

/// The kernel's `PATH_MAX`, its NUL included.
const LONGEST_PATH: usize = 4095;
/// The kernel's `NAME_MAX` on every file system of interest.
const LONGEST_PART: usize = 255;
/// Real archives stay below thirty. Bounded because moving and removing hold descriptors per level.
pub(crate) const DEEPEST: usize = 200;

/// A checked relative name: parts joined by single slashes, none of them empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryName(Vec<u8>);

impl EntryName {
    /// Checks `raw`. `None` is the archive's root itself (`./`), about which nothing is to be done.
    pub(crate) fn parse(raw: &[u8]) -> Result<Option<Self>, Refusal> {
        if raw.is_empty() {
            return Err(Refusal::EmptyName);
        }
        if raw.contains(&0) {
            return Err(Refusal::Nul);
        }
        if raw.starts_with(b"/") {
            return Err(Refusal::Absolute);
        }
        let mut name = Vec::with_capacity(raw.len());
        let mut depth = 0;
        for part in raw.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
        {
            if part == b".." {
                return Err(Refusal::Upwards);
            }
            if part.len() > LONGEST_PART {
                return Err(Refusal::TooLong);
            }
            if depth > 0 {
                name.push(b'/');
            }
            name.extend_from_slice(part);
            depth += 1;
        }
        if depth > DEEPEST {
            return Err(Refusal::TooDeep(DEEPEST));
        }
        if name.len() > LONGEST_PATH {
            return Err(Refusal::TooLong);
        }
        Ok((depth > 0).then_some(Self(name)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The folder that holds it (empty for the root), and its own last part.
    pub(crate) fn split(&self) -> (&[u8], &[u8]) {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (&[], &self.0),
        }
    }
}

/// Where a hard link of an archive points: a name inside the same archive.
pub(crate) fn hard_link_target(raw: &[u8]) -> Result<EntryName, Refusal> {
    match EntryName::parse(raw) {
        Ok(Some(name)) => Ok(name),
        Ok(None) => Err(Refusal::HardLinkToOther(shown(raw))),
        Err(Refusal::Upwards | Refusal::Absolute) => Err(Refusal::HardLinkOutside(shown(raw))),
        Err(other) => Err(other),
    }
}

/// Checks a symlink's target, which may point anywhere but must be something that can be stored.
pub(crate) fn check_symlink_target(raw: &[u8]) -> Result<(), Refusal> {
    match raw {
        [] => Err(Refusal::EmptyName),
        raw if raw.contains(&0) => Err(Refusal::Nul),
        raw if raw.len() > LONGEST_PATH => Err(Refusal::TooLong),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::*;

    #[test]
    fn harmless_names_are_made_plain() {
        for (raw, plain) in
            [("a", "a"), ("./a//b/./c/", "a/b/c"), ("..a/b..", "..a/b.."), ("한글/글", "한글/글")]
        {
            let name = EntryName::parse(raw.as_bytes()).unwrap().unwrap();
            assert_eq!(name.as_bytes(), plain.as_bytes());
        }
        assert_eq!(EntryName::parse(b"./").unwrap(), None);
        assert_eq!(EntryName::parse(b".").unwrap(), None);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        assert_eq!(EntryName::parse(b"/a"), Err(Refusal::Absolute));
        assert_eq!(EntryName::parse(b"a/../b"), Err(Refusal::Upwards));
        assert_eq!(EntryName::parse(b".."), Err(Refusal::Upwards));
        assert_eq!(EntryName::parse(b""), Err(Refusal::EmptyName));
        assert_eq!(EntryName::parse(b"a\0b"), Err(Refusal::Nul));
        assert_eq!(EntryName::parse(&[b'a'; 256]), Err(Refusal::TooLong));
        assert_eq!(EntryName::parse("a/".repeat(201).as_bytes()), Err(Refusal::TooDeep(DEEPEST)));
    }
}

//! Names and attributes of zip entries, which depend on the system where the archive was made.

use super::meta::Meta;
use std::borrow::Cow;
use zip::{DateTime, ExtraField, System};

const EPOCH_DAYS_TO_1970: i64 = 719_468;
/// Info-ZIP's field for numeric user and group.
const UNIX_OWNER: u16 = 0x7875;

/// What an entry is, by the file type bits of its Unix mode or, failing that, its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZipKind {
    File,
    Folder,
    Symlink,
    /// Anything that no archive of files holds, by its name for people.
    Special(&'static str),
}

/// The name as UTF-8 bytes with `/` between its parts.
///
/// Zips say whether a name is UTF-8, but many writers do not set that bit and write UTF-8 all the same, and
/// Korean Windows writes CP949 without saying so: valid UTF-8 is taken for that, anything else for CP949.
pub(crate) fn name<'a>(
    raw: &[u8],
    system: System,
    mut fields: impl Iterator<Item = &'a ExtraField>,
) -> Vec<u8> {
    let unicode = fields.find_map(|field| match field {
        // Holds the name in UTF-8; its checksum says whether it still belongs to the raw one.
        ExtraField::UnicodePath(path) => path.clone().unwrap_valid(raw).ok(),
        _ => None,
    });
    let name = match unicode {
        Some(name) => name.into_vec(),
        None if std::str::from_utf8(raw).is_ok() => raw.to_vec(),
        None => korean(raw).into_owned().into_bytes(),
    };
    // As unzip does: Windows writers that use backslashes use them alone. Elsewhere it is a letter like others.
    if made_on_windows(system) && !name.contains(&b'/') {
        return name.into_iter().map(|byte| if byte == b'\\' { b'/' } else { byte }).collect();
    }
    name
}

/// CP949, and where it is not even that, what DOS called the OEM code page is lost: replacement characters.
fn korean(raw: &[u8]) -> Cow<'_, str> {
    encoding_rs::EUC_KR.decode_without_bom_handling(raw).0
}

fn made_on_windows(system: System) -> bool {
    matches!(system, System::Dos | System::WindowsNTFS | System::VFAT | System::Os2)
}

/// What the entry is, and its attributes.
pub(crate) fn attributes<'a>(
    name: &[u8],
    (system, external): (System, u32),
    fields: impl Iterator<Item = &'a ExtraField>,
    modified: Option<DateTime>,
) -> (ZipKind, Meta) {
    let mut meta = Meta { modified: modified.map(|time| (seconds(time), 0)), ..Meta::default() };
    for field in fields {
        match field {
            // The entry's own time is local time of nobody knows where, in steps of two seconds.
            ExtraField::ExtendedTimestamp(times) => {
                if let Some(time) = times.mod_time() {
                    meta.modified = Some((i64::from(time.cast_signed()), 0));
                }
            }
            ExtraField::Custom(field) if field.header_id == UNIX_OWNER => {
                meta.owner = owner(&field.data);
            }
            _ => {}
        }
    }
    // Some writers on Windows put a Unix mode into the upper half all the same.
    let unix = external >> 16;
    if unix & 0o777 != 0 || (!made_on_windows(system) && unix != 0) {
        meta.mode = Some(unix & 0o7777);
    }
    let by_name = if name.ends_with(b"/") { ZipKind::Folder } else { ZipKind::File };
    let kind = match unix & 0o170_000 {
        0 if made_on_windows(system) && external & 0x10 != 0 => ZipKind::Folder,
        0o040_000 => ZipKind::Folder,
        0o120_000 => ZipKind::Symlink,
        0o020_000 => ZipKind::Special("a character device"),
        0o060_000 => ZipKind::Special("a block device"),
        0o010_000 => ZipKind::Special("a named pipe"),
        0o140_000 => ZipKind::Special("a socket"),
        _ => by_name,
    };
    (kind, meta)
}

/// Version 1: length and bytes of the user, then of the group, least significant first.
fn owner(data: &[u8]) -> Option<(u32, u32)> {
    let rest = data.strip_prefix(&[1])?;
    let (uid, rest) = sized_number(rest)?;
    let (gid, _) = sized_number(rest)?;
    Some((uid, gid))
}

fn sized_number(data: &[u8]) -> Option<(u32, &[u8])> {
    let (&length, rest) = data.split_first()?;
    let (bytes, rest) = rest.split_at_checked(length.into())?;
    let value = bytes
        .iter()
        .rev()
        .try_fold(0_u64, |sum, byte| Some(sum.checked_mul(256)? + u64::from(*byte)))?;
    let id = u32::try_from(value).ok().filter(|id| *id != u32::MAX)?;
    Some((id, rest))
}

/// Taken as UTC, which is what containers without `TZ` run in.
fn seconds(time: DateTime) -> i64 {
    let (year, month) = (i64::from(time.year()), i64::from(time.month().max(1)));
    // Days from civil: years that begin in March have their leap day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + i64::from(time.day().max(1)) - 1;
    let day = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (day - EPOCH_DAYS_TO_1970) * 86_400
        + i64::from(time.hour()) * 3600
        + i64::from(time.minute()) * 60
        + i64::from(time.second())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::*;

    #[test]
    fn korean_names_are_read_in_either_encoding() {
        let none = || std::iter::empty();
        assert_eq!(name("설정/값.txt".as_bytes(), System::Unix, none()), "설정/값.txt".as_bytes());
        let (cp949, _, _) = encoding_rs::EUC_KR.encode("똠방/각하.txt");
        assert_eq!(name(&cp949, System::Dos, none()), "똠방/각하.txt".as_bytes());
    }

    #[test]
    fn backslashes_are_separators_only_where_windows_made_them_so() {
        let none = || std::iter::empty();
        assert_eq!(name(br"a\b.txt", System::Dos, none()), b"a/b.txt");
        assert_eq!(name(br"a\b/c.txt", System::Dos, none()), br"a\b/c.txt");
        assert_eq!(name(br"a\b.txt", System::Unix, none()), br"a\b.txt");
        assert_eq!(name(br"..\..\b", System::WindowsNTFS, none()), b"../../b");
    }

    #[test]
    fn dos_times_are_counted_right() {
        let time = |y, mo, d, h| seconds(DateTime::from_date_and_time(y, mo, d, h, 0, 0).unwrap());
        assert_eq!(time(1980, 1, 1, 0), 315_532_800);
        assert_eq!(time(2024, 2, 29, 12), 1_709_208_000);
        assert_eq!(time(2000, 3, 1, 0), 951_868_800);
    }

    #[test]
    fn owners_are_read_whatever_their_width() {
        assert_eq!(owner(&[1, 4, 0xe8, 3, 0, 0, 2, 0x64, 0]), Some((1000, 100)));
        assert_eq!(owner(&[1, 8, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2]), Some((1, 2)));
        assert_eq!(owner(&[1, 4, 0xff, 0xff, 0xff, 0xff, 1, 2]), None);
        assert_eq!(owner(&[1, 9, 1]), None);
        assert_eq!(owner(&[]), None);
    }
}

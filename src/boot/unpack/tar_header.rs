//! The fields of a tar header, beyond what the `tar` crate reads: binary and negative numbers, both checksums.

use super::{
    error::{Refusal, UnpackError},
    meta::Meta,
    tar_pax::Records,
};

/// Everything in a tar is padded to this.
pub(crate) const BLOCK: usize = 512;
/// Where the size field lies.
pub(crate) const SIZE: std::ops::Range<usize> = 124..136;
/// Where the entry's type lies.
pub(crate) const TYPE: usize = 156;

/// One header.
pub(crate) type Block = [u8; BLOCK];

/// `size` rounded up to whole blocks.
pub(crate) fn padded(size: u64) -> Result<u64, UnpackError> {
    size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| {
        UnpackError::Archive(Refusal::Damaged("an entry's size makes no sense".to_owned()))
    })
}

/// A header's sum over its bytes with the sum's own field taken as spaces; old writers summed signed bytes.
pub(crate) fn checksum_fits(block: &Block) -> bool {
    let Some(stored) = number(&block[148..156]) else { return false };
    let bytes = || {
        block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte })
    };
    let unsigned: u64 = bytes().map(u64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    stored == unsigned || i64::try_from(stored) == Ok(signed)
}

/// A number field that cannot be negative.
pub(crate) fn number(field: &[u8]) -> Option<u64> {
    signed_number(field)?.try_into().ok()
}

/// A number field: octal digits, or GNU's binary form where the first bit is set. An empty one is 0.
fn signed_number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let start = if first & 0x40 == 0 {
            i128::from(first & 0x3f)
        } else {
            i128::from(first.cast_signed())
        };
        let value = rest.iter().fold(start, |sum, byte| (sum << 8) | i128::from(*byte));
        return value.try_into().ok();
    }
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    if text.is_empty() {
        return Some(0);
    }
    i64::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok().filter(|value| *value >= 0)
}

/// Mode, owner and time, where PAX records win.
pub(crate) fn meta(block: &Block, records: &Records) -> Result<Meta, Refusal> {
    let id = |record: Option<u64>, field: &[u8]| {
        let id = record.or_else(|| number(field)).and_then(|id| u32::try_from(id).ok());
        // The largest one means "leave it" to the system.
        id.filter(|id| *id != u32::MAX)
            .ok_or_else(|| Refusal::Damaged("its owner makes no sense".to_owned()))
    };
    let mode = number(&block[100..108]).and_then(|mode| u32::try_from(mode).ok());
    let modified =
        records.modified.or_else(|| signed_number(&block[136..148]).map(|seconds| (seconds, 0)));
    Ok(Meta {
        mode: Some(mode.ok_or_else(|| Refusal::Damaged("its mode makes no sense".to_owned()))?),
        owner: Some((id(records.uid, &block[108..116])?, id(records.gid, &block[116..124])?)),
        modified,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary_and_may_be_before_1970() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\x01\0\0\0\0\0"), Some(1 << 40));
        assert_eq!(signed_number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), Some(-2));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), None);
        assert_eq!(number(b"0000089\0"), None);
        assert_eq!(number(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }
}

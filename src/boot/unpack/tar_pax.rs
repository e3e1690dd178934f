//! What stands beside a tar header: extended (PAX) records, and where the pieces of a sparse file lie.

use super::error::Refusal;

/// One piece of a sparse file: where it lies in the file, and how many bytes of data it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The records that matter to unpacking, of one entry or (`g`) of all that follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) modified: Option<(i64, u32)>,
    pub(crate) sparse: Sparse,
}

/// GNU's three ways of putting sparse files into PAX records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sparse {
    /// 1.0: the map stands before the data.
    pub(crate) map_in_data: bool,
    /// The file's name; `path` then is a stand-in for programs that know no sparse files.
    pub(crate) name: Option<Vec<u8>>,
    /// The file's size, holes included.
    pub(crate) real_size: Option<u64>,
    /// 0.0 and 0.1: the numbers of the map, offset and length in turn.
    pub(crate) numbers: Vec<u64>,
}

impl Records {
    /// Reads the content of an `x` or `g` entry on top of what `self` holds.
    pub(crate) fn read(&mut self, mut data: &[u8]) -> Result<(), Refusal> {
        let broken = || Refusal::Damaged("a PAX record cannot be read".to_owned());
        while !data.is_empty() {
            // Some writers pad with NULs after the last record.
            if data.iter().all(|byte| *byte == 0) {
                break;
            }
            let space = data.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length: usize =
                decimal(&data[..space]).and_then(|n| n.try_into().ok()).ok_or_else(broken)?;
            let record = data
                .get(space + 1..length)
                .and_then(|r| r.strip_suffix(b"\n"))
                .ok_or_else(broken)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            self.set(&record[..equals], &record[equals + 1..]).ok_or_else(broken)?;
            data = &data[length..];
        }
        Ok(())
    }

    /// Takes one record; `None` if its value makes no sense. An empty value takes an earlier one back.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let text = || Some(value.to_vec()).filter(|value| !value.is_empty());
        let number = || if value.is_empty() { Some(None) } else { decimal(value).map(Some) };
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"mtime" => self.modified = if value.is_empty() { None } else { Some(time(value)?) },
            b"GNU.sparse.major" => self.sparse.map_in_data = value == b"1",
            b"GNU.sparse.name" => self.sparse.name = text(),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.real_size = number()?,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                self.sparse.numbers.push(decimal(value)?);
            }
            b"GNU.sparse.map" => {
                self.sparse.numbers =
                    value.split(|byte| *byte == b',').map(decimal).collect::<Option<_>>()?;
            }
            _ => {}
        }
        Some(())
    }
}

/// Pairs up the numbers of a sparse map and checks it against the file's size and its data.
pub(crate) fn pieces(
    numbers: &[u64],
    real_size: u64,
    data_size: u64,
) -> Result<Vec<Piece>, Refusal> {
    let broken = || Refusal::Damaged("the map of a sparse file makes no sense".to_owned());
    let mut end = 0_u64;
    let mut data = 0_u64;
    let mut pieces = Vec::with_capacity(numbers.len() / 2);
    for pair in numbers.chunks(2) {
        let &[offset, length] = pair else { return Err(broken()) };
        if offset < end {
            return Err(broken());
        }
        end = offset.checked_add(length).ok_or_else(broken)?;
        data = data.checked_add(length).ok_or_else(broken)?;
        pieces.push(Piece { offset, length });
    }
    if end > real_size || data != data_size {
        return Err(broken());
    }
    Ok(pieces)
}

/// A decimal number, all of it.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `[-]seconds[.fraction]`. Before 1970 the fraction still counts towards zero: -1.5 is 1.5 s before.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let dot = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let seconds: i64 = decimal(&text[..dot])?.try_into().ok()?;
    let fraction = text.get(dot + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanoseconds =
        (0..9).fold(0, |sum, at| sum * 10 + u32::from(fraction.get(at).map_or(0, |d| d - b'0')));
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::*;

    #[test]
    fn records_of_one_header_are_read_and_unknown_ones_ignored() {
        let mut records = Records::default();
        records.read(b"12 path=a/b\n23 mtime=1700000000.25\n12 foo=bar1\n").unwrap();
        assert_eq!(records.path.as_deref(), Some(b"a/b".as_slice()));
        assert_eq!(records.modified, Some((1_700_000_000, 250_000_000)));
    }

    #[test]
    fn damaged_records_are_refused_and_never_read_past_the_end() {
        for data in
            ["9999 path=a\n", "x", "3 a", "0 path=a\n", "10 path=ab", "11 size=abc\n", "5 abc\n"]
        {
            assert!(Records::default().read(data.as_bytes()).is_err(), "{data}");
        }
    }

    #[test]
    fn times_before_1970_keep_their_fraction() {
        assert_eq!(time(b"-1.5"), Some((-2, 500_000_000)));
        assert_eq!(time(b"-3"), Some((-3, 0)));
        assert_eq!(time(b"7.123456789012"), Some((7, 123_456_789)));
        assert_eq!(time(b"1e9"), None);
    }

    #[test]
    fn a_sparse_map_must_fit_its_file() {
        assert!(pieces(&[0, 10, 20, 5], 30, 15).is_ok());
        assert!(pieces(&[0, 10, 5, 5], 30, 15).is_err());
        assert!(pieces(&[0, 10], 5, 10).is_err());
        assert!(pieces(&[0, 10], 10, 9).is_err());
        assert!(pieces(&[0], 10, 0).is_err());
        assert!(pieces(&[u64::MAX, 2], 10, 2).is_err());
    }
}

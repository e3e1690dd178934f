//! Three-way merge: what an operator changed by hand in a file that we had configured, carried over to the vendor's file.
//!
//! Lines first, then, where both sides changed the same lines, words. What even then is changed by both stays as the
//! operator left it.

/// Above this many comparisons two ranges count as wholly different: the cost stays bounded, the operator's text stays.
const MAX_COMPARISONS: usize = 4_000_000;

/// `mine` and `theirs` both come from `base`; the result has the changes of both, and theirs where they clash.
pub(crate) fn merge(base: &[u8], mine: &[u8], theirs: &[u8]) -> Vec<u8> {
    let mut merged = Vec::with_capacity(theirs.len());
    for chunk in chunks(&lines(base), &lines(mine), &lines(theirs)) {
        merged.extend(chunk.resolve(|clash| {
            let (base, mine, theirs) =
                (clash.base.concat(), clash.mine.concat(), clash.theirs.concat());
            chunks(&words(&base), &words(&mine), &words(&theirs))
                .iter()
                .flat_map(|chunk| chunk.resolve(|clash| clash.theirs.concat()))
                .collect()
        }));
    }
    merged
}

/// A stretch between two places where all three agree, or such a place.
struct Chunk<'c, 't> {
    base: &'c [&'t [u8]],
    mine: &'c [&'t [u8]],
    theirs: &'c [&'t [u8]],
}

impl Chunk<'_, '_> {
    fn resolve(&self, clash: impl Fn(&Self) -> Vec<u8>) -> Vec<u8> {
        if self.mine == self.base || self.mine == self.theirs {
            self.theirs.concat()
        } else if self.theirs == self.base {
            self.mine.concat()
        } else {
            clash(self)
        }
    }
}

fn chunks<'c, 't>(
    base: &'c [&'t [u8]],
    mine: &'c [&'t [u8]],
    theirs: &'c [&'t [u8]],
) -> Vec<Chunk<'c, 't>> {
    let (in_mine, in_theirs) = (matches(base, mine), matches(base, theirs));
    let mut chunks = Vec::new();
    let (mut base_at, mut mine_at, mut theirs_at) = (0, 0, 0);
    for index in 0..base.len() {
        if let (Some(mine_index), Some(theirs_index)) = (in_mine[index], in_theirs[index]) {
            chunks.push(Chunk {
                base: &base[base_at..index],
                mine: &mine[mine_at..mine_index],
                theirs: &theirs[theirs_at..theirs_index],
            });
            chunks.push(Chunk {
                base: &base[index..=index],
                mine: &mine[mine_index..=mine_index],
                theirs: &theirs[theirs_index..=theirs_index],
            });
            (base_at, mine_at, theirs_at) = (index + 1, mine_index + 1, theirs_index + 1);
        }
    }
    chunks.push(Chunk {
        base: &base[base_at..],
        mine: &mine[mine_at..],
        theirs: &theirs[theirs_at..],
    });
    chunks
}

/// For each part of `base` its place in `other`, along a longest common subsequence.
fn matches(base: &[&[u8]], other: &[&[u8]]) -> Vec<Option<usize>> {
    let mut found = vec![None; base.len()];
    let prefix = base.iter().zip(other).take_while(|(a, b)| a == b).count();
    let left = base.len().min(other.len()) - prefix;
    let suffix =
        base.iter().rev().zip(other.iter().rev()).take(left).take_while(|(a, b)| a == b).count();
    for (index, place) in found.iter_mut().enumerate().take(prefix) {
        *place = Some(index);
    }
    for distance in 1..=suffix {
        found[base.len() - distance] = Some(other.len() - distance);
    }
    let middle = &base[prefix..base.len() - suffix];
    let other_middle = &other[prefix..other.len() - suffix];
    let width = other_middle.len() + 1;
    if middle.len().saturating_mul(width) > MAX_COMPARISONS {
        return found;
    }
    let mut lengths = vec![0_u32; (middle.len() + 1) * width];
    for i in (0..middle.len()).rev() {
        for j in (0..other_middle.len()).rev() {
            lengths[i * width + j] = if middle[i] == other_middle[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < middle.len() && j < other_middle.len() {
        if middle[i] == other_middle[j] {
            found[prefix + i] = Some(prefix + j);
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').collect()
}

/// Letters and digits together, every other byte for itself.
fn words(bytes: &[u8]) -> Vec<&[u8]> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    bytes.chunk_by(|a, b| is_letter(a) && is_letter(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn changes_in_different_lines_are_both_kept() {
        assert_eq!(merge(b"1\n2\n3\n", b"one\n2\n3\n", b"1\n2\nthree\n"), b"one\n2\nthree\n");
    }

    #[test]
    fn changes_in_one_line_are_both_kept_where_they_concern_different_words() {
        let written = b"<File fileName=\"/logs/jjobs-0/a.log\" size=\"10MB\"/>";
        let vendor = b"<File fileName=\"/logs001/jjobs/a.log\" size=\"10MB\"/>";
        let edited = b"<File fileName=\"/logs/jjobs-0/a.log\" size=\"99MB\"/>";
        assert_eq!(
            merge(written, vendor, edited),
            b"<File fileName=\"/logs001/jjobs/a.log\" size=\"99MB\"/>"
        );
    }

    #[test]
    fn a_clash_stays_as_the_operator_left_it() {
        assert_eq!(merge(b"a=1\n", b"a=0\n", b"a=2\n"), b"a=2\n");
    }

    proptest! {
        #[test]
        fn one_side_alone_is_taken_as_it_is(base in "[ab \n]{0,40}", other in "[ab \n]{0,40}") {
            let (base, other) = (base.as_bytes(), other.as_bytes());
            prop_assert_eq!(merge(base, other, base), other);
            prop_assert_eq!(merge(base, base, other), other);
            prop_assert_eq!(merge(base, other, other), other);
        }
    }
}

//! Hiding secrets in what we print, also where a secret arrives in pieces.
//!
//! The set of secrets grows while we run: decrypted values and rotated tokens are learned later. All copies of a [`Mask`] share
//! it, and every [`StreamMask`] uses the newest at its next piece.

use super::forms;
use crate::contract::secret::Secret;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Shorter values would hide ordinary words.
pub(super) const SHORTEST: usize = 6;

/// Nobody's password is longer; a file given by mistake must not become a search tree of its size.
const LONGEST: usize = 64 << 10;

/// What a secret is replaced with.
const REDACTED: &[u8] = b"[redacted]";

/// The secrets to hide; cheap to clone, all clones share one set.
#[derive(Debug, Clone, Default)]
pub struct Mask(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    version: AtomicU64,
    current: RwLock<Arc<Patterns>>,
    /// Held while a secret is added, so that two additions do not lose one another.
    adding: Mutex<()>,
}

/// All forms of all secrets, and the machine that finds them.
#[derive(Default)]
struct Patterns {
    sorted: Vec<Vec<u8>>,
    longest: usize,
    machine: Option<AhoCorasick>,
}

impl Mask {
    /// Hides nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hides `secret`, and the forms it takes when escaped, from here on. Values below 6 bytes are not hidden: they would hide
    /// ordinary words. White space around a value is not part of it.
    pub fn add(&self, secret: &Secret) {
        self.add_all([secret]);
    }

    /// The same for several at once.
    pub fn add_all<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) {
        let _guard = self.0.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.current();
        let mut patterns = known.sorted.clone();
        for secret in secrets {
            let Some(core) = core_of(secret.expose()) else { continue };
            patterns.extend(forms::all(core).into_iter().map(String::into_bytes));
        }
        patterns.sort_unstable();
        patterns.dedup();
        if patterns.len() == known.sorted.len() {
            return;
        }
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Patterns::new(patterns));
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// `text` with every secret hidden.
    #[must_use]
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let patterns = self.current();
        if patterns.machine.as_ref().is_none_or(|machine| !machine.is_match(text)) {
            return Cow::Borrowed(text);
        }
        let mut masked = Vec::with_capacity(text.len());
        patterns.mask(text.as_bytes(), End::Known, &mut masked);
        // Secrets are whole UTF-8 texts, so what is left between them is UTF-8 too.
        Cow::Owned(String::from_utf8_lossy(&masked).into_owned())
    }

    /// Masks one stream of bytes.
    #[must_use]
    pub fn stream(&self) -> StreamMask {
        StreamMask { mask: self.clone(), version: 0, patterns: Arc::default(), held: Vec::new() }
    }

    fn current(&self) -> Arc<Patterns> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Masks bytes that arrive in pieces: pushing any pieces gives what masking the whole would.
#[derive(Debug)]
pub struct StreamMask {
    mask: Mask,
    version: u64,
    patterns: Arc<Patterns>,
    /// The end of what was pushed, as long as it may be the beginning of a secret.
    held: Vec<u8>,
}

impl StreamMask {
    /// Appends to `out` what is decided after `bytes`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.refresh();
        if self.held.is_empty() {
            let decided = self.patterns.mask(bytes, End::MoreMayCome, out);
            self.held.extend_from_slice(&bytes[decided..]);
        } else {
            self.held.extend_from_slice(bytes);
            let decided = self.patterns.mask(&self.held, End::MoreMayCome, out);
            self.held.drain(..decided);
        }
        if self.held.is_empty() {
            // Thousands of quiet streams keep nothing.
            self.held = Vec::new();
        }
    }

    /// Appends to `out` what was held back: nothing more will come.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.refresh();
        let held = std::mem::take(&mut self.held);
        self.patterns.mask(&held, End::Known, out);
    }

    fn refresh(&mut self) {
        let version = self.mask.0.version.load(Ordering::Acquire);
        if version != self.version {
            self.patterns = self.mask.current();
            self.version = version;
        }
    }
}

/// Whether more bytes may follow those at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Known,
    MoreMayCome,
}

impl Patterns {
    fn new(sorted: Vec<Vec<u8>>) -> Self {
        let longest = sorted.iter().map(Vec::len).max().unwrap_or(0);
        // Leftmost-longest, so that of two secrets of which one begins with the other, the whole longer one goes. This kind
        // takes a few bytes for each byte of a secret where the fastest would take a thousand. It fails only beyond 2³¹ states.
        let machine = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&sorted)
            .ok();
        Self { sorted, longest, machine }
    }

    /// Appends `bytes`, masked, to `out`, up to where it is undecided whether a secret begins; returns that place.
    fn mask(&self, bytes: &[u8], end: End, out: &mut Vec<u8>) -> usize {
        let mut done = 0;
        let mut open = self.open_end(bytes, 0, end);
        if let Some(machine) = &self.machine {
            for found in machine.find_iter(bytes) {
                // A secret that may begin before this one wins over it, and one that begins with it may be longer.
                if found.start() >= open {
                    break;
                }
                out.extend_from_slice(&bytes[done..found.start()]);
                out.extend_from_slice(REDACTED);
                done = found.end();
                if open < done {
                    open = self.open_end(bytes, done, end);
                }
            }
        }
        out.extend_from_slice(&bytes[done..open]);
        open
    }

    /// The first place from `from` on where the rest of `bytes` is the beginning of a secret.
    fn open_end(&self, bytes: &[u8], from: usize, end: End) -> usize {
        if end == End::Known {
            return bytes.len();
        }
        let earliest = (bytes.len() + 1).saturating_sub(self.longest).max(from);
        (earliest..bytes.len()).find(|&at| self.is_beginning(&bytes[at..])).unwrap_or(bytes.len())
    }

    fn is_beginning(&self, rest: &[u8]) -> bool {
        // Those that begin with `rest` follow one another, from where it would stand itself.
        let next = self.sorted.partition_point(|pattern| pattern.as_slice() <= rest);
        self.sorted.get(next).is_some_and(|pattern| pattern.starts_with(rest))
    }
}

impl std::fmt::Debug for Patterns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} patterns", self.sorted.len())
    }
}

/// The part of a value that is hidden: without the white space that files end with, if that leaves enough.
fn core_of(value: &str) -> Option<&str> {
    let trimmed = value.trim();
    let core = if trimmed.len() < SHORTEST { value } else { trimmed };
    (core.len() >= SHORTEST).then(|| &core[..core.floor_char_boundary(LONGEST)])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use proptest::prelude::*;

    fn mask(secrets: &[&str]) -> Mask {
        let mask = Mask::new();
        mask.add_all(&secrets.iter().map(|text| Secret::new(*text)).collect::<Vec<_>>());
        mask
    }

    fn in_pieces<'a>(mask: &Mask, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut stream = mask.stream();
        let mut out = Vec::new();
        for piece in pieces {
            stream.push(piece, &mut out);
        }
        stream.finish(&mut out);
        out
    }

    fn text(mask: &Mask, pieces: &[&str]) -> String {
        String::from_utf8(in_pieces(mask, pieces.iter().map(|piece| piece.as_bytes()))).unwrap()
    }

    #[test]
    fn a_secret_that_arrives_byte_by_byte_is_hidden() {
        let mask = mask(&["jjobs4321"]);
        let whole = b"pw=jjobs4321; jjobs432 stays";
        assert_eq!(in_pieces(&mask, whole.chunks(1)), b"pw=[redacted]; jjobs432 stays");
    }

    #[test]
    fn only_what_may_become_a_secret_is_held_back() {
        let mut stream = mask(&["password"]).stream();
        let mut out = Vec::new();
        stream.push(b"my pass", &mut out);
        assert_eq!(out, b"my ");
        stream.push(b"port", &mut out);
        assert_eq!(out, b"my passport");
    }

    #[test]
    fn of_two_secrets_with_the_same_beginning_the_longer_one_goes_whole() {
        let mask = mask(&["secret", "secret-and-more"]);
        assert_eq!(text(&mask, &["a secret-and-", "more b"]), "a [redacted] b");
        assert_eq!(text(&mask, &["a secret-and-", "less b"]), "a [redacted]-and-less b");
        assert_eq!(text(&mask, &["a secret-and"]), "a [redacted]-and");
    }

    #[test]
    fn overlapping_secrets_leave_none_of_them() {
        let mask = mask(&["abcdefgh", "efghijkl"]);
        assert_eq!(text(&mask, &["xabcd", "efgh", "ijkl"]), "x[redacted]ijkl");
        assert_eq!(text(&mask, &["xabcdefg-efgh", "ijkl"]), "xabcdefg-[redacted]");
    }

    #[test]
    fn a_secret_of_several_lines_is_hidden_with_either_line_ending() {
        let mask = mask(&["-----BEGIN-----\nMIIB\n-----END-----\n"]);
        assert_eq!(
            text(&mask, &["a\n-----BEGIN-----\nMI", "IB\n-----END-----\nb"]),
            "a\n[redacted]\nb"
        );
        assert_eq!(text(&mask, &["-----BEGIN-----\r\nMIIB\r\n", "-----END-----"]), "[redacted]");
    }

    #[test]
    fn characters_that_mean_something_elsewhere_mean_nothing_here() {
        let secret = r#"a.*[b]$(c)`d`&<e>"'\%/"#;
        let mask = mask(&[secret]);
        assert_eq!(text(&mask, &[secret, "-axx"]), "[redacted]-axx");
        assert_eq!(
            text(&mask, &["url=\"a.*[b]$(c)`d`&amp;&lt;e&gt;&quot;&apos;\\%/\""]),
            "url=\"[redacted]\""
        );
    }

    #[test]
    fn short_values_hide_nothing() {
        let mask = mask(&["", "yes", "12345"]);
        assert_eq!(text(&mask, &["yes 12345"]), "yes 12345");
    }

    #[test]
    fn white_space_around_a_value_is_not_part_of_it() {
        assert_eq!(text(&mask(&["token-from-file\n"]), &["<token-from-file>"]), "<[redacted]>");
    }

    #[test]
    fn a_secret_learned_later_is_hidden_in_streams_that_exist() {
        let mask = mask(&["first-secret"]);
        let mut stream = mask.stream();
        let mut out = Vec::new();
        stream.push(b"rotated-token ", &mut out);
        mask.clone().add(&Secret::new("rotated-token"));
        stream.push(b"rotated-token first-secret", &mut out);
        assert_eq!(out, b"rotated-token [redacted] [redacted]");
        assert_eq!(mask.hide("rotated-token 한글"), "[redacted] 한글");
    }

    #[test]
    fn a_value_beyond_reason_costs_little_and_is_hidden_as_far_as_we_look() {
        let huge = "0123456789abcdef".repeat(1 << 16);
        let mask = mask(&[&huge]);
        assert_eq!(mask.hide(&huge[..LONGEST]), "[redacted]");
    }

    /// Few letters, so that secrets overlap and begin alike often.
    fn word(len: std::ops::Range<usize>) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!['a', 'b', '&', '\n', '/']), len)
            .prop_map(|letters| letters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives_and_no_secret_survives(
            secrets in prop::collection::vec(word(6..12), 1..5),
            noise in prop::collection::vec((word(0..9), 0..5_usize), 0..12),
            cuts in prop::collection::vec(1..9_usize, 1..40),
        ) {
            let mask = Mask::new();
            mask.add_all(&secrets.iter().map(Secret::new).collect::<Vec<_>>());
            let mut whole = String::new();
            for (word, pick) in &noise {
                whole.push_str(word);
                whole.push_str(secrets.get(*pick).map_or("", String::as_str));
            }
            let whole = whole.as_bytes();

            let mut pieces = Vec::new();
            let mut rest = whole;
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (piece, left) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            let masked = in_pieces(&mask, pieces);

            prop_assert_eq!(&masked, &in_pieces(&mask, [whole]));
            let masked = String::from_utf8(masked).unwrap();
            prop_assert_eq!(&masked, &mask.hide(std::str::from_utf8(whole).unwrap()));
            for core in secrets.iter().filter_map(|secret| core_of(secret)) {
                prop_assert!(!masked.contains(core), "{:?} survived in {:?}", core, masked);
            }
        }
    }
}

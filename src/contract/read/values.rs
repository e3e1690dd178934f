//! Reading single values. Each function knows one kind of value and nothing of variables.

use crate::contract::jdbc::{is_host_name, is_ipv6};
use std::{
    net::SocketAddr,
    path::{Component, Path, PathBuf},
    time::Duration,
};

/// Why a value is not taken: what it must be stands in the table of variables, here is what was probably meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) hint: Option<String>,
}

impl Refused {
    /// With a hint.
    pub(super) fn hinting(hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()) }
    }

    /// With what was meant, if that can be guessed.
    fn meaning(word: Option<&str>) -> Self {
        Self { hint: word.map(|word| format!("did you mean {word}?")) }
    }
}

/// A value or why not.
pub(super) type Parsed<T> = Result<T, Refused>;

/// The longest duration taken: more is a mistake, and far from where adding it to a clock overflows.
const MAX_SECONDS: u64 = 365 * 24 * 3600;

/// The longest path that Linux opens, without its closing NUL.
const MAX_PATH: usize = 4095;

/// The longest file name that Linux file systems take.
const MAX_NAME: usize = 255;

/// One of `words`; `meant` says what other words in use elsewhere mean.
pub(super) fn choice<T: Copy>(
    text: &str,
    words: &[(&str, T)],
    meant: &[(&str, &str)],
) -> Parsed<T> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let lower = text.trim().trim_matches(['"', '\'']).to_lowercase();
    // Aliases first: `PostgreSQL` means `postgres`, though `postgresql` is understood too.
    let same = words.iter().map(|(word, _)| *word).find(|word| word.to_lowercase() == lower);
    let alias = || meant.iter().find(|(word, _)| *word == lower).map(|(_, word)| *word);
    let near = || nearest(&lower, words.iter().map(|(word, _)| *word));
    Err(Refused::meaning(alias().or(same).or_else(near)))
}

/// The word nearest to `text`, if it is near enough to be what was meant.
pub(super) fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // A longer text is no slip of the pen, and comparing takes the product of the lengths.
    if !(3..=64).contains(&text.chars().count()) {
        return None;
    }
    words
        .filter(|word| word.len() >= 3)
        .map(|word| (strsim::damerau_levenshtein(text, word), word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `Y` or `N`.
pub(super) fn flag(text: &str) -> Parsed<bool> {
    choice(
        text,
        &[("Y", true), ("N", false)],
        &[("yes", "Y"), ("true", "Y"), ("1", "Y"), ("no", "N"), ("false", "N"), ("0", "N")],
    )
}

/// A number of plain digits.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The hint for a number with something around it.
fn number(text: &str) -> Parsed<u64> {
    digits(text).ok_or_else(|| {
        let bare = text.trim().trim_matches(['"', '\'']).trim();
        Refused {
            hint: digits(bare).map(|_| format!("did you mean {bare}, without what is around it?")),
        }
    })
}

/// A whole number, not negative.
pub(super) fn count(text: &str) -> Parsed<u64> {
    number(text)
}

/// Seconds for Java's DNS cache: -1 or more.
pub(super) fn cache_seconds(text: &str) -> Parsed<i32> {
    if text == "-1" {
        return Ok(-1);
    }
    number(text)?.try_into().map_err(|_| Refused::hinting("Java takes at most 2147483647"))
}

/// A TCP port from 1 to `max`.
fn port_up_to(text: &str, max: u16) -> Parsed<u16> {
    if ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Err(Refused::hinting(
            "Kubernetes sets this variable itself for a service of that name (a service link); give it a value in the \
             manifest, which wins, or set enableServiceLinks: false in the pod spec, or rename the service",
        ));
    }
    let port = number(text)?;
    u16::try_from(port).ok().filter(|port| (1..=max).contains(port)).ok_or_else(Refused::default)
}

/// A TCP port.
pub(super) fn port(text: &str) -> Parsed<u16> {
    port_up_to(text, u16::MAX)
}

/// The first of five TCP ports.
pub(super) fn first_of_five_ports(text: &str) -> Parsed<u16> {
    port_up_to(text, u16::MAX - 4)
}

/// `90`, `90s`, `10m` or `2h`.
pub(super) fn duration(text: &str) -> Parsed<Duration> {
    let (amount, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    match digits(amount).and_then(|amount| amount.checked_mul(unit)) {
        Some(seconds) if seconds <= MAX_SECONDS => Ok(Duration::from_secs(seconds)),
        Some(_) => Err(Refused::hinting("that is longer than 365 days")),
        None => Err(Refused { hint: meant_duration(text) }),
    }
}

/// What `90 sec`, `10min`, `2H` probably mean.
fn meant_duration(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let at = lower.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0).unwrap_or(lower.len());
    let (amount, unit) = lower.split_at(at);
    let unit = match unit.trim() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        _ => return None,
    };
    digits(amount).map(|amount| format!("did you mean {amount}{unit}?"))
}

/// A duration above 0.
pub(super) fn positive_duration(text: &str) -> Parsed<Duration> {
    let duration = duration(text)?;
    if duration.is_zero() {
        Err(Refused::hinting("leave it unset for the default"))
    } else {
        Ok(duration)
    }
}

/// A size above 0, with or without `K`, `Ki`, `KiB` and so on.
pub(super) fn size(text: &str) -> Parsed<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (amount, unit) = text.split_at(at);
    let shift = match unit {
        "" | "B" => 0,
        "K" | "Ki" | "KiB" => 10,
        "M" | "Mi" | "MiB" => 20,
        "G" | "Gi" | "GiB" => 30,
        "T" | "Ti" | "TiB" => 40,
        _ => {
            let letter = unit
                .trim()
                .chars()
                .next()
                .map(|c| c.to_ascii_uppercase())
                .filter(|c| "KMGT".contains(*c));
            let meant = letter.filter(|_| digits(amount).is_some());
            return Err(Refused {
                hint: meant.map(|letter| format!("did you mean {amount}{letter}iB?")),
            });
        }
    };
    digits(amount)
        .and_then(|amount| amount.checked_mul(1_u64 << shift))
        .filter(|size| *size > 0)
        .ok_or_else(Refused::default)
}

/// An absolute path without `..` and control characters, without doubled or trailing slashes.
pub(super) fn absolute_path(text: &str) -> Parsed<PathBuf> {
    let path = Path::new(text);
    let hint = if text.chars().any(char::is_control) {
        "there is a control character in the path, perhaps a line break at its end"
    } else if text.contains("$(") || text.contains("${") {
        "a variable in it was not replaced"
    } else if !path.is_absolute() {
        "the path does not begin with /"
    } else if path.components().any(|component| component == Component::ParentDir) {
        "write the path without .."
    } else if text.len() > MAX_PATH
        || path.components().any(|part| part.as_os_str().len() > MAX_NAME)
    {
        "Linux takes no path this long"
    } else {
        return Ok(path.components().collect());
    };
    Err(Refused::hinting(hint))
}

/// A folder that we or the vendor's scripts write to: not one that belongs to the system.
pub(super) fn own_folder(text: &str) -> Parsed<PathBuf> {
    const SYSTEM: [&str; 14] = [
        "/", "/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/run", "/sbin",
        "/usr", "/usr/bin", "/usr/lib", "/var",
    ];
    let path = absolute_path(text)?;
    let virtual_file_system = ["/dev", "/proc", "/sys"].iter().any(|root| path.starts_with(root));
    if SYSTEM.iter().any(|system| path == Path::new(system))
        || virtual_file_system && !path.starts_with("/dev/shm/")
    {
        return Err(Refused::hinting(
            "this folder belongs to the system: name one below it or elsewhere",
        ));
    }
    Ok(path)
}

/// The name of a file in a folder that is known.
pub(super) fn file_name(text: &str) -> Parsed<String> {
    let hint = if text.contains('/') {
        "give the name alone, the folder is known"
    } else if text == "." || text == ".." {
        "this names a folder"
    } else if text.chars().any(char::is_control) {
        "there is a control character in the name, perhaps a line break at its end"
    } else if text.len() > MAX_NAME {
        "Linux takes no name this long"
    } else {
        return Ok(text.to_owned());
    };
    Err(Refused::hinting(hint))
}

/// A host name or an IP address; IPv6 may stand in brackets and is returned without them.
pub(super) fn host(text: &str) -> Parsed<String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if is_ipv6(bare) || is_host_name(text) {
        return Ok(bare.to_owned());
    }
    let hint = if text.contains("://") {
        "give the host alone, without http:// and without a path"
    } else if text
        .rsplit_once(':')
        .is_some_and(|(host, port)| is_host_name(host) && digits(port).is_some())
    {
        "give the host alone, the port has a variable of its own"
    } else if text.trim() != text {
        "remove the spaces around it"
    } else if text.contains("$(") || text.contains("${") {
        "a variable in it was not replaced"
    } else if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        "the numbers of an IPv4 address go from 0 to 255"
    } else {
        return Err(Refused::default());
    };
    Err(Refused::hinting(hint))
}

/// A DNS name.
pub(super) fn dns_name(text: &str) -> Parsed<String> {
    if is_host_name(text) { Ok(text.to_owned()) } else { Err(Refused::default()) }
}

/// Text that may stand in XML and on one line of a script.
pub(super) fn one_line(text: &str) -> Parsed<String> {
    if text.chars().any(char::is_control) {
        return Err(Refused::hinting(
            if text.trim_end_matches(['\r', '\n']).chars().any(char::is_control) {
                "there is a control character in it"
            } else {
                "it ends in a line break: was the secret or file made with echo instead of echo -n?"
            },
        ));
    }
    Ok(text.to_owned())
}

/// An `IP:PORT`, or `off`.
pub(super) fn listen_address(text: &str) -> Parsed<Option<SocketAddr>> {
    if text == "off" {
        return Ok(None);
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(Some(address)),
        _ => {
            let port = text.strip_prefix(':').unwrap_or(text);
            let port = port.strip_prefix("localhost:").unwrap_or(port);
            let address = if text.starts_with("localhost:") { "127.0.0.1" } else { "0.0.0.0" };
            let meant = digits(port).filter(|port| (1..=65535).contains(port));
            Err(Refused { hint: meant.map(|port| format!("did you mean {address}:{port}?")) })
        }
    }
}

/// 32 bytes in hexadecimal.
pub(super) fn sha256(text: &str) -> Parsed<[u8; 32]> {
    let hex = text.as_bytes();
    let mut bytes = [0_u8; 32];
    if hex.len() != 64 || !hex.iter().all(u8::is_ascii_hexdigit) {
        let first = text.split_whitespace().next().unwrap_or_default();
        let bare = first.strip_prefix("sha256:").unwrap_or(first);
        let is_sum =
            bare != text && bare.len() == 64 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        return Err(Refused { hint: is_sum.then(|| "give the 64 digits alone".to_owned()) });
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).map_err(|_| Refused::default())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("8760h", MAX_SECONDS)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "-1",
            "+1",
            "1.5h",
            "1h30m",
            "90 s",
            "90sec",
            "10d",
            "8761h",
            "99999999999999999999",
            "９０",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration("90 Sec"), Err(Refused::hinting("did you mean 90s?")));
        assert!(positive_duration("0").is_err());
        assert_eq!(positive_duration("1").unwrap(), Duration::from_secs(1));
    }

    #[test]
    fn sizes_may_have_a_binary_unit() {
        for (text, bytes) in
            [("1", 1), ("2K", 2048), ("3Mi", 3 << 20), ("20GiB", 20 << 30), ("1T", 1 << 40)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["0", "", "G", "1.5G", "-1", "1 G", "20g", "99999999999999G", "1PiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size("20gb"), Err(Refused::hinting("did you mean 20GiB?")));
    }

    #[test]
    fn folders_of_the_system_and_relative_ones_are_refused() {
        for text in [
            "/", "//", "/.", "/etc", "/etc/", "/usr", "/proc/1", "/dev/x", "/sys", "jjobs", "./a",
            "/a/../b", "/a\nb", "/a/..", "$(X)/a", "/a/${X}",
        ] {
            assert!(own_folder(text).is_err(), "{text}");
        }
        for (text, path) in [
            ("/engn001/jjobs/", "/engn001/jjobs"),
            ("/a//b/./c", "/a/b/c"),
            ("/var/log/x", "/var/log/x"),
            ("/dev/shm/x", "/dev/shm/x"),
            ("/한글/a b", "/한글/a b"),
        ] {
            assert_eq!(own_folder(text), Ok(PathBuf::from(path)), "{text}");
            assert_eq!(own_folder(text).unwrap().to_str(), Some(path));
        }
    }

    #[test]
    fn a_file_name_is_only_a_name() {
        for text in ["a/b", "/a", "..", ".", "a\0", "a\n"] {
            assert!(file_name(text).is_err(), "{text:?}");
        }
        assert!(file_name(&"a".repeat(256)).is_err());
        assert_eq!(file_name("..a b.tar.gz").unwrap(), "..a b.tar.gz");
    }

    #[test]
    fn a_host_has_neither_scheme_nor_port() {
        for text in ["http://h", "h:7075", "h/x", " h", "a b", "", "$(X)", "10.0.0.300"] {
            assert!(host(text).is_err(), "{text}");
        }
        for (text, bare) in [
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("jjobs-0.jjobs.ns.svc", "jjobs-0.jjobs.ns.svc"),
            ("a.b.", "a.b."),
        ] {
            assert_eq!(host(text).unwrap(), bare);
        }
    }

    #[test]
    fn a_service_link_is_explained() {
        let hint = port("tcp://10.96.0.1:6379").unwrap_err().hint.unwrap();
        assert!(hint.contains("enableServiceLinks"), "{hint}");
    }

    #[test]
    fn near_misses_are_guessed_and_others_are_not() {
        let words = [("yes", 1), ("manual", 2), ("exceptagent", 3)];
        for (text, meant) in [
            ("Yes", "yes"),
            (" yes", "yes"),
            ("\"yes\"", "yes"),
            ("exeptagent", "exceptagent"),
            ("manaul", "manual"),
            ("true", "yes"),
        ] {
            assert_eq!(
                choice(text, &words, &[("true", "yes")]),
                Err(Refused::hinting(format!("did you mean {meant}?"))),
                "{text}"
            );
        }
        for text in ["", "x", "banana", "🎉"] {
            assert_eq!(choice(text, &words, &[]), Err(Refused::default()), "{text}");
        }
        assert_eq!(choice(&"y".repeat(1 << 20), &words, &[]), Err(Refused::default()));
    }

    #[test]
    fn a_checksum_is_64_digits() {
        assert_eq!(sha256(&"Ab".repeat(32)).unwrap(), [0xab; 32]);
        for text in ["", "ab", &"g".repeat(64), &"é".repeat(32)] {
            assert!(sha256(text).is_err(), "{text}");
        }
        assert!(sha256(&format!("sha256:{}", "ab".repeat(32))).unwrap_err().hint.is_some());
        assert!(sha256(&format!("{}  file.zip", "ab".repeat(32))).unwrap_err().hint.is_some());
    }

    #[test]
    fn a_metrics_address_needs_both_halves() {
        assert_eq!(listen_address("off").unwrap(), None);
        assert_eq!(listen_address("[::]:9090").unwrap().unwrap().port(), 9090);
        assert_eq!(listen_address(":9090"), Err(Refused::hinting("did you mean 0.0.0.0:9090?")));
        assert_eq!(
            listen_address("localhost:9090"),
            Err(Refused::hinting("did you mean 127.0.0.1:9090?"))
        );
        assert!(listen_address("1.2.3.4:0").is_err());
    }
}

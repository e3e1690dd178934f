//! Oracle's addresses: `host:port:SID`, `EZConnect` (Plus), connect descriptors, and names that only Oracle resolves.
//!
//! Sources: [JDBC Developer's Guide, Data Sources and
//! URLs](https://docs.oracle.com/en/database/oracle/oracle-database/19/jjdbc/data-sources-and-URLs.html) and Net
//! Services' easy connect syntax.

use super::{HostPort, JdbcError, find_outside, one_host};

/// Oracle's listener.
const PORT: u16 = 1521;

/// The hosts in what follows `jdbc:oracle:`.
pub(super) fn hosts(address: &str) -> Result<Vec<HostPort>, JdbcError> {
    let Some((driver, rest)) = address.split_once(':') else { return Ok(Vec::new()) };
    if !driver.eq_ignore_ascii_case("thin") {
        // oci, oci8, kprb: the native client decides where to go.
        return Ok(Vec::new());
    }
    let Some(target) = after_login(rest) else { return Ok(Vec::new()) };
    let target = target.trim();
    if target.starts_with('(') {
        return descriptor(target);
    }
    let lower = target.to_ascii_lowercase();
    match lower.split_once("//") {
        Some(("" | "tcp:" | "tcps:", _)) => {
            easy_connect(target.split_once("//").map_or(target, |(_, rest)| rest))
        }
        // ldap://, config-file://, config-azure://: the real address is elsewhere.
        Some((scheme, _)) if scheme.ends_with(':') && is_scheme(&scheme[..scheme.len() - 1]) => {
            Ok(Vec::new())
        }
        _ if lower.starts_with("ldap:") || lower.starts_with("ldaps:") => Ok(Vec::new()),
        _ => {
            // `tcps:host:port/service`: the `//` is left out as often as not.
            let target = ["tcp:", "tcps:"]
                .iter()
                .find(|scheme| lower.starts_with(*scheme))
                .map_or(target, |scheme| &target[scheme.len()..]);
            let name = &target[..find_outside(target, &['?']).unwrap_or(target.len())];
            if name.contains([':', '/']) { easy_connect(name) } else { Ok(Vec::new()) }
        }
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+'))
}

/// What follows the `@` that ends `user/password@`.
///
/// A password may hold an `@`, quoted or not, and so may a certificate's name in a descriptor. An `@` with an
/// address behind it settles it; else it is the last one before a parameter.
fn after_login(rest: &str) -> Option<&str> {
    let mut last = None;
    let mut quoted = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '@' if !quoted => {
                let after = &rest[at + 1..];
                let start = after.trim_start().as_bytes();
                let begins = |word: &&str| {
                    start.get(..word.len()).is_some_and(|b| b.eq_ignore_ascii_case(word.as_bytes()))
                };
                if ["(", "//", "tcp:", "tcps:", "ldap:", "ldaps:"].iter().any(begins) {
                    return Some(after);
                }
                last = Some(after);
            }
            '?' if last.is_some() && !quoted => break,
            _ => {}
        }
    }
    last
}

/// `h1:p1,h2,h3:p3/service?…`: a host without a port takes that of the next one that has it.
fn easy_connect(text: &str) -> Result<Vec<HostPort>, JdbcError> {
    let list = &text[..find_outside(text, &['/', '?']).unwrap_or(text.len())];
    let mut hosts = Vec::new();
    let mut next_port = None;
    for entry in list.split([',', ';']).rev().map(str::trim).filter(|entry| !entry.is_empty()) {
        let (host, port) = one_host(without_sid(entry))?;
        next_port = port.or(next_port);
        hosts.push(HostPort { host, port: next_port.unwrap_or(PORT) });
    }
    hosts.reverse();
    Ok(hosts)
}

/// `host:port:SID` without the SID.
fn without_sid(entry: &str) -> &str {
    if super::is_ipv6(entry) {
        return entry;
    }
    let from = entry.find(']').unwrap_or(0);
    let mut colons = entry[from..].match_indices(':').map(|(at, _)| from + at);
    match (colons.next(), colons.next()) {
        (Some(_), Some(second)) => &entry[..second],
        _ => entry,
    }
}

/// A group of a descriptor that is still open.
#[derive(Default)]
struct Group {
    host: Option<String>,
    port: Option<u16>,
}

/// `(DESCRIPTION=(ADDRESS_LIST=(ADDRESS=(PROTOCOL=TCP)(HOST=h)(PORT=p))…)…)`, in any case and with any space.
///
/// A `HOST` belongs to the group around it, whatever that is called. Brackets that do not pair end what is read,
/// with what was found so far.
fn descriptor(text: &str) -> Result<Vec<HostPort>, JdbcError> {
    let mut hosts = Vec::new();
    let mut open: Vec<Group> = vec![Group::default()];
    let mut rest = text;
    while let Some(at) = rest.find(['(', ')']) {
        let closes = rest[at..].starts_with(')');
        rest = &rest[at + 1..];
        if closes {
            let Some(group) = open.pop() else { break };
            hosts
                .extend(group.host.map(|host| HostPort { host, port: group.port.unwrap_or(PORT) }));
            continue;
        }
        let Some((key, value)) = leaf(rest) else {
            open.push(Group::default());
            continue;
        };
        rest = &rest[rest.find(')').map_or(rest.len(), |end| end + 1)..];
        let Some(group) = open.last_mut() else { break };
        match key.to_ascii_lowercase().as_str() {
            "host" => group.host = Some(one_host(value)?.0),
            "port" => group.port = Some(super::parse_port(value)?),
            _ => {}
        }
    }
    Ok(hosts)
}

/// `KEY=value)` at the start of `text`, if the value is no group.
fn leaf(text: &str) -> Option<(&str, &str)> {
    let end = text.find(['(', ')'])?;
    if text[end..].starts_with('(') {
        return None;
    }
    let (key, value) = text[..end].split_once('=')?;
    Some((key.trim(), value.trim().trim_matches('"')))
}

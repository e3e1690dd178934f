//! Which hosts a JDBC URL names.
//!
//! Every driver reads its own dialect, and this module follows the drivers' documentation, not a common URL
//! grammar: [pgjdbc](https://jdbc.postgresql.org/documentation/use/),
//! [Connector/J](https://dev.mysql.com/doc/connector-j/en/connector-j-reference-jdbc-url-format.html),
//! [MariaDB](https://mariadb.com/docs/connectors/mariadb-connector-j/about-mariadb-connector-j) and, in [`oracle`],
//! Oracle's. Nothing here may quote the URL in an error: it may hold a password.

mod oracle;

use super::DbType;
use std::{collections::HashSet, fmt, net::Ipv6Addr};

/// A JDBC URL, understood as far as waiting for its database needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JdbcUrl {
    /// The kind of database that the URL itself names.
    pub kind: DbType,
    /// The hosts it names; any of them will do. Empty where the URL names none (a TNS alias, `@ldap:`, `oci`).
    pub hosts: Vec<HostPort>,
}

/// A host (name, IPv4, or IPv6 without brackets) and a TCP port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a JDBC URL is not understood. Never holds a piece of the URL but its scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JdbcError {
    /// It does not begin with `jdbc:`.
    #[error("a JDBC URL begins with jdbc:")]
    NotJdbc,
    /// It names a database that J-Jobs does not work with.
    #[error("the URL names no database that J-Jobs works with")]
    UnknownKind,
    /// The right kind, in capital letters, which the drivers do not take.
    #[error("the drivers take the scheme in lower case only")]
    UpperCase,
    /// A host is not a host name or an address.
    #[error("the URL names something as a host that is neither a host name nor an address")]
    BadHost,
    /// A port is not a port.
    #[error("a port in the URL is not a number from 1 to 65535")]
    BadPort,
}

impl JdbcError {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::NotJdbc => {
                "write jdbc:postgresql://HOST:PORT/DATABASE, or the like for another database"
            }
            Self::UnknownKind => {
                "after jdbc: comes postgresql, oracle, mysql or mariadb (aws-wrapper: may stand before it)"
            }
            Self::UpperCase => "write the part before the host in lower case",
            Self::BadHost => {
                "look for an unreplaced $(NAME) or ${NAME}, a space, or a password with / ? @ that is not percent-encoded"
            }
            Self::BadPort => {
                "look at what follows the colon after each host; a password with / ? @ must be percent-encoded"
            }
        }
    }
}

/// Words that drivers and tracers put between `jdbc:` and the URL of the driver they wrap.
const WRAPPERS: [&str; 4] = ["aws-wrapper:", "log4jdbc:", "otel:", "p6spy:"];

/// How deep Connector/J's `[…]` lists may nest before we stop looking; one level is what it documents.
const MAX_DEPTH: usize = 4;

impl JdbcUrl {
    /// Reads `text`.
    ///
    /// # Errors
    /// Not a JDBC URL, a database that J-Jobs does not know, or a host or port that cannot be one.
    pub fn parse(text: &str) -> Result<Self, JdbcError> {
        let text = text.trim();
        let mut rest = match text.get(..5) {
            Some("jdbc:") => &text[5..],
            Some(scheme) if scheme.eq_ignore_ascii_case("jdbc:") => {
                return Err(JdbcError::UpperCase);
            }
            _ => return Err(JdbcError::NotJdbc),
        };
        while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| rest.strip_prefix(wrapper)) {
            rest = inner;
        }
        let (scheme, address) = rest.split_once(':').ok_or(JdbcError::UnknownKind)?;
        let (kind, hosts) = match scheme {
            "postgresql" => (DbType::Postgres, postgres(address)?),
            "mysql" => (DbType::Mysql, mysql(address)?),
            "mariadb" => (DbType::Mariadb, mysql(address)?),
            // The hosts are in DNS SRV records, which the driver asks for.
            "mysql+srv" => (DbType::Mysql, Vec::new()),
            "oracle" => (DbType::Oracle, oracle::hosts(address)?),
            _ if ["postgresql", "mysql", "mariadb", "oracle"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme)) =>
            {
                return Err(JdbcError::UpperCase);
            }
            _ => return Err(JdbcError::UnknownKind),
        };
        Ok(Self { kind, hosts: without_repeats(hosts) })
    }
}

/// `//hosts/db?…`, or `db` alone, which is the database of that name on this host.
fn postgres(address: &str) -> Result<Vec<HostPort>, JdbcError> {
    const PORT: u16 = 5432;
    // The scheme of AWS's first driver; its second one has a wrapper's.
    let address =
        address.strip_prefix("aws:").filter(|rest| rest.starts_with("//")).unwrap_or(address);
    match address.strip_prefix("//") {
        Some(rest) => host_list(authority(rest)?, PORT, 0),
        None => Ok(vec![HostPort { host: "localhost".to_owned(), port: PORT }]),
    }
}

/// `//hosts/db?…`, with a word such as `replication:` or `loadbalance:` before it.
fn mysql(address: &str) -> Result<Vec<HostPort>, JdbcError> {
    let Some((mode, rest)) = address.split_once("//") else { return Ok(Vec::new()) };
    if mode.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '+')) {
        host_list(authority(rest)?, 3306, 0)
    } else {
        // The first `//` stands in a parameter: no host is named.
        Ok(Vec::new())
    }
}

/// The part of `rest` (what follows `//`) before the path or the query, without user and password.
///
/// An `@` in the path is the end of a password with a `/` in it: what stands before is no host, though it may look
/// like one, and would be waited for in vain.
fn authority(rest: &str) -> Result<&str, JdbcError> {
    let end = find_outside(rest, &['/', '?', '#']).unwrap_or(rest.len());
    let (whole, path) = rest.split_at(end);
    if path[..path.find(['?', '#']).unwrap_or(path.len())].contains('@') {
        return Err(JdbcError::BadHost);
    }
    // A user may stand before the whole list or before each host; the latter is cut in `one_host`.
    Ok(match find_outside(whole, &['@']) {
        Some(at) if !whole[..at].contains(',') && whole[at + 1..].starts_with(['[', '(']) => {
            &whole[at + 1..]
        }
        _ => whole,
    })
}

/// The first place of one of `wanted` in `text` that is not inside `(…)` or `[…]`.
fn find_outside(text: &str, wanted: &[char]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            _ if depth == 0 && wanted.contains(&c) => return Some(at),
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// `h1:p1,h2,[::1]:p3,address=(host=h)(port=p),(host=h,port=p),[h4,h5]`.
fn host_list(list: &str, default_port: u16, depth: usize) -> Result<Vec<HostPort>, JdbcError> {
    let mut hosts = Vec::new();
    let mut is_empty = true;
    let mut rest = Some(list);
    while let Some(text) = rest {
        let end = find_outside(text, &[',']);
        rest = end.map(|at| &text[at + 1..]);
        let entry = text[..end.unwrap_or(text.len())].trim();
        let entry = entry
            .rsplit_once('@')
            .filter(|(user, _)| !user.contains(['(', '[']))
            .map_or(entry, |(_, host)| host);
        if !entry.is_empty() {
            is_empty = false;
            add_entry(&mut hosts, entry, default_port, depth)?;
        }
    }
    if is_empty {
        // All three drivers take this host when none is named.
        hosts.push(HostPort { host: "localhost".to_owned(), port: default_port });
    }
    Ok(hosts)
}

fn add_entry(
    hosts: &mut Vec<HostPort>,
    entry: &str,
    default_port: u16,
    depth: usize,
) -> Result<(), JdbcError> {
    let is_key_value = entry.starts_with('(')
        || entry.get(..8).is_some_and(|word| word.eq_ignore_ascii_case("address="));
    if is_key_value {
        hosts.extend(key_value_host(entry, default_port)?);
    } else if let Some(list) = sub_list(entry) {
        if depth < MAX_DEPTH {
            hosts.extend(host_list(list, default_port, depth + 1)?);
        }
    } else {
        let (host, port) = one_host(entry)?;
        hosts.push(HostPort { host, port: port.unwrap_or(default_port) });
    }
    Ok(())
}

/// The inside of a `[…]` that is a list of hosts and not an IPv6 address.
fn sub_list(entry: &str) -> Option<&str> {
    let inside = entry.strip_prefix('[')?.strip_suffix(']')?;
    (!is_ipv6(inside)).then_some(inside)
}

/// The host in `address=(host=h)(port=p)(…)` or `(host=h,port=p,…)`; none for a pipe or a socket file.
fn key_value_host(entry: &str, default_port: u16) -> Result<Option<HostPort>, JdbcError> {
    let mut host = None;
    let mut port = default_port;
    let mut protocol = String::from("tcp");
    for pair in entry.split(['(', ')', ',']) {
        let Some((key, value)) = pair.split_once('=') else { continue };
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "host" => host = Some(one_host(value)?.0),
            "port" => port = parse_port(value)?,
            "protocol" => protocol = value.to_ascii_lowercase(),
            _ => {}
        }
    }
    if protocol != "tcp" {
        return Ok(None);
    }
    Ok(Some(HostPort { host: host.unwrap_or_else(|| "localhost".to_owned()), port }))
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
fn one_host(text: &str) -> Result<(String, Option<u16>), JdbcError> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(JdbcError::BadHost)?;
        if !is_ipv6(address) {
            return Err(JdbcError::BadHost);
        }
        let port = match after.trim() {
            "" | ":" => None,
            after => Some(parse_port(after.strip_prefix(':').ok_or(JdbcError::BadHost)?)?),
        };
        return Ok((address.to_owned(), port));
    }
    if is_ipv6(text) {
        return Ok((text.to_owned(), None));
    }
    let (host, port) = match text.split_once(':') {
        None | Some((_, "")) => (text.trim_end_matches(':'), None),
        Some((host, port)) => (host, Some(parse_port(port)?)),
    };
    if is_host_name(host) { Ok((host.to_owned(), port)) } else { Err(JdbcError::BadHost) }
}

fn parse_port(text: &str) -> Result<u16, JdbcError> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(JdbcError::BadPort);
    }
    text.parse().ok().filter(|port| *port != 0).ok_or(JdbcError::BadPort)
}

/// Whether `text` can be a host name or an IPv4 address: letters of any script, digits, `.`, `-`, `_`. What looks like an
/// IPv4 address with a number that is too big is neither, and would be looked up in vain for ever.
pub(super) fn is_host_name(text: &str) -> bool {
    !text.is_empty()
        && !is_broken_ipv4(text)
        && text.len() <= 255
        && !text.starts_with(['.', '-'])
        && !text.contains("..")
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn is_broken_ipv4(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() == 4
        && text.split('.').all(is_number)
        && text.split('.').any(|part| part.parse::<u8>().is_err())
}

/// Whether `text` is an IPv6 address, with or without a zone (`fe80::1%eth0`).
pub(super) fn is_ipv6(text: &str) -> bool {
    let (address, zone) =
        text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    address.parse::<Ipv6Addr>().is_ok()
        && zone.is_none_or(|zone| {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !zone.is_empty() && zone.chars().all(fits)
        })
}

fn without_repeats(mut hosts: Vec<HostPort>) -> Vec<HostPort> {
    let mut seen = HashSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    hosts
}

#[cfg(test)]
mod tests;

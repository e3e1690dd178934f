//! The meta DB: where it is, and how to log in there.

use super::{
    reader::Reader,
    values::{Refused, choice, flag, one_line},
};
use crate::contract::{
    Database, DbType, EncryptedLogin,
    jdbc::{HostPort, JdbcUrl},
    secret::Secret,
};

/// Where the DB is if nothing says so.
const DEFAULT_URL: &str = "jdbc:postgresql://127.0.0.1:7432/jjobs";

/// Reads the variables of the meta DB.
pub(super) fn read(reader: &mut Reader<'_>) -> Database {
    let kind = reader.value("DB_TYPE", DbType::Postgres, db_type);
    if reader.raw("DB_TYPE").is_some_and(|text| text == "postgresql") {
        reader.warn("DB_TYPE", "is understood as postgres", Some("write postgres"));
    }
    let (jdbc_url, address) = reader.optional("JDBC_URL", jdbc_url).unwrap_or_else(default_address);
    if reader.raw("JDBC_URL").is_some_and(|raw| raw.len() != jdbc_url.len())
        && !reader.is_refused("JDBC_URL")
    {
        reader.warn("JDBC_URL", "has spaces around it, which are dropped", Some("remove them"));
    }
    if reader.uses("JDBC_URL") && !reader.is_refused("JDBC_URL") && !reader.is_refused("DB_TYPE") {
        compare(reader, kind, &address);
    }
    let jdbc_parameters = reader.value("JDBC_PARAMETERS", String::new(), one_line);
    let user = reader
        .text_or_file("DB_USER", "DB_USER_FILE")
        .and_then(|user| accept(reader, "DB_USER", &user));
    let password = reader.text_or_file("DB_PASSWD", "DB_PASSWD_FILE");
    if password.as_deref().is_some_and(|password| password.ends_with('\n')) {
        reader.warn_of_name(
            "DB_PASSWD",
            "ends in a line break, which is kept as part of the password",
            Some("make the secret with echo -n or printf".to_owned()),
        );
    }
    Database {
        kind,
        jdbc_url: Secret::new(jdbc_url),
        address,
        jdbc_parameters: Secret::new(jdbc_parameters),
        user: user.unwrap_or_else(|| "jjobs".to_owned()),
        password: Secret::new(password.unwrap_or_else(|| "jjobs1234".to_owned())),
        encrypted: encrypted(reader),
    }
}

fn db_type(text: &str) -> Result<DbType, Refused> {
    let words = [
        ("postgres", DbType::Postgres),
        ("oracle", DbType::Oracle),
        ("mysql", DbType::Mysql),
        ("mariadb", DbType::Mariadb),
        // Understood, but not named in hints: it comes last, and the others are nearer to their misspellings.
        ("postgresql", DbType::Postgres),
    ];
    choice(
        text,
        &words,
        &[
            ("pg", "postgres"),
            ("pgsql", "postgres"),
            ("postgresql", "postgres"),
            ("maria", "mariadb"),
            ("ora", "oracle"),
        ],
    )
}

fn jdbc_url(text: &str) -> Result<(String, JdbcUrl), Refused> {
    one_line(text)?;
    // No driver takes a URL with a space before it.
    let text = text.trim();
    match JdbcUrl::parse(text) {
        Ok(address) => Ok((text.to_owned(), address)),
        Err(_) if text.contains("$(") || text.contains("${") => {
            Err(Refused::hinting("a variable in it was not replaced"))
        }
        Err(error) => Err(Refused::hinting(format!("{error}; {}", error.hint()))),
    }
}

fn default_address() -> (String, JdbcUrl) {
    let host = HostPort { host: "127.0.0.1".to_owned(), port: 7432 };
    (DEFAULT_URL.to_owned(), JdbcUrl { kind: DbType::Postgres, hosts: vec![host] })
}

/// What is odd about a URL that can be used.
fn compare(reader: &mut Reader<'_>, kind: DbType, address: &JdbcUrl) {
    let is_default = reader.raw("JDBC_URL").is_none();
    if kind != address.kind {
        let text = if is_default {
            format!(
                "is not set, and its default is one of {} while DB_TYPE is {kind}",
                address.kind
            )
        } else {
            format!("is one of {} while DB_TYPE is {kind}", address.kind)
        };
        reader.warn("JDBC_URL", &text, Some("set both to the same kind of database"));
    }
    if address.hosts.is_empty() {
        reader.warn(
            "JDBC_URL",
            "names no host, so the database is not waited for before starting",
            None,
        );
    }
    if is_default && ["DB_IP", "DB_PORT"].iter().any(|name| is_written_by_hand(reader, name)) {
        reader.warn(
            "JDBC_URL",
            "is not set; DB_IP and DB_PORT mean nothing, only JDBC_URL says where the database is",
            Some("set JDBC_URL"),
        );
    }
}

/// Kubernetes sets `DB_PORT=tcp://…` itself where a service is named `db`.
fn is_written_by_hand(reader: &Reader<'_>, name: &str) -> bool {
    reader.raw(name).is_some_and(|value| !value.to_string_lossy().contains("://"))
}

/// `value` of a variable that may also have come from a file, checked as one line.
fn accept(reader: &mut Reader<'_>, name: &'static str, value: &str) -> Option<String> {
    match one_line(value) {
        Ok(value) => Some(value),
        Err(refused) => {
            reader.refuse(name, refused);
            None
        }
    }
}

fn encrypted(reader: &mut Reader<'_>) -> Option<EncryptedLogin> {
    let wanted = reader.value("USE_DB_ENCRYPT", false, flag);
    if !wanted && !reader.is_refused("USE_DB_ENCRYPT") {
        reader.switch_off(&[
            "ENCRYPTED_DB_USER",
            "ENCRYPTED_DB_USER_FILE",
            "ENCRYPTED_DB_PASSWD",
            "ENCRYPTED_DB_PASSWD_FILE",
        ]);
    }
    let mut part = |name, file_name| {
        let value =
            reader.text_or_file(name, file_name).and_then(|value| accept(reader, name, &value));
        if wanted && value.is_none() && !reader.is_refused(name) && !reader.is_refused(file_name) {
            reader.refuse(
                name,
                Refused::hinting(
                    "USE_DB_ENCRYPT=Y needs both ENCRYPTED_DB_USER and ENCRYPTED_DB_PASSWD",
                ),
            );
        }
        value.map(Secret::new)
    };
    let user = part("ENCRYPTED_DB_USER", "ENCRYPTED_DB_USER_FILE");
    let password = part("ENCRYPTED_DB_PASSWD", "ENCRYPTED_DB_PASSWD_FILE");
    if !wanted {
        return None;
    }
    Some(EncryptedLogin { user: user?, password: password? })
}

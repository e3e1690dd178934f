//! The meta DB as a component reaches it: URL, user and password from its `context-datasource.xml`, whatever stands there.
//!
//! Used with `SIM_DB=postgres` only. `PostgreSQL`'s own words say what is wrong.

use postgres::{Client, Config, NoTls, SimpleQueryMessage, config::SslMode, error::SqlState};
use serde_json::Value;
use std::{
    env,
    error::Error,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// For one connection, and for word of a DB that says nothing any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a DB that accepts connections may say that it is starting up.
const START: Duration = Duration::from_secs(30);

/// No transaction of ours takes long; one whose server was cut off must not keep the others waiting.
const LIMITS: &str =
    "-c statement_timeout=5000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=5000";

pub(crate) struct Database {
    config: Config,
    /// Connections that nobody uses right now.
    idle: Mutex<Vec<Client>>,
}

/// Why the DB did not do it, for the log.
#[derive(Debug)]
pub(crate) struct Trouble(String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "org.postgresql.util.PSQLException: {}", self.0)
    }
}

impl From<postgres::Error> for Trouble {
    fn from(error: postgres::Error) -> Self {
        let told =
            error.as_db_error().map(|told| format!("{}: {}", told.severity(), told.message()));
        let source = || error.source().map_or_else(String::new, |source| format!(": {source}"));
        Self(told.unwrap_or_else(|| format!("{error}{}", source())))
    }
}

impl Database {
    /// Whether components use the DB at all.
    pub(crate) fn is_wanted() -> bool {
        env::var("SIM_DB").is_ok_and(|word| word == "postgres")
    }

    /// The DB that a datasource, as in `effective/<component>.json`, names; connected once, so that what is wrong shows.
    pub(crate) fn open(datasource: &Value, name: &str) -> Result<Self, Trouble> {
        let text = |key: &str| datasource[key].as_str().unwrap_or_default();
        let mut config = parse(text("url"))?;
        config
            .user(text("username"))
            .password(text("password"))
            .application_name(name)
            .options(LIMITS)
            .connect_timeout(PATIENCE)
            .tcp_user_timeout(PATIENCE)
            .keepalives_idle(PATIENCE);
        let database = Self { config, idle: Mutex::default() };
        let deadline = Instant::now() + START;
        loop {
            match database.config.connect(NoTls) {
                Ok(client) => {
                    database.keep(client);
                    return Ok(database);
                }
                Err(error)
                    if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW)
                        && Instant::now() < deadline =>
                {
                    thread::sleep(Duration::from_millis(100));
                }
                Err(error) => return Err(database.unreachable(error)),
            }
        }
    }

    /// Runs statements that answer nothing.
    pub(crate) fn run(&self, statements: &str) -> Result<(), Trouble> {
        self.ask(statements).map(|(client, _)| self.keep(client))
    }

    /// The one value that a query answers.
    pub(crate) fn value(&self, query: &str) -> Result<String, Trouble> {
        let (client, value) = self.ask(query)?;
        self.keep(client);
        Ok(value)
    }

    /// A transaction: `begin` selects a value and keeps others from it, `update` stores what `change` makes of it. When this
    /// fails, nothing is stored, but where the word of it was lost on its way.
    pub(crate) fn change<T>(
        &self,
        begin: &str,
        update: &str,
        change: impl FnOnce(&str) -> (String, T),
    ) -> Result<T, Trouble> {
        let (mut client, before) = self.ask(begin)?;
        let (after, result) = change(&before);
        if after != before {
            client.execute(update, &[&after])?;
        }
        client.batch_execute("COMMIT")?;
        self.keep(client);
        Ok(result)
    }

    /// Asks over the connection that is there, else over a new one. It is out of everybody's hands until it is kept again: one
    /// with which something went wrong never comes back.
    fn ask(&self, statements: &str) -> Result<(Client, String), Trouble> {
        // One that was closed meanwhile shows at its next use, before anything has happened; so do the others then.
        while let Some(mut client) = self.idle().pop() {
            if !client.is_closed()
                && let Ok(value) = first_value(&mut client, statements)
            {
                return Ok((client, value));
            }
        }
        let mut client = self.config.connect(NoTls).map_err(|error| self.unreachable(error))?;
        let value = first_value(&mut client, statements)?;
        Ok((client, value))
    }

    /// Why there is no connection, and whereto.
    fn unreachable(&self, error: postgres::Error) -> Trouble {
        if error.as_db_error().is_some() {
            return error.into();
        }
        let (hosts, ports) = (self.config.get_hosts(), self.config.get_ports());
        Trouble(format!("Connection to {hosts:?} {ports:?} refused: {}", Trouble::from(error).0))
    }

    fn keep(&self, client: Client) {
        self.idle().push(client);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Client>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn first_value(client: &mut Client, statements: &str) -> Result<String, postgres::Error> {
    let messages = client.simple_query(statements)?;
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(value.unwrap_or_default().to_owned())
}

/// `jdbc:postgresql://HOST[:PORT][,HOST…]/NAME[?…]`, also behind a wrapper's name.
fn parse(url: &str) -> Result<Config, Trouble> {
    let unknown = || Trouble(format!("No suitable driver found for {url}"));
    let place = url.strip_prefix("jdbc:").ok_or_else(unknown)?;
    let place = place.strip_prefix("aws-wrapper:").unwrap_or(place);
    if !place.starts_with("postgresql://") {
        return Err(unknown());
    }
    let (place, parameters) = place.split_once('?').unwrap_or((place, ""));
    let mut config: Config = place.parse().map_err(Trouble::from)?;
    config.ssl_mode(SslMode::Disable);
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", "require" | "verify-ca" | "verify-full")) => {
                return Err(Trouble("The server does not support SSL.".to_owned()));
            }
            Some(("currentSchema", _)) => {
                return Err(Trouble(format!("the simulator does not know {parameter}")));
            }
            // As the driver does with what it does not know.
            _ => {}
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use postgres::config::Host;

    #[test]
    fn jdbc_urls_name_hosts_ports_and_database() {
        let config =
            parse("jdbc:aws-wrapper:postgresql://a:5433,b:5434/jjobs?sslmode=prefer&x=1").unwrap();
        assert_eq!(config.get_hosts(), [Host::Tcp("a".to_owned()), Host::Tcp("b".to_owned())]);
        assert_eq!((config.get_ports(), config.get_dbname()), (&[5433, 5434][..], Some("jjobs")));
        for refused in [
            "jdbc:oracle:thin:@h:1521:X",
            "postgresql://h/jjobs",
            "",
            "jdbc:postgresql://h/jjobs?sslmode=require",
        ] {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }
}

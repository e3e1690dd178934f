//! Waiting until what the components need accepts connections.
//!
//! Names are resolved anew at every try, because a database that fails over comes back under another address. Resolving
//! blocks and may hang, so each lookup has a thread of its own, and a host whose lookup hangs gets no second one.

use super::step::StopSignal;
use crate::{
    contract::jdbc::HostPort,
    exit::ExitCode,
    plan::{Dependency, DependencyKind},
};
use std::{
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    thread,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

/// For one connection (contract.md §7).
const CONNECT: Duration = Duration::from_secs(3);
/// For one name. A resolver that takes longer may still answer the next try.
const RESOLVE: Duration = Duration::from_secs(3);
/// The first pause between two tries; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, as in today's image.
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// After so long without a change the log says that the wait goes on; each time after twice as long.
const FIRST_REMINDER: Duration = Duration::from_secs(30);
/// The longest time without a line.
const LAST_REMINDER: Duration = Duration::from_mins(5);
/// A name may have a hundred addresses (a headless service): so many are tried side by side.
const MAX_ADDRESSES: usize = 32;

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// This host accepted a connection.
    Host(HostPort),
    /// There was no host to ask.
    NotAsked,
}

/// Waiting ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The limit is over.
    #[error("the {kind} did not answer within {} s: {}", limit.as_secs(), list(last))]
    TimedOut {
        /// What was waited for.
        kind: &'static str,
        /// The limit.
        limit: Duration,
        /// What was wrong with each host last.
        last: Vec<(HostPort, Trouble)>,
    },
    /// The boot was told to stop.
    #[error("stopped while waiting")]
    Stopped,
}

impl WaitError {
    /// The code to exit with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::TimedOut { .. } => ExitCode::DependencyTimeout,
            Self::Stopped => ExitCode::Done,
        }
    }

    /// What an operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TimedOut { last, .. } => last.first().map(|(_, trouble)| trouble.hint()),
            Self::Stopped => None,
        }
    }
}

/// Why a host cannot be reached, as far as an operator can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Nothing listens there.
    Refused,
    /// No way there.
    Unreachable,
    /// Not allowed, out of descriptors, and other things that are our own side's.
    Other(ErrorKind),
    /// No answer in time.
    TimedOut,
    /// The name is unknown.
    NotResolved,
    /// The resolver does not answer.
    ResolverSilent,
}

impl Trouble {
    fn hint(self) -> &'static str {
        match self {
            Self::Refused => {
                "the host is there, but nothing listens on that port yet; check the port"
            }
            Self::Unreachable => "check routes and network policies",
            Self::Other(_) => "check the limits of this container",
            Self::TimedOut => "check firewalls, security groups and network policies",
            Self::NotResolved => "check the host name and the service behind it",
            Self::ResolverSilent => "check the cluster's DNS and /etc/resolv.conf",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Other(kind) => write!(f, "{kind}"),
            Self::TimedOut => f.write_str("connection timed out"),
            Self::NotResolved => f.write_str("name not resolved"),
            Self::ResolverSilent => f.write_str("name not resolved: the resolver does not answer"),
        }
    }
}

impl From<&io::Error> for Trouble {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Self::Refused,
            ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::AddrNotAvailable => Self::Unreachable,
            ErrorKind::TimedOut => Self::TimedOut,
            kind => Self::Other(kind),
        }
    }
}

/// Waits until one of the hosts of `dependency` accepts a connection, at most `limit` (`None`: for ever).
///
/// # Errors
/// When the limit is over first, or the boot is to end.
pub async fn run(
    dependency: &Dependency,
    limit: Option<Duration>,
    stop: &mut StopSignal,
) -> Result<Answered, WaitError> {
    let kind = name(dependency.kind);
    if dependency.hosts.is_empty() {
        tracing::warn!(dependency = kind, "not waited for: its address names no host");
        return Ok(Answered::NotAsked);
    }
    let mut wait = Wait::new(dependency);
    // A limit beyond what the clock can count is none.
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let answered = async {
        match deadline {
            Some(deadline) => timeout_at(deadline, wait.until_answered()).await.ok(),
            None => Some(wait.until_answered().await),
        }
    };
    let answered = tokio::select! {
        biased;
        () = stop.requested() => return Err(WaitError::Stopped),
        answered = answered => answered,
    };
    match answered {
        Some(host) => Ok(Answered::Host(host)),
        None => {
            Err(WaitError::TimedOut { kind, limit: limit.unwrap_or_default(), last: wait.last() })
        }
    }
}

fn name(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Database => "database",
        DependencyKind::Server => "server",
    }
}

fn list(last: &[(HostPort, Trouble)]) -> String {
    let texts =
        last.iter().map(|(host, trouble)| format!("{} port {}: {trouble}", host.host, host.port));
    texts.collect::<Vec<_>>().join("; ")
}

/// A wait in progress.
struct Wait {
    kind: &'static str,
    started: Instant,
    hosts: Vec<HostPort>,
    /// What was wrong with each host at its last try.
    troubles: Vec<Option<Trouble>>,
    /// Lookups that took too long and may still end.
    lookups: Vec<Option<Lookup>>,
    remind_at: Instant,
    reminder: Duration,
}

/// A name that is being looked up in a thread of its own.
type Lookup = oneshot::Receiver<io::Result<Vec<SocketAddr>>>;

impl Wait {
    fn new(dependency: &Dependency) -> Self {
        let started = Instant::now();
        let hosts = dependency.hosts.clone();
        Self {
            kind: name(dependency.kind),
            started,
            troubles: vec![None; hosts.len()],
            lookups: hosts.iter().map(|_| None).collect(),
            hosts,
            remind_at: started + FIRST_REMINDER,
            reminder: FIRST_REMINDER,
        }
    }

    async fn until_answered(&mut self) -> HostPort {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(host) = self.try_all().await {
                self.answered(&host);
                return host;
            }
            self.remind();
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Worth a word only after it was said that one does not answer; that the step is done is told anyway.
    fn answered(&self, host: &HostPort) {
        let (dependency, elapsed_ms) = (self.kind, self.started.elapsed().as_millis());
        let (host, port) = (host.host.as_str(), host.port);
        if self.troubles.iter().all(Option::is_none) {
            tracing::debug!(dependency, host, port, elapsed_ms, "dependency answers");
        } else {
            tracing::info!(dependency, host, port, elapsed_ms, "dependency answers");
        }
    }

    /// Tries all hosts side by side, until one answers or none did.
    async fn try_all(&mut self) -> Option<HostPort> {
        let mut tries = JoinSet::new();
        for (index, (host, lookup)) in self.hosts.iter().zip(&mut self.lookups).enumerate() {
            let (host, mut lookup) = (host.clone(), lookup.take());
            tries.spawn(async move {
                let outcome = attempt(&host, &mut lookup).await;
                (index, lookup, outcome)
            });
        }
        while let Some(tried) = tries.join_next().await {
            let Ok((index, lookup, outcome)) = tried else { continue };
            match outcome {
                // Dropping the others ends them.
                Ok(()) => return self.hosts.get(index).cloned(),
                Err(trouble) => self.failed(index, lookup, trouble),
            }
        }
        None
    }

    fn failed(&mut self, index: usize, lookup: Option<Lookup>, trouble: Trouble) {
        if let Some(kept) = self.lookups.get_mut(index) {
            *kept = lookup;
        }
        let (Some(host), Some(last)) = (self.hosts.get(index), self.troubles.get_mut(index)) else {
            return;
        };
        if last.replace(trouble) == Some(trouble) {
            return;
        }
        tracing::warn!(
            dependency = self.kind,
            host = host.host,
            port = host.port,
            error = %trouble,
            hint = trouble.hint(),
            "dependency does not answer; waiting for it"
        );
        self.remind_at = Instant::now() + self.reminder;
    }

    fn remind(&mut self) {
        let now = Instant::now();
        if now < self.remind_at {
            return;
        }
        let elapsed_ms = self.started.elapsed().as_millis();
        tracing::info!(
            dependency = self.kind,
            elapsed_ms,
            error = list(&self.last()),
            "still waiting"
        );
        self.reminder = (self.reminder * 2).min(LAST_REMINDER);
        self.remind_at = now + self.reminder;
    }

    fn last(&self) -> Vec<(HostPort, Trouble)> {
        // A host whose first try is still under way has not answered in time.
        let troubles = self.troubles.iter().map(|trouble| trouble.unwrap_or(Trouble::TimedOut));
        self.hosts.iter().cloned().zip(troubles).collect()
    }
}

/// Resolves and connects once, to all addresses side by side.
async fn attempt(host: &HostPort, lookup: &mut Option<Lookup>) -> Result<(), Trouble> {
    let addresses = resolve(host, lookup).await?;
    let mut connecting = JoinSet::new();
    for address in addresses.into_iter().take(MAX_ADDRESSES) {
        connecting.spawn(timeout(CONNECT, TcpStream::connect(address)));
    }
    // Of several troubles the one that says most, so that their order does not matter.
    let mut worst = None;
    while let Some(connected) = connecting.join_next().await {
        let trouble = match connected {
            Ok(Ok(Ok(_stream))) => return Ok(()),
            Ok(Ok(Err(error))) => Trouble::from(&error),
            Ok(Err(_)) | Err(_) => Trouble::TimedOut,
        };
        worst = Some(worst.map_or(trouble, |before: Trouble| before.min(trouble)));
    }
    Err(worst.unwrap_or(Trouble::NotResolved))
}

async fn resolve(host: &HostPort, lookup: &mut Option<Lookup>) -> Result<Vec<SocketAddr>, Trouble> {
    if let Ok(address) = host.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, host.port)]);
    }
    let mut running = match lookup.take() {
        Some(running) => running,
        None => look_up(host).map_err(|error| Trouble::Other(error.kind()))?,
    };
    match timeout(RESOLVE, &mut running).await {
        Ok(Ok(Ok(addresses))) => Ok(addresses),
        Ok(Ok(Err(_)) | Err(_)) => Err(Trouble::NotResolved),
        Err(_) => {
            *lookup = Some(running);
            Err(Trouble::ResolverSilent)
        }
    }
}

/// Starts a lookup. Not in the runtime's pool: a runtime waits for its pool's threads when it ends.
fn look_up(host: &HostPort) -> io::Result<Lookup> {
    let (tell, lookup) = oneshot::channel();
    let (name, port) = (host.host.clone(), host.port);
    thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody waits any more: that is fine.
        let _ = tell.send(found);
    })?;
    Ok(lookup)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use std::net::TcpListener;
    use tokio::sync::watch;

    fn dependency(hosts: &[(&str, u16)]) -> Dependency {
        let hosts =
            hosts.iter().map(|(host, port)| HostPort { host: (*host).to_owned(), port: *port });
        Dependency { kind: DependencyKind::Database, hosts: hosts.collect() }
    }

    fn never() -> (watch::Sender<bool>, StopSignal) {
        let (sender, receiver) = watch::channel(false);
        (sender, StopSignal::new(receiver))
    }

    fn listener(address: &str) -> (TcpListener, u16) {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// A port that refuses: it was just free.
    fn refusing() -> u16 {
        listener("127.0.0.1").1
    }

    #[tokio::test]
    async fn any_one_host_will_do() {
        let (_listener, port) = listener("127.0.0.1");
        let hosts = dependency(&[
            ("127.0.0.1", refusing()),
            ("no-such-host.invalid", 1),
            ("localhost", port),
        ]);
        let (_sender, mut stop) = never();
        let answered = run(&hosts, None, &mut stop).await.unwrap();
        assert_eq!(answered, Answered::Host(HostPort { host: "localhost".to_owned(), port }));
    }

    #[tokio::test]
    async fn ipv6_is_understood() {
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let hosts = dependency(&[("::1", listener.local_addr().unwrap().port())]);
        let (_sender, mut stop) = never();
        assert!(run(&hosts, Some(Duration::from_secs(5)), &mut stop).await.is_ok());
    }

    #[tokio::test]
    async fn a_host_that_comes_up_later_is_found_soon() {
        let port = refusing();
        let hosts = dependency(&[("127.0.0.1", port)]);
        let (_sender, mut stop) = never();
        let listen = async {
            sleep(Duration::from_millis(150)).await;
            TcpListener::bind(("127.0.0.1", port)).unwrap()
        };
        let (answered, _listener) =
            tokio::join!(run(&hosts, Some(Duration::from_secs(10)), &mut stop), listen);
        assert!(matches!(answered, Ok(Answered::Host(_))));
    }

    #[tokio::test]
    async fn the_limit_ends_the_wait_with_what_was_wrong_last() {
        let hosts = dependency(&[("127.0.0.1", refusing()), ("no-such-host.invalid", 5432)]);
        let (_sender, mut stop) = never();
        let error = run(&hosts, Some(Duration::from_millis(700)), &mut stop).await.unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::DependencyTimeout);
        let WaitError::TimedOut { last, .. } = &error else { unreachable!("it was not stopped") };
        assert_eq!(last[0].1, Trouble::Refused);
        assert!(error.to_string().contains("connection refused"), "{error}");
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_at_once() {
        // TEST-NET-1 answers nothing, or is unreachable: the wait would go on for ever.
        let hosts = dependency(&[("192.0.2.1", 5432)]);
        let (sender, mut stop) = never();
        let started = Instant::now();
        let stopping = async {
            sleep(Duration::from_millis(50)).await;
            sender.send(true).unwrap();
        };
        let (answered, ()) = tokio::join!(run(&hosts, None, &mut stop), stopping);
        assert!(matches!(answered, Err(WaitError::Stopped)));
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn without_hosts_nothing_is_waited_for() {
        let (_sender, mut stop) = never();
        assert_eq!(run(&dependency(&[]), None, &mut stop).await.unwrap(), Answered::NotAsked);
    }
}

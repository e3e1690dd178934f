//! A meta DB: `PostgreSQL`, really running, in a container of its own.
//!
//! Its data folder is made anew for each, by `initdb`, without waiting for any disk, so it takes a second or two. It holds the role
//! and the database that J-Jobs expects (contract.md §3): [`USER`], [`PASSWORD`], [`DATABASE`], asked for by
//! SCRAM over TCP. It listens at its address in a [`Network`], on the loopback of another container, or at an address of this machine.
//!
//! ```no_run
//! use jjobs_harness::{Network, Postgres, unless_missing};
//! let Some(network) = Network::new(&["jjobs-0", "jjobs-db"]) else { return };
//! let Some(programs) = unless_missing("`PostgreSQL`", Postgres::programs()) else { return };
//! let mut db = Postgres::in_network(&programs, &network, "jjobs-db").unwrap();
//! db.start(); // Prepared only until here: whoever waits for it waits.
//! assert_eq!(db.query("SELECT 1 + 1"), "2");
//! let jdbc_url = db.jdbc_url(); // For `JDBC_URL`, as others name it.
//! # drop(jdbc_url);
//! db.stop();
//! db.start();
//! db.kill();
//! ```

use crate::{Container, ContainerBuilder, ExecOutput, Network, PATIENCE, Signal, within};
use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// The role, its password and its database.
pub const USER: &str = "jjobs";
/// The password of [`USER`].
pub const PASSWORD: &str = "jjobs1234";
/// The database of [`USER`].
pub const DATABASE: &str = "jjobs";

const PORT: u16 = 5432;

/// Where the container sees its data folder.
const DATA: &str = "/pgdata";

/// Nobody's data: nothing is waited for until it is on a disk. What was committed survives a kill of the server, not of the machine.
const SETTINGS: &str = "
fsync = off
full_page_writes = off
autovacuum = off
shared_buffers = 16MB
max_connections = 60
unix_socket_directories = ''
";

/// What `PostgreSQL` runs as where there is no such user: it refuses to run as root.
const NOBODY: (u32, u32) = (65534, 65534);

/// A `PostgreSQL` server; dropping it kills it and leaves nothing behind.
pub struct Postgres {
    container: Container,
    programs: PathBuf,
    host: String,
    port: u16,
    has_lived: bool,
    data: TempDir,
}

impl Postgres {
    /// The folder with `initdb`, `postgres`, `psql` and `pg_dump`: `JJOBS_TEST_POSTGRES_BIN`, else where Debian has them.
    ///
    /// # Errors
    /// None has all of them.
    pub fn programs() -> Result<PathBuf, String> {
        let given = env::var_os("JJOBS_TEST_POSTGRES_BIN").filter(|value| !value.is_empty());
        let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .collect();
        folders.sort_by_key(|folder| version_of(folder));
        folders.extend(given.map(PathBuf::from));
        let has_all = |folder: &&PathBuf| {
            ["initdb", "postgres", "psql", "pg_dump"].iter().all(|name| folder.join(name).exists())
        };
        let found = folders.iter().rev().find(has_all).cloned();
        found.ok_or_else(|| "no folder below /usr/lib/postgresql has initdb, postgres, psql and pg_dump; apt install postgresql".to_owned())
    }

    /// A server that is `name` in that network. `None` where this machine allows no namespaces.
    pub fn in_network(programs: &Path, network: &Network, name: &str) -> Option<Self> {
        Self::prepare(programs, (name, PORT), |builder| network.join(builder, name))
    }

    /// A server on the loopback of `container`, at that port.
    pub fn beside(programs: &Path, container: &Container, port: u16) -> Option<Self> {
        let place = |builder: ContainerBuilder| builder.hostname("db").network_of(container);
        Self::prepare(programs, ("127.0.0.1", port), place)
    }

    /// A server at a free port of this machine's `address`: its loopback, or a bridge that containers of an engine can reach.
    ///
    /// # Panics
    /// That is not an address of this machine.
    pub fn on_host(programs: &Path, address: Ipv4Addr) -> Option<Self> {
        let free = TcpListener::bind((address, 0)).expect("an address of this machine");
        let port = free.local_addr().unwrap().port();
        drop(free);
        let place = |builder: ContainerBuilder| builder.hostname("db").host_network();
        Self::prepare(programs, (&address.to_string(), port), place)
    }

    fn prepare(
        programs: &Path,
        (host, port): (&str, u16),
        place: impl FnOnce(ContainerBuilder) -> ContainerBuilder,
    ) -> Option<Self> {
        let owner = owner();
        let data = make_data(programs, owner).expect("a data folder of PostgreSQL");
        // In a network it has one address, and its own loopback.
        let addresses = if host.parse::<Ipv4Addr>().is_ok() { host } else { "*" };
        let argv: [OsString; 7] = [
            programs.join("postgres").into(),
            "-D".into(),
            DATA.into(),
            "-p".into(),
            port.to_string().into(),
            "-h".into(),
            addresses.into(),
        ];
        let builder = Container::command(argv).bind(data.path().join("data"), DATA);
        let builder = if let Some((uid, gid)) = owner { builder.user(uid, gid) } else { builder };
        let container = place(builder).prepare()?;
        let (programs, host) = (programs.to_owned(), host.to_owned());
        Some(Self { container, programs, host, port, has_lived: false, data })
    }

    /// Starts it, for the first time or again, and waits until it takes queries.
    ///
    /// # Panics
    /// It does not, or it runs already.
    #[track_caller]
    pub fn start(&mut self) {
        self.begin();
        let is_ready = within(PATIENCE, || {
            assert!(self.container.is_running(), "PostgreSQL ended:\n{}", self.transcript());
            (self.try_query("SELECT 1").code == 0).then_some(())
        });
        assert!(is_ready.is_some(), "PostgreSQL is not ready:\n{}", self.transcript());
    }

    /// Starts it and does not wait.
    pub fn begin(&mut self) {
        assert!(!self.container.is_running(), "PostgreSQL runs already");
        if self.has_lived {
            // What a server that was killed has left there would be another's by now.
            let _ = fs::remove_file(self.data.path().join("data/postmaster.pid"));
            self.container.restart();
        } else {
            self.container.start();
        }
        self.has_lived = true;
    }

    /// Stops it in order; clients are thrown out.
    ///
    /// # Panics
    /// It does not end.
    #[track_caller]
    pub fn stop(&mut self) {
        self.container.signal(Signal::SIGINT);
        let code = self.container.try_exit_code(PATIENCE);
        assert_eq!(code, Some(0), "PostgreSQL does not stop in order:\n{}", self.transcript());
    }

    /// Kills it and its whole container.
    pub fn kill(&mut self) {
        self.container.kill();
    }

    /// What `psql` prints for these statements, asked as [`USER`]: rows as lines, columns separated by `|`.
    ///
    /// # Panics
    /// They fail.
    #[track_caller]
    pub fn query(&self, statements: &str) -> String {
        let output = self.try_query(statements);
        assert_eq!(output.code, 0, "{output:?}");
        output.stdout.trim_end().to_owned()
    }

    /// The same, whatever comes of it.
    #[track_caller]
    pub fn try_query(&self, statements: &str) -> ExecOutput {
        let psql = self.programs.join("psql").display().to_string();
        let (host, port) = (self.own_address(), self.port.to_string());
        let password = format!("PGPASSWORD={PASSWORD}");
        self.container.exec([
            "/usr/bin/env",
            &password,
            "PGCONNECT_TIMEOUT=5",
            &psql,
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            host,
            "-p",
            &port,
            "-U",
            USER,
            "-d",
            DATABASE,
            "-Atqc",
            statements,
        ])
    }

    fn own_address(&self) -> &str {
        if self.host.parse::<Ipv4Addr>().is_ok() { &self.host } else { "127.0.0.1" }
    }

    /// For `JDBC_URL`, as whoever is at the same place reaches it.
    pub fn jdbc_url(&self) -> String {
        format!("jdbc:postgresql://{}:{}/{DATABASE}", self.host, self.port)
    }

    /// Its host, as others at the same place name it, and its port.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// What it has logged.
    pub fn transcript(&self) -> String {
        self.container.transcript()
    }
}

/// The major version that a folder like `/usr/lib/postgresql/15/bin` is of.
fn version_of(folder: &Path) -> u32 {
    let name = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

/// Whom root runs it as; `None` where we are not root.
fn owner() -> Option<(u32, u32)> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let user = nix::unistd::User::from_name("postgres").ok().flatten();
    Some(user.map_or(NOBODY, |user| (user.uid.as_raw(), user.gid.as_raw())))
}

/// A data folder named `data` with role and database.
fn make_data(programs: &Path, owner: Option<(u32, u32)>) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("jjobs-postgres-").tempdir()?;
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))?;
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let data = folder.path().join("data");
    let mut initdb = Command::new(programs.join("initdb"));
    initdb
        .args(["--no-sync", "--username=postgres", "--encoding=UTF8", "--locale=C"])
        .args(["--auth=scram-sha-256", "--pgdata"])
        .arg(&data)
        // Asked only of the superuser, whom nobody plays here.
        .arg("--pwfile=/proc/sys/kernel/random/uuid");
    run(initdb, owner, "")?;
    let mut settings = fs::OpenOptions::new().append(true).open(data.join("postgresql.conf"))?;
    settings.write_all(SETTINGS.as_bytes())?;
    let mut access = fs::OpenOptions::new().append(true).open(data.join("pg_hba.conf"))?;
    access.write_all(b"host all all all scram-sha-256\n")?;
    let mut single = Command::new(programs.join("postgres"));
    single.args(["--single", "-F", "-D"]).arg(&data).arg("postgres");
    let statements = format!(
        "CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'\nCREATE DATABASE {DATABASE} OWNER {USER}\n"
    );
    run(single, owner, &statements)?;
    Ok(folder)
}

/// Runs one of `PostgreSQL`'s programs as the user that it accepts.
fn run(command: Command, owner: Option<(u32, u32)>, input: &str) -> io::Result<()> {
    let mut command = match owner {
        None => command,
        Some((uid, gid)) => {
            let mut wrapped = Command::new("/usr/bin/setpriv");
            wrapped
                .args([format!("--reuid={uid}"), format!("--regid={gid}")])
                .args(["--clear-groups", "--"])
                .arg(command.get_program())
                .args(command.get_args());
            wrapped
        }
    };
    let mut child = command
        .current_dir("/")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // The single-user server ends well even where a statement was refused.
    if output.status.success() && !said.contains("ERROR:") {
        Ok(())
    } else {
        Err(io::Error::other(said + &String::from_utf8_lossy(&output.stdout)))
    }
}

//! A meta DB that really runs: `PostgreSQL`, as user and with the password that the manifests name.

use crate::support::META_DB;
use jjobs_harness::{
    ExecOutput,
    engine::{Container, Image},
    kubelet::Kubelet,
    unless_missing,
};
use std::{fs, path::PathBuf};

/// What the Secret of the meta DB in `deploy/` holds, and so the password of the user there.
const PASSWORD: &str = "change-this-password";

/// What makes a container of any image one of `postgres`: this machine's system, with the server's and its clients' programs in
/// the PATH. There is no registry to have an image from.
#[derive(Debug, Clone)]
pub(crate) struct PostgresImage(Vec<String>);

impl PostgresImage {
    /// `None`, and a word about it, where the programs are not installed.
    pub(crate) fn find() -> Option<Self> {
        let programs = unless_missing("PostgreSQL", programs())?;
        Some(Self(vec![
            "--mount=type=bind,source=/usr,target=/usr,readonly".to_owned(),
            format!("--env=PATH={}:/usr/bin", programs.display()),
        ]))
    }

    /// As options of `docker run`.
    pub(crate) fn options(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

/// The newest folder with all of them, as Debian has it.
fn programs() -> Result<PathBuf, String> {
    let folders = fs::read_dir("/usr/lib/postgresql").map_err(|error| error.to_string())?;
    let has_all = |folder: &PathBuf| {
        let names = ["initdb", "postgres", "psql", "pg_dump", "pg_restore"];
        names.iter().all(|name| folder.join(name).exists())
    };
    let version = |folder: &PathBuf| {
        let name = folder.parent()?.file_name()?.to_str()?;
        name.split('.').next()?.parse::<u32>().ok()
    };
    let folders = folders.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).filter(has_all);
    folders
        .max_by_key(version)
        .ok_or_else(|| "no folder below /usr/lib/postgresql has all its programs".to_owned())
}

/// The server, found by the name that the manifests have for it.
pub(crate) struct Database(Container);

impl Database {
    /// Starts it, with an empty database `jjobs`.
    pub(crate) fn start(image: &Image, programs: &PostgresImage, kubelet: &Kubelet) -> Self {
        let script = format!(
            "echo 'host all all all scram-sha-256' >/pgdata/hba && printf %s {PASSWORD} >/tmp/password && \
             initdb -D /pgdata/db --no-sync --auth=scram-sha-256 --pwfile=/tmp/password -U jjobs >/dev/null && \
             exec postgres -D /pgdata/db -c unix_socket_directories=/tmp -c fsync=off \
             -c 'listen_addresses=*' -c hba_file=/pgdata/hba"
        );
        let container = image
            .container()
            .network(kubelet.network(), &[META_DB])
            .options(["--no-healthcheck"])
            .options(programs.options())
            .user("10001")
            .env("LANG", "C.UTF-8")
            .tmpfs("/pgdata", "uid=10001")
            .command(["/bin/sh", "-c", &script])
            .start();
        let database = Self(container);
        let asks = |_: &Container| database.query("postgres", "SELECT 1").is_some();
        database.container().eventually("PostgreSQL takes queries", asks);
        database.run("postgres", "CREATE DATABASE jjobs");
        database
    }

    pub(crate) fn container(&self) -> &Container {
        &self.0
    }

    /// The words of one of its clients, `"$0"` being `statement`, with all that it takes to log in.
    pub(crate) fn client(command: &str, statement: &str) -> [String; 4] {
        let login = format!("export PGHOST=127.0.0.1 PGUSER=jjobs PGPASSWORD={PASSWORD}");
        let words = ["/bin/sh", "-c"].map(str::to_owned);
        let [shell, option] = words;
        [shell, option, format!("{login}; exec {command}"), statement.to_owned()]
    }

    fn psql(&self, database: &str, statement: &str) -> ExecOutput {
        let command = format!("psql -At -v ON_ERROR_STOP=1 -d {database} -c \"$0\"");
        self.0.exec(Self::client(&command, statement))
    }

    /// What is answered, if it is.
    pub(crate) fn query(&self, database: &str, statement: &str) -> Option<String> {
        let output = self.psql(database, statement);
        (output.code == 0).then(|| output.stdout.trim_end().to_owned())
    }

    /// What must succeed.
    #[track_caller]
    pub(crate) fn run(&self, database: &str, statement: &str) {
        let output = self.psql(database, statement);
        assert_eq!(output.code, 0, "{statement}: {output:?}");
    }
}

//! The environment contract: every variable the image reads, and nothing else reads.
//!
//! A [`Contract`] is what the pod's environment said after checking: holding one means that every
//! value in it is usable. All problems are reported in one go, because each failed boot costs the
//! operator a full pod restart.

pub mod jdbc;
mod read;
pub mod redact;
pub mod secret;
mod show;
pub mod vars;
pub mod violation;

pub use self::violation::{ContractError, EffectiveValue, Source, Violation, Warning};
use self::{jdbc::JdbcUrl, secret::Secret};
use std::{collections::BTreeMap, ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

/// An environment as the kernel hands it over: names and values are bytes, not text.
pub type EnvVars = BTreeMap<OsString, OsString>;

/// A contract that is met, and what is odd about it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The values to work with.
    pub contract: Contract,
    /// What the operator may want to change.
    pub warnings: Vec<Warning>,
    /// What each variable is taken as, for `check`.
    pub values: Vec<EffectiveValue>,
}

/// The checked environment of this container. Its `Debug` shows neither secrets nor the environment.
#[derive(Clone)]
pub struct Contract {
    /// `INSTALL_KIND`.
    pub install_kind: InstallKind,
    /// `ON_BOOT`.
    pub on_boot: OnBoot,
    /// Folders and files.
    pub paths: Paths,
    /// The pod's name, which is the agent's name in J-Jobs and gives the server its number.
    pub hostname: Hostname,
    /// Ports of the web parts and of the server.
    pub ports: Ports,
    /// The meta DB and how to log in there.
    pub database: Database,
    /// `JJOB_SERVICE_NAME`: the headless service of the server pods; `None` writes no `JJOB_SERVER_IP`.
    pub service_name: Option<String>,
    /// `JJOBS_SERVER_IP`: where an agent reaches the server (IP address, pod or service name; IPv6 without brackets,
    /// which a URL needs around it: [`HostPort`](jdbc::HostPort)'s `Display` puts them).
    pub server_host: String,
    /// What an agent is told.
    pub agent: AgentSettings,
    /// Java's DNS caches.
    pub dns_cache: DnsCache,
    /// `API_PRIVATE_TOKEN` or its file; `None` at a first installation.
    pub api_token: Option<TokenSource>,
    /// `WGET_*`: what to download at every boot.
    pub download: Option<Download>,
    /// `CUSTOM_COMMAND`: shell text run after configuring and before starting.
    pub custom_command: Option<String>,
    /// `USE_REDIS_SESSION_CLUSTERING=Y` with its three values.
    pub redis: Option<Redis>,
    /// `SSO_KEYCLOAK_ISSUER_URI`, exported to the manager.
    pub sso_issuer: Option<String>,
    /// `KUBE_CONTEXTS` and what registering them needs; its content never fails the contract.
    pub kube: Kube,
    /// The `JJOBS_INIT_*` variables.
    pub own: Own,
    /// The environment as given, which is what components inherit.
    pub env: EnvVars,
    /// Every value to hide in what we print (6 characters or more, no documented default).
    pub secrets: Vec<Secret>,
}

/// What is installed in this container (`INSTALL_KIND`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallKind {
    /// `F`: manager, server and agent.
    Full,
    /// `M`: the manager.
    Manager,
    /// `S`: the server.
    Server,
    /// `A`: the agent.
    Agent,
}

/// What a boot does (`ON_BOOT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBoot {
    /// `yes`, `y`: install, start all of the kind.
    Yes,
    /// `manual`: install, start nothing.
    Manual,
    /// `manager`: install, start the manager alone.
    Manager,
    /// `exceptagent`: install, start manager and server.
    ExceptAgent,
    /// Anything else: neither install nor start.
    No,
}

/// Folders and files of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The vendor's installer: `/install/$INSTALL_FILE`.
    pub installer: PathBuf,
    /// `JJOBS_BASE`, the installed tree.
    pub jjobs_base: PathBuf,
    /// `WORKING_DIR`, the image's own files.
    pub working_dir: PathBuf,
    /// `LOGS_BASE`, normally a shared volume: PID 1's loop must never touch it.
    pub logs_base: PathBuf,
    /// `HOME`, or `/root`.
    pub home: PathBuf,
}

/// The pod's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hostname(pub String);

/// TCP ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// `MANAGER_WEB_PORT`.
    pub manager_web: u16,
    /// `SERVER_WEB_PORT`.
    pub server_web: u16,
    /// `SERVER_TCP_PORT`, the first of five.
    pub server_tcp: u16,
}

/// The meta DB.
#[derive(Debug, Clone)]
pub struct Database {
    /// `DB_TYPE`.
    pub kind: DbType,
    /// `JDBC_URL` as given, for the installer (may hold a password).
    pub jdbc_url: Secret,
    /// `JDBC_URL` understood.
    pub address: JdbcUrl,
    /// `JDBC_PARAMETERS`, empty if none (may hold a password).
    pub jdbc_parameters: Secret,
    /// `DB_USER`.
    pub user: String,
    /// `DB_PASSWD`.
    pub password: Secret,
    /// `USE_DB_ENCRYPT=Y`: the encrypted user and password.
    pub encrypted: Option<EncryptedLogin>,
}

/// Kinds of meta DB (`DB_TYPE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbType {
    /// `postgres`.
    Postgres,
    /// `oracle`.
    Oracle,
    /// `mysql`.
    Mysql,
    /// `mariadb`.
    Mariadb,
}

/// `ENCRYPTED_DB_USER` and `ENCRYPTED_DB_PASSWD`, as `encrypter.sh` made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedLogin {
    /// The encrypted user name.
    pub user: Secret,
    /// The encrypted password.
    pub password: Secret,
}

/// What an agent is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentSettings {
    /// `AGENT_GROUP_ID`.
    pub group_id: u64,
    /// `LOG_KEEP_DATE`, in days.
    pub log_keep_days: u64,
    /// `LOG_DELETE_YN`.
    pub log_delete: LogDelete,
}

/// What an agent does with logs older than `LOG_KEEP_DATE` (`LOG_DELETE_YN`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogDelete {
    /// `Y`.
    Delete,
    /// `N`.
    BackUp,
    /// `Z`.
    BackUpCompressed,
}

/// Java's DNS caches, in seconds; -1 keeps for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsCache {
    /// `NETWORKADDRESS_CACHE_TTL`.
    pub ttl: i32,
    /// `NETWORKADDRESS_CACHE_NEGATIVE_TTL`.
    pub negative_ttl: i32,
}

/// Where the REST token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// `API_PRIVATE_TOKEN`.
    Value(Secret),
    /// `API_PRIVATE_TOKEN_FILE`, re-read at every use: a drain outlives a mounted token.
    File(PathBuf),
}

/// `WGET_*`.
#[derive(Debug, Clone)]
pub struct Download {
    /// `WGET_URL` (http or https; may hold a password).
    pub url: Secret,
    /// `WGET_FOLDER_PATH`, absolute.
    pub folder: PathBuf,
    /// `WGET_FILE_NAME`, one plain file name.
    pub file_name: String,
    /// `WGET_SHA256`: 32 bytes that the file must hash to.
    pub sha256: Option<[u8; 32]>,
    /// `WGET_HEADER`: `Name: value`, not sent to another host after a redirect.
    pub header: Option<(String, Secret)>,
    /// `WGET_TIMEOUT`: limit of the whole download.
    pub timeout: Option<Duration>,
    /// `WGET_MAX_BYTES`: limit of the unpacked size.
    pub max_bytes: u64,
}

/// Where the manager keeps its sessions (`USE_REDIS_SESSION_CLUSTERING=Y`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// `REDIS_NAMESPACE`.
    pub namespace: String,
    /// `REDIS_HOST`.
    pub host: String,
    /// `REDIS_PORT`.
    pub port: u16,
}

/// What registering `KUBE_CONTEXTS` needs.
#[derive(Debug, Clone, Default)]
pub struct Kube {
    /// `KUBE_CONTEXTS`, unparsed: a broken one is a warning of that step.
    pub contexts: Option<String>,
    /// `KUBERNETES_SERVICE_HOST`.
    pub service_host: Option<String>,
    /// `KUBERNETES_SERVICE_PORT` (443).
    pub service_port: String,
}

/// Our own variables (`JJOBS_INIT_*`).
#[derive(Debug, Clone)]
pub struct Own {
    /// `JJOBS_INIT_LOG`.
    pub log_level: LogLevel,
    /// `JJOBS_INIT_LOG_FORMAT`.
    pub log_format: LogFormat,
    /// `JJOBS_INIT_LOG_PREFIX=component`: component output lines carry their component.
    pub log_prefix: bool,
    /// `JJOBS_INIT_RUN_DIR`, where given.
    pub run_dir: Option<PathBuf>,
    /// `JJOBS_INIT_STATE_DIR`, or its default below `LOGS_BASE`.
    pub state_dir: PathBuf,
    /// `JJOBS_INIT_GRACE_PERIOD`.
    pub grace_period: Option<Duration>,
    /// `JJOBS_INIT_LIVENESS_GRACE_PERIOD`.
    pub liveness_grace_period: Option<Duration>,
    /// `JJOBS_INIT_DEPENDENCY_TIMEOUT`; `None` waits for ever.
    pub dependency_timeout: Option<Duration>,
    /// `JJOBS_INIT_START_TIMEOUT`.
    pub start_timeout: Duration,
    /// `JJOBS_INIT_STOP_TIMEOUT`.
    pub stop_timeout: Duration,
    /// `JJOBS_INIT_HOLD_TIMEOUT`.
    pub hold_timeout: Duration,
    /// `JJOBS_INIT_POST_START_TIMEOUT`.
    pub post_start_timeout: Duration,
    /// `JJOBS_INIT_PROBE_TIMEOUT`.
    pub probe_timeout: Duration,
    /// `JJOBS_INIT_RESTART`.
    pub restart: RestartPolicy,
    /// `JJOBS_INIT_CA_FILE`: a CA bundle beside the system's.
    pub ca_file: Option<PathBuf>,
    /// `JJOBS_INIT_SCRUB_ENV=yes`: components do not inherit the token and the passwords.
    pub scrub_env: bool,
    /// `JJOBS_INIT_METRICS_ADDR`.
    pub metrics_addr: Option<SocketAddr>,
}

/// `JJOBS_INIT_LOG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// `JJOBS_INIT_LOG_FORMAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// What happens when a component that boot started ends unasked (`JJOBS_INIT_RESTART`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// `on-failure`: start it again, after a growing pause.
    OnFailure,
    /// `never`: leave it down; liveness says no.
    Never,
    /// `exit`: the container ends with the component's code.
    Exit,
}

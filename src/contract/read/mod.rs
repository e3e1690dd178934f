//! From an environment to a [`Contract`], or to everything that is wrong with it.
//!
//! What the container is ([`InstallKind`], [`OnBoot`]) is read first, because it decides whether a wrong value of any
//! other variable is an error or a warning. Every variable is read in any case, so that `check` can say it all.

mod database;
mod download;
mod files;
mod masks;
mod own;
mod reader;
mod rules;
mod strangers;
mod values;

use self::{
    reader::{Findings, Reader},
    values::{
        Refused, cache_seconds, choice, count, dns_name, file_name, flag, host, one_line,
        own_folder, port,
    },
};
use super::{
    AgentSettings, Checked, Contract, ContractError, DnsCache, EnvVars, Hostname, InstallKind,
    Kube, LogDelete, OnBoot, Paths, Ports, Redis, Source, TokenSource, jdbc::is_host_name,
    secret::Secret,
};
use std::path::PathBuf;

impl Contract {
    /// Checks `env`. `kernel_hostname` is what `uname` says, the default of `HOSTNAME`.
    ///
    /// Reads the files that `…_FILE` variables name, and no others but to see whether they can be read.
    ///
    /// # Errors
    /// Every violation at once, where there is one.
    pub fn from_env(env: EnvVars, kernel_hostname: &str) -> Result<Checked, ContractError> {
        let mut reader = Reader::new(&env);
        reader.kind = install_kind(&mut reader);
        reader.boot = on_boot(&mut reader);
        let secrets = masks::secrets(&env);
        let contract = read(&mut reader, kernel_hostname, secrets.clone());
        strangers::report(&mut reader, &env);
        let Findings { violations, warnings, values } = reader.finish(&secrets);
        if violations.is_empty() {
            Ok(Checked { contract: Self { env, ..contract }, warnings, values })
        } else {
            Err(ContractError { violations, warnings, values })
        }
    }
}

/// Everything but the environment itself, which is still borrowed.
fn read(reader: &mut Reader<'_>, kernel_hostname: &str, secrets: Vec<Secret>) -> Contract {
    let paths = paths(reader);
    let hostname = hostname(reader, kernel_hostname);
    let own = own::read(reader, &paths, &hostname.0);
    let contract = Contract {
        install_kind: reader.kind,
        on_boot: reader.boot,
        ports: ports(reader),
        database: database::read(reader),
        service_name: service_name(reader),
        server_host: reader.value("JJOBS_SERVER_IP", "127.0.0.1".to_owned(), host),
        agent: agent(reader),
        dns_cache: DnsCache {
            ttl: reader.value("NETWORKADDRESS_CACHE_TTL", 1, cache_seconds),
            negative_ttl: reader.value("NETWORKADDRESS_CACHE_NEGATIVE_TTL", 3, cache_seconds),
        },
        api_token: api_token(reader),
        download: download::read(reader),
        custom_command: reader.text("CUSTOM_COMMAND").map(str::to_owned),
        redis: redis(reader),
        sso_issuer: reader.optional("SSO_KEYCLOAK_ISSUER_URI", one_line),
        kube: kube(reader),
        paths,
        hostname,
        own,
        env: EnvVars::new(),
        secrets,
    };
    pass_through(reader);
    own::compare(reader, &contract.own);
    rules::check(reader, &contract);
    contract
}

/// `INSTALL_KIND`; where it is wrong, what was probably meant, else everything, so that nothing goes unreported.
fn install_kind(reader: &mut Reader<'_>) -> InstallKind {
    let words = InstallKind::ALL.map(|kind| (kind.letter(), kind));
    let meant = [("full", "F"), ("all", "F"), ("manager", "M"), ("server", "S"), ("agent", "A")];
    reader.optional("INSTALL_KIND", |text| choice(text, &words, &meant)).unwrap_or_else(|| {
        let given =
            reader.raw("INSTALL_KIND").unwrap_or_default().to_string_lossy().trim().to_lowercase();
        let letter = meant
            .iter()
            .find(|(word, _)| *word == given)
            .map_or(given.as_str(), |(_, letter)| letter);
        InstallKind::ALL
            .into_iter()
            .find(|kind| kind.letter().eq_ignore_ascii_case(letter))
            .unwrap_or(InstallKind::Full)
    })
}

/// `ON_BOOT`. What it does not know has always meant "no" to the image, and manifests rely on that.
fn on_boot(reader: &mut Reader<'_>) -> OnBoot {
    let words = [
        ("yes", OnBoot::Yes),
        ("y", OnBoot::Yes),
        ("manual", OnBoot::Manual),
        ("manager", OnBoot::Manager),
        ("exceptagent", OnBoot::ExceptAgent),
        ("no", OnBoot::No),
    ];
    let meant = [
        ("true", "yes"),
        ("on", "yes"),
        ("1", "yes"),
        ("auto", "yes"),
        ("false", "no"),
        ("off", "no"),
        ("n", "no"),
        ("0", "no"),
    ];
    let Some(text) = reader.text("ON_BOOT") else {
        // Bytes that are no text are no value that could be meant as "no".
        return OnBoot::Yes;
    };
    choice(text, &words, &meant).unwrap_or_else(|refused| {
        reader.warn(
            "ON_BOOT",
            "is unknown and means no: nothing is installed and nothing is started",
            refused.hint.as_deref(),
        );
        OnBoot::No
    })
}

fn paths(reader: &mut Reader<'_>) -> Paths {
    let installer =
        reader.value("INSTALL_FILE", "jjob_installer_linux_x64.sh".to_owned(), file_name);
    Paths {
        installer: PathBuf::from("/install").join(installer),
        jjobs_base: reader.value("JJOBS_BASE", PathBuf::from("/engn001/jjobs"), own_folder),
        working_dir: reader.value("WORKING_DIR", PathBuf::from("/working"), own_folder),
        logs_base: reader.value("LOGS_BASE", PathBuf::from("/logs001/jjobs"), own_folder),
        home: home(reader),
    }
}

/// `HOME`, which others define: what is of no use is reported where it matters, for `KUBE_CONTEXTS`.
fn home(reader: &mut Reader<'_>) -> PathBuf {
    let default = || PathBuf::from("/root");
    let Some(raw) = reader.raw("HOME") else { return default() };
    let path = PathBuf::from(raw);
    if path.is_absolute() {
        reader.note("HOME", &path.to_string_lossy(), Source::Environment);
        return path;
    }
    if reader.raw("KUBE_CONTEXTS").is_some() {
        reader.warn("HOME", "is no absolute path: .kube/config is written below /root", None);
    }
    default()
}

fn hostname(reader: &mut Reader<'_>, kernel_hostname: &str) -> Hostname {
    let check = |text: &str| {
        if is_host_name(text) && !text.ends_with('.') {
            Ok(Hostname(text.to_owned()))
        } else {
            Err(Refused::default())
        }
    };
    if let Some(given) = reader.optional("HOSTNAME", check) {
        return given;
    }
    if !reader.is_refused("HOSTNAME") {
        if let Ok(kernels) = check(kernel_hostname) {
            reader.note("HOSTNAME", kernel_hostname, Source::Default);
            return kernels;
        }
        reader.refuse(
            "HOSTNAME",
            Refused::hinting("the kernel's host name, its default, is none that can be used"),
        );
    }
    Hostname("localhost".to_owned())
}

fn ports(reader: &mut Reader<'_>) -> Ports {
    Ports {
        manager_web: reader.value("MANAGER_WEB_PORT", 7065, port),
        server_web: reader.value("SERVER_WEB_PORT", 7075, port),
        server_tcp: reader.value("SERVER_TCP_PORT", 17075, values::first_of_five_ports),
    }
}

/// `JJOB_SERVICE_NAME`, the one variable for which set but empty is not unset.
fn service_name(reader: &mut Reader<'_>) -> Option<String> {
    if reader.is_set("JJOB_SERVICE_NAME") && reader.raw("JJOB_SERVICE_NAME").is_none() {
        reader.note("JJOB_SERVICE_NAME", "", Source::Environment);
        return None;
    }
    Some(reader.value("JJOB_SERVICE_NAME", "jjobs.default.svc.cluster.local".to_owned(), dns_name))
}

fn agent(reader: &mut Reader<'_>) -> AgentSettings {
    AgentSettings {
        group_id: reader.value("AGENT_GROUP_ID", 0, count),
        log_keep_days: reader.value("LOG_KEEP_DATE", 5, count),
        log_delete: reader.value("LOG_DELETE_YN", LogDelete::Delete, |text| {
            let words = [
                ("Y", LogDelete::Delete),
                ("N", LogDelete::BackUp),
                ("Z", LogDelete::BackUpCompressed),
            ];
            choice(
                text,
                &words,
                &[("yes", "Y"), ("no", "N"), ("zip", "Z"), ("true", "Y"), ("false", "N")],
            )
        }),
    }
}

fn api_token(reader: &mut Reader<'_>) -> Option<TokenSource> {
    let file = reader.optional("API_PRIVATE_TOKEN_FILE", values::absolute_path);
    let value = reader.optional("API_PRIVATE_TOKEN", token);
    if let Some(path) = file {
        if reader.raw("API_PRIVATE_TOKEN").is_some() {
            let hint = Some("remove API_PRIVATE_TOKEN".to_owned());
            reader.warn_of_name(
                "API_PRIVATE_TOKEN",
                "is set and so is API_PRIVATE_TOKEN_FILE: the file wins",
                hint,
            );
        }
        reader.look_at_token_file(&path);
        return Some(TokenSource::File(path));
    }
    let value = value?;
    if reader.raw("API_PRIVATE_TOKEN").is_some_and(|raw| raw.len() != value.len()) {
        let hint = Some("make the secret with echo -n or printf".to_owned());
        reader.warn_of_name(
            "API_PRIVATE_TOKEN",
            "has spaces or line breaks around it, which are dropped",
            hint,
        );
    }
    (!value.is_empty()).then(|| TokenSource::Value(Secret::new(value)))
}

/// A token as a header may carry it.
fn token(text: &str) -> Result<String, Refused> {
    let text = text.trim();
    if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(Refused::hinting("it holds a line break or a character that no HTTP header may have"))
    }
}

fn redis(reader: &mut Reader<'_>) -> Option<Redis> {
    let wanted = reader.value("USE_REDIS_SESSION_CLUSTERING", false, flag);
    if !wanted && !reader.is_refused("USE_REDIS_SESSION_CLUSTERING") {
        reader.switch_off(&["REDIS_NAMESPACE", "REDIS_HOST", "REDIS_PORT"]);
    }
    let namespace = reader.optional("REDIS_NAMESPACE", one_line);
    let redis_host = reader.optional("REDIS_HOST", host);
    let redis_port = reader.optional("REDIS_PORT", port);
    if !wanted {
        return None;
    }
    for name in ["REDIS_NAMESPACE", "REDIS_HOST", "REDIS_PORT"] {
        if reader.raw(name).is_none() {
            reader.refuse(name, Refused::hinting("USE_REDIS_SESSION_CLUSTERING=Y needs REDIS_NAMESPACE, REDIS_HOST and REDIS_PORT"));
        }
    }
    Some(Redis { namespace: namespace?, host: redis_host?, port: redis_port? })
}

fn kube(reader: &mut Reader<'_>) -> Kube {
    let mut text = |name| reader.text(name).map(str::to_owned);
    Kube {
        contexts: text("KUBE_CONTEXTS"),
        service_host: text("KUBERNETES_SERVICE_HOST"),
        service_port: text("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned()),
    }
}

/// What the components read and we only show.
fn pass_through(reader: &mut Reader<'_>) {
    for name in [
        "AWS_DEFAULT_REGION",
        "CATALINA_OPTS",
        "JJOBS_AGENT_STARTUP_TIMEOUT",
        "LANG",
        "TZ",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
    ] {
        if let Some(raw) = reader.raw(name) {
            reader.note(name, &raw.to_string_lossy(), Source::Environment);
        }
    }
}

#[cfg(test)]
mod tests;

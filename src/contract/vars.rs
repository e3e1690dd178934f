//! Every variable that we read, in one table: README, `check` and the messages about wrong values are made from it.
//!
//! A variable that is not here is not ours: it is left alone and inherited by the components.

mod jjobs;
mod own;

use super::{InstallKind, OnBoot};
use std::fmt::Write;

/// A language of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Korean.
    Korean,
}

/// The same text in both languages.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// In English.
    pub en: &'static str,
    /// In Korean.
    pub ko: &'static str,
}

impl Words {
    /// The text in `language`.
    #[must_use]
    pub fn of(self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Korean => self.ko,
        }
    }
}

/// Which containers use a variable: there a wrong value is an error, elsewhere a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsedBy {
    /// Every container.
    Always,
    /// Every container that installs something.
    Installed,
    /// Where the manager is installed.
    Manager,
    /// Where the server is installed.
    Server,
    /// Where the agent is installed.
    Agent,
    /// Where manager or server is installed.
    ManagerOrServer,
    /// Where server or agent is installed.
    ServerOrAgent,
    /// A wrong value never stops a container.
    Lenient,
}

impl UsedBy {
    /// Whether a container of this kind, booted this way, uses the variable.
    #[must_use]
    pub fn applies(self, kind: InstallKind, boot: OnBoot) -> bool {
        match self {
            Self::Always => true,
            Self::Lenient => false,
            _ if !boot.installs() => false,
            Self::Installed => true,
            Self::Manager => kind.has_manager(),
            Self::Server => kind.has_server(),
            Self::Agent => kind.has_agent(),
            Self::ManagerOrServer => kind.has_manager() || kind.has_server(),
            Self::ServerOrAgent => kind.has_server() || kind.has_agent(),
        }
    }
}

/// One variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is taken as when unset or empty; empty if there is no such text.
    pub default: &'static str,
    /// The default in words, where it is computed.
    pub default_words: Option<Words>,
    /// What it does.
    pub meaning: Words,
    /// What it may be, to follow "must be".
    pub accepted: Words,
    /// Whether its value is never shown.
    pub secret: bool,
    /// Who uses it.
    pub used_by: UsedBy,
}

/// Variables that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The headline.
    pub title: Words,
    /// The variables.
    pub variables: &'static [Variable],
}

/// All variables, grouped, in the order of the documentation.
pub const GROUPS: &[Group] = &[
    jjobs::ROLE,
    jjobs::PLACES,
    jjobs::DATABASE,
    jjobs::NAMES,
    jjobs::AGENT,
    jjobs::EXTRAS,
    own::DOWNLOAD,
    own::LOGGING,
    own::LIFE,
    own::STANDARD,
];

/// All variables.
pub fn all() -> impl Iterator<Item = &'static Variable> {
    GROUPS.iter().flat_map(|group| group.variables)
}

/// The variable of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Variable> {
    all().find(|variable| variable.name == name)
}

/// The table of variables as Markdown, for README.
#[must_use]
pub fn markdown(language: Language) -> String {
    let [name, default, meaning, accepted] = match language {
        Language::English => ["variable", "default", "meaning", "accepted"],
        Language::Korean => ["변수", "기본값", "의미", "허용되는 값"],
    };
    let mut text = String::new();
    for group in GROUPS {
        let _ = write!(
            text,
            "### {}\n\n| {name} | {default} | {meaning} | {accepted} |\n| --- | --- | --- | --- |\n",
            group.title.of(language)
        );
        for variable in group.variables {
            let _ = writeln!(
                text,
                "| `{}`{} | {} | {} | {} |",
                variable.name,
                if variable.secret { " 🔒" } else { "" },
                default_cell(variable, language),
                cell(variable.meaning.of(language)),
                cell(variable.accepted.of(language)),
            );
        }
        text.push('\n');
    }
    text.push_str(match language {
        Language::English => {
            "🔒 The value is a secret: it is hidden in everything that is printed.\n"
        }
        Language::Korean => "🔒 비밀 값입니다. 출력되는 모든 내용에서 가려집니다.\n",
    });
    text
}

fn default_cell(variable: &Variable, language: Language) -> String {
    match variable.default_words {
        Some(words) => cell(words.of(language)),
        None if variable.default.is_empty() => String::new(),
        None => format!("`{}`", variable.default),
    }
}

/// A `|` would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_variable_stands_in_the_table_once_and_is_described_in_both_languages() {
        let mut names = BTreeSet::new();
        for variable in all() {
            assert!(names.insert(variable.name), "{} stands twice", variable.name);
            for words in [variable.meaning, variable.accepted] {
                assert!(!words.en.is_empty() && !words.ko.is_empty(), "{}", variable.name);
                assert!(!words.en.ends_with('.') && !words.ko.ends_with('.'), "{}", variable.name);
            }
        }
    }

    #[test]
    fn the_markdown_table_names_every_variable_in_one_row() {
        for language in [Language::English, Language::Korean] {
            let text = markdown(language);
            for variable in all() {
                let start = format!("| `{}`", variable.name);
                let rows: Vec<&str> = text.lines().filter(|row| row.starts_with(&start)).collect();
                assert_eq!(rows.len(), 1, "{}", variable.name);
                let row = rows.concat().replace("\\|", "");
                assert_eq!(row.matches('|').count(), 5, "{row}");
            }
        }
    }

    #[test]
    fn every_variable_of_the_specification_is_there() {
        for name in [
            "INSTALL_KIND",
            "ON_BOOT",
            "INSTALL_FILE",
            "JJOBS_BASE",
            "WORKING_DIR",
            "LOGS_BASE",
            "MANAGER_WEB_PORT",
            "SERVER_WEB_PORT",
            "SERVER_TCP_PORT",
            "DB_TYPE",
            "JDBC_URL",
            "JDBC_PARAMETERS",
            "DB_USER",
            "DB_PASSWD",
            "USE_DB_ENCRYPT",
            "ENCRYPTED_DB_USER",
            "ENCRYPTED_DB_PASSWD",
            "JJOB_SERVICE_NAME",
            "JJOBS_SERVER_IP",
            "AGENT_GROUP_ID",
            "LOG_KEEP_DATE",
            "LOG_DELETE_YN",
            "NETWORKADDRESS_CACHE_TTL",
            "NETWORKADDRESS_CACHE_NEGATIVE_TTL",
            "API_PRIVATE_TOKEN",
            "WGET_URL",
            "WGET_FOLDER_PATH",
            "WGET_FILE_NAME",
            "CUSTOM_COMMAND",
            "USE_REDIS_SESSION_CLUSTERING",
            "REDIS_NAMESPACE",
            "REDIS_HOST",
            "REDIS_PORT",
            "SSO_KEYCLOAK_ISSUER_URI",
            "CATALINA_OPTS",
            "JJOBS_AGENT_STARTUP_TIMEOUT",
            "LANG",
            "TZ",
            "KUBE_CONTEXTS",
            "AWS_DEFAULT_REGION",
            "HOSTNAME",
            "JJOBS_INIT_LOG",
            "JJOBS_INIT_LOG_FORMAT",
            "JJOBS_INIT_LOG_PREFIX",
            "JJOBS_INIT_RUN_DIR",
            "JJOBS_INIT_STATE_DIR",
            "JJOBS_INIT_GRACE_PERIOD",
            "JJOBS_INIT_LIVENESS_GRACE_PERIOD",
            "JJOBS_INIT_DEPENDENCY_TIMEOUT",
            "JJOBS_INIT_START_TIMEOUT",
            "JJOBS_INIT_STOP_TIMEOUT",
            "JJOBS_INIT_HOLD_TIMEOUT",
            "JJOBS_INIT_POST_START_TIMEOUT",
            "JJOBS_INIT_PROBE_TIMEOUT",
            "JJOBS_INIT_RESTART",
            "JJOBS_INIT_CA_FILE",
            "JJOBS_INIT_SCRUB_ENV",
            "JJOBS_INIT_METRICS_ADDR",
            "WGET_SHA256",
            "WGET_HEADER",
            "WGET_TIMEOUT",
            "WGET_MAX_BYTES",
            "DB_PASSWD_FILE",
            "DB_USER_FILE",
            "ENCRYPTED_DB_USER_FILE",
            "ENCRYPTED_DB_PASSWD_FILE",
            "API_PRIVATE_TOKEN_FILE",
        ] {
            assert!(find(name).is_some(), "{name}");
        }
    }
}

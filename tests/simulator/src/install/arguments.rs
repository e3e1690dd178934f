//! The installer's arguments: the ones of contract.md §4, each exactly once, and no other.

use std::collections::BTreeMap;

pub(crate) const USAGE: &str = "\
usage: jjob_installer_linux_x64.sh --base_path DIR --install_kind {F|M|S} --install_mode I
         {--use_postgresql|--use_oracle|--use_mariadb|--use_mysql} --jdbc_url URL --use_db_session_storage
         --dbms_user USER --dbms_pswd PASSWORD --man_web_port PORT --svr_service_web_port PORT
         --svr_cotrol_base_port PORT --agnt_svr_group 1 --agnt_group N --agnt_startup_svc_protocol http
         --agnt_startup_svc_context jjob-server --agnt_startup_svc_domain HOST --agnt_startup_svc_port PORT
       jjob_installer_linux_x64.sh --base_path DIR --install_kind A --install_mode I
         --svr_service_web_port PORT --agnt_svr_group 1 --agnt_group N
         --agnt_startup_svc_domain HOST --agnt_startup_svc_port PORT";

const DATABASES: [(&str, &str); 4] = [
    ("--use_postgresql", "org.postgresql.Driver"),
    ("--use_oracle", "oracle.jdbc.OracleDriver"),
    ("--use_mariadb", "org.mariadb.jdbc.Driver"),
    ("--use_mysql", "com.mysql.cj.jdbc.Driver"),
];

const SESSION_STORAGE: &str = "--use_db_session_storage";

const AGENT: [&str; 8] = [
    "--base_path",
    "--install_kind",
    "--install_mode",
    "--svr_service_web_port",
    "--agnt_svr_group",
    "--agnt_group",
    "--agnt_startup_svc_domain",
    "--agnt_startup_svc_port",
];

const OTHERS: [&str; 15] = [
    "--base_path",
    "--install_kind",
    "--install_mode",
    "--jdbc_url",
    "--dbms_user",
    "--dbms_pswd",
    "--man_web_port",
    "--svr_service_web_port",
    "--svr_cotrol_base_port",
    "--agnt_svr_group",
    "--agnt_group",
    "--agnt_startup_svc_protocol",
    "--agnt_startup_svc_context",
    "--agnt_startup_svc_domain",
    "--agnt_startup_svc_port",
];

/// Arguments that were accepted.
#[derive(Debug)]
pub(crate) struct Settings {
    words: Vec<String>,
    values: BTreeMap<String, String>,
    driver: &'static str,
}

impl Settings {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        let mut flags: Vec<&str> = Vec::new();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let is_flag =
                *word == SESSION_STORAGE || DATABASES.iter().any(|(flag, _)| flag == word);
            if is_flag {
                if flags.contains(word) {
                    return Err(format!("{word} is given twice"));
                }
                flags.push(word);
                continue;
            }
            if !OTHERS.contains(word) {
                return Err(format!("unknown argument {word:?}"));
            }
            let value = rest.next().ok_or_else(|| format!("{word} needs a value"))?;
            if values.insert((*word).to_owned(), (*value).to_owned()).is_some() {
                return Err(format!("{word} is given twice"));
            }
        }
        let mut settings = Self {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            values,
            driver: "",
        };
        settings.check(&flags)?;
        Ok(settings)
    }

    fn check(&mut self, flags: &[&str]) -> Result<(), String> {
        let kind = self.get("install_kind").to_owned();
        if !matches!(kind.as_str(), "F" | "M" | "S" | "A") {
            return Err(format!("--install_kind {kind:?} is none of F, M, S, A"));
        }
        let wanted: &[&str] = if kind == "A" { &AGENT } else { &OTHERS };
        for name in wanted {
            if !self.values.contains_key(*name) {
                return Err(format!("{name} is missing"));
            }
        }
        if let Some(name) = self.values.keys().find(|name| !wanted.contains(&name.as_str())) {
            return Err(format!("{name} does not go with --install_kind {kind}"));
        }
        self.check_flags(&kind, flags)?;
        self.check_values()
    }

    fn check_flags(&mut self, kind: &str, flags: &[&str]) -> Result<(), String> {
        let databases: Vec<_> = DATABASES.iter().filter(|(flag, _)| flags.contains(flag)).collect();
        match (kind, databases.as_slice(), flags.contains(&SESSION_STORAGE)) {
            ("A", [], false) => Ok(()),
            ("A", ..) => Err("an agent uses no database".to_owned()),
            (_, [(_, driver)], true) => {
                self.driver = driver;
                Ok(())
            }
            (_, [_], false) => Err(format!("{SESSION_STORAGE} is missing")),
            _ => Err("exactly one of the databases must be chosen".to_owned()),
        }
    }

    fn check_values(&self) -> Result<(), String> {
        for (name, value) in &self.values {
            let is_right = match name.as_str() {
                "--base_path" => value.starts_with('/'),
                "--install_mode" => value == "I",
                "--agnt_svr_group" => value == "1",
                "--agnt_group" => value.parse::<u64>().is_ok(),
                "--agnt_startup_svc_protocol" => value == "http",
                "--agnt_startup_svc_context" => value == "jjob-server",
                name if name.ends_with("_port") => value.parse::<u16>().is_ok_and(|port| port > 0),
                _ => !value.is_empty(),
            };
            if !is_right {
                return Err(format!("{name} {value:?} is not usable"));
            }
        }
        Ok(())
    }

    /// The value of `--name`; empty where this kind has none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.values.get(&format!("--{name}")).map_or("", String::as_str)
    }

    pub(crate) fn base(&self) -> &str {
        self.get("base_path")
    }

    pub(crate) fn driver(&self) -> &str {
        self.driver
    }

    /// Everything as it was given.
    pub(crate) fn words(&self) -> Vec<String> {
        self.words.clone()
    }

    pub(crate) fn shown(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn agent() -> Vec<&'static str> {
        "--base_path /b --install_kind A --install_mode I --svr_service_web_port 7075 --agnt_svr_group 1 \
         --agnt_group 0 --agnt_startup_svc_domain h --agnt_startup_svc_port 7075"
            .split_whitespace()
            .collect()
    }

    #[test]
    fn unknown_missing_doubled_and_misplaced_arguments_are_refused() {
        assert_eq!(Settings::parse(&agent()).unwrap().base(), "/b");
        let with = |more: &[&'static str]| {
            Settings::parse(&[agent(), more.to_vec()].concat()).unwrap_err()
        };
        assert_eq!(with(&["--what"]), "unknown argument \"--what\"");
        assert_eq!(with(&["--agnt_group", "1"]), "--agnt_group is given twice");
        assert_eq!(with(&["--dbms_user", "u"]), "--dbms_user does not go with --install_kind A");
        assert_eq!(with(&["--use_oracle"]), "an agent uses no database");
        assert_eq!(Settings::parse(&agent()[2..]).unwrap_err(), "--base_path is missing");
        assert_eq!(
            Settings::parse(&agent()[..15]).unwrap_err(),
            "--agnt_startup_svc_port needs a value"
        );
    }
}

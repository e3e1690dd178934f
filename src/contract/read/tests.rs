#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use crate::contract::{vars::UsedBy, *};
use proptest::prelude::*;
use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

type Outcome = Result<Checked, ContractError>;

fn env(vars: &[(&str, &str)]) -> EnvVars {
    vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn check(vars: &[(&str, &str)]) -> Outcome {
    Contract::from_env(env(vars), "jjobs-0")
}

fn contract(vars: &[(&str, &str)]) -> Contract {
    check(vars).unwrap_or_else(|error| panic!("{vars:?}: {error}")).contract
}

fn violations(vars: &[(&str, &str)]) -> Vec<Violation> {
    check(vars).map_or_else(|error| error.violations, |_| Vec::new())
}

fn violated(vars: &[(&str, &str)]) -> Vec<String> {
    violations(vars).into_iter().map(|violation| violation.name).collect()
}

fn warnings(vars: &[(&str, &str)]) -> Vec<Warning> {
    check(vars).map_or_else(|error| error.warnings, |checked| checked.warnings)
}

fn warned(vars: &[(&str, &str)]) -> Vec<String> {
    warnings(vars).into_iter().map(|warning| warning.name).collect()
}

fn hint(vars: &[(&str, &str)]) -> String {
    violations(vars).first().and_then(|violation| violation.hint.clone()).unwrap_or_default()
}

/// Everything that may be shown of an outcome.
fn shown(outcome: &Outcome) -> String {
    let displays = match outcome {
        Ok(checked) => {
            checked.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        Err(error) => {
            let warnings: Vec<String> = error.warnings.iter().map(ToString::to_string).collect();
            format!("{error}\n{}", warnings.join("\n"))
        }
    };
    let text = crate::check::report(outcome, crate::check::Format::Text);
    let json = crate::check::report(outcome, crate::check::Format::Json);
    format!("{outcome:?}\n{outcome:#?}\n{displays}\n{text}\n{json}")
}

#[test]
fn an_empty_environment_gives_the_documented_defaults_without_a_warning() {
    let Checked { contract, warnings, values } = check(&[]).unwrap();
    assert_eq!(warnings, []);
    assert!(values.iter().all(|value| value.source == Source::Default));
    assert_eq!(contract.install_kind, InstallKind::Full);
    assert_eq!(contract.on_boot, OnBoot::Yes);
    assert_eq!(contract.paths.installer, Path::new("/install/jjob_installer_linux_x64.sh"));
    assert_eq!(contract.paths.jjobs_base, Path::new("/engn001/jjobs"));
    assert_eq!(contract.paths.working_dir, Path::new("/working"));
    assert_eq!(contract.paths.logs_base, Path::new("/logs001/jjobs"));
    assert_eq!(contract.paths.home, Path::new("/root"));
    assert_eq!(contract.hostname.0, "jjobs-0");
    assert_eq!(contract.ports, Ports { manager_web: 7065, server_web: 7075, server_tcp: 17075 });
    assert_eq!(contract.database.kind, DbType::Postgres);
    assert_eq!(contract.database.address.hosts[0].to_string(), "127.0.0.1:7432");
    assert_eq!(contract.database.user, "jjobs");
    assert_eq!(contract.database.password.expose(), "jjobs1234");
    assert!(
        contract.database.encrypted.is_none()
            && contract.redis.is_none()
            && contract.download.is_none()
    );
    assert_eq!(contract.service_name.as_deref(), Some("jjobs.default.svc.cluster.local"));
    assert_eq!(contract.server_host, "127.0.0.1");
    assert_eq!(
        contract.agent,
        AgentSettings { group_id: 0, log_keep_days: 5, log_delete: LogDelete::Delete }
    );
    assert_eq!(contract.dns_cache, DnsCache { ttl: 1, negative_ttl: 3 });
    assert!(contract.api_token.is_none() && contract.secrets.is_empty());
    assert_eq!(contract.own.state_dir, Path::new("/logs001/jjobs/init/jjobs-0"));
    assert_eq!(contract.own.dependency_timeout, None);
    assert_eq!(contract.own.start_timeout, Duration::from_mins(10));
    assert_eq!(contract.own.restart, RestartPolicy::OnFailure);
}

#[test]
fn an_empty_value_and_a_default_written_out_are_the_same_as_none() {
    let plain = format!("{:?}", contract(&[]));
    let count = |text: &str| text.replace(char::is_numeric, "");
    for variable in vars::all() {
        // The one exception of the contract, and what is only passed through.
        if variable.name != "JJOB_SERVICE_NAME" {
            let empty = contract(&[(variable.name, "")]);
            assert_eq!(count(&format!("{empty:?}")), count(&plain), "{}=", variable.name);
        }
        if !variable.default.is_empty() {
            let written = check(&[(variable.name, variable.default)]).unwrap();
            assert_eq!(
                count(&format!("{:?}", written.contract)),
                count(&plain),
                "{}",
                variable.name
            );
            assert_eq!(written.warnings, [], "{}", variable.name);
        }
    }
    let all: Vec<(&str, &str)> =
        vars::all().map(|variable| (variable.name, variable.default)).collect();
    let written = contract(
        &all.iter().copied().filter(|(_, default)| !default.is_empty()).collect::<Vec<_>>(),
    );
    assert_eq!(written.agent, contract(&[]).agent);
    assert_eq!(written.ports, contract(&[]).ports);
    assert_eq!(written.dns_cache, contract(&[]).dns_cache);
    assert_eq!(format!("{:?}", written.own), format!("{:?}", contract(&[]).own));
    assert_eq!(contract(&[("JJOB_SERVICE_NAME", "")]).service_name, None);
}

#[test]
fn every_variable_reaches_its_field() {
    let contract = contract(&[
        ("INSTALL_FILE", "x.sh"),
        ("JJOBS_BASE", "/opt/jjobs/"),
        ("LOGS_BASE", "/var/log/jjobs"),
        ("HOME", "/home/jjobs"),
        ("HOSTNAME", "pod-3"),
        ("DB_TYPE", "mariadb"),
        ("JDBC_URL", "jdbc:mariadb://db/x"),
        ("JDBC_PARAMETERS", "?a=b&c=d"),
        ("DB_USER", "me"),
        ("DB_PASSWD", "se cret&"),
        ("USE_DB_ENCRYPT", "Y"),
        ("ENCRYPTED_DB_USER", "abcd=="),
        ("ENCRYPTED_DB_PASSWD", "efgh=="),
        ("LOG_DELETE_YN", "Z"),
        ("NETWORKADDRESS_CACHE_TTL", "-1"),
        ("API_PRIVATE_TOKEN", "token-1"),
        ("WGET_URL", "https://u:p@h/x.zip"),
        ("WGET_FOLDER_PATH", "/data"),
        ("WGET_FILE_NAME", "x.zip"),
        ("WGET_HEADER", "X-Key: v"),
        ("WGET_TIMEOUT", "10m"),
        ("WGET_MAX_BYTES", "1GiB"),
        ("CUSTOM_COMMAND", "echo 'Hello from env!' && ls -l\n"),
        ("USE_REDIS_SESSION_CLUSTERING", "Y"),
        ("REDIS_NAMESPACE", "ns"),
        ("REDIS_HOST", "redis"),
        ("REDIS_PORT", "6379"),
        ("SSO_KEYCLOAK_ISSUER_URI", "https://sso/realms/x?a='b'"),
        ("KUBE_CONTEXTS", "not json"),
        ("JJOBS_INIT_GRACE_PERIOD", "10h"),
        ("JJOBS_INIT_DEPENDENCY_TIMEOUT", "90"),
        ("JJOBS_INIT_METRICS_ADDR", "0.0.0.0:9090"),
        ("JJOBS_INIT_SCRUB_ENV", "yes"),
        ("JJOBS_INIT_RESTART", "exit"),
        ("JJOBS_INIT_LOG_PREFIX", "component"),
    ]);
    assert_eq!(contract.paths.installer, Path::new("/install/x.sh"));
    assert_eq!(contract.paths.jjobs_base.to_str(), Some("/opt/jjobs"));
    assert_eq!(contract.own.state_dir, Path::new("/var/log/jjobs/init/pod-3"));
    assert_eq!(contract.hostname.server_number(), 4);
    assert_eq!(contract.database.jdbc_parameters.expose(), "?a=b&c=d");
    assert_eq!(contract.database.password.expose(), "se cret&");
    assert_eq!(contract.database.encrypted.unwrap().password.expose(), "efgh==");
    assert_eq!(contract.agent.log_delete, LogDelete::BackUpCompressed);
    assert_eq!(contract.dns_cache.ttl, -1);
    assert_eq!(contract.api_token, Some(TokenSource::Value(Secret::new("token-1"))));
    let download = contract.download.unwrap();
    assert_eq!(download.url.expose(), "https://u:p@h/x.zip");
    assert_eq!((download.timeout, download.max_bytes), (Some(Duration::from_mins(10)), 1 << 30));
    assert_eq!(contract.custom_command.as_deref(), Some("echo 'Hello from env!' && ls -l\n"));
    assert_eq!(contract.redis.unwrap().port, 6379);
    assert_eq!(contract.sso_issuer.as_deref(), Some("https://sso/realms/x?a='b'"));
    assert_eq!(contract.kube.contexts.as_deref(), Some("not json"));
    assert_eq!(contract.own.grace_period, Some(Duration::from_hours(10)));
    assert_eq!(contract.own.dependency_timeout, Some(Duration::from_secs(90)));
    assert!(contract.own.scrub_env && contract.own.log_prefix);
    assert_eq!(contract.own.restart, RestartPolicy::Exit);
    assert_eq!(contract.own.metrics_addr.unwrap().port(), 9090);
}

#[test]
fn all_violations_are_reported_in_one_go() {
    let names = violated(&[
        ("INSTALL_KIND", "X"),
        ("JJOBS_BASE", "jjobs"),
        ("SERVER_TCP_PORT", "65532"),
        ("DB_TYPE", "db2"),
        ("JDBC_URL", "jdbc:db2://h/x"),
        ("USE_DB_ENCRYPT", "Y"),
        ("USE_REDIS_SESSION_CLUSTERING", "Y"),
        ("WGET_URL", "http://h/x"),
        ("JJOBS_INIT_STOP_TIMEOUT", "soon"),
    ]);
    for name in [
        "INSTALL_KIND",
        "JJOBS_BASE",
        "SERVER_TCP_PORT",
        "DB_TYPE",
        "JDBC_URL",
        "ENCRYPTED_DB_USER",
        "ENCRYPTED_DB_PASSWD",
        "REDIS_NAMESPACE",
        "REDIS_HOST",
        "REDIS_PORT",
        "WGET_FOLDER_PATH",
        "WGET_FILE_NAME",
        "JJOBS_INIT_STOP_TIMEOUT",
    ] {
        assert_eq!(
            names.iter().filter(|violated| *violated == name).count(),
            1,
            "{name}: {names:?}"
        );
    }
    assert_eq!(names.len(), 13, "{names:?}");
}

#[test]
fn a_near_miss_says_what_was_probably_meant() {
    for (name, value, meant) in [
        ("INSTALL_KIND", "f", "F"),
        ("INSTALL_KIND", "agent", "A"),
        ("INSTALL_KIND", " F", "F"),
        ("DB_TYPE", "Postgres", "postgres"),
        ("DB_TYPE", "PostgreSQL", "postgres"),
        ("DB_TYPE", "MariaDB", "mariadb"),
        ("DB_TYPE", "orcale", "oracle"),
        ("USE_DB_ENCRYPT", "y", "Y"),
        ("USE_DB_ENCRYPT", "true", "Y"),
        ("USE_REDIS_SESSION_CLUSTERING", "n", "N"),
        ("LOG_DELETE_YN", "z", "Z"),
        ("JJOBS_INIT_LOG", "warning", "warn"),
        ("JJOBS_INIT_LOG", "INFO", "info"),
        ("JJOBS_INIT_RESTART", "onfailure", "on-failure"),
        ("JJOBS_INIT_STOP_TIMEOUT", "90sec", "90s"),
        ("SERVER_WEB_PORT", "7075 ", "7075"),
    ] {
        let hint = hint(&[(name, value)]);
        assert!(hint.starts_with(&format!("did you mean {meant}")), "{name}={value}: {hint}");
    }
    assert_eq!(hint(&[("INSTALL_KIND", "X")]), "");
}

#[test]
fn an_unknown_on_boot_means_no_with_a_warning() {
    for (value, meant) in [
        ("exeptagent", Some("exceptagent")),
        ("Yes", Some("yes")),
        ("true", Some("yes")),
        ("banana", None),
    ] {
        let Checked { contract, warnings, .. } = check(&[("ON_BOOT", value)]).unwrap();
        assert_eq!(contract.on_boot, OnBoot::No, "{value}");
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].hint, meant.map(|meant| format!("did you mean {meant}?")));
    }
    assert_eq!(warned(&[("ON_BOOT", "no")]), [""; 0]);
}

#[test]
fn contradictions_are_refused() {
    for (boot, kind) in [("exceptagent", "A"), ("manager", "A"), ("manager", "S")] {
        assert_eq!(
            violated(&[("ON_BOOT", boot), ("INSTALL_KIND", kind)]),
            ["ON_BOOT"],
            "{boot} {kind}"
        );
    }
}

#[test]
fn a_wrong_value_that_this_container_does_not_use_is_a_warning() {
    for (name, value, used_in, unused_in) in [
        ("JDBC_URL", "nonsense", "FMS", "A"),
        ("DB_TYPE", "db2", "FMS", "A"),
        ("USE_DB_ENCRYPT", "Y", "FMS", "A"),
        ("MANAGER_WEB_PORT", "0", "FMS", "A"),
        ("SERVER_TCP_PORT", "65532", "FMS", "A"),
        ("SERVER_WEB_PORT", "x", "FMSA", ""),
        ("USE_REDIS_SESSION_CLUSTERING", "Y", "FM", "SA"),
        ("JJOB_SERVICE_NAME", "a b", "FS", "MA"),
        ("LOG_KEEP_DATE", "-1", "FA", "MS"),
        ("API_PRIVATE_TOKEN", "a\u{1}b", "FSA", "M"),
        ("AGENT_GROUP_ID", "1.5", "FMSA", ""),
        ("WGET_URL", "http://h/x", "FMSA", ""),
        ("JJOBS_BASE", "/", "FMSA", ""),
    ] {
        for kind in ["F", "M", "S", "A"] {
            let vars = [("INSTALL_KIND", kind), (name, value)];
            let is_used = used_in.contains(kind);
            assert_ne!(is_used, unused_in.contains(kind), "the table must name each kind once");
            assert_eq!(violated(&vars).is_empty(), !is_used, "{kind} {name}={value}");
            assert_eq!(
                warned(&vars).is_empty(),
                is_used,
                "{kind} {name}={value}: {:?}",
                warned(&vars)
            );
            let always = vars::find(name).unwrap().used_by == UsedBy::Always;
            let on_boot_no = [("ON_BOOT", "no"), vars[0], vars[1]];
            assert_eq!(violated(&on_boot_no).is_empty(), !always, "no {kind} {name}={value}");
        }
    }
}

#[test]
fn a_wrong_value_of_what_is_switched_off_is_a_warning() {
    for vars in [
        // Set by Kubernetes where a service is called `redis`.
        [("REDIS_PORT", "tcp://10.96.0.1:6379")].as_slice(),
        &[("REDIS_HOST", "redis://h"), ("USE_REDIS_SESSION_CLUSTERING", "N")],
        &[("ENCRYPTED_DB_USER", "a\nb")],
        &[("ENCRYPTED_DB_PASSWD_FILE", "/nonexistent/x"), ("USE_DB_ENCRYPT", "N")],
        &[("WGET_SHA256", "x")],
        &[("WGET_HEADER", "x")],
        &[("WGET_TIMEOUT", "x")],
        &[("WGET_MAX_BYTES", "x")],
    ] {
        assert_eq!(violated(vars), [""; 0], "{vars:?}");
        assert_eq!(warned(vars), [vars[0].0], "{vars:?}");
    }
}

#[test]
fn a_wrong_value_that_never_stops_a_container_is_not_called_unused() {
    let vars = [("KUBE_CONTEXTS".into(), OsString::from_vec(vec![0xff]))];
    let checked = Contract::from_env(vars.into(), "jjobs-0").unwrap();
    assert_eq!(checked.warnings.len(), 1);
    assert!(checked.warnings[0].text.starts_with("is ignored; it should be a JSON array"));
}

#[test]
fn what_cannot_be_told_to_be_switched_off_is_checked() {
    let vars = [("USE_REDIS_SESSION_CLUSTERING", "yes"), ("REDIS_PORT", "x")];
    assert_eq!(violated(&vars), ["USE_REDIS_SESSION_CLUSTERING", "REDIS_PORT"]);
    let vars = [("USE_DB_ENCRYPT", "y"), ("ENCRYPTED_DB_USER", "a\nb")];
    assert_eq!(violated(&vars), ["USE_DB_ENCRYPT", "ENCRYPTED_DB_USER"]);
}

#[test]
fn spaces_around_a_jdbc_url_are_dropped_and_said() {
    let vars = [("JDBC_URL", " jdbc:postgresql://h/db ")];
    assert_eq!(contract(&vars).database.jdbc_url.expose(), "jdbc:postgresql://h/db");
    assert_eq!(warned(&vars), ["JDBC_URL"]);
    assert!(hint(&[("JDBC_URL", "jdbc:postgresql://$(DB_IP)/db")]).contains("not replaced"));
}

#[test]
fn ports_must_not_overlap_where_both_listen_in_this_container() {
    for (vars, violated_name) in [
        (&[("SERVER_TCP_PORT", "7071")][..], Some("SERVER_TCP_PORT")),
        (&[("SERVER_TCP_PORT", "7061")], Some("SERVER_TCP_PORT")),
        (&[("SERVER_TCP_PORT", "7060")], None),
        (&[("SERVER_TCP_PORT", "7076")], None),
        (&[("SERVER_WEB_PORT", "17079")], Some("SERVER_WEB_PORT")),
        (&[("SERVER_WEB_PORT", "17080")], None),
        (&[("MANAGER_WEB_PORT", "7075")], Some("MANAGER_WEB_PORT")),
        (&[("MANAGER_WEB_PORT", "7075"), ("INSTALL_KIND", "S")], None),
        (&[("MANAGER_WEB_PORT", "7075"), ("INSTALL_KIND", "M")], None),
        (&[("SERVER_WEB_PORT", "17075"), ("INSTALL_KIND", "A")], None),
        (&[("SERVER_TCP_PORT", "65531")], None),
        (&[("SERVER_TCP_PORT", "65532")], Some("SERVER_TCP_PORT")),
        (&[("JJOBS_INIT_METRICS_ADDR", "0.0.0.0:17078")], Some("JJOBS_INIT_METRICS_ADDR")),
    ] {
        let names = violated(vars);
        assert_eq!(names.first().map(String::as_str), violated_name, "{vars:?}");
        assert!(names.len() <= 1, "{names:?}");
    }
}

#[test]
fn a_service_link_in_a_port_is_explained_whether_it_is_used_or_not() {
    assert!(hint(&[("SERVER_WEB_PORT", "tcp://10.0.0.1:7075")]).contains("enableServiceLinks"));
    let warnings = warnings(&[("REDIS_PORT", "tcp://10.0.0.1:6379"), ("INSTALL_KIND", "A")]);
    assert!(warnings[0].hint.as_ref().unwrap().contains("enableServiceLinks"));
    let links = [
        ("JJOBS_PORT", "tcp://10.0.0.1:1"),
        ("JJOBS_SERVICE_HOST", "10.0.0.1"),
        ("WGET_PORT", "tcp://10.0.0.1:1"),
        ("DB_PORT", "tcp://10.0.0.1:1"),
    ];
    assert_eq!(warned(&links), [""; 0]);
}

#[test]
fn jdbc_urls_that_work_but_are_odd_are_warned_of() {
    for (kind, url, expected) in [
        ("oracle", "jdbc:oracle:thin:@ALIAS", "names no host"),
        ("oracle", "jdbc:postgresql://h/d", "while DB_TYPE is oracle"),
        ("mysql", "", "is not set"),
        ("mariadb", "jdbc:mysql://h/d", "while DB_TYPE is mariadb"),
    ] {
        let warnings = warnings(&[("DB_TYPE", kind), ("JDBC_URL", url)]);
        assert_eq!(warnings.len(), 1, "{url} {warnings:?}");
        assert!(warnings[0].text.contains(expected), "{warnings:?}");
        assert_eq!(warned(&[("DB_TYPE", kind), ("JDBC_URL", url), ("INSTALL_KIND", "A")]), [""; 0]);
    }
    assert_eq!(contract(&[("DB_TYPE", "postgresql")]).database.kind, DbType::Postgres);
    assert_eq!(warned(&[("DB_TYPE", "postgresql")]), ["DB_TYPE"]);
    assert_eq!(warned(&[("DB_IP", "10.0.0.1"), ("DB_PORT", "5432")]), ["JDBC_URL"]);
    assert_eq!(
        warned(&[("DB_IP", "10.0.0.1"), ("JDBC_URL", "jdbc:postgresql://10.0.0.1/d")]),
        [""; 0]
    );
}

#[test]
fn misspelt_and_lower_case_names_are_pointed_out() {
    for (name, meant) in [
        ("install_kind", "INSTALL_KIND"),
        ("Jdbc_Url", "JDBC_URL"),
        ("JJOBS_INIT_LOGS", "JJOBS_INIT_LOG"),
        ("JJOBS_INIT_GRACEPERIOD", "JJOBS_INIT_GRACE_PERIOD"),
        ("WGET_HEADERS", "WGET_HEADER"),
        ("WGET_FOLDER_PAHT", "WGET_FOLDER_PATH"),
        ("DB_PASSWORD", "DB_PASSWD"),
        ("JJOBS_SERVICE_NAME", "JJOB_SERVICE_NAME"),
        ("INSTALL_KIN", "INSTALL_KIND"),
    ] {
        let warnings = warnings(&[(name, "F")]);
        assert_eq!(warnings.len(), 1, "{name} {warnings:?}");
        assert_eq!(
            (warnings[0].name.as_str(), warnings[0].hint.clone()),
            (name, Some(format!("did you mean {meant}?")))
        );
    }
    assert_eq!(
        warned(&[("JJOBS_INIT_BANANA", "x"), ("WGET_X", "x")]),
        ["JJOBS_INIT_BANANA", "WGET_X"]
    );
    for name in [
        "PATH",
        "https_proxy",
        "no_proxy",
        "JAVA_HOME",
        "DB_NAME",
        "DB_HOST",
        "REDIS_SERVICE_HOST",
        "TERM",
        "PWD",
    ] {
        assert_eq!(warned(&[(name, "x")]), [""; 0], "{name}");
    }
    let lower = contract(&[("install_kind", "A"), ("INSTALL_KIND", "S")]);
    assert_eq!(lower.install_kind, InstallKind::Server);
}

#[test]
fn bytes_that_are_no_text_are_refused_in_our_variables_only() {
    let garbage = OsString::from_vec(b"\xff\xfe".to_vec());
    let with = |name: &str, kind: &str| {
        let mut env = env(&[("INSTALL_KIND", kind)]);
        env.insert(name.into(), garbage.clone());
        Contract::from_env(env, "jjobs-0")
    };
    for name in [
        "JDBC_URL",
        "DB_PASSWD",
        "CUSTOM_COMMAND",
        "HOSTNAME",
        "ON_BOOT",
        "API_PRIVATE_TOKEN",
        "JJOBS_INIT_LOG",
    ] {
        let error = with(name, "F").unwrap_err();
        assert_eq!(error.violations[0].name, name);
        assert!(error.violations[0].hint.as_ref().unwrap().contains("UTF-8"));
    }
    assert_eq!(with("JDBC_URL", "A").unwrap().warnings[0].name, "JDBC_URL");
    for name in ["KUBE_CONTEXTS", "CATALINA_OPTS", "LANG", "HOME", "SOMETHING_ELSE"] {
        let checked = with(name, "F").unwrap();
        assert_eq!(checked.contract.env.get(OsStr::new(name)), Some(&garbage), "kept as given");
    }
    let mut names = env(&[]);
    names.insert(OsStr::from_bytes(b"WGET_\xff").to_owned(), "x".into());
    assert!(Contract::from_env(names, "jjobs-0").is_ok());
}

#[test]
fn the_environment_is_kept_as_given() {
    let given = env(&[
        ("PATH", "/bin"),
        ("DB_PASSWD", "hunter22"),
        ("LOG_KEEP_DATE", ""),
        ("jdbc_url", "x"),
    ]);
    assert_eq!(Contract::from_env(given.clone(), "jjobs-0").unwrap().contract.env, given);
}

#[test]
fn a_megabyte_in_any_variable_is_survived_and_cut() {
    let big = "x".repeat(1 << 20);
    for variable in vars::all() {
        let outcome = check(&[(variable.name, &big)]);
        let report = crate::check::report(&outcome, crate::check::Format::Text);
        assert!(report.len() < 20_000, "{}: {}", variable.name, report.len());
    }
}

#[test]
fn a_host_name_that_is_no_folder_name_is_refused() {
    for name in ["a/b", "..", "a..b", ".a", "a\nb", "a b", "$(x)", "-a"] {
        assert_eq!(violated(&[("HOSTNAME", name)]), ["HOSTNAME"], "{name:?}");
        let error = Contract::from_env(env(&[]), name).unwrap_err();
        assert_eq!(error.violations[0].name, "HOSTNAME");
    }
    assert_eq!(contract(&[("HOSTNAME", "jjobs-agent-0.node")]).hostname.0, "jjobs-agent-0.node");
    assert!(Contract::from_env(env(&[]), "").is_err());
}

#[test]
fn wget_needs_all_three() {
    let all = [("WGET_URL", "http://h/x"), ("WGET_FOLDER_PATH", "/d"), ("WGET_FILE_NAME", "x")];
    for mask in 1..7_usize {
        let some: Vec<_> = all
            .into_iter()
            .enumerate()
            .filter(|(at, _)| mask >> at & 1 == 1)
            .map(|(_, var)| var)
            .collect();
        let missing: Vec<_> = all
            .into_iter()
            .enumerate()
            .filter(|(at, _)| mask >> at & 1 == 0)
            .map(|(_, var)| var.0)
            .collect();
        assert_eq!(violated(&some), missing, "{some:?}");
    }
    assert!(contract(&all).download.is_some());
    assert_eq!(warned(&[("WGET_TIMEOUT", "5m")]), ["WGET_TIMEOUT"]);
}

#[test]
fn a_secret_from_a_file_wins_over_the_variable_and_is_masked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, "from-the-file\n").unwrap();
    let path = path.to_str().unwrap();
    for (name, file_name) in [("DB_PASSWD", "DB_PASSWD_FILE"), ("DB_USER", "DB_USER_FILE")] {
        let outcome = check(&[(name, "from-the-variable"), (file_name, path)]);
        let Checked { contract, warnings, values } = outcome.unwrap();
        let taken = if name == "DB_USER" {
            contract.database.user.as_str()
        } else {
            contract.database.password.expose()
        };
        assert_eq!(taken, "from-the-file");
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].to_string().contains("the file wins"));
        // The image sets it so for everybody.
        let default = crate::contract::vars::find(name).unwrap().default;
        assert_eq!(check(&[(name, default), (file_name, path)]).unwrap().warnings.len(), 0);
        assert_eq!(values.iter().find(|value| value.name == name).unwrap().source, Source::File);
    }
    let contract = contract(&[
        ("USE_DB_ENCRYPT", "Y"),
        ("ENCRYPTED_DB_USER_FILE", path),
        ("ENCRYPTED_DB_PASSWD", "in-the-variable"),
        ("API_PRIVATE_TOKEN_FILE", path),
    ]);
    assert_eq!(contract.database.encrypted.unwrap().user.expose(), "from-the-file");
    assert_eq!(contract.api_token, Some(TokenSource::File(path.into())));
    let secrets: Vec<&str> = contract.secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, ["in-the-variable", "from-the-file"]);
}

#[test]
fn a_secret_file_that_cannot_be_read_is_a_violation_but_for_the_token() {
    let vars = [("DB_PASSWD", "old"), ("DB_PASSWD_FILE", "/nonexistent/x")];
    assert_eq!(violated(&vars), ["DB_PASSWD_FILE"]);
    assert!(hint(&vars).contains("No such file"));
    assert_eq!(violated(&[vars[0], vars[1], ("INSTALL_KIND", "A")]), [""; 0]);
    let token = check(&[("API_PRIVATE_TOKEN_FILE", "/nonexistent/x")]).unwrap();
    assert_eq!(token.contract.api_token, Some(TokenSource::File("/nonexistent/x".into())));
    assert_eq!(token.warnings[0].name, "API_PRIVATE_TOKEN_FILE");
    assert_eq!(
        violated(&[
            ("USE_DB_ENCRYPT", "Y"),
            ("ENCRYPTED_DB_USER", "abc"),
            ("ENCRYPTED_DB_PASSWD_FILE", "/nonexistent/x")
        ]),
        ["ENCRYPTED_DB_PASSWD_FILE"]
    );
}

#[test]
fn a_line_break_at_the_end_of_a_token_is_dropped_and_said() {
    let checked = check(&[("API_PRIVATE_TOKEN", "token-1\n")]).unwrap();
    assert_eq!(checked.contract.api_token, Some(TokenSource::Value(Secret::new("token-1"))));
    assert_eq!(checked.warnings[0].name, "API_PRIVATE_TOKEN");
    assert!(check(&[("API_PRIVATE_TOKEN", " \n")]).unwrap().contract.api_token.is_none());
}

#[test]
fn no_secret_is_ever_shown() {
    let base = [
        ("DB_PASSWD", "Hidden-1"),
        ("ENCRYPTED_DB_USER", "Hidden-2"),
        ("ENCRYPTED_DB_PASSWD", "Hidden-3"),
        ("API_PRIVATE_TOKEN", "Hidden-4"),
        ("WGET_HEADER", "Authorization: Bearer Hidden-5"),
        ("WGET_URL", "https://user:Hidden-6@h/x?token=Hidden-7"),
        ("WGET_FOLDER_PATH", "/d"),
        ("WGET_FILE_NAME", "x"),
        ("JDBC_URL", "jdbc:postgresql://u:Hidden-8@h/d?password=Hidden-9"),
        ("JDBC_PARAMETERS", "?sslpassword=Hidden-a"),
        ("HTTPS_PROXY", "http://u:Hidden-b@h:1"),
        ("CUSTOM_COMMAND", "mysql -pHidden-1 https://u:Hidden-c@h/"),
        ("KUBE_CONTEXTS", "[{\"password\":\"Hidden-1\"}]"),
        ("CATALINA_OPTS", "-Djavax.net.ssl.keyStorePassword=Hidden-d -Dx=y"),
    ];
    assert!(!shown(&check(&base)).contains("Hidden"), "{}", shown(&check(&base)));
    for (name, value) in [
        ("INSTALL_KIND", "X"),
        ("INSTALL_KIND", "A"),
        ("DB_PASSWD", "Hidden\0"),
        ("ENCRYPTED_DB_USER", "Hidden\n2"),
        ("API_PRIVATE_TOKEN", "Hidden\u{1}x"),
        ("WGET_HEADER", "Hidden-5"),
        ("WGET_HEADER", "A: Hidden\r\nB: Hidden"),
        ("WGET_URL", "Hidden://u:Hid den@h"),
        ("WGET_URL", "https://u:Hid/den?Hidden@h/x"),
        ("JDBC_URL", "jdbc:db2://u:Hidden@h/d?password=Hidden"),
        ("JDBC_URL", "jdbc:postgresql://u:Hid/Hidden@h/d"),
        ("JDBC_URL", "postgres://u:Hidden@h/d"),
        ("JDBC_URL", "jdbc:oracle:thin:scott/Hidden@h:x:y"),
        ("JDBC_URL", "jdbc:mysql://address=(host=h)(port=x)(password=Hidden)/d"),
        ("JDBC_PARAMETERS", "?password=Hidden\n"),
        ("DB_PASSWD_FILE", "Hidden"),
        ("API_PRIVATE_TOKEN_FILE", "Hidden"),
        ("DB_PASSWORD", "Hidden"),
        ("db_passwd", "Hidden"),
    ] {
        // The password that these two repeat may be another one now.
        let others = base
            .into_iter()
            .filter(|(name, _)| !["CUSTOM_COMMAND", "KUBE_CONTEXTS"].contains(name));
        let vars: Vec<(&str, &str)> = others.chain([(name, value)]).collect();
        let shown = shown(&check(&vars)).replace("Hidden://", "");
        assert!(!shown.contains("Hidden"), "{name}={value:?}\n{shown}");
    }
}

#[test]
fn own_variables_are_read_leniently_for_hooks_and_probes() {
    let own = Own::lenient(
        &env(&[
            ("INSTALL_KIND", "X"),
            ("JJOBS_INIT_RUN_DIR", "/tmp/x"),
            ("JJOBS_INIT_PROBE_TIMEOUT", "soon"),
            ("HOSTNAME", "a/b"),
        ]),
        "",
    );
    assert_eq!(own.run_dir.as_deref(), Some(Path::new("/tmp/x")));
    assert_eq!(own.probe_timeout, Duration::from_secs(4));
}

#[test]
fn a_run_folder_must_leave_room_for_a_sockets_name() {
    assert_eq!(
        violated(&[("JJOBS_INIT_RUN_DIR", &format!("/{}", "x".repeat(90)))]),
        ["JJOBS_INIT_RUN_DIR"]
    );
}

/// Names of ours, and values that are near to something.
fn arbitrary_env() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let names: Vec<String> = vars::all().map(|variable| variable.name.to_owned()).collect();
    let name = prop_oneof![
        8 => prop::sample::select(names),
        1 => "(JJOBS_INIT_|WGET_|[a-z_]{0,5})[A-Z_]{0,12}",
        1 => any::<String>(),
    ];
    let value = prop_oneof![
        prop::sample::select(vec![
            "Y",
            "F",
            "A",
            "no",
            "manager",
            "0",
            "-1",
            "7075",
            "90s",
            "/",
            "/a",
            "..",
            "tcp://h:1",
            "http://u:p@h/x",
            "jdbc:mysql://h"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        any::<String>().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..40),
        "jdbc:(postgresql|oracle:thin|mysql):[@/a-z0-9:,()=\\[\\]]{0,40}"
            .prop_map(String::into_bytes),
    ];
    prop::collection::vec((name, value), 0..25)
}

/// A secret with everything in it that a parser may stumble over; each of its words gives it away.
fn secret() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec![
            "/", "@", ":", ";", ",", "(", ")", "?", "#", "%41", "'", "\"", "[", "]", "{", "=",
            "\\", "é",
        ]),
        0..4,
    )
    .prop_map(|pieces| {
        pieces.into_iter().fold("Hidden".to_owned(), |text, piece| text + piece + "Hidden")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_secret_is_shown_wherever_it_stands_and_whatever_it_holds(secret in secret(), place in 0..14_usize, kind in "[FMSAx]") {
        let (name, value) = match place {
            0 => ("DB_PASSWD", secret),
            1 => ("API_PRIVATE_TOKEN", secret),
            2 => ("WGET_HEADER", format!("X-Key: {secret}")),
            3 => ("WGET_HEADER", secret),
            4 => ("WGET_URL", format!("https://u:{secret}@h/x")),
            5 => ("WGET_URL", format!("https://h/x?token={secret}")),
            6 => ("JDBC_URL", format!("jdbc:postgresql://u:{secret}@h/d")),
            7 => ("JDBC_URL", format!("jdbc:postgresql://h/d?user=u&password={secret}&ssl=true")),
            8 => ("JDBC_URL", format!("jdbc:oracle:thin:u/{secret}@//h/s")),
            9 => ("JDBC_URL", format!("jdbc:oracle:thin:u/{secret}@h:1:s")),
            10 => ("JDBC_PARAMETERS", format!("?password={secret}")),
            11 => ("HTTPS_PROXY", format!("http://u:{secret}@p:1")),
            12 => ("ENCRYPTED_DB_USER", secret),
            _ => ("JDBC_URL", format!("jdbc:db2://u:{secret}@h/d")),
        };
        let vars = [("INSTALL_KIND", kind.as_str()), (name, &value), ("WGET_FOLDER_PATH", "/d"), ("WGET_FILE_NAME", "x")];
        let shown = shown(&check(&vars));
        prop_assert!(!shown.contains("Hidden"), "{}", shown.lines().find(|line| line.contains("Hidden")).unwrap_or_default());
    }

    #[test]
    fn any_environment_is_survived_and_every_violation_names_a_variable(vars in arbitrary_env(), kernel in any::<String>()) {
        // A file that a name happens to hit must not be read in a test.
        let env: EnvVars = vars
            .into_iter()
            .filter(|(name, _)| !name.ends_with("_FILE"))
            .map(|(name, value)| (name.into(), OsString::from_vec(value)))
            .collect();
        let outcome = Contract::from_env(env.clone(), &kernel);
        let _ = shown(&outcome);
        match outcome {
            Ok(checked) => prop_assert_eq!(checked.contract.env, env),
            Err(error) => {
                prop_assert!(!error.violations.is_empty());
                for violation in &error.violations {
                    prop_assert!(vars::find(&violation.name).is_some(), "{:?}", violation);
                    prop_assert!(!violation.accepted.is_empty());
                    prop_assert!(violation.value.as_ref().is_none_or(|value| !value.chars().any(char::is_control)));
                }
            }
        }
    }
}

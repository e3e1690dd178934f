//! The installer's arguments (contract.md §4).

use crate::contract::{Contract, DbType, InstallKind};
use std::ffi::{OsStr, OsString};

/// A flag and its value, if it takes one. The value may be secret: only flags are ever printed.
pub(super) type Argument = (&'static str, Option<OsString>);

/// What the installer is called with, in its documented order.
pub(super) fn arguments(contract: &Contract) -> Vec<Argument> {
    let mut arguments = vec![
        value("--base_path", &contract.paths.jjobs_base),
        value("--install_kind", kind(contract.install_kind)),
        value("--install_mode", "I"),
    ];
    let server_web = contract.ports.server_web.to_string();
    let group = [
        value("--agnt_svr_group", "1"),
        value("--agnt_group", contract.agent.group_id.to_string()),
    ];
    if contract.install_kind == InstallKind::Agent {
        arguments.push(value("--svr_service_web_port", &server_web));
        arguments.extend(group);
    } else {
        let database = &contract.database;
        arguments.extend([
            (database_flag(database.kind), None),
            value("--jdbc_url", database.jdbc_url.expose()),
            ("--use_db_session_storage", None),
            value("--dbms_user", &database.user),
            value("--dbms_pswd", database.password.expose()),
            value("--man_web_port", contract.ports.manager_web.to_string()),
            value("--svr_service_web_port", &server_web),
            // The vendor's spelling.
            value("--svr_cotrol_base_port", contract.ports.server_tcp.to_string()),
        ]);
        arguments.extend(group);
        arguments.extend([
            value("--agnt_startup_svc_protocol", "http"),
            value("--agnt_startup_svc_context", "jjob-server"),
        ]);
    }
    arguments.push(value("--agnt_startup_svc_domain", &contract.server_host));
    arguments.push(value("--agnt_startup_svc_port", &server_web));
    arguments
}

fn value(flag: &'static str, value: impl AsRef<OsStr>) -> Argument {
    (flag, Some(value.as_ref().to_owned()))
}

fn kind(kind: InstallKind) -> &'static str {
    match kind {
        InstallKind::Full => "F",
        InstallKind::Manager => "M",
        InstallKind::Server => "S",
        InstallKind::Agent => "A",
    }
}

fn database_flag(kind: DbType) -> &'static str {
    match kind {
        DbType::Postgres => "--use_postgresql",
        DbType::Oracle => "--use_oracle",
        DbType::Mysql => "--use_mysql",
        DbType::Mariadb => "--use_mariadb",
    }
}

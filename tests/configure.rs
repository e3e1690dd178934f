//! The configure step on vendor files of every shape we know of: `tests/data/vendor/<shape>` laid over `classic`.
//!
//! What was written is read back by parsers that are not ours.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod configure_support;

use configure_support::{Installed, Xml, everything, plain, vendor};
use jjobs_init::boot::{cancel::Cancel, configure};
use std::{fs, path::Path};

const SHAPES: [&str; 13] = [
    "classic",
    "crlf",
    "bom",
    "quotes-and-order",
    "value-elements",
    "p-namespace",
    "placeholders",
    "korean-utf8",
    "korean-euc-kr",
    "missing-keys",
    "doubled-keys",
    "commented-keys",
    "jdk17",
];

const LOG4J2: &str = "webapps/jjob-server/WEB-INF/classes/properties/log4j2.xml";
const DATASOURCE: &str = "WEB-INF/classes/spring/context-datasource.xml";

#[test]
fn a_second_run_changes_no_byte() {
    for shape in SHAPES {
        let installed = Installed::of(shape);
        let settings = everything(&installed);
        let first = configure::run(&settings, &Cancel::default()).unwrap();
        assert!(first.edits > 10, "{shape}");
        let before = installed.snapshot();

        let second = configure::run(&settings, &Cancel::default()).unwrap();

        assert_eq!(second.edits, 0, "{shape}");
        assert_eq!(second.warnings, first.warnings, "{shape}");
        assert!(installed.snapshot() == before, "{shape}");
    }
}

#[test]
fn another_reader_of_properties_finds_the_values_and_all_other_keys() {
    for shape in SHAPES {
        let installed = Installed::of(shape);
        let file = "agent/app/META-INF/resource.properties";
        let mut wanted = installed.properties(file);
        for (key, value) in [
            ("log.file.base_path", "/logs/jjobs/agent/$AGENT_NAME/logs"),
            ("log.file.keep.backup_path", "/logs/jjobs/agent/$AGENT_NAME/backup"),
            ("log.file.keep.date_cnt", "5"),
            ("log.file.keep.backup_delete_yn", "Z"),
        ] {
            wanted.insert(key.to_owned(), value.to_owned());
        }
        let securities = installed.find("java.security");
        let mut security: Vec<_> =
            securities.iter().map(|file| installed.properties(file)).collect();
        for wanted in &mut security {
            wanted.insert("networkaddress.cache.ttl".to_owned(), "1".to_owned());
            wanted.insert("networkaddress.cache.negative.ttl".to_owned(), "-1".to_owned());
        }

        configure::run(&everything(&installed), &Cancel::default()).unwrap();

        assert_eq!(installed.properties(file), wanted, "{shape}");
        let found: Vec<_> = securities.iter().map(|file| installed.properties(file)).collect();
        assert!(!found.is_empty());
        assert_eq!(found, security, "{shape}");
    }
}

#[test]
fn the_datasource_has_its_values_and_is_otherwise_the_same_tree() {
    for shape in SHAPES {
        for component in ["server", "manager"] {
            let installed = Installed::of(shape);
            let file = format!("{component}/webapps/jjob-{component}/{DATASOURCE}");
            let before = Xml::read(&installed, &file);

            configure::run(&everything(&installed), &Cancel::default()).unwrap();

            let changes = before.changes(&Xml::read(&installed, &file));
            for (old, new) in &changes {
                let is_url = !old.is_empty() && *new == format!("{old}?sslmode=require&x='1'");
                let is_class = old == "org.apache.commons.dbcp2.BasicDataSource"
                    && new == "jjob.common.api.common.datasource.SecureDataSource";
                assert!(
                    is_url || is_class || new == "eU+/==" || new == "eP+/==",
                    "{shape}: {old:?} became {new:?}"
                );
            }
            assert_eq!(changes.len(), 4, "{shape}: {changes:?}");
        }
    }
}

#[test]
fn the_session_store_has_its_login_and_is_otherwise_the_same_tree() {
    for shape in SHAPES {
        let installed = Installed::of(shape);
        let before = Xml::read(&installed, "manager/conf/context.xml");

        configure::run(&everything(&installed), &Cancel::default()).unwrap();

        let changes = before.changes(&Xml::read(&installed, "manager/conf/context.xml"));
        let mut new: Vec<_> = changes.iter().map(|(_, new)| new.as_str()).collect();
        new.sort_unstable();
        assert_eq!(new, ["<p&w\"'비밀>", "kim"], "{shape}: {changes:?}");
    }
}

#[test]
fn comments_that_are_elements_are_live_and_all_else_is_the_same() {
    for shape in SHAPES {
        let installed = Installed::of(shape);
        let file = format!("server/{LOG4J2}");
        let before = Xml::read(&installed, &file);

        configure::run(&everything(&installed), &Cancel::default()).unwrap();

        let after = Xml::read(&installed, &file);
        assert_eq!(after.comments(), before.comments_that_are_no_elements(), "{shape}");
        assert_eq!(after.elements(), before.elements() + before.elements_in_comments(), "{shape}");
        let text = after.text.replace("/logs/jjobs/server/jjobs-10/", "");
        assert!(!text.contains("jjobs/server") && text.len() < after.text.len(), "{shape}");
    }
}

#[test]
fn sessions_are_in_redis_once() {
    for shape in SHAPES {
        let installed = Installed::of(shape);
        configure::run(&everything(&installed), &Cancel::default()).unwrap();

        let beans = Xml::read(
            &installed,
            "manager/webapps/jjob-manager/WEB-INF/classes/spring/context-manager.xml",
        );
        for needle in [
            "org.springframework.session.data.redis.config.annotation.web.http.RedisHttpSessionConfiguration",
            "org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory",
            "org.springframework.data.redis.core.RedisTemplate",
            "org.springframework.session.data.redis.config.ConfigureRedisAction.NO_OP",
        ] {
            assert_eq!(beans.text.matches(needle).count(), 1, "{shape}: {needle}");
        }
        let web = Xml::read(&installed, "manager/webapps/jjob-manager/WEB-INF/web.xml");
        for kind in ["filter", "filter-mapping"] {
            let names = web.texts_of(kind, "filter-name");
            assert_eq!(names[0], "springSessionRepositoryFilter", "{shape}");
            assert_eq!(names.iter().filter(|name| **name == names[0]).count(), 1, "{shape}");
        }
        assert_eq!(web.texts_of("filter-mapping", "url-pattern")[0], "/*");
    }
}

#[test]
fn start_scripts_are_still_scripts_with_their_values() {
    for shape in SHAPES {
        let installed = Installed::of(shape);
        configure::run(&everything(&installed), &Cancel::default()).unwrap();

        for (script, variable, value) in [
            ("start_server.sh", "JJOB_SERVER_ID", "1-11"),
            ("start_server.sh", "JJOB_SERVER_IP", "jjobs-10.jjobs.default.svc"),
            ("start_manager.sh", "SSO_KEYCLOAK_ISSUER_URI", "https://sso/realms/a?b=c&d='e'"),
        ] {
            assert_eq!(installed.variable_of_script(script, variable), value, "{shape}");
            let bytes = installed.read(script);
            let text = String::from_utf8_lossy(&bytes);
            let code: Vec<_> =
                text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
            assert!(
                !code.iter().any(|line| line.contains("/dev/null") || line.contains("tail")),
                "{shape}: {text}"
            );
        }
    }
}

#[test]
fn line_ends_byte_order_marks_and_modes_are_kept() {
    let installed = Installed::of("crlf");
    configure::run(&everything(&installed), &Cancel::default()).unwrap();
    for (path, content) in installed.snapshot() {
        let is_configured = vendor("crlf").join(&path).exists();
        if is_configured {
            let lone =
                content.windows(2).filter(|pair| pair[1] == b'\n' && pair[0] != b'\r').count();
            assert_eq!(lone, 0, "{}", path.display());
        }
    }
    let installed = Installed::of("bom");
    configure::run(&everything(&installed), &Cancel::default()).unwrap();
    assert!(
        installed
            .read("server/webapps/jjob-server/WEB-INF/classes/properties/log4j2.xml")
            .starts_with(b"\xEF\xBB\xBF<?")
    );
    assert_eq!(installed.mode("start_server.sh"), 0o755);
    assert_eq!(installed.mode("manager/conf/context.xml"), 0o640);
}

#[test]
fn another_hostname_and_features_switched_off_leave_no_trace_of_the_first_boot() {
    for shape in SHAPES {
        let (first, second) = (Installed::of(shape), Installed::of(shape));
        configure::run(&everything(&first), &Cancel::default()).unwrap();

        configure::run(&plain(&first), &Cancel::default()).unwrap();
        configure::run(&plain(&second), &Cancel::default()).unwrap();

        assert!(first.snapshot() == second.snapshot(), "{shape}");
    }
}

#[test]
fn an_operators_edit_survives_the_next_boot() {
    let installed = Installed::of("classic");
    configure::run(&everything(&installed), &Cancel::default()).unwrap();
    let file = format!("server/{LOG4J2}");
    let edited = String::from_utf8(installed.read(&file))
        .unwrap()
        .replace("level=\"INFO\"", "level=\"DEBUG\"");
    let edited = edited
        .replace("fileName=\"/logs/jjobs/server/jjobs-10/sql.log\"", "append=\"false\" $0")
        .replace("$0", "fileName=\"/logs/jjobs/server/jjobs-10/sql.log\"");
    fs::write(installed.path(&file), edited).unwrap();

    let mut settings = everything(&installed);
    settings.hostname = "jjobs-0".to_owned();
    for _ in 0..2 {
        configure::run(&settings, &Cancel::default()).unwrap();
        let text = String::from_utf8(installed.read(&file)).unwrap();
        assert!(text.contains("level=\"DEBUG\""));
        assert!(
            text.contains("append=\"false\" fileName=\"/logs/jjobs/server/jjobs-0/sql.log\""),
            "{text}"
        );
        assert!(!text.contains("jjobs-10"), "{text}");
    }
}

#[test]
fn everything_that_is_missing_is_named_in_one_go() {
    let installed = Installed::of("classic");
    for file in ["start_manager.sh", "agent/app/META-INF/resource.properties"] {
        fs::remove_file(installed.path(file)).unwrap();
    }
    fs::remove_dir_all(installed.path("server/webapps/jjob-server")).unwrap();
    fs::remove_file(
        installed.path("manager/webapps/jjob-manager/WEB-INF/classes/properties/log4j2.xml"),
    )
    .unwrap();
    fs::write(installed.path("start_server.sh"), "#!/bin/sh\n./startup.sh\n").unwrap();
    fs::write(installed.path("manager/webapps/jjob-manager/WEB-INF/web.xml"), "<web-app>").unwrap();

    let error = configure::run(&everything(&installed), &Cancel::default()).unwrap_err();

    assert_eq!(error.exit_code().code(), 21);
    let message = error.to_string();
    for part in [
        "start_manager.sh: the file is missing",
        "resource.properties: the file is missing",
        "jjob-server.war: the WAR is missing",
        "start_server.sh: export JJOB_SERVER_ID=",
        "web.xml: not well-formed in line 1",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!message.contains("log4j2.xml"), "{message}");
}

#[test]
fn what_harms_no_component_is_a_warning() {
    let installed = Installed::of("classic");
    fs::remove_file(
        installed.path("manager/webapps/jjob-manager/WEB-INF/classes/properties/log4j2.xml"),
    )
    .unwrap();
    fs::write(
        installed.path(&format!("server/{LOG4J2}")),
        "<Configuration><!-- a <File name='x'/> --></Configuration>",
    )
    .unwrap();
    for file in installed.find("java.security") {
        fs::remove_file(installed.path(&file)).unwrap();
    }

    let report = configure::run(&everything(&installed), &Cancel::default()).unwrap();

    let things: Vec<_> = report.warnings.iter().map(|missing| missing.thing.as_str()).collect();
    assert!(things.contains(&"the file is missing"), "{things:?}");
    assert!(
        things.contains(&"file appender in the comment of line 1 stays commented out"),
        "{things:?}"
    );
    assert!(things.iter().any(|thing| thing.contains("java.security")), "{things:?}");
}

#[test]
fn a_secret_is_in_no_message() {
    let installed = Installed::of("classic");
    fs::write(installed.path("manager/conf/context.xml"), "<Context/>").unwrap();
    fs::write(installed.path(&format!("server/webapps/jjob-server/{DATASOURCE}")), "<beans/>")
        .unwrap();
    let settings = everything(&installed);
    let error = configure::run(&settings, &Cancel::default()).unwrap_err();
    let text = format!("{error} {error:?} {settings:?}");
    for secret in ["eU+/==", "eP+/==", "비밀", "sslmode"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn wars_are_unpacked_and_then_configured() {
    let installed = Installed::of("classic");
    for component in ["server", "manager"] {
        installed.pack(&format!("{component}/webapps/jjob-{component}"));
    }
    let settings = everything(&installed);

    configure::run(&settings, &Cancel::default()).unwrap();

    let file = format!("server/webapps/jjob-server/{DATASOURCE}");
    let first = installed.read(&file);
    assert!(String::from_utf8_lossy(&first).contains("SecureDataSource"));
    assert_eq!(configure::run(&settings, &Cancel::default()).unwrap().edits, 0);

    // A new release of the vendor's.
    fs::remove_dir_all(installed.path("server/webapps/jjob-server")).unwrap();
    let again = Installed::of("quotes-and-order");
    again.pack("server/webapps/jjob-server");
    fs::copy(
        again.path("server/webapps/jjob-server.war"),
        installed.path("server/webapps/jjob-server.war"),
    )
    .unwrap();
    configure::run(&settings, &Cancel::default()).unwrap();
    assert!(installed.read(&file) != first);
    assert!(String::from_utf8_lossy(&installed.read(&file)).contains("value='eU+/=='"));
}

#[test]
fn the_health_check_is_ours_and_the_vendors_is_kept() {
    let installed = Installed::of("classic");
    configure::run(&everything(&installed), &Cancel::default()).unwrap();
    assert_eq!(
        fs::read_link(installed.path("agent/healthcheck.sh")).unwrap(),
        Path::new("/bin/true")
    );
    assert!(
        String::from_utf8(installed.read("agent/healthcheck.sh.vendor"))
            .unwrap()
            .contains("cname=agent")
    );
    assert!(installed.path("agent/.bin").is_dir());
}

#[test]
fn a_stop_ends_the_step() {
    let installed = Installed::of("classic");
    let before = installed.snapshot();
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(
        configure::run(&everything(&installed), &cancel),
        Err(configure::ConfigureError::Cancelled)
    );
    assert!(installed.snapshot() == before);
}

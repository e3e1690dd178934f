//! What the components effectively run with, as they themselves say.

use crate::support::{
    BASE, Boot, boot_with_database, effective, kind, wait_for_nothing_to_start, wait_until_up,
};
use jjobs_harness::{Container, Vendor};
use serde_json::{Value, json};

/// What the container's `encrypter.sh` makes of `text`.
fn encrypted(vendor: Vendor, text: &str) -> Option<String> {
    let container = kind(vendor, "M", "manual").boot()?;
    wait_for_nothing_to_start(&container);
    let answer = container.exec([&format!("{BASE}/encrypter.sh"), "e", text]);
    assert_eq!(answer.code, 0, "{answer:?}");
    Some(answer.stdout.trim().to_owned())
}

#[test]
fn every_setting_reaches_the_components_and_leaves_them_again() {
    for vendor in Vendor::ALL {
        let Some(user) = encrypted(vendor, "Benutzer<&>") else { return };
        let password = encrypted(vendor, "\"geheim' 한글 &amp;").unwrap();
        let parameters = "?sslmode=require&a=\"b\"&c=<d>'e&&amp;/한글";
        let sso = "https://sso.example/realms/x?a='b'&c=\"d\" $HOME `id` \\ #!";
        let builder = kind(vendor, "F", "yes")
            .hostname("jjobs-10")
            .env("JDBC_PARAMETERS", parameters)
            .env("USE_DB_ENCRYPT", "Y")
            .env("ENCRYPTED_DB_USER", &user)
            .env("ENCRYPTED_DB_PASSWD", &password)
            .env("JJOB_SERVICE_NAME", "jjobs.ns.svc.cluster.local")
            .env("SSO_KEYCLOAK_ISSUER_URI", sso)
            .env("USE_REDIS_SESSION_CLUSTERING", "Y")
            .env("REDIS_NAMESPACE", "a<b>&'\"한글")
            .env("REDIS_HOST", "redis.ns")
            .env("REDIS_PORT", "6380")
            .env("NETWORKADDRESS_CACHE_TTL", "11")
            .env("NETWORKADDRESS_CACHE_NEGATIVE_TTL", "-1")
            .env("LOG_KEEP_DATE", "9")
            .env("LOG_DELETE_YN", "Z");
        let Some((mut container, _database)) = boot_with_database(builder) else { return };
        wait_until_up(&container);
        for component in ["manager", "server"] {
            let found = effective(&container, component);
            let jdbc = &found["jdbc"];
            assert_eq!(jdbc["url"], format!("jdbc:postgresql://127.0.0.1:7432/jjobs{parameters}"));
            assert_eq!(jdbc["username"], "Benutzer<&>", "{vendor:?} {component}: {found}");
            assert_eq!(jdbc["password"], "\"geheim' 한글 &amp;");
            assert_eq!(found["dns_cache"]["ttl"], "11");
            assert_eq!(found["dns_cache"]["negative_ttl"], "-1");
            has_logs(&found, component, "jjobs-10");
        }
        let server = effective(&container, "server");
        assert_eq!(server["env"]["JJOB_SERVER_ID"], "1-11");
        assert_eq!(server["env"]["JJOB_SERVER_IP"], "jjobs-10.jjobs.ns.svc.cluster.local");
        let manager = effective(&container, "manager");
        assert_eq!(manager["env"]["SSO_KEYCLOAK_ISSUER_URI"], sso);
        assert_eq!(manager["session_store"]["username"], "Benutzer<&>");
        assert_eq!(manager["session_store"]["password"], "\"geheim' 한글 &amp;");
        let redis = &manager["redis"];
        assert_eq!(redis["namespace"], "a<b>&'\"한글");
        assert_eq!((&redis["host"], &redis["port"]), (&json!("redis.ns"), &json!("6380")));
        assert_eq!(redis["filters"][0], "springSessionRepositoryFilter", "{vendor:?}: {redis}");
        assert_eq!(redis["template"], true);
        let said = container.transcript();
        assert!(
            !said.contains("geheim") && !said.contains("Benutzer<"),
            "decrypted text in the log"
        );
        has_agent_settings(&container, "/logs001/jjobs", "9", "Z");

        // Other values, and the rest switched off again: as if it had never been on.
        let driver = manager["session_store"]["driver"].clone();
        let changed = [
            ("JDBC_PARAMETERS", "?other=1"),
            ("USE_DB_ENCRYPT", "N"),
            ("JJOB_SERVICE_NAME", ""),
            ("SSO_KEYCLOAK_ISSUER_URI", ""),
            ("USE_REDIS_SESSION_CLUSTERING", "N"),
            ("NETWORKADDRESS_CACHE_TTL", "22"),
            ("NETWORKADDRESS_CACHE_NEGATIVE_TTL", ""),
            ("LOG_KEEP_DATE", ""),
            ("LOG_DELETE_YN", "N"),
            ("LOGS_BASE", "/logs001/other place"),
        ];
        for (name, value) in changed {
            container.set_env(name, value);
        }
        Boot::restart(&mut container).wait_for(&container, "all up");
        for component in ["manager", "server"] {
            let found = effective(&container, component);
            assert_eq!(found["jdbc"]["url"], "jdbc:postgresql://127.0.0.1:7432/jjobs?other=1");
            assert_eq!(found["jdbc"]["username"], "jjobs");
            assert_eq!(found["jdbc"]["password"], "jjobs1234");
            assert_eq!(found["dns_cache"]["ttl"], "22");
            assert_eq!(found["dns_cache"]["negative_ttl"], "3");
            has_logs_below(&found, &format!("/logs001/other place/{component}/jjobs-10/"));
        }
        let server = effective(&container, "server");
        assert!(server["env"]["JJOB_SERVER_IP"].as_str().is_none_or(|ip| !ip.contains("jjobs.ns")));
        let manager = effective(&container, "manager");
        assert_eq!(manager["session_store"]["username"], "jjobs");
        assert_eq!(manager["session_store"]["driver"], driver, "the vendor's driver stays");
        assert!(manager["redis"]["namespace"].is_null(), "{manager}");
        let filters = manager["redis"]["filters"].to_string();
        assert!(!filters.contains("springSession"), "{filters}");
        let sso = manager["env"]["SSO_KEYCLOAK_ISSUER_URI"].as_str().unwrap_or_default();
        assert_eq!(sso, "");
        has_agent_settings(&container, "/logs001/other place", "5", "N");
        drop(container);
    }
}

#[track_caller]
fn has_logs(found: &Value, component: &str, host: &str) {
    has_logs_below(found, &format!("/logs001/jjobs/{component}/{host}/"));
}

/// All live log files are below that folder, and there are some.
#[track_caller]
fn has_logs_below(found: &Value, folder: &str) {
    let files = found["log_files"].as_array().unwrap_or_else(|| panic!("{found}"));
    assert!(!files.is_empty(), "no file appender is live: {found}");
    for file in files {
        let path = file["file"].as_str().unwrap();
        assert!(path.starts_with(folder), "{path} is not below {folder}");
        assert_eq!(file["open"], true, "{file}");
    }
}

#[track_caller]
fn has_agent_settings(container: &Container, logs_base: &str, keep: &str, delete: &str) {
    let text = container.read_text(format!("{BASE}/agent/app/META-INF/resource.properties"));
    let settings = java_properties::read(text.as_bytes()).unwrap();
    let get = |key: &str| settings.get(key).map_or("", String::as_str);
    assert_eq!(get("log.file.base_path"), format!("{logs_base}/agent/$AGENT_NAME/logs"));
    assert_eq!(get("log.file.keep.backup_path"), format!("{logs_base}/agent/$AGENT_NAME/backup"));
    assert_eq!(get("log.file.keep.date_cnt"), keep);
    assert_eq!(get("log.file.keep.backup_delete_yn"), delete);
    assert!(container.exists(format!("{BASE}/agent/.bin")));
}

#[test]
fn every_edit_is_told_at_debug_with_its_file_and_thing() {
    let builder = kind(Vendor::A, "F", "manual").env("JJOBS_INIT_LOG", "debug");
    let Some(container) = builder.boot() else { return };
    wait_for_nothing_to_start(&container);
    for (file, thing) in [
        ("resource.properties", "log settings"),
        ("start_server.sh", "JJOB_SERVER_ID"),
        ("java.security", "DNS caches"),
        ("jjob-server/WEB-INF/classes/properties/log4j2.xml", "file appenders"),
    ] {
        let is_told = container
            .lines()
            .iter()
            .any(|line| ["DEBUG", file, thing].iter().all(|part| line.text.contains(part)));
        assert!(is_told, "{file} {thing}: {}", container.transcript());
    }
    drop(container);
}

#[test]
fn the_servers_number_is_the_ordinal_and_one_whatever_the_pod_is_called() {
    for (hostname, number) in [("jjobs-0", "1-1"), ("jjobs", "1-1"), ("my-jjobs-99", "1-100")] {
        let builder = kind(Vendor::A, "S", "yes").hostname(hostname);
        let Some((container, _database)) = boot_with_database(builder) else { return };
        wait_until_up(&container);
        assert_eq!(effective(&container, "server")["env"]["JJOB_SERVER_ID"], number);
        drop(container);
    }
}

#[test]
fn a_login_that_cannot_be_decrypted_ends_the_boot_with_21() {
    let builder = kind(Vendor::A, "M", "yes")
        .env("USE_DB_ENCRYPT", "Y")
        .env("ENCRYPTED_DB_USER", "AAAA")
        .env("ENCRYPTED_DB_PASSWD", "????not-base64????");
    let Some(mut container) = builder.boot() else { return };
    let code = container.exit_code(crate::support::BOOT);
    assert!(code == 21 || code == 78, "{code}: {}", container.transcript());
}

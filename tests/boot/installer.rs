//! The installer step: arguments, secrets, failures, and what a restart does.

use crate::support::{
    BOOT, Boot, INSTALLER, bare_image, boot_with_database, count, install_args, installs, kind,
    last_state, wait_for_nothing_to_start, wait_until_up,
};
use jjobs_harness::{Container, ContainerBuilder, Vendor};

/// Spaces, quotes, everything that a shell would expand, and letters beyond ASCII.
const ODD: &str = "a b'c\"d$HOME;e`id`\\n|&<>*? 한글%x";

fn manual(install_kind: &str) -> ContainerBuilder {
    kind(Vendor::A, install_kind, "manual")
}

#[test]
fn manager_server_and_all_get_the_documented_arguments_each_as_one_word() {
    for (install_kind, db_type, flag) in [
        ("F", "postgres", "--use_postgresql"),
        ("M", "oracle", "--use_oracle"),
        ("S", "mysql", "--use_mysql"),
        ("S", "mariadb", "--use_mariadb"),
    ] {
        let url = match db_type {
            "postgres" => "jdbc:postgresql://db:1/j?a=b&c=d e",
            "oracle" => "jdbc:oracle:thin:@//db:1521/s",
            "mysql" => "jdbc:mysql://db/j",
            _ => "jdbc:mariadb://db/j",
        };
        let builder = manual(install_kind)
            .env("DB_TYPE", db_type)
            .env("JDBC_URL", url)
            .env("DB_USER", ODD)
            .env("DB_PASSWD", format!("{ODD}\nsecond line"))
            .env("MANAGER_WEB_PORT", "8065")
            .env("SERVER_WEB_PORT", "8075")
            .env("SERVER_TCP_PORT", "18075")
            .env("AGENT_GROUP_ID", "7")
            .env("JJOBS_SERVER_IP", "jjobs-0.jjobs");
        let Some(container) = builder.boot() else { return };
        wait_for_nothing_to_start(&container);
        let password = format!("{ODD}\nsecond line");
        let wanted = [
            "--base_path",
            "/engn001/jjobs",
            "--install_kind",
            install_kind,
            "--install_mode",
            "I",
            flag,
            "--jdbc_url",
            url,
            "--use_db_session_storage",
            "--dbms_user",
            ODD,
            "--dbms_pswd",
            &password,
            "--man_web_port",
            "8065",
            "--svr_service_web_port",
            "8075",
            "--svr_cotrol_base_port",
            "18075",
            "--agnt_svr_group",
            "1",
            "--agnt_group",
            "7",
            "--agnt_startup_svc_protocol",
            "http",
            "--agnt_startup_svc_context",
            "jjob-server",
            "--agnt_startup_svc_domain",
            "jjobs-0.jjobs",
            "--agnt_startup_svc_port",
            "8075",
        ];
        assert_eq!(install_args(&container), wanted);
        drop(container);
    }
}

#[test]
fn an_agent_gets_no_database_arguments() {
    let builder = manual("A")
        .env("JJOBS_SERVER_IP", "jjobs.ns.svc")
        .env("SERVER_WEB_PORT", "8075")
        .env("AGENT_GROUP_ID", "12")
        .env("JJOBS_BASE", "/engn001/a b");
    let Some(container) = builder.boot() else { return };
    wait_for_nothing_to_start(&container);
    let text = container.read_text("/engn001/a b/.simulator/install-args");
    let given: Vec<String> = serde_json::from_str(&text).unwrap();
    assert_eq!(
        given,
        [
            "--base_path",
            "/engn001/a b",
            "--install_kind",
            "A",
            "--install_mode",
            "I",
            "--svr_service_web_port",
            "8075",
            "--agnt_svr_group",
            "1",
            "--agnt_group",
            "12",
            "--agnt_startup_svc_domain",
            "jjobs.ns.svc",
            "--agnt_startup_svc_port",
            "8075",
        ]
    );
}

#[test]
fn the_password_is_masked_however_it_comes_and_at_every_level() {
    const PASSWORD: &str = "p<w>&\"d'9 한글!";
    // As it is, in two writes, in an XML file, in a URL, in JSON, quoted for a shell, one byte at a time.
    let script = r#"#!/bin/bash
pw="$DB_PASSWD"
echo "password: $pw!"
printf 'split: '; printf %s "${pw:0:4}"; sleep 0.3; printf '%s\n' "${pw:4}"
echo "xml p&lt;w&gt;&amp;\"d'9 한글!"; echo 'xml p&lt;w&gt;&amp;&quot;d&apos;9 한글!'
echo 'url p%3Cw%3E%26%22d%279%20%ED%95%9C%EA%B8%80%21'
echo "json {\"p\":\"${pw//\"/\\\"}\"}"
echo "shell '${pw//\'/\'\\\'\'}'"
printf 'bytes: '; LC_ALL=C; for ((i=0; i<${#pw}; i++)); do printf %s "${pw:i:1}"; done; echo
exit 3
"#;
    let builder = bare_image()
        .file(INSTALLER, script, 0o755)
        .env("INSTALL_KIND", "F")
        .env("DB_PASSWD", PASSWORD)
        .env("JJOBS_INIT_LOG", "trace");
    let Some(mut container) = builder.boot() else { return };
    assert_eq!(container.exit_code(BOOT), 20);
    let said = container.transcript();
    for form in [PASSWORD, "p<w>", "p&lt;w", "p%3Cw", "9 한글", "w>&"] {
        assert!(!said.contains(form), "{form}: {said}");
    }
    assert!(count(&container, "[redacted]") >= 7, "{said}");
    assert!(!container.termination_message().contains("p<w>"));
}

#[test]
fn an_installer_that_prints_its_settings_shows_no_password() {
    for vendor in Vendor::ALL {
        let builder = kind(vendor, "F", "manual")
            .env("DB_PASSWD", "hush-hush 99")
            .env("JJOBS_INIT_LOG", "trace");
        let Some(container) = builder.boot() else { return };
        wait_for_nothing_to_start(&container);
        assert!(container.transcript().contains("dbms_pswd"), "the simulator prints it");
        assert!(container.transcript().contains("[redacted]"));
        assert!(!container.transcript().contains("hush-hush"), "{}", container.transcript());
        drop(container);
    }
}

/// Boots, and expects the end with that code, saying all of `words`.
#[track_caller]
fn fails(builder: ContainerBuilder, code: i32, words: &[&str]) {
    let Some(mut container) = builder.env("INSTALL_KIND", "F").boot() else { return };
    assert_eq!(container.exit_code(BOOT), code, "{words:?}: {}", container.transcript());
    let said = container.transcript();
    let error = said.lines().find(|line| line.contains("step failed")).unwrap_or_default();
    for word in words {
        assert!(error.contains(word), "{word:?} in {error:?}\n{said}");
    }
    assert_eq!(last_state(&container)["exit_code"], code);
    assert_eq!(last_state(&container)["phase"], "ended");
    let reason = last_state(&container)["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("install failed"), "{reason:?}");
    assert_eq!(count(&container, "start script"), 0, "{said}");
}

#[test]
fn a_failing_installer_ends_the_boot_with_20_and_says_why() {
    fails(bare_image(), 20, &["does not exist", "hint", INSTALLER]);
    fails(
        bare_image().file("/install/jjob_installer_v3.sh", "#!/bin/sh\n", 0o755),
        20,
        &["INSTALL_FILE", "jjob_installer_v3.sh"],
    );
    fails(bare_image().file(INSTALLER, "#!/bin/sh\n", 0o644), 20, &["not executable", "chmod +x"]);
    fails(
        bare_image().file(INSTALLER, "#!/bin/sh\r\nexit 0\r\n", 0o755),
        20,
        &["Windows line endings"],
    );
    fails(
        bare_image().file(INSTALLER, "#!/bin/sh\necho no space; exit 5\n", 0o755),
        20,
        &["exit code 5", "no space"],
    );
    let simulated = |fault: &str| kind(Vendor::A, "F", "yes").env("SIM_INSTALLER_FAULT", fault);
    fails(simulated("exit=7"), 20, &["exit code 7", "fatal: cannot continue"]);
    fails(simulated("kill=9"), 20, &["SIGKILL", "memory"]);
    fails(simulated("kill=6"), 20, &["SIGABRT"]);
    fails(simulated("ask"), 20, &["second question", "Overwrite it? (y/n)"]);
}

#[test]
fn a_base_folder_that_cannot_be_written_ends_the_boot_with_20() {
    let folder = tempfile::tempdir().unwrap();
    fails(
        kind(Vendor::A, "F", "yes").bind_read_only(folder.path(), "/engn001"),
        20,
        &["exit code"],
    );
}

#[test]
fn an_incomplete_installation_ends_the_boot_with_21_and_names_the_pieces() {
    let incomplete = |fault: &str| kind(Vendor::B, "F", "yes").env("SIM_INSTALLER_FAULT", fault);
    fails(
        incomplete("missing=start_server.sh,missing=manager/webapps"),
        21,
        &["start_server.sh", "jjob-manager.war"],
    );
    fails(incomplete("missing=agent/app"), 21, &["resource.properties"]);
}

#[test]
fn a_restart_on_the_same_file_system_does_not_install_again() {
    for vendor in Vendor::ALL {
        let Some((mut container, _database)) = boot_with_database(kind(vendor, "F", "yes")) else {
            return;
        };
        wait_until_up(&container);
        assert_eq!(installs(&container), 1);
        for _ in 0..2 {
            let boot = Boot::restart(&mut container);
            boot.wait_for(&container, "all up");
            assert_eq!(boot.count(&container, "already installed"), 1);
        }
        assert_eq!(installs(&container), 1);
        drop(container);
    }
}

#[test]
fn anything_different_installs_again_and_the_log_says_what() {
    let folder = tempfile::tempdir().unwrap();
    let installer = folder.path().join("installer.sh");
    let simulated = std::path::Path::new("/install/simulated.sh");
    std::fs::write(&installer, format!("#!/bin/sh\nexec {} \"$@\"\n", simulated.display()))
        .unwrap();
    make_executable(&installer);
    let builder = bare_image()
        .bind_read_only(simulated_installer(), simulated)
        .bind_read_only(&installer, INSTALLER)
        .env("INSTALL_KIND", "S")
        .env("ON_BOOT", "manual")
        .env("DB_PASSWD", "first-password");
    let Some(mut container) = builder.boot() else { return };
    wait_for_nothing_to_start(&container);

    container.set_env("DB_PASSWD", "second-password");
    container.set_env("DB_TYPE", "mysql");
    container.set_env("JDBC_URL", "jdbc:mysql://db/jjobs");
    let boot = Boot::restart(&mut container);
    boot.wait_for(&container, "boot finished");
    let line = boot.wait_for(&container, "installing").text;
    for word in [
        "--dbms_pswd changed",
        "--jdbc_url changed",
        "--use_postgresql removed",
        "--use_mysql added",
    ] {
        assert!(line.contains(word), "{line}");
    }
    assert!(!container.transcript().contains("-password"), "{}", container.transcript());
    assert_eq!(installs(&container), 2);

    std::fs::write(&installer, format!("#!/bin/sh\n# 2\nexec {} \"$@\"\n", simulated.display()))
        .unwrap();
    let boot = Boot::restart(&mut container);
    boot.wait_for(&container, "boot finished");
    assert!(boot.wait_for(&container, "installing").text.contains("installer file changed"));
    assert_eq!(installs(&container), 3);

    // Something that only configuring uses installs nothing.
    container.set_env("JDBC_PARAMETERS", "?x=1");
    let boot = Boot::restart(&mut container);
    boot.wait_for(&container, "boot finished");
    assert_eq!(boot.count(&container, "already installed"), 1);
    assert_eq!(installs(&container), 3);
    drop(container);
}

/// Made by the simulator itself, so that it can lie at another path than the image's.
fn simulated_installer() -> std::path::PathBuf {
    let path = jjobs_harness::simulator_binary().with_file_name("jjobs-installer-a.sh");
    // Whoever builds an image with an installer makes it.
    drop(kind(Vendor::A, "S", "manual"));
    path
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_tree_that_lost_a_piece_is_installed_again() {
    let Some(mut container) = manual("A").boot() else { return };
    wait_for_nothing_to_start(&container);
    remove(&container, "/engn001/jjobs/start_agent.sh");
    let boot = Boot::restart(&mut container);
    boot.wait_for(&container, "boot finished");
    assert!(boot.wait_for(&container, "installing").text.contains("start_agent.sh"));
    assert!(container.exists("/engn001/jjobs/start_agent.sh"));
    drop(container);
}

#[test]
fn installing_again_writes_neither_through_our_links_nor_into_our_fifos() {
    // What an installer does that takes a tree for its own.
    let script = r#"#!/bin/bash
read answer
B=$2
mkdir -p "$B/agent/app/META-INF" "$B"/{manager,server}/{logs,webapps/x/WEB-INF}
echo "vendor $AGENT_GROUP_ID" > "$B/agent/healthcheck.sh"
touch "$B/agent/app/META-INF/resource.properties" "$B"/{start,stop}_{agent,manager,server}.sh
for c in manager server; do
    echo log > "$B/$c/logs/catalina.out"
    mkdir -p "$B/$c/webapps/jjob-$c/WEB-INF/classes/spring"
    echo '<beans><bean class="x"><property name="url" value="u"/><property name="username" value="u"/><property name="password" value="p"/></bean></beans>' \
        > "$B/$c/webapps/jjob-$c/WEB-INF/classes/spring/context-datasource.xml"
done
echo 'export JJOB_SERVER_ID=1-1' > "$B/start_server.sh"
echo 'log.file.base_path=x' > "$B/agent/app/META-INF/resource.properties"
"#;
    let builder = bare_image()
        .file(INSTALLER, script, 0o755)
        .env("INSTALL_KIND", "F")
        .env("ON_BOOT", "manual");
    let Some(mut container) = builder.boot() else { return };
    wait_for_nothing_to_start(&container);
    for group in ["1", "2"] {
        container.set_env("AGENT_GROUP_ID", group);
        let boot = Boot::restart(&mut container);
        boot.wait_for(&container, "boot finished");
        assert_eq!(container.exec(["readlink", "/engn001/jjobs/agent/healthcheck.sh"]).code, 0);
        let kept = container.read_text("/engn001/jjobs/agent/healthcheck.sh.vendor");
        assert_eq!(kept, format!("vendor {group}\n"));
    }
    drop(container);
}

fn remove(container: &Container, path: &'static str) {
    container.inside(move || std::fs::remove_file(path)).unwrap();
}

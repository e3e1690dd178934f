//! Both vendor versions, installed and started by hand in a container whose PID 1 is only a shell.

use super::support::{
    BASE, SOON, api, arguments, catalina_home, host, install, installed, is_web_up, jvms, ledger,
    start, submit,
};
use jjobs_harness::{Container, Signal, Vendor};
use std::time::Duration;

#[test]
fn the_installer_takes_exactly_its_arguments_and_a_yes() {
    for vendor in Vendor::ALL {
        let Some(container) = host(vendor).boot() else { return };
        assert_eq!(install(&container, "F", "n\n").code, 1);
        assert_eq!(install(&container, "F", "").code, 1);
        assert!(!container.exists(BASE));
        let without =
            container.shell("echo y | /install/jjob_installer_linux_x64.sh --install_kind F");
        assert_eq!(without.code, 2, "{without:?}");
        assert!(without.stderr.contains("usage"), "{without:?}");

        let output = install(&container, "F", "y\n");
        assert_eq!(output.code, 0, "{output:?}");
        assert!(output.stdout.lines().count() > 60, "an installer prints a lot");
        let recorded = container.read_text(format!("{BASE}/.simulator/install-args"));
        assert!(
            recorded.starts_with("[\"--base_path\",\"/engn001/jjobs\",\"--install_kind\",\"F\""),
            "{recorded}"
        );
        assert!(
            recorded.contains(r#""p'\"&w""#),
            "each value is one word, whatever it holds: {recorded}"
        );
        assert_eq!(container.shell("ls /tmp").stdout, "", "nothing of it stays");
    }
}

#[test]
fn only_the_components_of_the_kind_are_laid_out() {
    for vendor in Vendor::ALL {
        for (kind, expected) in [("M", "manager"), ("S", "server"), ("A", "agent")] {
            let Some(container) = installed(vendor, kind) else { return };
            for component in ["manager", "server", "agent"] {
                let is_there = container.exists(format!("{BASE}/start_{component}.sh"));
                assert_eq!(is_there, component == expected, "{vendor:?} {kind} {component}");
            }
            assert!(container.exists(format!("{BASE}/encrypter.sh")));
        }
    }
}

#[test]
fn manager_and_server_answer_and_stop_by_their_scripts() {
    for vendor in Vendor::ALL {
        let Some(container) = installed(vendor, "F") else { return };
        for (component, port, path) in
            [("manager", 7065, "/jjob-manager/"), ("server", 7075, "/jjob-server/test.jsp")]
        {
            start(&container, component);
            container.eventually("its web port answers", |c| is_web_up(c, port, path));
            assert_eq!(jvms(&container, &catalina_home(component)), 1);
            let output = container.exec([format!("{BASE}/stop_{component}.sh")]);
            assert_eq!(output.code, 0, "{output:?}");
            container.eventually("its JVM is gone", |c| jvms(c, &catalina_home(component)) == 0);
            let log = container.read_text(format!("{BASE}/{component}/logs/catalina.out"));
            assert!(log.contains("Server startup in"), "{log}");
        }
    }
}

#[test]
fn the_server_listens_on_five_ports_and_runs_with_what_was_installed() {
    for vendor in Vendor::ALL {
        let Some(container) = installed(vendor, "S") else { return };
        start(&container, "server");
        container.eventually("the server is up", |c| is_web_up(c, 7075, "/jjob-server/test.jsp"));
        for port in 17075..17080 {
            assert!(container.connect(port).is_ok(), "{port}");
        }
        assert!(container.connect(17080).is_err());
        let effective = container.http_get(7075, "/sim/effective").unwrap().body;
        for part in [
            r#""url":"jdbc:postgresql://127.0.0.1:7432/jjobs?a=1&b=<2>""#,
            r#""username":"jjobs""#,
            r#""password":"p'\"&w""#,
            r#""class":"org.apache.commons.dbcp2.BasicDataSource""#,
            r#""log_files":[]"#,
            r#""JJOB_SERVER_ID":"1-1""#,
        ] {
            assert!(effective.contains(part), "{vendor:?}: {part} in {effective}");
        }
    }
}

#[test]
fn a_jvm_stopped_by_sigterm_exits_with_143() {
    for vendor in Vendor::ALL {
        let Some(container) = installed(vendor, "F") else { return };
        let java = "$(ls -d /engn001/jjobs/jdk*/bin/java)";
        let home = format!("-Dcatalina.home={BASE}/server");
        let jvm = container.exec_spawn([
            "/bin/sh",
            "-c",
            &format!("exec {java} -classpath x {home} org.apache.catalina.startup.Bootstrap start"),
        ]);
        jvm.wait_for_line("Server startup in", SOON);
        jvm.signal(Signal::SIGTERM);
        assert_eq!(jvm.wait(SOON).code, 143);
    }
}

#[test]
fn an_agent_registers_runs_jobs_and_no_job_is_lost_by_its_restart() {
    for vendor in Vendor::ALL {
        let Some(container) = installed(vendor, "F") else { return };
        start(&container, "server");
        start(&container, "agent");
        let is_running = |c: &Container| {
            is_web_up(c, 7075, "/jjob-server/test.jsp")
                && api(c, "GET", "/agentmonitor/jjobs-0", "").1.contains("RUNNING")
        };
        container.eventually("the agent is registered", is_running);
        submit(&container, "0.2", "2");
        container.eventually("both jobs have ended", |c| ledger(c).contains(r#""ended":2"#));
        container.eventually("the server has heard of it", |c| {
            api(c, "GET", "/statusmonitor/selectWorkingRequestList?groupId=1&serverId=1", "").1
                == r#"{"list":[]}"#
        });
        assert!(container.exists(format!("{BASE}/agent/logs/agent")), "it writes a log");

        submit(&container, "3", "1");
        container.eventually("a runtime works", |c| jvms(c, "cname=jjobs") == 1);
        let output = container.exec([format!("{BASE}/stop_agent.sh")]);
        assert_eq!(output.code, 0, "{output:?}");
        container.eventually("the agent has gone", |c| jvms(c, "cname=agent") == 0);
        assert_eq!(jvms(&container, "cname=jjobs"), 1, "the runtime goes on");
        start(&container, "agent");
        container.eventually("the job has ended", |c| ledger(c).contains(r#""ended":3"#));
        container.eventually("the new agent has reported it", |c| {
            c.http_get(7075, "/sim/jobs").unwrap().body.contains(r#""working":0,"done":3"#)
        });
        assert!(ledger(&container).contains(r#""running_or_lost":[]"#));
    }
}

#[test]
fn components_misbehave_on_request() {
    let Some(container) = installed(Vendor::A, "F") else { return };
    let fault = |component: &str, text: &str| {
        container.write(format!("{BASE}/.simulator/faults/{component}"), text);
    };
    fault("server", "crash_at_start=1\ncrash_code=9\n");
    start(&container, "server");
    container.eventually("it has crashed", |c| {
        c.read_text(format!("{BASE}/server/logs/catalina.out")).contains("on request")
    });
    start(&container, "server");
    container.eventually("the second start holds", |c| is_web_up(c, 7075, "/jjob-server/test.jsp"));

    fault("server", "answer:/jjob-server/api=500\n");
    assert_eq!(api(&container, "GET", "/statusmonitor/list", "").0, 500);
    assert!(is_web_up(&container, 7075, "/jjob-server/test.jsp"));
    fault("server", "refuse_term=yes\nrefuse_stop=yes\nstop_script=fail\n");
    assert_ne!(container.exec([format!("{BASE}/stop_server.sh")]).code, 0);
    container.shell("kill $(pidof java)");
    assert_eq!(jvms(&container, &catalina_home("server")), 1, "it refuses");
    fault("server", "crash_after=0\ncrash_code=3\n");
    container.eventually("it crashes now", |c| jvms(c, &catalina_home("server")) == 0);

    fault("manager", "start_script=fail\n");
    container.exec([format!("{BASE}/manager/bin/startup.sh")]);
    assert_eq!(jvms(&container, &catalina_home("manager")), 0);
    fault("manager", "double_fork=yes\nstart_delay=0.5\n");
    start(&container, "manager");
    container.eventually("the fork is up", |c| is_web_up(c, 7065, "/jjob-manager/"));
}

#[test]
fn the_installer_misbehaves_on_request() {
    for (fault, code) in [("exit=7", 7), ("ask", 1), ("kill=9", 137)] {
        let Some(container) = host(Vendor::A).env("SIM_INSTALLER_FAULT", fault).boot() else {
            return;
        };
        assert_eq!(install(&container, "F", "y\n").code, code, "{fault}");
    }
    let Some(container) = host(Vendor::B)
        .env("SIM_INSTALLER_FAULT", "missing=server/webapps")
        .env("SIM_INSTALL_SECONDS", "0.5")
        .boot()
    else {
        return;
    };
    let output = install(&container, "F", "y\n");
    assert_eq!(output.code, 0);
    assert!(output.elapsed >= Duration::from_millis(400), "{output:?}");
    assert!(!container.exists(format!("{BASE}/server/webapps/jjob-server.war")));
    let Some(container) = host(Vendor::A).env("SIM_INSTALLER_FAULT", "hang").boot() else { return };
    let script = "(echo y; sleep 1000) | /install/jjob_installer_linux_x64.sh \"$@\"";
    let words = ["/bin/sh", "-c", script, "sh"].map(str::to_owned);
    let child = container.exec_spawn(words.into_iter().chain(arguments("A")));
    child.wait_for_line("Do you want to continue?", SOON);
    assert_eq!(child.try_code(), None);
}

#[test]
fn what_was_encrypted_is_decrypted_by_the_script() {
    for vendor in Vendor::ALL {
        let Some(container) = installed(vendor, "A") else { return };
        let script = format!("{BASE}/encrypter.sh");
        let encrypted = container.exec([&script, "e", "p'\"& w"]).stdout;
        let decrypted = container.exec([&script, "d", encrypted.trim()]);
        assert_eq!((decrypted.code, decrypted.stdout.as_str()), (0, "p'\"& w\n"));
        assert_eq!(container.exec([&script, "d", "!"]).code, 1);
    }
}

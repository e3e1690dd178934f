//! The installer step.

use crate::support::{Log, contract, eventually, in_loop, script, stop, surroundings};
use jjobs_init::{
    boot::{
        install::{self, InstallError, Installed, Installer},
        step::StopSignal,
    },
    contract::{Contract, DbType, EncryptedLogin, InstallKind, secret::Secret},
    exit::ExitCode,
    plan::Component,
    process::Children,
};
use std::{
    cell::RefCell,
    fs,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};
use tempfile::tempdir;

/// Lays out an agent's tree in the folder after `--base_path` and counts its runs there.
const AGENT: &str = r#"#!/bin/sh
read answer; [ "$answer" = y ] || exit 9
mkdir -p "$2/agent/app/META-INF"; echo run >> "$2/runs"
touch "$2/start_agent.sh" "$2/stop_agent.sh" "$2/agent/app/META-INF/resource.properties"
for word; do echo "[$word]"; done
"#;

struct Bed {
    children: Children,
    contract: Contract,
    components: Vec<Component>,
    silence: Duration,
    log: Rc<RefCell<Log>>,
    stop: StopSignal,
}

impl Bed {
    fn new(children: &Children, contract: Contract) -> Self {
        let components = match contract.install_kind {
            InstallKind::Full => Component::ALL.to_vec(),
            InstallKind::Manager => vec![Component::Manager],
            InstallKind::Server => vec![Component::Server],
            InstallKind::Agent => vec![Component::Agent],
        };
        Self {
            children: children.clone(),
            contract,
            components,
            silence: install::SILENCE,
            log: Log::new(),
            stop: stop().1,
        }
    }

    /// An agent's, whose installer is `text`.
    fn agent(children: &Children, root: &Path, text: &str) -> Self {
        let bed = Self::new(children, contract(InstallKind::Agent, root));
        bed.installer(text);
        bed
    }

    fn installer(&self, text: &str) {
        script(&self.contract.paths.installer, text);
    }

    fn runs(&self) -> usize {
        let runs = fs::read_to_string(self.contract.paths.jjobs_base.join("runs"));
        runs.unwrap_or_default().lines().count()
    }

    /// What an installer that prints its words in brackets was called with.
    fn printed_words(&self) -> Vec<String> {
        let text = self.log.borrow().text();
        let word = |line: &str| line.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
        text.lines().filter_map(word).collect()
    }

    async fn install(&mut self) -> Result<Installed, InstallError> {
        let installer = Installer {
            contract: &self.contract,
            components: &self.components,
            children: &self.children,
            surroundings: surroundings(),
            output: Rc::clone(&self.log),
            silence: self.silence,
        };
        install::run(installer, &mut self.stop).await
    }
}

#[test]
fn an_agent_is_installed_once_with_its_documented_arguments() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let mut bed = Bed::agent(&children, root.path(), AGENT);
        bed.contract.server_host = "a b\"$(id)'".to_owned();
        bed.contract.agent.group_id = 3;
        assert_eq!(bed.install().await.unwrap(), Installed::Now);
        let base = bed.contract.paths.jjobs_base.display().to_string();
        let words = [
            "--base_path",
            base.as_str(),
            "--install_kind",
            "A",
            "--install_mode",
            "I",
            "--svr_service_web_port",
            "7075",
            "--agnt_svr_group",
            "1",
            "--agnt_group",
            "3",
            "--agnt_startup_svc_domain",
            "a b\"$(id)'",
            "--agnt_startup_svc_port",
            "7075",
        ];
        assert_eq!(bed.printed_words(), words);
        assert_eq!(bed.install().await.unwrap(), Installed::Already);
        assert_eq!(bed.runs(), 1);
    });
}

#[test]
fn a_whole_installation_gets_the_database_and_the_ports() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let mut bed = Bed::new(&children, contract(InstallKind::Full, root.path()));
        bed.contract.database.kind = DbType::Mariadb;
        bed.contract.database.password = Secret::new("p w");
        bed.installer("#!/bin/sh\nfor word; do echo \"[$word]\"; done\n");
        let error = bed.install().await.unwrap_err();
        let base = bed.contract.paths.jjobs_base.display().to_string();
        let words = [
            "--base_path",
            base.as_str(),
            "--install_kind",
            "F",
            "--install_mode",
            "I",
            "--use_mariadb",
            "--jdbc_url",
            "jdbc:postgresql://db:5432/jjobs",
            "--use_db_session_storage",
            "--dbms_user",
            "jjobs",
            "--dbms_pswd",
            "p w",
            "--man_web_port",
            "7065",
            "--svr_service_web_port",
            "7075",
            "--svr_cotrol_base_port",
            "17075",
            "--agnt_svr_group",
            "1",
            "--agnt_group",
            "0",
            "--agnt_startup_svc_protocol",
            "http",
            "--agnt_startup_svc_context",
            "jjob-server",
            "--agnt_startup_svc_domain",
            "127.0.0.1",
            "--agnt_startup_svc_port",
            "7075",
        ];
        assert_eq!(bed.printed_words(), words);
        // It installed nothing.
        assert_eq!(error.exit_code(), ExitCode::ConfigureFailed);
        let text = error.to_string();
        for piece in ["start_manager.sh", "jjob-server.war", "resource.properties", "stop_agent.sh"]
        {
            assert!(text.contains(piece), "{text}");
        }
        assert!(!text.contains("encrypter.sh"));
        let login = EncryptedLogin { user: Secret::new("u"), password: Secret::new("p") };
        bed.contract.database.encrypted = Some(login);
        assert!(bed.install().await.unwrap_err().to_string().contains("encrypter.sh"));
    });
}

#[test]
fn any_difference_or_a_lost_tree_installs_again() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let mut bed = Bed::agent(&children, root.path(), AGENT);
        bed.install().await.unwrap();
        bed.contract.ports.server_web = 7076;
        assert_eq!(bed.install().await.unwrap(), Installed::Now);
        assert_eq!(bed.install().await.unwrap(), Installed::Already);
        bed.installer(&format!("{AGENT}\n"));
        assert_eq!(bed.install().await.unwrap(), Installed::Now);
        fs::remove_file(bed.contract.paths.jjobs_base.join("start_agent.sh")).unwrap();
        assert_eq!(bed.install().await.unwrap(), Installed::Now);
        assert_eq!(bed.install().await.unwrap(), Installed::Already);
        assert_eq!(bed.runs(), 4);
    });
}

#[test]
fn a_failed_installation_forgets_the_one_before() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let mut bed = Bed::agent(&children, root.path(), AGENT);
        bed.install().await.unwrap();
        let good = bed.contract.ports;
        bed.contract.ports.server_web = 7076;
        bed.installer("#!/bin/sh\necho no space left; exit 7\n");
        let error = bed.install().await.unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::InstallFailed);
        assert_eq!(error.to_string(), "the installer failed: exit code 7");
        assert_eq!(error.last_lines().last().unwrap(), "no space left");
        bed.contract.ports = good;
        bed.installer(AGENT);
        assert_eq!(bed.install().await.unwrap(), Installed::Now);
    });
}

#[test]
fn an_installer_that_cannot_be_run_is_explained() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let mut bed = Bed::new(&children, contract(InstallKind::Agent, root.path()));
        script(&root.path().join("install/jjob_installer_v2.sh"), "");
        let error = bed.install().await.unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::InstallFailed);
        assert!(error.hint().unwrap().contains("jjob_installer_v2.sh"));
        bed.installer("#!/no/such/shell\n");
        assert_eq!(bed.install().await.unwrap_err().exit_code(), ExitCode::InstallFailed);
        bed.installer("#!/bin/sh\nkill -9 $$\n");
        let error = bed.install().await.unwrap_err();
        assert_eq!(error.to_string(), "the installer failed: killed by SIGKILL");
        bed.installer("read -r answer\nexit 3\n");
        assert_eq!(
            bed.install().await.unwrap_err().to_string(),
            "the installer failed: exit code 3"
        );
    });
}

#[test]
fn a_second_question_gets_end_of_file_and_a_hint() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let text = "#!/bin/sh\nread a\nprintf 'Overwrite? (y/n) '\nread b || exit 4\n";
        let mut bed = Bed::agent(&children, root.path(), text);
        let error = bed.install().await.unwrap_err();
        assert!(error.hint().unwrap().contains("second question"), "{error:?}");
    });
}

#[test]
fn a_silent_installer_is_killed_with_all_that_it_started() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let started = root.path().join("pid");
        let text = format!(
            "#!/bin/sh\necho working\nsleep 1000 & echo $! > {}\nwait\n",
            started.display()
        );
        let mut bed = Bed::agent(&children, root.path(), &text);
        bed.silence = Duration::from_millis(300);
        let error = bed.install().await.unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::InstallFailed);
        assert!(
            matches!(&error, InstallError::Silent { last_lines, .. } if last_lines == &["working"])
        );
        let pid = fs::read_to_string(started).unwrap();
        eventually("the sleeper is gone", || is_gone(pid.trim())).await;
    });
}

/// Whether no such process lives; one that only waits for its parent does not.
fn is_gone(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}

#[test]
fn a_talking_installer_may_take_its_time() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let text = format!("{AGENT}\nfor i in 1 2 3 4 5 6 7 8; do sleep 0.1; echo $i; done\n");
        let mut bed = Bed::agent(&children, root.path(), &text);
        bed.silence = Duration::from_millis(500);
        assert_eq!(bed.install().await.unwrap(), Installed::Now);
    });
}

#[test]
fn what_an_installer_leaves_in_the_background_is_not_waited_for() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let mut bed =
            Bed::agent(&children, root.path(), &format!("{AGENT}\nsleep 20 & echo $! > $2/left\n"));
        let started = Instant::now();
        assert_eq!(bed.install().await.unwrap(), Installed::Now);
        assert!(started.elapsed() < Duration::from_secs(5));
        let pid = fs::read_to_string(bed.contract.paths.jjobs_base.join("left")).unwrap();
        assert!(!is_gone(pid.trim()));
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    });
}

#[test]
fn a_stop_ends_even_an_installer_that_ignores_it() {
    let root = tempdir().unwrap();
    in_loop(async |children| {
        let text = "#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 0.1; done\n";
        let mut bed = Bed::agent(&children, root.path(), text);
        let (sender, signal) = stop();
        bed.stop = signal;
        let log = Rc::clone(&bed.log);
        let stopping = async {
            eventually("the installer is ready", || log.borrow().text().contains("ready")).await;
            sender.send(true).unwrap();
            Instant::now()
        };
        let (installed, asked) = tokio::join!(bed.install(), stopping);
        assert!(matches!(installed, Err(InstallError::Stopped)));
        assert!(asked.elapsed() < Duration::from_secs(8));
        // Nothing is noted, so the next boot installs.
        bed.stop = stop().1;
        bed.installer(AGENT);
        assert_eq!(bed.install().await.unwrap(), Installed::Now);
    });
}

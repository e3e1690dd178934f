//! A runtime as PID 1 has it, and what steps are given.

use jjobs_init::{
    boot::step::{StepOutput, StopSignal},
    contract::{
        AgentSettings, Contract, Database, DbType, DnsCache, Hostname, InstallKind, Kube,
        LogDelete, LogFormat, LogLevel, OnBoot, Own, Paths, Ports, RestartPolicy, jdbc::JdbcUrl,
        secret::Secret,
    },
    process::{Children, Sink, Surroundings},
};
use std::{
    cell::RefCell,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task::LocalSet, time::sleep};

/// Our binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_jjobs-init");

/// Runs `test` with a registry of children that is emptied all the while.
pub(crate) fn in_loop<F: Future>(test: impl FnOnce(Children) -> F) -> F::Output {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // Orphans come to us, as they come to PID 1.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let children = Children::new(PathBuf::from(BINARY));
    let reaper = children.clone();
    let done = LocalSet::new().block_on(&runtime, async move {
        let reaping = tokio::task::spawn_local(async move {
            loop {
                let _ = reaper.reap();
                sleep(Duration::from_millis(2)).await;
            }
        });
        let done = test(children).await;
        reaping.abort();
        done
    });
    runtime.shutdown_background();
    done
}

/// Keeps all that is written.
#[derive(Debug, Default)]
pub(crate) struct Log(pub(crate) Vec<u8>);

impl Log {
    pub(crate) fn new() -> Rc<RefCell<Self>> {
        Rc::default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl Sink for Log {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn has_partial(&self) -> bool {
        self.0.last().is_some_and(|byte| *byte != b'\n')
    }

    fn flush_partial(&mut self) {}
}

impl StepOutput for Log {
    fn tail(&self) -> Vec<String> {
        let lines: Vec<String> = self.text().lines().map(str::to_owned).collect();
        lines[lines.len().saturating_sub(10)..].to_vec()
    }
}

/// A stop that can be requested.
pub(crate) fn stop() -> (watch::Sender<bool>, StopSignal) {
    let (sender, receiver) = watch::channel(false);
    (sender, StopSignal::new(receiver))
}

/// Waits until `probe` says yes.
pub(crate) async fn eventually(what: &str, mut probe: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if probe() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    unreachable!("never happened: {what}");
}

/// Writes an executable script.
pub(crate) fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A small environment.
pub(crate) fn surroundings() -> Surroundings {
    let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/root")];
    Surroundings {
        env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        folder: Some("/".into()),
        ..Surroundings::default()
    }
}

/// A contract of `kind` with all its folders below `root`.
pub(crate) fn contract(kind: InstallKind, root: &Path) -> Contract {
    Contract {
        install_kind: kind,
        on_boot: OnBoot::Yes,
        paths: Paths {
            installer: root.join("install/jjob_installer_linux_x64.sh"),
            jjobs_base: root.join("engn001/jjobs"),
            working_dir: root.join("working"),
            logs_base: root.join("logs"),
            home: root.join("home"),
        },
        hostname: Hostname("jjobs-0".to_owned()),
        ports: Ports { manager_web: 7065, server_web: 7075, server_tcp: 17075 },
        database: Database {
            kind: DbType::Postgres,
            jdbc_url: Secret::new("jdbc:postgresql://db:5432/jjobs"),
            address: JdbcUrl { kind: DbType::Postgres, hosts: Vec::new() },
            jdbc_parameters: Secret::new(""),
            user: "jjobs".to_owned(),
            password: Secret::new("jjobs1234"),
            encrypted: None,
        },
        service_name: None,
        server_host: "127.0.0.1".to_owned(),
        agent: AgentSettings { group_id: 0, log_keep_days: 5, log_delete: LogDelete::Delete },
        dns_cache: DnsCache { ttl: 1, negative_ttl: 3 },
        api_token: None,
        download: None,
        custom_command: None,
        redis: None,
        sso_issuer: None,
        kube: Kube::default(),
        own: own(root),
        env: surroundings().env,
        secrets: Vec::new(),
    }
}

fn own(root: &Path) -> Own {
    let second = Duration::from_secs(1);
    Own {
        log_level: LogLevel::Info,
        log_format: LogFormat::Text,
        log_prefix: false,
        run_dir: None,
        state_dir: root.join("state"),
        grace_period: None,
        liveness_grace_period: None,
        dependency_timeout: None,
        start_timeout: second,
        stop_timeout: second,
        hold_timeout: second,
        post_start_timeout: second,
        probe_timeout: second,
        restart: RestartPolicy::OnFailure,
        ca_file: None,
        scrub_env: false,
        metrics_addr: None,
    }
}

//! An installation in a container, and what to ask of it.

use jjobs_harness::{
    Cluster, Container, ContainerBuilder, ExecOutput, Signal, Vendor, simulator_binary,
};
use std::time::Duration;

pub(crate) const BASE: &str = "/engn001/jjobs";
pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const TOKEN: &str = "a-token";

/// A PID 1 that collects orphans and does nothing else.
pub(crate) fn host(vendor: Vendor) -> ContainerBuilder {
    Container::command([
        "/bin/sh",
        "-c",
        "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done",
    ])
    .installer(vendor)
    .bind_read_only(simulator_binary(), "/usr/local/bin/jjobs-simulator")
}

pub(crate) fn arguments(kind: &str) -> Vec<String> {
    let common = format!(
        "--base_path {BASE} --install_kind {kind} --install_mode I --svr_service_web_port 7075 --agnt_svr_group 1 \
         --agnt_group 0 --agnt_startup_svc_domain 127.0.0.1 --agnt_startup_svc_port 7075"
    );
    let others = "--use_postgresql --jdbc_url jdbc:postgresql://127.0.0.1:7432/jjobs?a=1&b=<2> --use_db_session_storage \
                  --dbms_user jjobs --dbms_pswd p'\"&w --man_web_port 7065 --svr_cotrol_base_port 17075 \
                  --agnt_startup_svc_protocol http --agnt_startup_svc_context jjob-server";
    let all = if kind == "A" { common } else { format!("{common} {others}") };
    all.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn install(container: &Container, kind: &str, answer: &str) -> ExecOutput {
    let script =
        "answer=$1; shift; printf \"$answer\" | /install/jjob_installer_linux_x64.sh \"$@\"";
    let words = ["/bin/sh", "-c", script, "sh", answer].map(str::to_owned);
    container.exec(words.into_iter().chain(arguments(kind)))
}

pub(crate) fn installed(vendor: Vendor, kind: &str) -> Option<Container> {
    let container = host(vendor).boot()?;
    let output = install(&container, kind, "y\n");
    assert_eq!(output.code, 0, "{output:?}");
    container.shell(&format!("mkdir -p {BASE}/agent/.bin"));
    Some(container)
}

/// Starts a component as an operator does; in a session of its own that the test leaves behind.
pub(crate) fn start(container: &Container, component: &str) {
    container.exec_spawn([format!("{BASE}/start_{component}.sh")]);
}

pub(crate) fn is_web_up(container: &Container, port: u16, path: &str) -> bool {
    container.http_get(port, path).is_ok_and(|answer| answer.status == 200)
}

pub(crate) fn jvms(container: &Container, mark: &str) -> usize {
    let property = format!("-D{mark}");
    let is_java = |word: &String| word.ends_with("/bin/java");
    container
        .processes()
        .iter()
        .filter(|process| process.argv.first().is_some_and(is_java) && !process.is_zombie())
        .filter(|process| process.has_word(mark) || process.has_word(&property))
        .count()
}

pub(crate) fn catalina_home(component: &str) -> String {
    format!("catalina.home={BASE}/{component}")
}

pub(crate) fn ledger(container: &Container) -> String {
    container
        .exec(["jjobs-simulator", "ledger", "--json", &format!("{BASE}/.simulator/ledger")])
        .stdout
}

pub(crate) fn submit(container: &Container, seconds: &str, count: &str) {
    let output =
        container.exec(["jjobs-simulator", "submit", "http://127.0.0.1:7075", seconds, count]);
    assert_eq!(output.code, 0, "{output:?}");
}

pub(crate) fn api(container: &Container, method: &str, path: &str, body: &str) -> (u16, String) {
    let path = format!("/jjob-server/api/v1{path}");
    let answer = container.http_api(7075, (method, &path), TOKEN, body).unwrap();
    (answer.status, answer.body)
}

/// A member of a cluster with this kind installed; its agent, if it has one, belongs to the server `server-0`.
pub(crate) fn member(
    cluster: &Cluster,
    (name, kind): (&str, &str),
    plan: ContainerBuilder,
) -> Container {
    let container = cluster.join(plan, name).boot().unwrap();
    let mut words = arguments(kind);
    let domain = words.iter().position(|word| word == "--agnt_startup_svc_domain").unwrap();
    "server-0".clone_into(&mut words[domain + 1]);
    let script =
        "echo y | /install/jjob_installer_linux_x64.sh \"$@\" && mkdir -p \"$0/agent/.bin\"";
    let output =
        container.exec(["/bin/sh", "-c", script, BASE].map(str::to_owned).into_iter().chain(words));
    assert_eq!(output.code, 0, "{output:?}");
    container
}

/// What the component is to do wrong from now on.
pub(crate) fn fault(container: &Container, component: &str, text: &str) {
    container.write(format!("{BASE}/.simulator/faults/{component}"), text);
}

/// Starts a server and waits until it answers.
pub(crate) fn start_server(container: &Container) {
    start(container, "server");
    container.eventually("the server is up", |c| is_web_up(c, 7075, "/jjob-server/test.jsp"));
}

/// Kills the JVM of a component, and waits for its end.
pub(crate) fn kill_jvm(container: &Container, mark: &str) {
    let property = format!("-D{mark}");
    for process in container.processes() {
        if process.has_word(mark) || process.has_word(&property) {
            container.signal_process(process.pid, Signal::SIGKILL);
        }
    }
    container.eventually("its JVM is gone", |c| jvms(c, mark) == 0);
}

pub(crate) const HOLD_AGENT: &str = r#"{"groupId":1,"agentGroupId":null,"agentName":"jjobs-0"}"#;

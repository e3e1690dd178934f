//! What the pods of a story are made of: our image, or one that kills.

use crate::pods::{AGENTS, BASE, PORT, Pod, Pods, SERVER};
use jjobs_harness::{Cluster, Container, ContainerBuilder, Vendor};

const TOKEN: &str = "a-token-of-the-tests";
const TOKEN_FILE: &str = "/etc/jjobs/token";

/// What an image does that knows nothing of jobs: it starts its component, and ends everything on SIGTERM.
const KILLER: &str = "\
trap 'kill -9 -1; exit 0' TERM
kind=$1; shift
if [ ! -e @BASE@/start_$kind.sh ]; then
    echo y | /install/jjob_installer_linux_x64.sh \"$@\" > /dev/null
    mkdir -p @BASE@/agent/.bin
fi
@BASE@/start_$kind.sh > /dev/null 2>&1 &
echo all up
while :; do sleep 0.1; done
";

/// What PID 1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrypoint {
    /// Ours.
    Init,
    /// One that kills on SIGTERM, with hooks that do nothing.
    Killer,
}

/// How the pods of a cluster are made.
pub(crate) struct Cast {
    /// In the summary lines.
    pub(crate) name: &'static str,
    pub(crate) entrypoint: Entrypoint,
    /// Of the server and of each agent.
    pub(crate) vendors: [Vendor; 4],
    pub(crate) is_contrary: bool,
    pub(crate) has_token_file: bool,
}

impl Cast {
    /// How many seconds a long job takes. One that is to be killed must not end by itself first, however busy the machine is.
    pub(crate) fn long_job(&self) -> f64 {
        match self.entrypoint {
            Entrypoint::Init => 3.0,
            Entrypoint::Killer => 12.0,
        }
    }

    /// Boots all pods and waits until every agent asks for work; `None` where this machine allows no namespaces.
    pub(crate) fn boot(&self) -> Option<Pods> {
        let names: Vec<&str> = std::iter::once(SERVER).chain(AGENTS).collect();
        let cluster = Cluster::new(&names)?;
        let server = self.pod(&cluster, (SERVER, "S"), self.vendors[0])?;
        let agents = AGENTS.iter().zip(&self.vendors[1..]);
        let agents: Option<Vec<Pod>> =
            agents.map(|(name, vendor)| self.pod(&cluster, (name, "A"), *vendor)).collect();
        let pods = Pods::new(cluster, (server, agents?), self.is_contrary);
        pods.server.eventually("the server answers", |_| pods.board().is_some());
        for agent in &pods.agents {
            agent.eventually("the agent asks for work", |_| pods.is_at_work(agent));
        }
        Some(pods)
    }

    fn pod(
        &self,
        cluster: &Cluster,
        (name, kind): (&'static str, &str),
        vendor: Vendor,
    ) -> Option<Pod> {
        let builder = match self.entrypoint {
            Entrypoint::Init => Container::image(env!("CARGO_BIN_EXE_jjobs-init")),
            Entrypoint::Killer => killer(kind),
        };
        let builder = self.with_environment(builder.installer(vendor).env("INSTALL_KIND", kind));
        let mut container = cluster.join(builder, name).prepare()?;
        let db = (kind == "S").then(|| container.listen(7432).unwrap());
        container.start();
        Some(Pod::new(name, container, db))
    }

    fn with_environment(&self, builder: ContainerBuilder) -> ContainerBuilder {
        let builder = if self.has_token_file {
            builder
                .file(TOKEN_FILE, format!("{TOKEN}\n"), 0o400)
                .env("API_PRIVATE_TOKEN_FILE", TOKEN_FILE)
        } else {
            builder.env("API_PRIVATE_TOKEN", TOKEN)
        };
        builder
            .env("JJOBS_SERVER_IP", SERVER)
            .env("SIM_TOKEN", TOKEN)
            .env("SIM_CONTRARY", if self.is_contrary { "yes" } else { "no" })
            // Few enough that they are always full: then a contrary agent always keeps a job in its pocket.
            .env("SIM_FAULTS_AGENT", "slots=5")
            // Longer than a contrary agent keeps that job, short enough to be waited for a dozen times.
            .env("JJOBS_INIT_STOP_TIMEOUT", "3s")
            .env("JJOBS_INIT_HOLD_TIMEOUT", "20s")
    }
}

fn killer(kind: &str) -> ContainerBuilder {
    let component = if kind == "S" { "server" } else { "agent" };
    let common = format!(
        "--base_path {BASE} --install_kind {kind} --install_mode I --svr_service_web_port {PORT} --agnt_svr_group 1 \
         --agnt_group 0 --agnt_startup_svc_domain {SERVER} --agnt_startup_svc_port {PORT}"
    );
    let others = "--use_postgresql --jdbc_url jdbc:postgresql://127.0.0.1:7432/jjobs --use_db_session_storage \
                  --dbms_user jjobs --dbms_pswd jjobs1234 --man_web_port 7065 --svr_cotrol_base_port 17075 \
                  --agnt_startup_svc_protocol http --agnt_startup_svc_context jjob-server";
    let arguments = if kind == "S" { format!("{common} {others}") } else { common };
    let script = KILLER.replace("@BASE@", BASE);
    let head = ["/bin/sh", "-c", script.as_str(), "sh", component];
    Container::command(head.into_iter().chain(arguments.split_whitespace()))
        .link("/pre-stop.sh", "/bin/true")
}

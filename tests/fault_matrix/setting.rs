//! The containers of a row, before and while the server misbehaves.

use crate::{
    rows::{Break, Row, Times},
    support::{BASE, Life, SOON, boot, kind, kind_f, up},
};
use jjobs_harness::{ContainerBuilder, Network, Vendor};

/// To be found nowhere in what is printed.
pub(crate) const TOKEN: &str = "matrix-t0ken-5f2e9c";
const TOKEN_FILE: &str = "/run/secrets/token";
/// Seconds; simulated components stop in no time.
pub(crate) const STOP_TIMEOUT: u64 = 2;
const SERVER: &str = "server-0";
const AGENT: &str = "agent-0";

/// A container whose hooks and probes are called, and whatever else must live meanwhile.
pub(crate) struct Setting {
    pub(crate) life: Life,
    server: Option<(Network, Life)>,
}

/// Boots all that a row needs, the server answering as it should.
pub(crate) fn healthy(row: &Row) -> Option<Setting> {
    let setting = if row.is_agent_alone { agent_and_server(row)? } else { all_in_one(row)? };
    // A first life releases what it starts; the row is about what comes after that.
    if row.how != Break::NoToken {
        for component in if row.is_agent_alone { &["agent"][..] } else { &["server", "agent"] } {
            setting.life.line(0, &[" released ", &format!("component={component}")]);
        }
    }
    // An agent that has not registered yet is no fault.
    assert_eq!(setting.life.count(&["cannot release it"]), 0, "{}", setting.life.transcript());
    Some(setting)
}

fn all_in_one(row: &Row) -> Option<Setting> {
    Some(Setting { life: up(image(kind_f(Vendor::A), row))?, server: None })
}

fn agent_and_server(row: &Row) -> Option<Setting> {
    let network = Network::new(&[SERVER, AGENT])?;
    let server = network.join(kind("S", Vendor::A).file(TOKEN_PATH, TOKEN, 0o600), SERVER);
    let server = up(server)?;
    let agent = image(kind("A", Vendor::A), row).env("JJOBS_SERVER_IP", SERVER);
    let life = boot(network.join(agent, AGENT))?;
    life.wait_for_line("all up", SOON);
    Some(Setting { life, server: Some((network, server)) })
}

/// Where the simulated server keeps the only token that it takes.
const TOKEN_PATH: &str = "/engn001/jjobs/.simulator/token";

fn image(builder: ContainerBuilder, row: &Row) -> ContainerBuilder {
    let Times { probe, post_start, hold, grace } = row.times;
    let builder = builder
        .env("JJOBS_INIT_PROBE_TIMEOUT", probe.to_string())
        .env("JJOBS_INIT_POST_START_TIMEOUT", post_start.to_string())
        .env("JJOBS_INIT_HOLD_TIMEOUT", hold.to_string())
        .env("JJOBS_INIT_GRACE_PERIOD", grace.to_string())
        .env("JJOBS_INIT_STOP_TIMEOUT", STOP_TIMEOUT.to_string())
        .file(TOKEN_PATH, TOKEN, 0o600);
    match row.how {
        Break::NoToken => builder,
        Break::TokenFile => {
            builder.env("API_PRIVATE_TOKEN_FILE", TOKEN_FILE).file(TOKEN_FILE, TOKEN, 0o600)
        }
        _ => builder.env("API_PRIVATE_TOKEN", TOKEN),
    }
}

impl Setting {
    /// Makes the server misbehave. `call` counts the calls of this row: what is limited to some answers begins anew with each.
    pub(crate) fn spoil(&self, row: &Row, call: usize) {
        match row.how {
            Break::Nothing | Break::NoToken => {}
            Break::Answer(word) => self.answer(word),
            Break::AnswerTimes(word, times) => {
                // Counted by the path's beginning, so another one begins another count.
                let path = &"/jjob-server/api/v1/"[..16 + call];
                self.life.fault("server", &format!("answer:{path}={word}\nanswer_times={times}\n"));
            }
            Break::WrongToken => self.life.write(format!("{BASE}/.simulator/token"), "another"),
            Break::Allowed(address) => {
                self.life.write(format!("{BASE}/.simulator/allowed"), address);
            }
            Break::TokenFile => {
                self.life.inside(|| std::fs::remove_file(TOKEN_FILE)).unwrap();
            }
            Break::Unresolved => self.life.write("/etc/hosts", "127.0.0.1 localhost\n"),
            Break::Cut => self.server.as_ref().unwrap().0.cut(SERVER),
            Break::Down => self.stop_server(),
            Break::Https => {
                self.bring_back_with_https();
                // The call that finds out what the server speaks now.
                self.life.exec(["/working/readiness.sh"]);
            }
        }
    }

    fn answer(&self, word: &str) {
        self.life.fault("server", &format!("answer:/jjob-server/api={word}\n"));
    }

    fn stop_server(&self) {
        let server = &self.server.as_ref().unwrap().1;
        let said = server.exec(["jjobs-init", "stop", "server", "--now"]);
        assert_eq!(said.code, 0, "{said:?}\n{}", server.transcript());
    }

    fn bring_back_with_https(&self) {
        self.stop_server();
        let server = &self.server.as_ref().unwrap().1;
        server.fault("server", "scheme=https\n");
        // Its own PID 1 speaks http with it and would wait for an answer, so nobody waits for the command.
        let _starting = server.exec_spawn(["jjobs-init", "start", "server"]);
        server.eventually("the server is back", |server| {
            server.http_get(7075, "/sim/jobs").is_ok_and(|answer| answer.status == 200)
        });
    }
}

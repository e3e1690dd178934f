//! Probes: what they ask, and after how many answers they count.

use super::{Pace, journal::words};
use crate::http;
use serde_json::Value;
use std::{
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Handler {
    /// A command in the container.
    Exec(Vec<String>),
    /// `GET` from the node; below 400 is a yes.
    Http { host: Option<String>, port: u16, path: String },
    /// A connection from the node.
    Tcp { host: Option<String>, port: u16 },
}

/// A probe with the kubelet's defaults filled in, and delays and periods at the pace that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) role: &'static str,
    pub(super) handler: Handler,
    pub(super) initial_delay: Duration,
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    pub(super) grace: Option<Duration>,
    successes: u64,
    failures: u64,
}

impl Probe {
    /// The container's probe of that role, if it has one.
    ///
    /// # Errors
    /// It asks in no way that is known, or nobody.
    pub(super) fn of(
        container: &Value,
        role: &'static str,
        pace: Pace,
    ) -> Result<Option<Self>, String> {
        let probe = &container[role];
        if probe.is_null() {
            return Ok(None);
        }
        let number = |name: &str, default: u64| probe[name].as_u64().unwrap_or(default);
        let seconds = |name: &str, default| Duration::from_secs(number(name, default));
        Ok(Some(Self {
            role,
            handler: handler(probe, container).map_err(|reason| format!("{role}: {reason}"))?,
            initial_delay: seconds("initialDelaySeconds", 0).mul_f64(pace.initial_delay),
            period: seconds("periodSeconds", 10).mul_f64(pace.period),
            timeout: seconds("timeoutSeconds", 1),
            grace: probe["terminationGracePeriodSeconds"].as_u64().map(Duration::from_secs),
            successes: number("successThreshold", 1),
            failures: number("failureThreshold", 3),
        }))
    }

    /// A counter for its answers.
    pub(super) fn counter(&self) -> Counter {
        Counter { thresholds: [self.failures, self.successes], last: None, count: 0 }
    }
}

fn handler(probe: &Value, container: &Value) -> Result<Handler, String> {
    if probe["exec"].is_object() {
        return Ok(Handler::Exec(words(&probe["exec"]["command"]).collect()));
    }
    let (kind, is_http) =
        if probe["httpGet"].is_object() { ("httpGet", true) } else { ("tcpSocket", false) };
    let asked = &probe[kind];
    let port = port(&asked["port"], container).ok_or("it asks nobody")?;
    let host = asked["host"].as_str().map(str::to_owned);
    let path = asked["path"].as_str().unwrap_or("/").to_owned();
    Ok(if is_http { Handler::Http { host, port, path } } else { Handler::Tcp { host, port } })
}

/// A number, or the name of one of the container's ports.
fn port(wanted: &Value, container: &Value) -> Option<u16> {
    let number = |value: &Value| u16::try_from(value.as_u64()?).ok();
    number(wanted).or_else(|| {
        let ports = container["ports"].as_array()?;
        let named = ports.iter().find(|port| port["name"] == *wanted && wanted.is_string())?;
        number(&named["containerPort"])
    })
}

/// Asks over the network, as the kubelet does from the node; `Err` says why it is a no.
pub(super) fn ask_network(handler: &Handler, address: &str, limit: Duration) -> Result<(), String> {
    let (host, port, path) = match handler {
        Handler::Exec(_) => return Err("a command is not asked over the network".to_owned()),
        Handler::Http { host, port, path } => (host, *port, Some(path.clone())),
        Handler::Tcp { host, port } => (host, *port, None),
    };
    let host = host.as_deref().unwrap_or(address);
    let address: SocketAddr =
        format!("{host}:{port}").parse().map_err(|_| format!("no address: {host}"))?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(try_to_ask(address, path.as_deref(), limit));
    });
    receiver.recv_timeout(limit).unwrap_or_else(|_| Err("timed out".to_owned()))
}

fn try_to_ask(address: SocketAddr, path: Option<&str>, limit: Duration) -> Result<(), String> {
    let stream = TcpStream::connect_timeout(&address, limit).map_err(|error| error.to_string())?;
    let Some(path) = path else { return Ok(()) };
    let answer = http::get(stream, path).map_err(|error| error.to_string())?;
    if (200..400).contains(&answer.status) {
        Ok(())
    } else {
        Err(format!("HTTP {}", answer.status))
    }
}

/// Counts answers of one kind in a row.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    thresholds: [u64; 2],
    last: Option<bool>,
    count: u64,
}

impl Counter {
    /// Takes an answer; the verdict once there were enough of its kind.
    pub(super) fn take(&mut self, answer: bool) -> Option<bool> {
        self.count = if self.last == Some(answer) { self.count + 1 } else { 1 };
        self.last = Some(answer);
        (self.count >= self.thresholds[usize::from(answer)]).then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::{Handler, Probe, ask_network};
    use crate::kubelet::Pace;
    use serde_json::{Value, json};
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread,
        time::Duration,
    };

    fn probe(probe: &Value) -> Result<Option<Probe>, String> {
        let container = json!({
            "livenessProbe": probe,
            "ports": [{ "name": "web", "containerPort": 7065 }],
        });
        Probe::of(&container, "livenessProbe", Pace { initial_delay: 0.01, period: 0.2 })
    }

    #[test]
    fn a_probe_has_the_kubelets_defaults_and_its_timeout_is_never_shortened() {
        let found = probe(&json!({ "exec": { "command": ["/live"] }, "initialDelaySeconds": 300 }));
        let found = found.unwrap().unwrap();
        assert_eq!(found.handler, Handler::Exec(vec!["/live".to_owned()]));
        assert_eq!(found.initial_delay, Duration::from_secs(3));
        assert_eq!(found.period, Duration::from_secs(2));
        assert_eq!(found.timeout, Duration::from_secs(1));
        assert_eq!(found.grace, None);
    }

    #[test]
    fn ports_may_have_names() {
        let found = probe(&json!({ "httpGet": { "port": "web", "path": "/x" } })).unwrap().unwrap();
        let expected = Handler::Http { host: None, port: 7065, path: "/x".to_owned() };
        assert_eq!(found.handler, expected);
        probe(&json!({ "tcpSocket": { "port": "none" } })).unwrap_err();
        probe(&json!({})).unwrap_err();
    }

    #[test]
    fn answers_count_only_in_a_row() {
        let text = json!({ "exec": {}, "failureThreshold": 3, "successThreshold": 2 });
        let mut counter = probe(&text).unwrap().unwrap().counter();
        let answers = [true, true, false, false, true, false, false, false, false, true, true];
        let verdicts = answers.map(|answer| counter.take(answer));
        let (yes, no) = (Some(true), Some(false));
        let expected = [None, yes, None, None, None, None, None, no, no, None, yes];
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn a_page_below_400_is_a_yes_and_so_is_an_open_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for status in ["302 Found", "503 Busy", "200 OK"] {
                let (stream, _) = listener.accept().unwrap();
                // Read before it is closed, or the kernel resets the connection.
                let request = BufReader::new(&stream).lines().map_while(Result::ok);
                request.take_while(|line| !line.is_empty()).for_each(drop);
                let _ = write!(&stream, "HTTP/1.1 {status}\r\n\r\n");
            }
        });
        let limit = Duration::from_secs(5);
        let http = Handler::Http { host: None, port, path: "/".to_owned() };
        ask_network(&http, "127.0.0.1", limit).unwrap();
        assert_eq!(ask_network(&http, "127.0.0.1", limit).unwrap_err(), "HTTP 503");
        ask_network(&Handler::Tcp { host: None, port }, "127.0.0.1", limit).unwrap();
        let closed = Handler::Tcp { host: None, port: 1 };
        ask_network(&closed, "127.0.0.1", limit).unwrap_err();
    }
}

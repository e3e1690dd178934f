//! Manager and server as a Tomcat: `conf/server.xml`, the shutdown port, WARs that deploy themselves, and
//! the short-lived JVMs that stop it or check its configuration.

use super::{
    JavaCommand, base_of, configuration,
    database::Trouble,
    life::{Life, say},
    manager, server,
};
use crate::{
    fault::Faults,
    http::{self, Answer, Request, Site},
    tls,
};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

/// A component that lives in a Tomcat.
pub(crate) trait WebApplication: Send + Sync {
    fn answer(&self, request: &Request) -> Answer;
}

/// What of `conf/server.xml` matters.
struct Ports {
    web: u16,
    shutdown: u16,
}

pub(crate) fn start(java: &JavaCommand) -> i32 {
    let home = java.folder("catalina.home");
    let component = if home.ends_with("manager") { "manager" } else { "server" };
    let life = Life::begin(component, &base_of(&home));
    say(
        "INFO [main] org.apache.catalina.startup.VersionLoggerListener.log Server version name: Apache Tomcat/0 (simulated)",
    );
    for line in 0..life.faults.number("flood").unwrap_or(0) {
        say(&format!("INFO [main] flood {line:08} {}", "x".repeat(100)));
    }
    match open(&life, &home) {
        Ok(()) => life.live(|| say("INFO [main] org.apache.catalina.core.StandardService.stopInternal Stopping service [Catalina]")),
        Err(problem) => {
            say(&format!("SEVERE [main] org.apache.catalina.startup.Catalina.load {problem}"));
            1
        }
    }
}

fn open(life: &Life, home: &Path) -> Result<(), String> {
    let ports = ports(home)?;
    // In the background, so that a slow start can be stopped by a signal at any time.
    let (life, home) = (life.clone(), home.to_owned());
    http::spawn(move || {
        life.take_time_to_start();
        if let Err(problem) = serve(&life, &home, &ports) {
            say(&format!("SEVERE [main] org.apache.catalina.startup.Catalina.start {problem}"));
            std::process::exit(1);
        }
    });
    Ok(())
}

fn serve(life: &Life, home: &Path, ports: &Ports) -> Result<(), String> {
    deploy(&home.join("webapps"))?;
    let effective = configuration::report(life, home);
    let application = start_application(life, home, effective)?;
    serve_shutdown(life, ports.shutdown)?;
    let listener = listen(ports.web)?;
    let component = life.component;
    let site = Site { faults: life.faults.clone(), tls: tls(life)? };
    http::serve(listener, site, move |request| {
        let answer = application.answer(request);
        if !request.path.starts_with("/sim/") {
            say(&format!("{component}: \"{} {}\" {}", request.method, request.path, answer.status));
        }
        answer
    });
    say(&format!(
        "INFO [main] org.apache.catalina.startup.Catalina.start Server startup in [{}] milliseconds",
        life.elapsed_ms()
    ));
    Ok(())
}

/// One that cannot have its meta DB fails to start; Tomcat says so, and goes on without it.
fn start_application(
    life: &Life,
    home: &Path,
    effective: Value,
) -> Result<Arc<dyn WebApplication>, String> {
    let kept = effective.clone();
    let started: Result<Arc<dyn WebApplication>, Trouble> = if life.component == "manager" {
        manager::Manager::open(life, effective).map(|manager| Arc::new(manager) as _)
    } else {
        let ports = server::Ports::open(home)?;
        server::Server::open(life, ports, effective).map(|server| Arc::new(server) as _)
    };
    Ok(started.unwrap_or_else(|trouble| {
        let context = format!("/jjob-{}", life.component);
        say(&format!("SEVERE [main] org.springframework.web.context.ContextLoader.initWebApplicationContext Context initialization failed: {trouble}"));
        say(&format!("SEVERE [main] org.apache.catalina.core.StandardContext.startInternal Context [{context}] startup failed due to previous errors"));
        Arc::new(Failed { effective: kept })
    }))
}

/// What Tomcat answers in place of an application that did not start.
struct Failed {
    effective: Value,
}

impl WebApplication for Failed {
    fn answer(&self, request: &Request) -> Answer {
        match request.path.as_str() {
            "/sim/effective" => Answer::json(200, &self.effective),
            _ => Answer::html(404, "HTTP Status 404 - Not Found"),
        }
    }
}

/// TLS where `scheme=https` asks for it. A real one stands in `conf/server.xml`; here a fault is enough.
fn tls(life: &Life) -> Result<Option<Arc<rustls::ServerConfig>>, String> {
    if life.faults.get("scheme").as_deref() != Some("https") {
        return Ok(None);
    }
    let names = match life.faults.get("tls_names") {
        Some(names) => names.split(',').map(str::to_owned).collect(),
        None => tls::names(),
    };
    tls::config(&life.base.join(".simulator/tls"), names).map(Some)
}

pub(crate) fn listen(port: u16) -> Result<TcpListener, String> {
    // Both families where there is IPv6, as a JVM does.
    TcpListener::bind(("::", port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)))
        .map_err(|error| format!("java.net.BindException: {error}: port {port}"))
}

fn serve_shutdown(life: &Life, port: u16) -> Result<(), String> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .map_err(|error| format!("java.net.BindException: {error}: shutdown port {port}"))?;
    let life = life.clone();
    http::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let mut command = String::new();
            let _ = stream.take(64).read_to_string(&mut command);
            if command != "SHUTDOWN" {
                say(
                    "WARNING [main] org.apache.catalina.core.StandardServer.await Invalid shutdown command received",
                );
            } else if life.faults.is_on("refuse_stop") {
                say("INFO [main] shutdown command refused, on request");
            } else {
                say(
                    "INFO [main] org.apache.catalina.core.StandardServer.await A valid shutdown command was received via the shutdown port. Stopping the Server instance.",
                );
                life.take_time_to_stop();
                std::process::exit(0);
            }
        }
    });
    Ok(())
}

/// Tomcat's `stop`: a JVM of its own that says the word to the shutdown port and ends.
pub(crate) fn stop(java: &JavaCommand) -> i32 {
    let home = java.folder("catalina.home");
    let component = if home.ends_with("manager") { "manager" } else { "server" };
    let faults = Faults::of(&base_of(&home), component);
    match faults.get("stop_script").as_deref() {
        Some("fail") => {
            say(
                "SEVERE [main] org.apache.catalina.startup.Catalina.stopServer cannot stop, on request",
            );
            return 1;
        }
        Some("nothing") => return 0,
        Some("hang") => loop {
            thread::sleep(Duration::from_mins(1));
        },
        _ => {}
    }
    let port = match ports(&home) {
        Ok(ports) => ports.shutdown,
        Err(problem) => {
            say(&format!("SEVERE [main] {problem}"));
            return 1;
        }
    };
    match TcpStream::connect(("127.0.0.1", port))
        .and_then(|mut stream| stream.write_all(b"SHUTDOWN"))
    {
        Ok(()) => 0,
        Err(error) => {
            say(&format!(
                "SEVERE [main] org.apache.catalina.startup.Catalina.stopServer Could not contact [localhost:{port}] (base port [{port}] and offset [0]). Tomcat may not be running. {error}"
            ));
            1
        }
    }
}

pub(crate) fn configtest(java: &JavaCommand) -> i32 {
    let home = java.folder("catalina.home");
    let faults = Faults::of(&base_of(&home), "server");
    thread::sleep(faults.seconds("configtest_seconds").unwrap_or_default());
    match ports(&home) {
        Ok(_) => 0,
        Err(problem) => {
            say(&problem);
            1
        }
    }
}

fn ports(home: &Path) -> Result<Ports, String> {
    let path = home.join("conf/server.xml");
    let text =
        configuration::read_text(&path).ok_or_else(|| format!("cannot read {}", path.display()))?;
    let document = roxmltree::Document::parse(&text)
        .map_err(|error| format!("{}: org.xml.sax.SAXParseException: {error}", path.display()))?;
    let port = |tag: &str| {
        let element = document.descendants().find(|node| node.has_tag_name(tag))?;
        element.attribute("port")?.parse().ok()
    };
    match (port("Connector"), port("Server")) {
        (Some(web), Some(shutdown)) => Ok(Ports { web, shutdown }),
        _ => Err(format!("{} holds no usable ports", path.display())),
    }
}

/// Unpacks each WAR that has no folder yet, as Tomcat does.
fn deploy(webapps: &Path) -> Result<(), String> {
    let wars: Vec<PathBuf> = fs::read_dir(webapps)
        .map_err(|error| format!("cannot read {}: {error}", webapps.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "war"))
        .collect();
    for war in wars {
        let folder = war.with_extension("");
        if folder.exists() {
            continue;
        }
        say(&format!(
            "INFO [main] org.apache.catalina.startup.HostConfig.deployWAR Deploying web application archive [{}]",
            war.display()
        ));
        File::open(&war)
            .map_err(|error| error.to_string())
            .and_then(|file| zip::ZipArchive::new(file).map_err(|error| error.to_string()))
            .and_then(|mut archive| archive.extract(&folder).map_err(|error| error.to_string()))
            .map_err(|problem| format!("cannot deploy {}: {problem}", war.display()))?;
    }
    Ok(())
}

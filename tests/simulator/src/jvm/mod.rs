//! The part of a JVM: what a component's `java` process is seen to do.
//!
//! Which component it is stands in the command line, as with the real ones (contract.md §6).

mod agent;
mod configuration;
mod database;
mod life;
mod manager;
mod runtime;
mod server;
mod syslog;
mod tomcat;

use crate::{crypto, fault::Faults};
use std::path::{Path, PathBuf};

/// A command line of `java`, taken apart.
pub(crate) struct JavaCommand {
    words: Vec<String>,
    main_class: usize,
}

impl JavaCommand {
    fn parse(words: &[String]) -> Self {
        let mut index = 0;
        while let Some(word) = words.get(index) {
            if !word.starts_with('-') {
                break;
            }
            let takes_a_value = matches!(word.as_str(), "-cp" | "-classpath" | "--class-path");
            index += if takes_a_value { 2 } else { 1 };
        }
        Self { words: words.to_vec(), main_class: index }
    }

    fn main_class(&self) -> &str {
        self.words.get(self.main_class).map_or("", String::as_str)
    }

    /// The program's own arguments.
    fn arguments(&self) -> &[String] {
        self.words.get(self.main_class + 1..).unwrap_or_default()
    }

    /// The value of `-Dname=…`.
    fn property(&self, name: &str) -> Option<&str> {
        let options = &self.words[..self.main_class.min(self.words.len())];
        options
            .iter()
            .find_map(|word| word.strip_prefix("-D")?.strip_prefix(name)?.strip_prefix('='))
    }

    fn folder(&self, name: &str) -> PathBuf {
        PathBuf::from(self.property(name).unwrap_or("/nonexistent"))
    }
}

/// Runs what the command line says and returns the exit code, unless the JVM ends itself before.
pub(crate) fn run(words: &[String]) -> i32 {
    let java = JavaCommand::parse(words);
    let arguments: Vec<&str> = java.arguments().iter().map(String::as_str).collect();
    match (java.main_class(), arguments.as_slice()) {
        ("", _) if words.iter().any(|word| word == "-version") => {
            eprintln!("openjdk version \"0\" (simulated; not a Java virtual machine)");
            0
        }
        ("org.apache.catalina.startup.Bootstrap", [.., "start"]) => tomcat::start(&java),
        ("org.apache.catalina.startup.Bootstrap", [.., "stop"]) => tomcat::stop(&java),
        ("org.apache.catalina.startup.Bootstrap", [.., "configtest"]) => tomcat::configtest(&java),
        ("org.apache.catalina.util.ServerInfo", _) => {
            println!("Server version: Apache Tomcat/0 (simulated)");
            0
        }
        ("jjob.agent.startup.AgentMain", [.., "stop"]) => agent::stop(&java),
        ("jjob.agent.startup.AgentMain", _) => agent::start(&java),
        ("jjob.runtime.RuntimeMain", _) => runtime::start(&java),
        ("jjob.common.util.Encrypter", ["e", text]) => {
            println!("{}", crypto::encrypt(text));
            0
        }
        ("jjob.common.util.Encrypter", ["d", text]) => {
            let text = crypto::decrypt(text);
            println!("{}", text.as_deref().unwrap_or("cannot decrypt"));
            i32::from(text.is_none())
        }
        ("jjob.sim.Fault", [component, name]) => {
            let faults = Faults::of(&java.folder("jjobs.home"), component);
            println!("{}", faults.get(name).unwrap_or_default());
            0
        }
        (class, _) => {
            eprintln!("Error: Could not find or load main class {class} (this java is simulated)");
            1
        }
    }
}

/// `$JJOBS_BASE` of a component whose home is a folder in it.
fn base_of(home: &Path) -> PathBuf {
    home.parent().unwrap_or(home).to_owned()
}

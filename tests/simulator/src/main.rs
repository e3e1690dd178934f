//! A J-Jobs that is not J-Jobs: what the tests, the demo and the benchmarks run in its place.
//!
//! One binary plays every part. Called as `java` it is a component's JVM; behind the installer's stub
//! it is the installer; under its own name it makes installers and answers questions. `README.md`
//! says what all this stands for, and what it does not.

#![expect(
    clippy::exit,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the exit code and the output are what this program is about"
)]

mod client;
mod crypto;
mod fault;
mod http;
mod install;
mod jvm;
mod ledger;
mod misanswer;
mod tls;

use std::{env, path::Path, process::ExitCode, time::Duration};

const USAGE: &str = "\
usage: jjobs-simulator make-installer --vendor-version {a|b} --out FILE [--binary PATH | --copy PATH]
       jjobs-simulator get URL                     prints the status and the body
       jjobs-simulator submit URL SECONDS [COUNT] [agent|server]
       jjobs-simulator ledger [--json] FILE        prints what was submitted, started, ended, lost
called as java: a component's JVM";

fn main() -> ExitCode {
    let mut words: Vec<String> =
        env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let called = if words.is_empty() { String::new() } else { words.remove(0) };
    if Path::new(&called).file_name().is_some_and(|name| name == "java") {
        return code(jvm::run(&words));
    }
    let rest: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    match (words.first().map(String::as_str), rest.as_slice()) {
        (Some("make-installer"), options) => code(install::stub::make(options)),
        (Some("install"), options) => code(install::run(options)),
        (Some("get"), [url]) => get(url),
        (Some("submit"), [url, seconds, rest @ ..]) => submit(url, seconds, rest),
        (Some("ledger"), [file]) => {
            print!("{}", ledger::readable(&ledger::summary(Path::new(file))));
            ExitCode::SUCCESS
        }
        (Some("ledger"), ["--json", file]) => {
            println!("{}", ledger::summary(Path::new(file)));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn get(url: &str) -> ExitCode {
    match client::request("GET", url, "", Duration::from_secs(10)) {
        Ok((status, body)) => {
            println!("{status}\n{body}");
            code(i32::from(status >= 400))
        }
        Err(error) => {
            eprintln!("cannot get {url}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `URL` is the server's address, as `http://localhost:7075`.
fn submit(url: &str, seconds: &str, rest: &[&str]) -> ExitCode {
    let count = rest.first().unwrap_or(&"1");
    let place = rest.get(1).unwrap_or(&"agent");
    let body = format!(r#"{{"seconds":{seconds},"count":{count},"where":"{place}"}}"#);
    match client::request("POST", &format!("{url}/sim/jobs"), &body, Duration::from_secs(10)) {
        Ok((200, answer)) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        other => {
            eprintln!("the server did not take the jobs: {other:?}");
            ExitCode::FAILURE
        }
    }
}

//! The agent: registers with its server, takes jobs, starts a runtime for each, and reports their ends.

mod jobs;

use self::jobs::{Ending, Jobs};
use super::{
    JavaCommand, configuration,
    life::{Life, is_java_with, say},
    syslog::{SysLog, agent_name},
};
use crate::{client, fault::Faults, http, ledger};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The server answers a request for work within five seconds.
const POLL_LIMIT: Duration = Duration::from_secs(15);

/// Between tries to reach the server.
const RETRY_DELAY: Duration = Duration::from_millis(300);

/// How many jobs an agent takes at a time, unless `slots` says otherwise.
const SLOTS: i32 = 10;

/// How long a contrary agent keeps a job that it was given before the hold, unless `late_start` says otherwise.
const LATE_START: Duration = Duration::from_secs(2);

struct Agent {
    life: Life,
    log: Arc<SysLog>,
    server: String,
    jobs: Jobs,
}

pub(crate) fn start(java: &JavaCommand) -> i32 {
    let base = java.folder("jjobs.home");
    let life = Life::begin("agent", &base);
    // Like the real one, it keeps its state in `.bin` and does not make that folder.
    let state = base.join("agent/.bin");
    if let Err(error) = fs::write(state.join("agent.pid"), std::process::id().to_string()) {
        eprintln!("agent: cannot write to {}: {error}", state.display());
        return 1;
    }
    configuration::keep(&life, &configuration::process(&life));
    let log = Arc::new(SysLog::new(&base, "agent", "agent"));
    let jobs = Jobs::adopt(&life, java);
    let (beginning, its_log, its_state) = (life.clone(), Arc::clone(&log), state.clone());
    // In the background, so that a slow start can be stopped by a signal at any time.
    http::spawn(move || Agent::begin(beginning, its_log, jobs, &its_state));
    // Ended by a signal, it leaves its runtimes to themselves.
    let code = life.live(|| log.write("INFO agent is stopping, its runtimes go on"));
    let _ = fs::remove_file(state.join("agent.pid"));
    code
}

impl Agent {
    fn begin(life: Life, log: Arc<SysLog>, jobs: Jobs, state: &Path) {
        life.take_time_to_start();
        let path = life.base.join("agent/app/META-INF/resource.properties");
        let settings = configuration::properties(&path);
        let setting = |name: &str| settings.get(name).cloned().unwrap_or_default();
        let server =
            format!("http://{}:{}", setting("startup.svc.domain"), setting("startup.svc.port"));
        log.write(&format!(
            "INFO agent {} has started, group {}",
            agent_name(),
            setting("agent.group")
        ));
        let agent = Arc::new(Self { life, log, server, jobs });
        serve_stop(&agent, state);
        let poller = Arc::clone(&agent);
        http::spawn(move || poller.take_work());
        agent.report_ends();
    }

    fn take_work(&self) {
        let mut is_first = true;
        let mut is_reported = false;
        // Grows over all lives of the agent, so that a server can tell what was late on its way.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let turns = u64::try_from(since.as_millis()).unwrap_or(0)..;
        for turn in turns {
            if self.jobs.is_closed() {
                break;
            }
            let url = format!(
                "{}/sim/agent/work?name={}&turn={turn}&first={}&slots={}&running={}&known={}",
                self.server,
                agent_name(),
                if is_first { "yes" } else { "no" },
                self.life.faults.number("slots").unwrap_or(SLOTS),
                self.jobs.running().join(","),
                self.jobs.known().join(","),
            );
            match client::request("POST", &url, "", POLL_LIMIT) {
                Ok((200, answer)) => {
                    if is_first || is_reported {
                        self.log.write(&format!("INFO registered with {}", self.server));
                    }
                    (is_first, is_reported) = (false, false);
                    self.act(&serde_json::from_str(&answer).unwrap_or_default());
                }
                other => {
                    if !is_reported {
                        self.log.write(&format!("WARN no word from {}: {other:?}", self.server));
                    }
                    is_reported = true;
                    thread::sleep(RETRY_DELAY);
                }
            }
        }
    }

    fn act(&self, answer: &Value) {
        let is_contrary = self.life.faults.is_contrary();
        match answer["action"].as_str() {
            Some("job") => {
                let job = answer["job"].as_str().unwrap_or_default();
                let seconds = answer["seconds"].as_f64().unwrap_or(0.0);
                if !is_contrary {
                    self.begin_job(job, seconds);
                } else if let Some((job, seconds)) = self.jobs.pocket(job, seconds, self.delay()) {
                    self.begin_job(&job, seconds);
                }
            }
            Some("stop") if is_contrary => {
                self.log.write("INFO held and told to stop: takes no more jobs, and stays");
                self.jobs.postpone(self.delay());
            }
            Some("stop") => {
                self.log.write("INFO held and told to stop: takes no more jobs");
                self.jobs.close();
            }
            _ => {}
        }
    }

    fn delay(&self) -> Duration {
        self.life.faults.seconds("late_start").unwrap_or(LATE_START)
    }

    fn begin_job(&self, job: &str, seconds: f64) {
        self.log.write(&format!("INFO starts a runtime for job {job}"));
        if let Err(error) = self.jobs.start(job, seconds) {
            self.log.write(&format!("ERROR cannot start a runtime for job {job}: {error}"));
        }
    }

    /// Tells the server which jobs have ended; once closed and idle, ends the agent.
    fn report_ends(&self) -> ! {
        loop {
            if let Some((job, seconds)) = self.jobs.take_due() {
                self.begin_job(&job, seconds);
            }
            for (job, ending) in self.jobs.ended() {
                self.report_end(&job, ending);
            }
            if self.jobs.is_closed() && self.jobs.known().is_empty() {
                self.log.write("INFO no job is left: the agent ends");
                self.life.take_time_to_stop();
                let _ = fs::remove_file(self.life.base.join("agent/.bin/agent.pid"));
                std::process::exit(0);
            }
            // Nothing to do without jobs, so nothing wakes up.
            self.jobs.wait_for_some();
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn report_end(&self, job: &str, ending: Ending) {
        let how = if ending == Ending::Lost { "&lost=yes" } else { "" };
        let url = format!("{}/sim/agent/done?name={}&job={job}{how}", self.server, agent_name());
        if !matches!(client::request("POST", &url, "", POLL_LIMIT), Ok((200, _))) {
            return;
        }
        if ending == Ending::Lost {
            let _ = ledger::record(&self.life.base, "lost", job);
        }
        self.jobs.forget(job);
        self.log.write(&format!("INFO job {job} has been reported, {ending:?}"));
    }
}

/// The stop that `stop_agent.sh` of one vendor version asks for, through a socket beside the pid file.
fn serve_stop(agent: &Arc<Agent>, state: &Path) {
    let path = socket(state);
    let _ = fs::remove_file(&path);
    let Ok(listener) = UnixListener::bind(&path) else { return };
    let agent = Arc::clone(agent);
    let pid_file = state.join("agent.pid");
    http::spawn(move || {
        for stream in listener.incoming() {
            if stream.is_err() || agent.life.faults.is_on("refuse_stop") {
                continue;
            }
            agent.log.write("INFO agent is stopping, its runtimes go on");
            agent.life.take_time_to_stop();
            let _ = fs::remove_file(&pid_file);
            std::process::exit(0);
        }
    });
}

fn socket(state: &Path) -> PathBuf {
    state.join("agent.sock")
}

pub(crate) fn stop(java: &JavaCommand) -> i32 {
    let base = java.folder("jjobs.home");
    match Faults::of(&base, "agent").get("stop_script").as_deref() {
        Some("fail") => return 1,
        Some("nothing") => return 0,
        _ => {}
    }
    let state = base.join("agent/.bin");
    let pid = fs::read_to_string(state.join("agent.pid")).ok().and_then(|text| text.parse().ok());
    if !pid.is_some_and(|pid| is_java_with(pid, "jjob.agent.startup.AgentMain")) {
        say("agent is not running.");
        return 0;
    }
    let asked = UnixStream::connect(socket(&state)).and_then(|mut stream| {
        stream.write_all(b"stop\n")?;
        // Returns when the agent has gone, which closes the connection.
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let _ = stream.read(&mut [0]);
        Ok(())
    });
    i32::from(asked.is_err())
}

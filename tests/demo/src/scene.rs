//! One life of the container, from PID 1's start to its end, watched from outside.

use crate::{
    fold::Fold,
    timeline::{Timeline, covered, field},
    work::account,
};
use jjobs_harness::{Container, Line, Signal, within};
use std::time::{Duration, Instant};

/// A simulated J-Jobs is up in seconds; this is for a machine that does much else.
const BOOT_LIMIT: Duration = Duration::from_mins(3);

/// Longer than `JJOBS_INIT_STOP_TIMEOUT` and the pause before KILL for each of three components.
const STOP_LIMIT: Duration = Duration::from_mins(4);

/// How long PID 1's own word for it is waited for once all components are up.
const SAYS_SO: Duration = Duration::from_secs(5);

/// A component of J-Jobs as it looks from outside (names and ports are the product's defaults).
struct Component {
    name: &'static str,
    /// The word of its command line by which it is known, `-D` before it or not.
    mark: &'static str,
    web: Option<Web>,
    start: Option<Duration>,
    process: Option<Duration>,
    up: Option<Duration>,
    stop: Option<Duration>,
    down: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Web {
    port: u16,
    path: &'static str,
}

impl Component {
    fn new(name: &'static str, mark: &'static str, web: Option<Web>) -> Self {
        Self { name, mark, web, start: None, process: None, up: None, stop: None, down: None }
    }

    fn all() -> [Self; 3] {
        let web = |port, path| Some(Web { port, path });
        [
            Self::new(
                "manager",
                "catalina.home=/engn001/jjobs/manager",
                web(7065, "/jjob-manager/"),
            ),
            Self::new(
                "server",
                "catalina.home=/engn001/jjobs/server",
                web(7075, "/jjob-server/test.jsp"),
            ),
            Self::new("agent", "cname=agent", None),
        ]
    }
}

/// The moments that divide the life, since PID 1's start.
#[derive(Clone, Copy)]
struct Moments {
    up: Duration,
    drain: Duration,
    stop: Duration,
    end: Duration,
}

pub(crate) struct Scene {
    pub(crate) container: Container,
    began: Instant,
    components: [Component; 3],
    shown: usize,
    fold: Fold,
    says_all_up: bool,
    /// The steps of the boot as the log tells them: name, begin, end.
    steps: Vec<(String, Duration, Duration)>,
    /// What the drain waited for, as the log tells it.
    waits: Vec<(&'static str, Duration, Duration)>,
}

impl Scene {
    pub(crate) fn new(container: Container) -> Self {
        Self {
            container,
            began: Instant::now(),
            components: Component::all(),
            shown: 0,
            fold: Fold::default(),
            says_all_up: false,
            steps: Vec::new(),
            waits: Vec::new(),
        }
    }

    /// Plays it; the error says what did not come true.
    pub(crate) fn play(mut self) -> Result<(), String> {
        title("Boot: the container's own log");
        self.began = Instant::now();
        self.container.start();
        let up = self.boot();
        self.show_rest();
        let up = up?;

        title("All up: what runs in the container, and what its web ports answer");
        self.show_processes();
        self.ask_web_ports()?;

        title("At work: six jobs on agent and server, and what the probes say");
        self.put_to_work()?;
        self.probe()?;

        title("Drain: preStop, called as the kubelet does it, while the jobs run");
        let drain = self.now();
        let drained = self.drain();
        self.show_rest();
        drained?;
        // Counted here: what has not ended by now would be lost.
        let count = self.count();

        title("Stop: SIGTERM to PID 1, as the kubelet sends it when preStop has returned");
        let stop = self.now();
        self.container.signal(Signal::SIGTERM);
        let stopped = self.stop();
        self.show_rest();
        let (code, end) = stopped?;
        println!(
            "  exit code {code}, termination message: {}",
            self.container.termination_message().trim()
        );

        title("What took how long, in seconds since PID 1 started");
        print!("{}", self.timeline(Moments { up, drain, stop, end }).table());
        self.sum_up(up, stop.saturating_sub(drain), end.saturating_sub(stop));
        account(&count)?;
        if code == 0 {
            Ok(())
        } else {
            Err(format!("PID 1 ended with {code} after an asked-for stop"))
        }
    }

    /// Watches until every component is up; returns when that was.
    fn boot(&mut self) -> Result<Duration, String> {
        let all_up = within(BOOT_LIMIT, || {
            self.look();
            let is_up = self.components.iter().all(|component| component.up.is_some());
            (is_up || !self.container.is_running()).then_some(is_up)
        });
        match all_up {
            Some(true) => {
                // PID 1 looks at the ports every so often, and so is a moment behind us.
                within(SAYS_SO, || {
                    self.look();
                    self.says_all_up.then_some(())
                });
                Ok(self
                    .components
                    .iter()
                    .filter_map(|component| component.up)
                    .max()
                    .unwrap_or_default())
            }
            Some(false) => {
                let code = self.container.exit_code(STOP_LIMIT);
                Err(format!("PID 1 ended with {code} before all components were up"))
            }
            None => {
                let missing: Vec<&str> = self
                    .components
                    .iter()
                    .filter(|one| one.up.is_none())
                    .map(|one| one.name)
                    .collect();
                Err(format!("not up within {BOOT_LIMIT:?}: {}", missing.join(", ")))
            }
        }
    }

    /// Watches until PID 1 has ended; returns its exit code and when that was.
    fn stop(&mut self) -> Result<(i32, Duration), String> {
        let code = within(STOP_LIMIT, || {
            self.look();
            self.container.try_exit_code(Duration::ZERO)
        });
        let end = self.now();
        let code = code.ok_or_else(|| format!("PID 1 still runs {STOP_LIMIT:?} after SIGTERM"))?;
        // Again, for the last lines, which may arrive after the end.
        self.container.exit_code(Duration::ZERO);
        for component in &mut self.components {
            component.down.get_or_insert(end);
        }
        Ok((code, end))
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// One look at log, processes and ports.
    pub(crate) fn look(&mut self) {
        self.show_new_lines();
        let processes = self.container.processes();
        let now = self.now();
        for component in &mut self.components {
            let runs = processes.iter().any(|process| {
                !process.is_zombie()
                    && process
                        .argv
                        .iter()
                        .any(|word| word.strip_prefix("-D").unwrap_or(word) == component.mark)
            });
            if runs {
                component.process.get_or_insert(now);
            } else if component.up.is_some() {
                component.down.get_or_insert(now);
            }
            if runs && component.up.is_none() {
                let answers = component.web.is_none_or(|web| {
                    let answer = self.container.http_get(web.port, web.path);
                    answer.is_ok_and(|answer| (200..400).contains(&answer.status))
                });
                component.up = answers.then(|| self.began.elapsed());
            }
        }
    }

    fn show_new_lines(&mut self) {
        let lines = self.container.lines();
        for line in &lines[self.shown..] {
            for text in self.fold.take(line) {
                println!("  {text}");
            }
            self.note(line);
        }
        self.shown = lines.len();
    }

    /// Takes from a line of the log when a step, a start or a stop began.
    fn note(&mut self, line: &Line) {
        self.says_all_up |= line.text.contains(" all up ");
        let at = line.at.saturating_duration_since(self.began);
        if let (Some(step), Some(took)) =
            (field(&line.text, "step"), field(&line.text, "elapsed_ms"))
            && let Ok(took) = took.parse()
        {
            self.steps.push((step.to_owned(), at.saturating_sub(Duration::from_millis(took)), at));
        }
        if line.text.contains("all running jobs have ended")
            && let Some(Ok(took)) = field(&line.text, "elapsed_ms").map(str::parse)
        {
            let from = at.saturating_sub(Duration::from_millis(took));
            self.waits.push(("the agent's jobs finish", from, at));
        }
        let name = field(&line.text, "component");
        let Some(component) = self.components.iter_mut().find(|one| Some(one.name) == name) else {
            return;
        };
        if line.text.contains("start script started") {
            component.start.get_or_insert(at);
        } else if field(&line.text, "to") == Some("stopping") {
            component.stop.get_or_insert(at);
        }
    }

    /// What is still held back, before a new part begins.
    pub(crate) fn show_rest(&mut self) {
        self.show_new_lines();
        for text in self.fold.unfold() {
            println!("  {text}");
        }
    }

    fn show_processes(&self) {
        println!("  {:>5}  {:>5}  command", "pid", "ppid");
        for process in self.container.processes() {
            let mark = self
                .components
                .iter()
                .find(|one| process.argv.iter().any(|word| word.ends_with(one.mark)));
            let note = mark.map(|one| format!("   <- the {}", one.name)).unwrap_or_default();
            let program = process.argv.first().unwrap_or(&process.name);
            println!("  {:>5}  {:>5}  {program}{note}", process.pid, process.ppid);
        }
    }

    fn ask_web_ports(&self) -> Result<(), String> {
        println!();
        for (name, web) in self.components.iter().filter_map(|one| Some((one.name, one.web?))) {
            let url = format!("http://localhost:{}{}", web.port, web.path);
            let answer = self.container.http_get(web.port, web.path);
            let answer =
                answer.map_err(|error| format!("the {name} does not answer at {url}: {error}"))?;
            let body = answer
                .body
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty())
                .unwrap_or_default();
            println!(
                "  GET {url} -> {} {}",
                answer.status,
                body.chars().take(60).collect::<String>()
            );
        }
        Ok(())
    }

    fn timeline(&self, moments: Moments) -> Timeline {
        let Moments { up, drain, stop, end } = moments;
        let mut timeline = Timeline::default();
        timeline.moment("PID 1 starts", Duration::ZERO);
        for (step, from, to) in &self.steps {
            timeline.span(format!("step {step}"), *from, *to);
        }
        for component in &self.components {
            let until = component.web.map_or("its process is there", |_| "its web port answers");
            if let (Some(from), Some(to)) = (component.start.or(component.process), component.up) {
                timeline.span(format!("{} starts, until {until}", component.name), from, to);
            }
            if let Some(down) = component.down {
                timeline.span(
                    format!("{} stops", component.name),
                    component.stop.unwrap_or(down),
                    down,
                );
            }
        }
        timeline.moment("all up", up);
        timeline.span("drain: held, jobs finish, all stopped", drain, stop);
        for (what, from, to) in &self.waits {
            timeline.span(*what, *from, *to);
        }
        timeline.moment("SIGTERM", stop);
        timeline.moment("PID 1 ends", end);
        timeline
    }

    fn sum_up(&self, up: Duration, drained: Duration, stopped: Duration) {
        // From the JVM's first sight, so what its start script takes counts as ours: rather too much than too little.
        let own = |one: &Component| Some((one.process?, one.up?));
        let mut vendor: Vec<(Duration, Duration)> =
            self.components.iter().filter_map(own).collect();
        vendor.extend(
            self.steps
                .iter()
                .filter(|step| step.0.contains("install"))
                .map(|step| (step.1, step.2)),
        );
        let vendor = covered(&vendor);
        println!("\nFrom PID 1's start to all up: {:.2} s.", up.as_secs_f64());
        println!(
            "Of that, the installer and the components' own start take {:.2} s, all else {:.2} s.",
            vendor.as_secs_f64(),
            up.saturating_sub(vendor).as_secs_f64()
        );
        println!("From preStop's call to its return: {:.2} s.", drained.as_secs_f64());
        println!("From SIGTERM to PID 1's end: {:.2} s.", stopped.as_secs_f64());
    }
}

pub(crate) fn title(text: &str) {
    println!("\n== {text}\n");
}

//! The installer: asks, prints a lot, takes exactly the arguments of contract.md §4, lays the tree out.

mod arguments;
mod layout;
pub(crate) mod stub;

use crate::{fault::Faults, ledger};
use arguments::Settings;
use layout::Vendor;
use std::{
    env, fs,
    io::{self, BufRead},
    path::Path,
    thread,
    time::Duration,
};

/// Runs the installer behind the stub: the first words are the stub's, the rest is what it was called with.
pub(crate) fn run(words: &[&str]) -> i32 {
    let (vendor, words) = match words {
        ["--sim-vendor", vendor, "--sim-temporary", folder, rest @ ..] => {
            // The binary that runs is already in memory; nothing of it stays if the installer is killed.
            let _ = fs::remove_dir_all(folder);
            (Vendor::from_word(vendor), rest)
        }
        _ => (None, words),
    };
    let Some(vendor) = vendor else {
        eprintln!("the simulator's installer is started by its stub");
        return 2;
    };
    let settings = match Settings::parse(words) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("jjob_installer: {problem}\n{}", arguments::USAGE);
            return 2;
        }
    };
    match install(vendor, &settings) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("jjob_installer: cannot install to {}: {error}", settings.base());
            1
        }
    }
}

fn install(vendor: Vendor, settings: &Settings) -> io::Result<i32> {
    greet(vendor, settings);
    if !is_confirmed("Do you want to continue? (y/n) ") {
        println!("Installation has been cancelled.");
        return Ok(1);
    }
    let base = Path::new(settings.base());
    let plan = FaultPlan::read(base);
    if let Some(code) = plan.before_work() {
        return Ok(code);
    }

    fs::create_dir_all(base.join(".simulator"))?;
    let pieces = layout::pieces(vendor, settings);
    let pause = plan.seconds / u32::try_from(pieces.len()).unwrap_or(1).max(1);
    for (number, piece) in pieces.iter().enumerate() {
        if plan.missing.iter().any(|missing| piece.path().starts_with(missing)) {
            continue;
        }
        println!("[{:3}/{}] copying {}", number + 1, pieces.len(), piece.path());
        piece.write(base)?;
        thread::sleep(pause);
        if number == pieces.len() / 2
            && let Some(code) = plan.half_way()
        {
            return Ok(code);
        }
    }
    record(base, settings)?;
    println!("Installation has been completed. ({})", vendor.release());
    Ok(plan.exit)
}

/// Vendors are talkative: the licence, the settings (with the password, as the real one does), the banner.
fn greet(vendor: Vendor, settings: &Settings) {
    println!(
        "{}\n  J-Jobs simulated installer, release {}\n{}",
        "=".repeat(78),
        vendor.release(),
        "=".repeat(78)
    );
    println!(
        "This is a simulation for tests. It is not, and holds nothing of, the vendor's software."
    );
    for line in 1..=40 {
        println!(
            "  {line:2}. {}",
            "Terms nobody reads, printed to be realistic about the amount. ".repeat(2)
        );
    }
    println!("Install settings");
    for (name, value) in settings.shown() {
        println!("  {name:<32}: {value}");
    }
}

fn is_confirmed(question: &str) -> bool {
    print!("{question}");
    let _ = io::Write::flush(&mut io::stdout());
    let mut answer = String::new();
    let is_read = io::stdin().lock().read_line(&mut answer).is_ok();
    println!();
    is_read && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// What tests ask: which arguments it was given, how often it ran.
fn record(base: &Path, settings: &Settings) -> io::Result<()> {
    let folder = base.join(".simulator");
    fs::write(folder.join("install-args"), serde_json::Value::from(settings.words()).to_string())?;
    let mut installs = fs::read_to_string(folder.join("installs")).unwrap_or_default();
    installs.extend([&ledger::hostname(), "\n"]);
    fs::write(folder.join("installs"), installs)
}

/// `SIM_INSTALLER_FAULT`, `SIM_INSTALL_SECONDS`, and the fault file of the component `installer`.
#[derive(Debug, Default)]
struct FaultPlan {
    seconds: Duration,
    exit: i32,
    asks_again: bool,
    hangs: bool,
    dies: Option<i32>,
    flood: u32,
    missing: Vec<String>,
}

impl FaultPlan {
    fn read(base: &Path) -> Self {
        let faults = Faults::of(base, "installer");
        let mut words: Vec<String> = ["exit", "ask", "hang", "kill", "flood", "missing"]
            .into_iter()
            .filter_map(|name| Some(format!("{name}={}", faults.get(name)?)))
            .collect();
        let asked = env::var("SIM_INSTALLER_FAULT").unwrap_or_default();
        words.extend(asked.split(',').map(|word| word.trim().to_owned()));
        let seconds = env::var("SIM_INSTALL_SECONDS").ok().or_else(|| faults.get("seconds"));
        let seconds = seconds
            .and_then(|text| Duration::try_from_secs_f64(text.parse().ok()?).ok())
            .unwrap_or_default();
        let mut plan = Self { seconds, ..Self::default() };
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((&word, "1"));
            match name {
                "exit" => plan.exit = value.parse().unwrap_or(1),
                "ask" => plan.asks_again = true,
                "hang" => plan.hangs = true,
                "kill" => plan.dies = Some(value.parse().unwrap_or(9)),
                "flood" => plan.flood = value.parse().unwrap_or(0),
                "missing" => plan.missing.push(value.to_owned()),
                _ => {}
            }
        }
        plan
    }

    fn before_work(&self) -> Option<i32> {
        for line in 0..self.flood {
            println!("unpacking block {line:8} {}", "#".repeat(100));
        }
        if self.asks_again && !is_confirmed("An older installation was found. Overwrite it? (y/n) ")
        {
            println!("Nobody answered; installation has been cancelled.");
            return Some(1);
        }
        if self.hangs {
            loop {
                thread::sleep(Duration::from_mins(1));
            }
        }
        None
    }

    /// Failing installers leave half a tree behind.
    fn half_way(&self) -> Option<i32> {
        if let Some(signal) = self.dies {
            let _ = signal_hook::low_level::raise(signal);
        }
        if self.exit == 0 {
            return None;
        }
        eprintln!("jjob_installer: fatal: cannot continue");
        Some(self.exit)
    }
}

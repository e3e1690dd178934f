//! Misbehaviour on request, read anew at every question, so that a test can change it while a component runs.
//!
//! Faults of a component are lines `name=value` of the files `$SIM_CONTROL_DIR/<component>` and
//! `$JJOBS_BASE/.simulator/faults/<component>`, and entries of the variable `SIM_FAULTS_<COMPONENT>`, separated by
//! `;`. The first that names a fault wins. `README.md` lists them all.

use std::{
    collections::BTreeMap,
    env, fs,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

/// How often each misanswer with a limit was given in this life of the component.
static GIVEN: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// An answer that is not the true one.
#[derive(Debug, Clone)]
pub(crate) struct Misanswer {
    pub(crate) word: String,
    counted_as: String,
    limit: Option<u32>,
}

impl Misanswer {
    /// To be said each time it is given.
    pub(crate) fn spend(&self) {
        if let Ok(mut given) = GIVEN.lock() {
            *given.entry(self.counted_as.clone()).or_default() += 1;
        }
    }

    fn is_used_up(&self) -> bool {
        let given = GIVEN.lock().map_or(0, |given| *given.get(&self.counted_as).unwrap_or(&0));
        self.limit.is_some_and(|limit| given >= limit)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Faults {
    component: String,
    base: PathBuf,
}

impl Faults {
    pub(crate) fn of(base: &Path, component: &str) -> Self {
        Self { component: component.to_owned(), base: base.to_owned() }
    }

    /// The value of the fault, if it is asked for.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.entries().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value.as_str(), "" | "no" | "0"))
    }

    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.get(name)?.parse().ok()
    }

    /// A fault given in seconds, fractions allowed.
    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        Duration::try_from_secs_f64(self.get(name)?.parse().ok()?).ok()
    }

    /// Whether this component is to be all that the default is not, where nobody knows how the real one behaves:
    /// its own `contrary`, else `SIM_CONTRARY` for all components.
    pub(crate) fn is_contrary(&self) -> bool {
        let word = self.get("contrary").or_else(|| env::var("SIM_CONTRARY").ok());
        word.is_some_and(|word| !matches!(word.as_str(), "" | "no" | "0"))
    }

    /// What `answer` says for this request: `answer=X` for all, `answer:/path=X` for those below a path; only as often
    /// as `answer_times`, or `answer_times:/path`, allows.
    pub(crate) fn answer(&self, path: &str) -> Option<Misanswer> {
        let entries = self.entries();
        let special = entries.iter().find(|(key, _)| {
            key.strip_prefix("answer:").is_some_and(|prefix| path.starts_with(prefix))
        });
        let general = entries.iter().find(|(key, _)| key == "answer");
        let (key, word) = special.or(general)?;
        let times = |key: &str| entries.iter().find(|(name, _)| name == key);
        let own = key.strip_prefix("answer").and_then(|rest| times(&format!("answer_times{rest}")));
        let limit = own.or_else(|| times("answer_times"));
        let limit = limit.and_then(|(_, times)| times.parse().ok());
        let answer =
            Misanswer { word: word.clone(), counted_as: format!("{key}={word} {limit:?}"), limit };
        (!answer.is_used_up()).then_some(answer)
    }

    /// Counts an event of that name over all lives of the component; returns the count, this one included.
    pub(crate) fn count(&self, event: &str) -> u64 {
        let folder = self.base.join(".simulator/counts");
        let _ = fs::create_dir_all(&folder);
        let path = folder.join(format!("{}-{event}", self.component));
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(&path) {
            let _ = file.write_all(b".");
        }
        fs::metadata(&path).map_or(1, |found| found.len())
    }

    fn entries(&self) -> Vec<(String, String)> {
        let mut text = String::new();
        if let Some(folder) = env::var_os("SIM_CONTROL_DIR").filter(|folder| !folder.is_empty()) {
            let path = Path::new(&folder).join(&self.component);
            text.push_str(&fs::read_to_string(path).unwrap_or_default());
            text.push('\n');
        }
        let path = self.base.join(".simulator/faults").join(&self.component);
        text.push_str(&fs::read_to_string(path).unwrap_or_default());
        text.push('\n');
        let variable = format!("SIM_FAULTS_{}", self.component.to_uppercase());
        text.push_str(&env::var(variable).unwrap_or_default().replace(';', "\n"));
        text.lines()
            .filter_map(|line| line.trim().split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect()
    }
}

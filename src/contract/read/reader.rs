//! Looking variables up one by one, and gathering what is wrong with them, so that one run reports it all.

use super::values::{Parsed, Refused};
use crate::contract::{
    EffectiveValue, EnvVars, InstallKind, OnBoot, Source, Violation, Warning,
    redact::{REDACTED, cut, printable},
    secret::Secret,
    vars::{self, UsedBy, Variable},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
};

/// A wrong value, not yet fit to print.
struct Problem {
    name: String,
    value: Option<String>,
    accepted: String,
    hint: Option<String>,
    /// Whether this container uses the variable: an error, else a warning.
    used: bool,
}

/// Something odd, not yet fit to print.
struct Oddity {
    name: String,
    value: Option<String>,
    text: String,
    hint: Option<String>,
}

/// What was found, fit to print.
pub(super) struct Findings {
    pub(super) violations: Vec<Violation>,
    pub(super) warnings: Vec<Warning>,
    pub(super) values: Vec<EffectiveValue>,
}

/// Reads an environment for a container of one kind, booted one way.
pub(super) struct Reader<'env> {
    env: &'env EnvVars,
    pub(super) kind: InstallKind,
    pub(super) boot: OnBoot,
    problems: Vec<Problem>,
    oddities: Vec<Oddity>,
    refused: BTreeSet<&'static str>,
    switched_off: BTreeSet<&'static str>,
    values: BTreeMap<&'static str, (String, Source)>,
}

impl<'env> Reader<'env> {
    /// A reader that takes the container for one that uses everything, until it is told better.
    pub(super) fn new(env: &'env EnvVars) -> Self {
        Self {
            env,
            kind: InstallKind::Full,
            boot: OnBoot::Yes,
            problems: Vec::new(),
            oddities: Vec::new(),
            refused: BTreeSet::new(),
            switched_off: BTreeSet::new(),
            values: BTreeMap::new(),
        }
    }

    /// The value as given; `None` if unset or empty.
    pub(super) fn raw(&self, name: &str) -> Option<&'env OsStr> {
        self.env.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Whether the variable is set, be it to nothing.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.env.contains_key(OsStr::new(name))
    }

    /// Whether this container uses the variable.
    pub(super) fn uses(&self, name: &str) -> bool {
        !self.switched_off.contains(name)
            && vars::find(name)
                .is_none_or(|variable| variable.used_by.applies(self.kind, self.boot))
    }

    /// From here on the variables count as not used: what they belong to is switched off. Kubernetes itself sets
    /// `REDIS_PORT=tcp://…` in each pod beside a service of that name, and that must not stop a container without Redis.
    pub(super) fn switch_off(&mut self, names: &[&'static str]) {
        self.switched_off.extend(names);
    }

    /// Whether the variable's value was refused.
    pub(super) fn is_refused(&self, name: &str) -> bool {
        self.refused.contains(name)
    }

    /// The value as text; `None` if unset, empty or (which is reported) no text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<&'env str> {
        let raw = self.raw(name)?;
        let Some(text) = raw.to_str() else {
            self.refuse(name, Refused::hinting("the value is not valid UTF-8"));
            return None;
        };
        if text.contains('\0') {
            self.refuse(name, Refused::hinting("the value holds a NUL byte"));
            return None;
        }
        self.note(name, text, Source::Environment);
        Some(text)
    }

    /// The value as `parse` reads it, or `None` if unset, empty or refused.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(refused) => {
                self.refuse(name, refused);
                None
            }
        }
    }

    /// The value as `parse` reads it, or `default`.
    pub(super) fn value<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// Reports the variable's value as wrong. What is accepted stands in the table.
    pub(super) fn refuse(&mut self, name: &'static str, refused: Refused) {
        let accepted = vars::find(name).map_or("", |variable| variable.accepted.en);
        self.refuse_as(name, accepted, refused);
    }

    /// Reports the variable's value as wrong, saying what it must be instead.
    pub(super) fn refuse_as(&mut self, name: &'static str, accepted: &str, refused: Refused) {
        self.refused.insert(name);
        self.values.remove(name);
        self.problems.push(Problem {
            name: name.to_owned(),
            value: self.raw(name).map(|raw| raw.to_string_lossy().into_owned()),
            accepted: accepted.to_owned(),
            hint: refused.hint,
            used: self.uses(name),
        });
    }

    /// Reports something odd about a variable, showing its value.
    pub(super) fn warn(&mut self, name: &str, text: &str, hint: Option<&str>) {
        let value = self.raw(name).map(|raw| raw.to_string_lossy().into_owned());
        self.oddities.push(Oddity {
            name: name.to_owned(),
            value,
            text: text.to_owned(),
            hint: hint.map(str::to_owned),
        });
    }

    /// The same about a variable whose value nobody knows to be no secret.
    pub(super) fn warn_of_name(&mut self, name: &str, text: &str, hint: Option<String>) {
        self.oddities.push(Oddity {
            name: name.to_owned(),
            value: None,
            text: text.to_owned(),
            hint,
        });
    }

    /// Remembers what a variable is taken as.
    pub(super) fn note(&mut self, name: &'static str, value: &str, source: Source) {
        self.values.insert(name, (value.to_owned(), source));
    }

    /// Everything found, with `secrets` and the values of secret variables hidden.
    pub(super) fn finish(self, secrets: &[Secret]) -> Findings {
        let show = |name: &str, value: &str| show(vars::find(name), value, secrets);
        let (used, unused): (Vec<Problem>, Vec<Problem>) =
            self.problems.into_iter().partition(|problem| problem.used);
        let violations = used
            .into_iter()
            .map(|problem| Violation {
                value: problem.value.map(|value| show(&problem.name, &value)),
                name: problem.name,
                accepted: problem.accepted,
                hint: problem.hint,
            })
            .collect();
        let odd = self.oddities.into_iter().map(|odd| Warning {
            value: odd.value.map(|value| show(&odd.name, &value)),
            name: cut(&odd.name),
            text: odd.text,
            hint: odd.hint,
        });
        let is_lenient = |name: &str| {
            vars::find(name).is_some_and(|variable| variable.used_by == UsedBy::Lenient)
        };
        let wrong_but_unused = unused.into_iter().map(|problem| Warning {
            text: match problem.value {
                Some(_) if is_lenient(&problem.name) => {
                    format!("is ignored; it should be {}", problem.accepted)
                }
                Some(_) => format!(
                    "is not used by this container and therefore ignored; it should be {}",
                    problem.accepted
                ),
                None => format!(
                    "is missing, which does not matter to this container; it should be {}",
                    problem.accepted
                ),
            },
            value: problem.value.map(|value| show(&problem.name, &value)),
            name: problem.name,
            hint: problem.hint,
        });
        let warnings = odd.chain(wrong_but_unused).collect();
        let values = vars::all()
            .map(|variable| match self.values.get(variable.name) {
                Some((value, source)) => EffectiveValue {
                    name: variable.name,
                    value: show(variable.name, value),
                    source: *source,
                },
                None => EffectiveValue {
                    name: variable.name,
                    value: show(variable.name, variable.default),
                    source: Source::Default,
                },
            })
            .collect();
        Findings { violations, warnings, values }
    }
}

/// A value fit to print.
fn show(variable: Option<&'static Variable>, value: &str, secrets: &[Secret]) -> String {
    let Some(variable) = variable else { return REDACTED.to_owned() };
    let name = variable.name;
    if value.is_empty() {
        return String::new();
    }
    if variable.secret {
        return REDACTED.to_owned();
    }
    // Where a path is expected, people have been seen to put the secret itself.
    let is_secret_file =
        name.strip_suffix("_FILE").is_some_and(|whole| vars::find(whole).is_some());
    if is_secret_file && !value.starts_with('/') {
        return REDACTED.to_owned();
    }
    if name == "WGET_URL" || name.ends_with("_PROXY") && name != "NO_PROXY" {
        return cut(&without_query_and_user(value));
    }
    printable(value, secrets)
}

/// A URL as our log shows it: signed download addresses carry their signature in the query.
fn without_query_and_user(url: &str) -> String {
    let (path, query) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    let start = path.find("//").map_or(0, |at| at + 2);
    // A password that was not encoded may hold what looks like the start of a path or of a query.
    let shown = match (path[start..].rfind('@'), query.rfind('@')) {
        (_, Some(_)) => format!("{}{REDACTED}", &path[..start]),
        (Some(at), None) => format!("{}{REDACTED}@{}", &path[..start], &path[start + at + 1..]),
        (None, None) => path.to_owned(),
    };
    if query.is_empty() { shown } else { format!("{shown}?{REDACTED}") }
}

//! Variables that are none of ours, but were probably meant to be: misspelt ones and ones in lower case.

use super::{reader::Reader, values::nearest};
use crate::contract::{EnvVars, vars};
use std::collections::BTreeSet;

/// Names that programs everywhere read in lower case too.
const EITHER_CASE: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// Names this short are near to too many others.
const SHORTEST_NEAR_MISS: usize = 7;

/// How many are reported: an environment with thousands of them is not misspelt.
const MAX_REPORTS: usize = 20;

/// Reports the variables that were probably meant to be ours.
pub(super) fn report(reader: &mut Reader<'_>, env: &EnvVars) {
    let known: BTreeSet<&str> = vars::all().map(|variable| variable.name).collect();
    let strangers = env.iter().filter_map(|(name, value)| Some((name.to_str()?, value))).filter(
        |(name, value)| !known.contains(name) && !is_service_link(name, &value.to_string_lossy()),
    );
    let oddities = strangers.filter_map(|(name, _)| Some((name, oddity(name, &known)?)));
    for (name, (text, hint)) in oddities.take(MAX_REPORTS) {
        reader.warn_of_name(name, text, hint);
    }
}

fn oddity(name: &str, known: &BTreeSet<&str>) -> Option<(&'static str, Option<String>)> {
    let upper = name.to_ascii_uppercase();
    let near = (name.len() >= SHORTEST_NEAR_MISS)
        .then(|| {
            nearest(name, known.iter().copied().filter(|known| known.len() >= SHORTEST_NEAR_MISS))
        })
        .flatten();
    if upper != name && known.contains(upper.as_str()) {
        let text = "is ignored: names of variables are in capital letters";
        (!EITHER_CASE.contains(&upper.as_str()))
            .then(|| (text, Some(format!("did you mean {upper}?"))))
    } else if ["JJOBS_INIT_", "WGET_"].iter().any(|prefix| name.starts_with(prefix)) {
        Some((
            "is ignored: there is no variable of this name",
            near.map(|near| format!("did you mean {near}?")),
        ))
    } else {
        let near = near.filter(|near| strsim::damerau_levenshtein(name, near) <= 2)?;
        Some((
            "is ignored, but is almost the name of one of our variables",
            Some(format!("did you mean {near}?")),
        ))
    }
}

/// What Kubernetes sets for each service of the namespace.
fn is_service_link(name: &str, value: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
        || value.contains("://") && name.ends_with("_PORT")
}

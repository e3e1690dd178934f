//! The document.

use crate::{
    calls::{Call, Observed},
    plain::hint_apart,
    rows::{LASTING, PATIENT, SHORT},
};
use std::{collections::BTreeSet, fmt::Write};

const BEFORE: &str = "\
# When the REST API fails

What each hook and probe answers while the J-Jobs server's REST API misbehaves, how long that takes, and what PID 1 writes to
the container's log. This file is written by a test that lets the simulated server misbehave and calls the real binary in
containers (`UPDATE_DOCS=1 cargo test --test fault_matrix`); the same test fails where the file is no longer true.

Three things hold everywhere:

- Hooks and probes end with 0 or 1 and nothing else. Liveness and the agent's health check ask nobody: a server that
  misbehaves never gets a container killed.
- A probe that says yes prints nothing; one that says no prints one line, which `kubectl describe pod` shows. The kubelet throws
  away what a hook prints, so PID 1 logs each reason once, with what to do about it (`hint=`), and then retries in silence.
- The token is printed nowhere.

`post-start` that has not succeeded in its time ends with 0 all the same: a failed one would make the kubelet kill the
container. PID 1 goes on trying. `pre-stop` ends with 1 where jobs or requests were still running, or where the server could not be
asked: success means that no job was lost. It is an event and no more; the kubelet goes on with TERM.

In all that follows no job was running. What runs is waited for in each case (a runtime is seen without asking anybody), as long
as the grace period allows.

";

const TIMES: &str = "\
## How long

| in the tables | is | bounds that the test checks |
| --- | --- | --- |
| at once | nobody is waited for | < 1 s |
| PROBE_TIMEOUT | `JJOBS_INIT_PROBE_TIMEOUT`, less half a second so that the answer comes in time | up to it |
| POST_START_TIMEOUT | `JJOBS_INIT_POST_START_TIMEOUT`: then PID 1 goes on alone | it + 2 s |
| the retries | after 0.5, 1, 2, 4 … 10 s, each a fifth longer or shorter | 4 s to 25 s for ten failures |
| the drain | three looks, a second apart, that nothing runs; then the stop scripts | 1 s to 8 s here |
| HOLD_TIMEOUT + the drain | holding is insisted on for `JJOBS_INIT_HOLD_TIMEOUT`, then the agent is stopped without | it + 9 s |
| until the reserve + stopping | the server's requests are unknown, which is never \"none\": they are asked for until the reserve of `JJOBS_INIT_GRACE_PERIOD` begins (a quarter of it, at least 10 s, at most 120 s, never over half); then all is stopped | that + 6 s |

The test has no time for the defaults:

| variable | default | here | here, where no answer comes at all | here, where ten failures are outlasted |
| --- | --- | --- | --- | --- |
";

const AFTER_TIMES: &str = "
With the defaults, post-start returns after 10 minutes in place of these few seconds, and a drain insists on a hold for a minute.
**Without `JJOBS_INIT_GRACE_PERIOD` there is no reserve: requests that cannot be asked about are waited for for 10 minutes**
after the last answer, then the server is stopped. With 36000 (10 h, the usual setting) they are waited for until
2 minutes before its end. What the log says can be mended meanwhile, and each try uses it; `jjobs-init drain force` ends
the wait.

`N` stands for a number of seconds or milliseconds: a call is given up after 5 s, or after 3.5 s by a readiness probe with the
default deadline of 4 s. An agent that its server does not know (404, or an answer without it) is logged only after 10 s, because it
may not have registered yet; here post-start is over by then. What is logged is sorted here.

## Overview

Exit code, and how long it takes. Kind F is manager, server and agent in one container; kind A is an agent whose server is in
another container. An agent whose server comes back with https in place of http learns that by its first call, which fails with
\"the server answered 400\"; the table begins after it.

";

/// All of it.
pub(crate) fn whole(observed: &[Observed]) -> String {
    let mut text = BEFORE.to_owned() + TIMES;
    let times = [SHORT, PATIENT, LASTING];
    for (name, default, values) in [
        ("PROBE_TIMEOUT", "4 s", times.map(|times| times.probe)),
        ("POST_START_TIMEOUT", "600 s", times.map(|times| times.post_start)),
        ("HOLD_TIMEOUT", "60 s", times.map(|times| times.hold)),
        ("GRACE_PERIOD", "none", times.map(|times| times.grace)),
        ("STOP_TIMEOUT", "60 s", [crate::setting::STOP_TIMEOUT; 3]),
    ] {
        let [short, patient, lasting] = values;
        writeln!(
            text,
            "| `JJOBS_INIT_{name}` | {default} | {short} s | {patient} s | {lasting} s |"
        )
        .unwrap();
    }
    text += AFTER_TIMES;
    overview(&mut text, observed);
    for seen in observed {
        section(&mut text, seen);
    }
    text
}

fn overview(text: &mut String, observed: &[Observed]) {
    let names: Vec<&str> = Call::ALL.iter().map(|call| call.name()).collect();
    writeln!(text, "| the server … | kind | {} |", names.join(" | ")).unwrap();
    writeln!(text, "| --- | --- |{}", " --- |".repeat(names.len())).unwrap();
    for seen in observed {
        write!(text, "| {} | {} |", seen.row.title, seen.row.kind()).unwrap();
        for call in Call::ALL {
            write!(text, " {}, {} |", seen.cell(call).code, call.class(seen.row).words()).unwrap();
        }
        text.push('\n');
    }
}

fn section(text: &mut String, seen: &Observed) {
    writeln!(text, "\n## The server {} (kind {})\n", seen.row.title, seen.row.kind()).unwrap();
    text.push_str("| | exit code | takes | prints |\n| --- | ---: | --- | --- |\n");
    for call in Call::ALL {
        let cell = seen.cell(call);
        let line = if cell.line.is_empty() { String::new() } else { format!("`{}`", cell.line) };
        let takes = call.class(seen.row).words();
        writeln!(text, "| {} | {} | {takes} | {line} |", call.name(), cell.code).unwrap();
    }
    let mut hints = BTreeSet::new();
    for call in [Call::Readiness, Call::Liveness, Call::Healthcheck, Call::PostStart, Call::PreStop]
    {
        let told = &seen.cell(call).told;
        if told.is_empty() {
            continue;
        }
        writeln!(text, "\nLogged once by PID 1, {}:\n\n```text", call.when()).unwrap();
        for line in told {
            let (line, hint) = hint_apart(line);
            writeln!(text, "{line}").unwrap();
            hints.extend(hint);
        }
        text.push_str("```\n");
    }
    if !hints.is_empty() {
        text.push_str("\nWhat to do, as the hints in these lines say:\n\n");
        for hint in hints {
            writeln!(text, "- {hint}").unwrap();
        }
    }
    writeln!(text, "\nPID 1, on the TERM that follows, ends with {}.", seen.exit_code).unwrap();
}

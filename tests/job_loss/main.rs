//! No job is lost: a server and three agents under load, stopped in every way that a pod can be stopped, and back again.
//!
//! Every job's start and end is in a ledger that all pods write; at the end of the story each job that was submitted has
//! begun once and ended once. The same story with an entrypoint that kills shows that the count can fail.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test"
)]

mod cast;
mod pods;
mod record;
mod stops;
mod story;
mod together;

use cast::{Cast, Entrypoint};
use jjobs_harness::Vendor::{A, B};
use story::{Length, play};

const DEFAULT: Cast = Cast {
    name: "default",
    entrypoint: Entrypoint::Init,
    vendors: [A, A, A, A],
    is_contrary: false,
    has_token_file: false,
};

#[test]
fn no_job_is_lost_however_a_pod_is_stopped() {
    let Some(found) = play(&DEFAULT, Length::Whole) else { return };
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_job_is_lost_where_j_jobs_behaves_contrarily() {
    let cast = Cast { name: "contrary", is_contrary: true, ..DEFAULT };
    let Some(found) = play(&cast, Length::Whole) else { return };
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_job_is_lost_with_both_vendor_versions_and_a_token_from_a_file() {
    let cast = Cast { name: "mixed", vendors: [B, A, B, A], has_token_file: true, ..DEFAULT };
    let Some(found) = play(&cast, Length::Short) else { return };
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_entrypoint_that_kills_on_term_is_found_to_lose_jobs() {
    let cast = Cast { name: "killer", entrypoint: Entrypoint::Killer, ..DEFAULT };
    let Some(found) = play(&cast, Length::Short) else { return };
    let says = |words: [&str; 2]| {
        assert!(
            found.iter().any(|finding| words.iter().all(|word| finding.contains(word))),
            "{words:?}: {found:#?}"
        );
    };
    for pod in pods::AGENTS.into_iter().chain([pods::SERVER]) {
        for way in ["HookThenTerm", "Term"] {
            says([&format!("{pod}: {way}"), "begun there and never ended"]);
        }
    }
    says(["the ledger is not complete", "lost"]);
}

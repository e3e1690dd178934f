//! Several hosts: two servers in high availability with their managers, three agents and a `PostgreSQL` that really runs, on a private
//! network with the names that pods have, in the shape of the manual: stateful sets `jjobs` and `jjobs-agent`.
//!
//! Whatever is done to them, each job that was submitted begins once and ends once; of what was killed, exactly what it worked on itself
//! is lost.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test"
)]

mod cable;
mod kill;
mod load;
mod pods;
#[path = "../job_loss/record.rs"]
mod record;
mod rolling;

use pods::Pods;

#[test]
fn pods_that_boot_before_their_database_wait_for_it_and_a_rolling_restart_of_all_loses_no_job() {
    let Some(pods) = Pods::prepare() else { return };
    rolling::the_database_starts_last(&pods);
    rolling::restart_all_one_by_one(&pods);
    load::settle(&pods, &[]);
}

#[test]
fn a_drain_whose_cable_is_cut_goes_on_when_it_is_back() {
    let Some(pods) = Pods::boot() else { return };
    cable::cut_agents(&pods);
    cable::cut_a_server(&pods);
    load::settle(&pods, &[]);
}

#[test]
fn agents_drain_well_while_a_server_is_killed_and_only_what_it_worked_on_itself_is_lost() {
    let Some(pods) = Pods::boot() else { return };
    let mut lost = kill::kill_the_jvm(&pods);
    lost.extend(kill::kill_the_pod(&pods));
    load::settle(&pods, &lost);
}

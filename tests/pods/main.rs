//! Every command of the manifests, run in the simulated image by a stand-in for the kubelet (`jjobs_harness::kubelet`): the
//! manual's manifests unchanged, and all that `deploy/` renders.
//!
//! Each overlay is the subject of a scene, at whose end no command of the overlay may be left that was not run. What is
//! patched in some copy of a manifest is a program to run or a number to wait for, and is said there.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed step is a failed test")]

mod agents;
mod backup;
mod batch;
mod database;
mod manual;
mod queue;
mod servers;
mod stand_in;
mod support;

use jjobs_harness::manifests;

/// Which scene runs which overlay; each module says so beside its scenes.
const SCENES: [&[&str]; 5] =
    [agents::OVERLAYS, backup::OVERLAYS, batch::OVERLAYS, queue::OVERLAYS, servers::OVERLAYS];

#[test]
fn every_overlay_is_the_subject_of_a_scene() {
    let name = |path: std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let overlays: Vec<String> = manifests::overlays().into_iter().map(name).collect();
    let mut scenes = SCENES.concat();
    scenes.sort_unstable();
    assert_eq!(overlays, scenes);
}

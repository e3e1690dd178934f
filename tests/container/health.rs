//! The image's HEALTHCHECK.

use crate::support::{BASE, SOON, kind_f, up};

#[test]
fn health_follows_liveness() {
    let Some(image) = kind_f() else { return };
    // The image's own command, asked more often.
    let often = ["--health-interval=300ms", "--health-start-period=0s", "--health-retries=2"];
    let life = up(image.env("INSTALL_KIND", "S").options(often));
    life.eventually("it is healthy", |life| life.health() == "healthy");

    // Somebody stops the server by its script, behind our back: that is for the orchestrator to decide.
    let stopped = life.exec([format!("{BASE}/stop_server.sh")]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    life.eventually("it is unhealthy", |life| life.health() == "unhealthy");
    let state = life.state();
    let log = state["Health"]["Log"].as_array().unwrap();
    let last = log.last().unwrap();
    assert_eq!(last["ExitCode"], 1, "{last}");
    let said = last["Output"].as_str().unwrap();
    assert!(said.contains("server") && said.lines().count() == 1, "{said}");

    // And by our verb: it is meant to be down.
    assert_eq!(life.exec([crate::support::INIT, "start", "server"]).code, 0);
    life.eventually("it is healthy again", |life| life.health() == "healthy");
    assert_eq!(life.exec([crate::support::INIT, "stop", "server"]).code, 0);
    life.exec_ends_with(0, &["/working/liveness.sh"]);
    life.stop(30);
    assert_eq!(life.exit_code(SOON), 0, "{}", life.logs());
}

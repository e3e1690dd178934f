//! People at a terminal: `docker run -it`, `docker exec -it`.

use crate::support::{BASE, SOON, kind_f, up};
use jjobs_harness::engine::Image;

#[test]
fn a_shell_at_a_terminal_behaves_as_without_us() {
    let Some(image) = Image::simulated() else { return };
    let builder = image.container().env("PS1", "prompt> ").args(["bash", "--norc"]);
    let mut console = builder.run_on_terminal();
    console.wait_for("prompt> ", SOON);
    console.type_in("tty && echo is-$((6 * 7))\r");
    console.wait_for("is-42", SOON);
    // Ctrl-C ends the command in the foreground, not the shell.
    console.type_in("sleep 1000\r");
    console
        .container()
        .unwrap()
        .eventually("it sleeps", |container| !container.processes_with("1000").is_empty());
    console.type_in("\x03");
    console.type_in("echo after-$?\r");
    console.wait_for("after-130", SOON);
    // Job control.
    console.type_in("sleep 1001 &\r");
    console.type_in("jobs; kill %1; echo killed-$?\r");
    console.wait_for("Running", SOON);
    console.wait_for("killed-0", SOON);
    console.type_in("exit 7\r");
    assert_eq!(console.wait(SOON).code, 7, "{}", console.shown());
    assert!(!console.shown().contains("no job control"), "{}", console.shown());
}

#[test]
fn an_operator_at_a_terminal_starts_components_by_hand() {
    let Some(image) = kind_f() else { return };
    let life = up(image.env("INSTALL_KIND", "S"));
    let from = life.now();
    let mut console = life.exec_on_terminal(["/bin/bash", "--norc"]);
    console.type_in(&format!("cd {BASE} && ./stop_server.sh && echo stopped-$?\r"));
    console.wait_for("stopped-0", SOON);
    life.line(from, &["component=server", "to=\"stopped by hand\""]);
    let from = life.now();
    console.type_in("./start_server.sh; echo started-$?\r");
    console.wait_for("started-0", SOON);
    life.line(from, &["component=server", "to=up"]);
    // Its console is the container's log, and it outlives the operator's session.
    life.line(from, &["Server startup in"]);
    assert!(!console.shown().contains("Server startup in"), "{}", console.shown());
    console.type_in("exit\r");
    assert_eq!(console.wait(SOON).code, 0);
    life.exec_ends_with(0, &["/working/liveness.sh"]);
    assert_eq!(life.jvms(&format!("-Dcatalina.home={BASE}/server")).len(), 1);
    life.stop(30);
    assert_eq!(life.exit_code(SOON), 0, "{}", life.logs());
}

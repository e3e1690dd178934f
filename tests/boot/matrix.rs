//! Every cell of `INSTALL_KIND` × `ON_BOOT`, for both vendor versions.

use crate::support::{
    BASE, BOOT, COMPONENTS, INSTALLER, answering, bare_image, boot_with_database, count, kind,
    last_state, running, side_by_side, stop,
};
use jjobs_harness::{Container, Signal, Vendor};

/// What a cell comes to.
#[derive(Debug, Clone, Copy)]
enum Cell {
    /// These come up.
    Up(&'static [&'static str]),
    /// Installed, nothing started.
    Installed,
    /// Neither.
    Nothing,
    /// Refused.
    Contradiction,
}

use Cell::{Contradiction, Installed, Nothing, Up};

const ALL: Cell = Up(&["manager", "server", "agent"]);
const MANAGER: Cell = Up(&["manager"]);
const SERVER: Cell = Up(&["server"]);
const AGENT: Cell = Up(&["agent"]);

/// `ON_BOOT`, and what it means for F, M, S and A (contract.md §3).
const MATRIX: [(&str, [Cell; 4]); 7] = [
    ("yes", [ALL, MANAGER, SERVER, AGENT]),
    ("y", [ALL, MANAGER, SERVER, AGENT]),
    ("exceptagent", [Up(&["manager", "server"]), MANAGER, SERVER, Contradiction]),
    ("manager", [MANAGER, MANAGER, Contradiction, Contradiction]),
    ("manual", [Installed; 4]),
    ("no", [Nothing; 4]),
    ("sometimes", [Nothing; 4]),
];

#[test]
fn every_cell_of_the_matrix_comes_to_what_the_contract_says() {
    let mut cases = Vec::new();
    for vendor in Vendor::ALL {
        for (on_boot, cells) in MATRIX {
            for (install_kind, cell) in ["F", "M", "S", "A"].into_iter().zip(cells) {
                cases.push((vendor, install_kind, on_boot, cell));
            }
        }
    }
    side_by_side(cases, |(vendor, install_kind, on_boot, cell)| {
        let builder = kind(vendor, install_kind, on_boot);
        // An agent's server runs elsewhere; here a listener plays it.
        let builder = builder.env("JJOBS_SERVER_IP", "127.0.0.1");
        let builder =
            if install_kind == "A" { builder.env("SERVER_WEB_PORT", "7432") } else { builder };
        let Some((container, _database)) = boot_with_database(builder) else { return };
        let name = format!("{vendor:?} {install_kind} {on_boot}");
        match cell {
            Up(components) => comes_up(&name, &container, components),
            Installed | Nothing => stays(&name, &container),
            Contradiction => return is_refused(&name, container, on_boot),
        }
        let installed = container.exists(BASE);
        assert_eq!(installed, !matches!(cell, Nothing), "{name}: installed or not");
        if let Up(components) = cell {
            assert_eq!(running(&container), components, "{name}");
        } else {
            assert_eq!(running(&container), [""; 0], "{name}");
        }
        stop(container);
    });
}

#[track_caller]
fn comes_up(name: &str, container: &Container, components: &[&str]) {
    container.wait_for_line("all up", BOOT);
    let web: Vec<&str> = components.iter().copied().filter(|name| *name != "agent").collect();
    assert_eq!(answering(container), web, "{name}\n{}", container.transcript());
    let installed: Vec<&str> = COMPONENTS
        .iter()
        .map(|(component, ..)| *component)
        .filter(|component| container.exists(format!("{BASE}/{component}")))
        .collect();
    for component in components {
        assert!(installed.contains(component), "{name}: {installed:?}");
    }
}

/// PID 1 stays, with nothing beside it.
#[track_caller]
fn stays(name: &str, container: &Container) {
    container.wait_for_line("boot finished", BOOT);
    let others: Vec<_> =
        container.processes().into_iter().filter(|process| process.pid != 1).collect();
    assert!(others.is_empty(), "{name}: {others:?}");
}

#[track_caller]
fn is_refused(name: &str, mut container: Container, on_boot: &str) {
    assert_eq!(container.exit_code(BOOT), 78, "{name}");
    let said = container.transcript();
    assert!(said.contains("ON_BOOT") && said.contains("INSTALL_KIND"), "{name}: {said}");
    assert!(said.contains(on_boot), "{name}: {said}");
    assert!(!container.exists(BASE), "{name}");
    assert_eq!(last_state(&container)["exit_code"], 78, "{name}");
}

#[test]
fn an_operator_may_install_and_start_by_hand_where_boot_does_neither() {
    let Some(container) = kind(Vendor::A, "S", "no").boot() else { return };
    container.wait_for_line("boot finished", BOOT);
    let words = "--base_path /engn001/jjobs --install_kind S --install_mode I --use_postgresql --jdbc_url x \
                 --use_db_session_storage --dbms_user x --dbms_pswd x --man_web_port 7065 --svr_service_web_port 7075 \
                 --svr_cotrol_base_port 17075 --agnt_svr_group 1 --agnt_group 0 --agnt_startup_svc_protocol http \
                 --agnt_startup_svc_context jjob-server --agnt_startup_svc_domain x --agnt_startup_svc_port 7075";
    let installed = container.shell(&format!("echo y | {INSTALLER} {words}"));
    assert_eq!(installed.code, 0, "{installed:?}");
    let console = format!("{BASE}/server/logs/catalina.out");
    container.eventually("the console is taken over", |c| {
        c.shell(&format!("test -p {console}")).code == 0
    });
    // Nobody has configured this script: it follows the console, and so does not end (and takes lines from us).
    let _by_hand = container.exec_spawn([format!("{BASE}/start_server.sh")]);
    container.eventually("it is adopted", |c| count(c, "component=server from=") > 0);
    stop(container);
}

#[test]
fn an_unknown_on_boot_is_a_no_with_a_warning() {
    let Some(container) = bare_image().env("ON_BOOT", "exeptagent").boot() else { return };
    container.wait_for_line("exceptagent", BOOT);
    assert_eq!(count(&container, "WARN"), 1, "{}", container.transcript());
    let mut container = container;
    container.signal(Signal::SIGTERM);
    assert_eq!(container.exit_code(BOOT), 0);
}

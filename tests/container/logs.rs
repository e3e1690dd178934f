//! What the engine's log driver gets.

use crate::support::{SOON, kind_f, up};

const LINES: usize = 20_000;

#[test]
fn the_log_is_complete_and_in_order_to_the_last_line() {
    let Some(image) = kind_f() else { return };
    let faults = format!("flood={LINES}");
    let life = up(image.env("INSTALL_KIND", "S").env("SIM_FAULTS_SERVER", faults));
    life.stop(30);
    assert_eq!(life.exit_code(SOON), 0);
    let logs = life.logs();
    let numbers: Vec<usize> = logs
        .lines()
        .filter_map(|line| line.split_once("flood ")?.1.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(numbers.len(), LINES);
    assert!(numbers.is_sorted());
    let last = logs.lines().last().unwrap_or_default();
    assert!(last.contains("container ends exit_code=0"), "{last}");
}

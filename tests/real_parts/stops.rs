//! Stops that Tomcat's own script cannot do.

use crate::support::{BASE, boot, kind};

#[test]
fn a_real_tomcat_is_stopped_by_term_while_it_starts_and_where_its_script_cannot() {
    // Not root: Tomcat's console must be the container's log for any user.
    let Some(mut real) = boot(kind("S", "yes").user(10001, 10001)) else { return };
    // From here on a JVM ends by TERM in its own way, with 143; before, as any program does.
    real.line(0, &["Server version name"]);
    let took = real.ends_with(0);
    assert!(took.as_secs() < 30, "{took:?}");
    assert_eq!(real.count(0, &["Server startup in"]), 0, "{}", real.transcript());
    real.line(0, &["component=server", "to=stopped", "end=\"exit code 143\""]);

    let from = real.now();
    real.restart();
    real.server_comes_to(from, "up");
    // As Debian ships it: a Tomcat without a shutdown port, which `shutdown.sh` cannot stop.
    let file = format!("{BASE}/server/conf/server.xml");
    let settings = real.read_text(&file);
    let (_, rest) = settings.split_once("<Server port=\"").unwrap();
    let (_, rest) = rest.split_once('"').unwrap();
    real.write(&file, format!("<Server port=\"-1\"{rest}"));
    let asked = real.now();
    real.ends_with(0);
    assert_eq!(real.count(from, &["A valid shutdown command was received"]), 0);
    real.line(asked, &["No shutdown port configured"]);
    real.line(asked, &["sending TERM", "component=server"]);
    real.line(asked, &["component=server", "to=stopped", "end=\"exit code 143\""]);
    assert_eq!(real.count(asked, &["KILL"]), 0, "{}", real.transcript());
}

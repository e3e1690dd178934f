//! The overlays with servers.

use crate::database::{Database, PostgresImage};
use crate::support::{
    BOOT, Door, STOP, TOKEN, assert_all_ran, assert_all_was_run, codes, node, render,
    submit_to_server,
};
use jjobs_harness::{
    engine::Image,
    kubelet::{Kubelet, Pod},
    within,
};

pub(crate) const OVERLAYS: &[&str] =
    &["aws", "first-installation", "high-availability", "redis-sessions"];

fn server(kubelet: &Kubelet, ordinal: u32) -> Pod {
    kubelet.pod_of("StatefulSet", "jjobs", ordinal).unwrap()
}

fn assert_stops_well(pod: &Pod) {
    let end = pod.delete_within(STOP);
    assert_eq!((end.code, pod.restarts()), (0, 0), "{end:?}");
    let message: serde_json::Value = serde_json::from_str(&end.message).unwrap();
    assert_eq!(message["exit_code"], 0, "{message}");
}

#[test]
fn the_first_installation_grows_into_high_availability_on_the_same_volume() {
    let Some(image) = Image::simulated() else { return };
    let Some(rendered) = render("first-installation") else { return };
    let Some(programs) = PostgresImage::find() else { return };
    // The two servers know of each other by the meta DB.
    let first = node(&image, rendered, TOKEN).rig("SIM_DB", "postgres");
    let db = Database::start(&image, &programs, &first);

    let manager = server(&first, 0);
    // Ready without a readiness probe: once the startup probe has said yes.
    manager.wait_until_ready(BOOT);
    manager.container().wait_for_line("all up", BOOT);
    let answered = || (!codes(&first, &manager, "livenessProbe").is_empty()).then_some(());
    assert!(within(BOOT, answered).is_some());
    assert!(codes(&first, &manager, "livenessProbe").iter().all(|code| *code == Some(0)));
    assert_stops_well(&manager);
    drop(manager);
    assert_all_was_run(&first, first.manifests());

    let high = first.applied(render("high-availability").unwrap());
    let servers = [server(&high, 0), server(&high, 1)];
    for (number, pod) in servers.iter().enumerate() {
        pod.wait_until_ready(BOOT);
        assert_eq!(codes(&high, pod, "postStart"), [Some(0)], "{}", pod.story());
        let answer = pod.container().http_get(7075, "/sim/effective").unwrap().body;
        assert!(answer.contains(&format!("1-{}", number + 1)), "{answer}");
        let name = format!("jjobs-{number}.jjobs.default.svc.cluster.local");
        assert!(answer.contains(&name), "{answer}");
        // The Secret's file, and not the documented default.
        assert!(answer.contains("change-this-password"), "{answer}");
    }
    submit_to_server(&servers[0], 3.0, 2);
    submit_to_server(&servers[1], 3.0, 2);
    let state = db.query("jjobs", "SELECT count(*) FROM jjob_state");
    assert_eq!(state.as_deref(), Some("1"), "the servers keep their state in the DB");
    for pod in &servers {
        pod.delete(None);
    }
    servers.iter().for_each(assert_stops_well);
    assert_all_ran(&high, 4);
    assert_all_was_run(&high, high.manifests());
}

#[test]
fn servers_behind_load_balancers_and_with_sessions_in_redis_come_up_and_go() {
    let Some(image) = Image::simulated() else { return };
    let Some(rendered) = render("aws") else { return };
    let aws = node(&image, rendered, TOKEN);
    let redis = aws.applied(render("redis-sessions").unwrap());
    let _db = Door::open(&image, &aws);
    // Of each one of its two replicas, side by side.
    let pods = [(&aws, server(&aws, 0)), (&redis, server(&redis, 1))];
    for (kubelet, pod) in &pods {
        pod.wait_until_ready(BOOT);
        assert_eq!(codes(kubelet, pod, "postStart"), [Some(0)], "{}", pod.story());
    }
    let asked = pods[1].1.container().read_text(
        "/engn001/jjobs/manager/webapps/jjob-manager/WEB-INF/classes/spring/context-manager.xml",
    );
    assert!(asked.contains("redis.example.com") && asked.contains("jjobs:session"), "{asked}");
    for (_, pod) in &pods {
        pod.delete(None);
    }
    for (kubelet, pod) in &pods {
        assert_stops_well(pod);
        let messages = codes(kubelet, pod, "preStop");
        assert_eq!(messages, [Some(0)], "{}", pod.story());
        // One Kubelet's journal is the other's: only this pod's records count.
        let of_pod = |one: &&jjobs_harness::kubelet::Command| one.owner.starts_with("StatefulSet");
        let left = kubelet.journal().not_run(&kubelet.manifests().documents);
        assert_eq!(left.iter().filter(of_pod).count(), 0, "{left:#?}");
    }
}

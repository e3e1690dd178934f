#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use super::*;
use crate::contract::EnvVars;

fn check(vars: &[(&str, &str)]) -> Result<Checked, ContractError> {
    let env: EnvVars = vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Contract::from_env(env, "jjobs-10")
}

fn json(vars: &[(&str, &str)]) -> Value {
    serde_json::from_str(&report(&check(vars), Format::Json)).unwrap()
}

#[test]
fn the_json_of_a_met_contract_has_the_documented_shape() {
    let report = json(&[
        ("JDBC_URL", "jdbc:postgresql://h1,h2:5433/db"),
        ("API_PRIVATE_TOKEN", "tok-123456"),
    ]);
    let keys: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schema", "ok", "exit_code", "violations", "warnings", "plan", "values"]);
    assert_eq!(report["ok"], true);
    assert_eq!(report["exit_code"], 0);
    assert_eq!(
        report["plan"],
        json!({
            "install_kind": "F",
            "on_boot": "yes",
            "installs": true,
            "installed": ["manager", "server", "agent"],
            "starts": ["manager", "server", "agent"],
            "waits_for": {"what": "database", "hosts": ["h1:5432", "h2:5433"], "limit_seconds": null},
            "holds": ["server", "agent"],
            "liveness": ["manager", "server", "agent"],
            "readiness": ["manager", "server", "agent"],
            "server_number": 11,
            "token": "value",
        })
    );
    assert_eq!(report["values"]["HOSTNAME"], json!({"value": "jjobs-10", "source": "default"}));
    assert_eq!(
        report["values"]["API_PRIVATE_TOKEN"],
        json!({"value": "[redacted]", "source": "environment"})
    );
    assert_eq!(report["values"]["JJOBS_INIT_STATE_DIR"]["value"], "/logs001/jjobs/init/jjobs-10");
}

#[test]
fn the_json_of_a_broken_contract_lists_every_violation() {
    let vars = [("INSTALL_KIND", "f"), ("SERVER_WEB_PORT", "x"), ("WGET_URL", "http://h/x")];
    let report = json(&vars);
    assert_eq!(report["ok"], false);
    assert_eq!(report["exit_code"], 78);
    assert_eq!(report["plan"], Value::Null);
    let names: Vec<&str> = report["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| violation["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["INSTALL_KIND", "SERVER_WEB_PORT", "WGET_FOLDER_PATH", "WGET_FILE_NAME"]);
    assert_eq!(report["violations"][0]["value"], "f");
    assert_eq!(report["violations"][0]["hint"], "did you mean F?");
    assert_eq!(report["violations"][2]["value"], Value::Null);
    assert_eq!(exit_code(&check(&vars)), ExitCode::Contract);
}

#[test]
fn the_text_says_the_verdict_first_and_then_what_to_change() {
    let broken = report(&check(&[("INSTALL_KIND", "f"), ("ON_BOOT", "exeptagent")]), Format::Text);
    assert!(
        broken.starts_with("NOT OK: the environment contract is not met (1 problem, 1 warning)"),
        "{broken}"
    );
    for line in [
        "  INSTALL_KIND=\"f\"\n",
        "      hint: did you mean F?\n",
        "  ON_BOOT=\"exeptagent\"\n",
        "did you mean exceptagent?",
    ] {
        assert!(broken.contains(line), "{line}\n{broken}");
    }
    let met = report(&check(&[]), Format::Text);
    assert!(met.starts_with("OK: the environment contract is met (no warnings)\n"), "{met}");
    for line in [
        "  waits for  the database at 127.0.0.1:7432, for ever\n",
        "  starts     manager, server, agent\n",
    ] {
        assert!(met.contains(line), "{line}\n{met}");
    }
}

#[test]
fn nothing_in_a_report_can_move_the_cursor() {
    let text = report(
        &check(&[
            ("SERVER_WEB_PORT", "\u{1b}[2Jx\r"),
            ("CUSTOM_COMMAND", "a\nb\u{7}"),
            ("WGET_\u{1b}", ""),
        ]),
        Format::Text,
    );
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

//! `innovation smoke`: the golden path of a real service.

use serde_json::json;

use super::{report, shell};
use crate::support::{openrouter::calls, service::TestEnv};

#[tokio::test]
async fn the_golden_path_costs_and_leaves_nothing() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[("BACKEND_API_KEYS", "client-key"), ("ADMIN_API_KEYS", "admin-key")]).await;
    let smoke = |key: &str| {
        let line =
            format!("innovation smoke http://127.0.0.1:{} --key-env KEY --record --json", service.port);
        let output = shell(&env, &[("KEY", key)], &line).output().unwrap();
        let mission: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(!String::from_utf8_lossy(&output.stderr).contains(key));
        (output.status.code(), mission)
    };
    let (code, mission) = smoke("client-key");
    assert_eq!((code, &mission["passed"]), (Some(1), &json!(false)), "a client may not: {mission}");
    let (code, mission) = smoke("admin-key");
    assert_eq!((code, &mission["passed"]), (Some(0), &json!(true)), "{mission}");
    let names: Vec<_> = mission["steps"].as_array().unwrap().iter().map(|step| &step["name"]).collect();
    assert_eq!(names, ["health", "ready", "submit", "run", "output", "report", "delete"]);
    assert_eq!(calls(&env.model), [0; 4], "the model was not asked");
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "PipelineRun""#).await, "0");
    let gate = report(&env, &[], "gate");
    let told = gate.check("staging-report");
    assert!(
        told["verdict"] == "fail" && told["evidence"].as_str().unwrap().contains("development"),
        "{told}"
    );
}

#[tokio::test]
async fn a_service_that_is_away_could_not_be_checked() {
    let env = TestEnv::files_only().await;
    let output = shell(&env, &[], "innovation smoke http://127.0.0.1:1 --json").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}

//! `innovation smoke`: the golden path of a real service.

use serde_json::json;

use super::{report, shell};
use crate::support::{openrouter::calls, receiver::Receiver, service::TestEnv, wait::eventually};

/// The receiver answers while a command blocks the test.
#[tokio::test(flavor = "multi_thread")]
async fn the_golden_path_costs_and_leaves_nothing() {
    let env = TestEnv::with_database().await;
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let keys = [("BACKEND_API_KEYS", "client-key"), ("ADMIN_API_KEYS", "admin-key")];
    let service = env.serve(&[keys[0], keys[1], ("FRONTEND_WEBHOOK_URL", url.as_str())]).await;
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
    let create = "innovation keys create --name ops --role operator --runs-per-minute 1 --json";
    let made = shell(&env, &[], create).output().unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let operator = made["key"].as_str().unwrap();
    eventually("the key is known", async || {
        service.send("GET", "/status/none", &serde_json::Value::Null, &[("x-api-key", operator)]).await.status
            == 404
    })
    .await;
    assert_eq!((smoke(operator).0, smoke(operator).0), (Some(0), Some(0)), "no quota counts it");
    let metrics =
        service.send("GET", "/metrics", &serde_json::Value::Null, &[("x-api-key", "admin-key")]).await.body;
    let answered = |route: &str| {
        let label =
            format!("innovation_http_requests_total{{method=\"POST\",route=\"{route}\",status=\"202\"}}");
        metrics.as_str().unwrap().lines().any(|line| line.starts_with(&label))
    };
    assert!(answered("golden-path") && !answered("/run"), "it is no traffic: {metrics}");
    assert!(receiver.received().is_empty(), "no webhook tells of it");
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

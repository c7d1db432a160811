//! `innovation env`.

use serde_json::{Value, json};

use super::shell;
use crate::support::service::TestEnv;

#[tokio::test]
async fn the_environment_is_checked_compared_and_described() {
    let env = TestEnv::files_only().await;
    let run = |line: &str| {
        let output = shell(&env, &[("METRICS_KEY", "hush-hush")], line).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let all = format!("{told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!all.contains("hush"), "{line}: {all}");
        (output.status.code(), serde_json::from_str::<Value>(&told).unwrap_or(Value::String(told)))
    };
    assert_eq!(run("innovation env check --json").0, Some(0));
    let (code, told) = run("innovation env check --production --json");
    let variables: Vec<_> =
        told["problems"].as_array().unwrap().iter().map(|problem| problem["variable"].clone()).collect();
    assert_eq!(code, Some(1));
    for variable in ["BACKEND_API_KEYS", "BLOB_ALLOW_PRIVATE_NETWORK", "DATABASE_URL"] {
        assert!(variables.contains(&json!(variable)), "{variable}: {variables:?}");
    }
    let there = env.folder.path().join("there.json");
    std::fs::write(&there, r#"{"METRICS_KEY": "hush", "LEASE_SECONDS": "20", "DATABSE_URL": "hush"}"#)
        .unwrap();
    let (code, told) = run("innovation env drift --json < there.json");
    assert_eq!((code, &told["drift"]["different"]), (Some(1), &json!(["METRICS_KEY"])));
    assert_eq!(told["drift"]["unread"], json!(["DATABSE_URL"]));
    let (code, schema) = run("innovation env schema");
    assert!(code == Some(0) && schema["properties"]["METRICS_KEY"]["writeOnly"] == true);
    let example = std::fs::read_to_string(crate::support::root().join(".env.example")).unwrap();
    assert_eq!(run("innovation env example").1, Value::String(example));
}

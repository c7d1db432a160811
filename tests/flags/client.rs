//! OpenFeature's own client, which reads flags by its Remote Evaluation Protocol.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{PAUSE_ACCEPTANCE, set};
use crate::support::{root, service::TestEnv};

const KEY: &str = "a-key-for-the-tests-0123456789";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_openfeature_hears_of_changes() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[("BACKEND_API_KEYS", KEY)]).await;
    let package = root().join("tests/support/ofrep");
    assert!(package.join("node_modules").exists(), "OpenFeature's client is missing: run `make setup`");
    let mut client = Command::new("node")
        .current_dir(package)
        .args(["client.mjs", &format!("http://127.0.0.1:{}", service.port), KEY, PAUSE_ACCEPTANCE, "run-1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut line = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let said = |event: &str, is_on: bool, variant: &str, source: &str| {
        json!({
            "event": event, "value": is_on, "reason": "STATIC", "variant": variant, "source": source, "alone": is_on,
            "unknown": "FLAG_NOT_FOUND",
        })
    };
    assert_eq!(line(), said("ready", false, "off", "default"));
    // The client has opened its stream when the service counts it.
    service
        .wait_for_path("/metrics", |_, metrics| {
            metrics.as_str().is_some_and(|text| text.contains("innovation_event_streams 1"))
        })
        .await;
    set(&env, PAUSE_ACCEPTANCE, "true").await;
    assert_eq!(line(), said("changed", true, "on", "database"));
    drop(client.stdin.take());
    assert!(client.wait().unwrap().success());
}

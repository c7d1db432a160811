//! Flags on real replicas with a real PostgreSQL: they reach everybody, hold without the database, and change one at a time.

mod behaviour;
mod client;
mod orders;
mod outage;
mod replicas;
mod rules;

use std::process::Output;

use serde_json::Value;

use crate::support::{
    innovation,
    service::{Answer, Service, TestEnv},
    wait::{eventually, wanted},
};

/// Pauses `POST /run`.
const PAUSE_ACCEPTANCE: &str = "OPERATIONS_PAUSE_ACCEPTANCE";
/// Pauses the workers.
const PAUSE_CLAIMS: &str = "OPERATIONS_PAUSE_CLAIMS";

/// `innovation flags …` at a shell of the service.
pub(crate) async fn flags(env: &TestEnv, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut all = vec!["flags"];
    all.extend(arguments);
    let mut command = innovation(&all);
    command.env("APP_BASE_DIR", env.folder.path()).env("DATABASE_URL", env.database_url());
    command.envs(environment.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// As [`flags`], successful; its JSON.
async fn flags_json(env: &TestEnv, arguments: &[&str]) -> Value {
    flags_with(env, arguments, &[]).await
}

/// As [`flags_json`], with more variables.
async fn flags_with(env: &TestEnv, arguments: &[&str], environment: &[(&str, &str)]) -> Value {
    let all = [arguments, &["--json"]].concat();
    let output = flags(env, &all, environment).await;
    crate::support::assert_ok(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Sets a flag for all replicas, and waits for them.
pub(crate) async fn set(env: &TestEnv, key: &str, value: &str) -> Value {
    flags_json(env, &["set", key, value, "--reason", "a test", "--wait"]).await
}

/// One flag of a replica.
pub(crate) async fn flag(service: &Service, key: &str) -> Value {
    service.call("GET", &format!("/api/admin/flags/{key}")).await.body
}

/// Waits until a replica has a flag's value from a source.
pub(crate) async fn wait_for_flag(service: &Service, key: &str, value: Value, source: &str) {
    eventually(&format!("{key} is {value} by {source}"), async || {
        wanted(flag(service, key).await, |flag| flag["value"] == value && flag["source"] == source)
    })
    .await;
}

/// Sends JSON.
pub(crate) async fn send(service: &Service, method: &str, path: &str, body: &Value) -> Answer {
    service.send(method, path, body, &[]).await
}

//! The owners of runs, the audit of changes, and forgotten users: the real binary with the keys of a client and of an admin.

mod audit;
mod commands;
mod forget;
mod principals;

use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{
    innovation,
    service::{Service, TestEnv},
};

/// A key of the principal `environment`.
const CLIENT: &str = "client-key-of-the-test";
const ADMIN: &str = "admin-key-of-the-test";

const KEYS: [(&str, &str); 2] = [("BACKEND_API_KEYS", CLIENT), ("ADMIN_API_KEYS", ADMIN)];

/// Its connections are not kept: each test has a runtime of its own.
static CLIENT_OF_TESTS: LazyLock<reqwest::Client> =
    LazyLock::new(|| reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap());

/// The settings of a mode, with keys.
fn with_keys<'a>(mode: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    mode.iter().chain(&KEYS).copied().collect()
}

/// An answer: its status and its body.
async fn ask(service: &Service, key: &str, method: &str, path: &str) -> (u16, Value) {
    send(service, key, method, path, None).await
}

/// `POST /run`
async fn post(service: &Service, key: &str, body: &Value) -> (u16, Value) {
    send(service, key, "POST", "/run", Some(body)).await
}

async fn send(service: &Service, key: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let url = format!("http://127.0.0.1:{}{path}", service.port);
    let mut request = CLIENT_OF_TESTS.request(method.parse().unwrap(), url).bearer_auth(key);
    request = request.header("x-request-id", format!("asked-{method}"));
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Waits until a run has ended, as the admin sees it.
async fn ended(service: &Service, run: &str) -> Value {
    let what = format!("the end of {run}");
    crate::support::wait::eventually(&what, async || {
        let (code, status) = ask(service, ADMIN, "GET", &format!("/status/{run}")).await;
        if code == 200 && status["status"] != "running" { Ok(status) } else { Err(status) }
    })
    .await
}

/// A command with JSON: its exit code, its lines, and the text for people.
pub(crate) fn command(env: &TestEnv, arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let mut command = innovation(arguments);
    command.arg("--json").env("APP_BASE_DIR", env.folder.path());
    if env.postgres.is_some() {
        command.env("DATABASE_URL", env.database_url());
    }
    let output = command.output().unwrap();
    let (lines, text) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code(), lines, text)
}

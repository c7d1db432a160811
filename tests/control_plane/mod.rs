//! The control plane over the real binary and PostgreSQL: keys, roles, quotas, reach.

mod guessing;
mod keys;
mod quotas;
mod roles;

use serde_json::Value;

use crate::support::{
    assert_ok, innovation,
    service::{Answer, Service, TestEnv},
};

pub(crate) const CLIENT_KEY: &str = "client-key-0123456789";
pub(crate) const ADMIN_KEY: &str = "admin-key-0123456789";

/// Keys of the environment.
pub(crate) const KEYS: [(&str, &str); 2] = [("BACKEND_API_KEYS", CLIENT_KEY), ("ADMIN_API_KEYS", ADMIN_KEY)];

/// A request with a key.
pub(crate) async fn ask(
    service: &Service,
    key: &str,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{}{path}", service.port);
    let request =
        client.request(method.parse().unwrap(), url).header("authorization", format!("Bearer {key}"));
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    };
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

/// `innovation keys …` on the database of a test, which succeeds; its JSON.
pub(crate) fn keys(env: &TestEnv, arguments: &[&str]) -> Value {
    let mut command = innovation(&["keys"]);
    let output =
        command.args(arguments).arg("--json").env("DATABASE_URL", env.database_url()).output().unwrap();
    assert_ok(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}"))
}

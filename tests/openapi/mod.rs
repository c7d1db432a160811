//! The API's description: as it is served, held against the running service, and as a client is generated from it.

mod client;
mod described;
mod schemathesis;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::service::{Service, TestEnv};

const KEY: &str = "a-key-for-the-tests-0123456789";

/// A service as in production: with a database, files and a key.
async fn service() -> (TestEnv, Service) {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[("BACKEND_API_KEYS", KEY)]).await;
    (env, service)
}

/// A complete run.
async fn complete(env: &TestEnv, service: &Service, run_id: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{}", service.port);
    let request = client.post(format!("{url}/run")).header("x-api-key", KEY);
    let answer = request.body(env.request(run_id).to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 202, "{}", service.log());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let request = client.get(format!("{url}/status/{run_id}")).header("x-api-key", KEY);
        let text = request.send().await.unwrap().text().await.unwrap();
        let status: Value = serde_json::from_str(&text).unwrap();
        if status["status"] != "running" {
            assert_eq!(status["status"], "complete", "{status}");
            return;
        }
        assert!(Instant::now() < deadline, "{status}\n{}", service.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

//! The API's description: as it is served, held against the running service, and as a client is generated from it.

mod client;
mod described;
mod schemathesis;

use serde_json::Value;

use crate::support::{
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

const KEY: &str = "a-key-for-the-tests-0123456789";

/// A service as in production: with a database, files and a key, which may do everything.
async fn service() -> (TestEnv, Service) {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[("BACKEND_API_KEYS", KEY), ("ADMIN_API_KEYS", KEY)]).await;
    (env, service)
}

/// A complete run.
async fn complete(env: &TestEnv, service: &Service, run_id: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{}", service.port);
    let request = client.post(format!("{url}/run")).header("x-api-key", KEY);
    let answer = request.body(env.request(run_id).to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let status = eventually("the run ends", async || {
        let request = client.get(format!("{url}/status/{run_id}")).header("x-api-key", KEY);
        let text = request.send().await.unwrap().text().await.unwrap();
        wanted(serde_json::from_str::<Value>(&text).unwrap(), |status| status["status"] != "running")
    })
    .await;
    assert_eq!(status["status"], "complete", "{status}");
}

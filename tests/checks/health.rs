//! `/health/deep` and `/health/metrics` of a real service.

use std::time::Duration;

use serde_json::{Value, json};

use super::database::UNREAD_INDEX;
use crate::support::{proxy::Proxy, service::TestEnv, wait::eventually};

/// One check of a deep report.
fn check<'a>(deep: &'a Value, name: &str) -> &'a Value {
    let checks = deep["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap()
}

#[tokio::test]
async fn deep_health_looks_beyond_the_stores() {
    let env = TestEnv::with_database().await;
    let old = r#"'{"requests": 1000, "mean_ms": 0.001, "p95_ms": 0.001, "error_share": 0}'"#;
    env.query(&format!(
        r#"INSERT INTO "innovation"."Baseline" VALUES ('before', 'one', now() - interval '1 hour', {old})"#
    ))
    .await;
    env.query(
        r#"UPDATE pg_index SET "indisvalid" = false WHERE "indexrelid" = '"RunTombstone_pkey"'::regclass"#,
    )
    .await;
    let keys = [("BACKEND_API_KEYS", "client-key"), ("ADMIN_API_KEYS", "admin-key")];
    let closed = ("FRONTEND_WEBHOOK_URL", "http://127.0.0.1:1");
    let service = env.serve(&[keys[0], keys[1], closed]).await;
    for _ in 0..60 {
        assert_eq!(service.get("/brands").await.unwrap().0, 200);
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |path: &str, key: &str| {
        let url = format!("http://127.0.0.1:{}{path}", service.port);
        let response = client.get(url).bearer_auth(key).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
    };
    // The comparison is cached for some seconds, and the alerts look at it too.
    let (status, deep) = eventually("the baseline is compared", async || {
        let (status, deep) = ask("/health/deep", "admin-key").await;
        (deep["baseline"]["is_comparable"] == true).then_some((status, deep))
    })
    .await;
    let check = |name: &str| check(&deep, name)["status"].clone();
    assert_eq!((status, &deep["status"]), (200, &json!("degraded")), "an index is invalid");
    assert_eq!((check("indexes"), check("webhook_receiver")), (json!("failed"), json!("warning")));
    assert_eq!((check("database_pool"), check("model_endpoint")), (json!("ok"), json!("ok")));
    assert_eq!(deep["baseline"]["deviations"].as_array().unwrap().len(), 2, "mean and p95");
    let (_, public) = service.get("/health/deep").await.unwrap();
    assert!(public["baseline"].is_null(), "figures are for operators");

    let (status, metrics) = ask("/health/metrics", "admin-key").await;
    let names = metrics["metrics"].as_array().unwrap();
    assert!(status == 200 && names.iter().any(|sample| sample["name"] == "innovation_runs_accepted_total"));
    assert_eq!(ask("/health/metrics", "client-key").await.0, 403);
    assert_eq!(service.get("/health/metrics").await.unwrap().0, 401);
    assert_eq!(env.model.requests().len(), 0, "no call that costs something");
}

#[tokio::test]
async fn slow_full_and_away_are_warnings() {
    let env = TestEnv::with_database().await;
    env.query(UNREAD_INDEX).await;
    let (proxy, through) = Proxy::before(&env.database_url()).await;
    let settings = [
        ("DATABASE_URL", through.as_str()),
        ("DATABASE_POOL_SIZE", "4"),
        ("OPENROUTER_BASE_URL", "http://127.0.0.1:1"),
    ];
    let service = env.serve(&settings).await;
    let until = async |name: &str, status: &str| {
        let path = "/health/deep";
        check(&service.wait_for_path(path, |_, deep| check(deep, name)["status"] == status).await, name)
            .clone()
    };
    until("model_endpoint", "warning").await;
    until("database_latency", "ok").await;
    until("database_pool", "ok").await;
    let indexes = until("indexes", "ok").await;
    assert!(indexes["detail"].as_str().unwrap().contains("unread"), "{indexes}");
    // Two ways of 60 ms are more than the limit of 100 ms.
    proxy.slow(Duration::from_millis(60));
    let slow = until("database_latency", "warning").await;
    assert!(slow["elapsed_ms"].as_u64().unwrap() >= 100, "{slow}");
    tokio::select! {
        _ = until("database_pool", "warning") => {}
        never = service.load("/status/nobody", &[]) => never,
    }
    until("database_pool", "ok").await;
}

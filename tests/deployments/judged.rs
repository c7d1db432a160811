//! The arbiter's verdicts: good, without traffic, with errors, slow, flapping, crashed at the start, and across a restart.

use std::time::Duration;

use serde_json::{Value, json};

use super::{SHORT_WATCH, ask, is_watched, past, verdict};
use crate::support::{
    proxy::Proxy,
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

fn watched(id: &str) -> Vec<(&str, &str)> {
    [&SHORT_WATCH[..], &[("RAILWAY_DEPLOYMENT_ID", id)]].concat()
}

/// Keeps asking for a path until the deployment has a verdict.
async fn under_load(service: &Service, id: &str, path: &str, wish: &str) -> Value {
    let deployment = format!("/api/admin/deployments/{id}");
    eventually("a verdict under load", async || {
        ask(service, path, 30).await;
        let body = service.call("GET", &deployment).await.body;
        if body["verdict"] == wish { Ok(body) } else { Err(body) }
    })
    .await
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn traffic_and_no_traffic_are_told_apart() {
    let env = TestEnv::with_database().await;
    // A busy machine must not look slow beside it.
    let slow = json!({"figures": {"requests": 1000, "p95_ms": 5000.0, "error_share": 0.0}});
    past(&env, "d-0", 30, slow).await;
    let busy = env.serve(&watched("d-1")).await;
    is_watched(&busy, "d-1").await;
    let healthy = under_load(&busy, "d-1", "/brands/decathlon", "healthy").await;
    assert_eq!((&healthy["status"], &healthy["mode"]), (&json!("success"), &json!("DUAL_WRITE")));
    assert!(
        healthy["figures"]["requests"].as_u64().unwrap() >= 20 && healthy["health_score"] == 1.0,
        "{healthy}"
    );
    drop(busy);
    // With keys, the golden path goes with one that only the process knows.
    let keys = [("BACKEND_API_KEYS", "client-key"), ("ADMIN_API_KEYS", "admin-key")];
    let idle = env.serve(&[&watched("d-2")[..], &keys].concat()).await;
    env.wait_for_value(
        r#"SELECT "verdict" FROM "innovation"."Deployment" WHERE "id" = 'd-2'"#,
        "inconclusive",
    )
    .await;
    let reason =
        env.value(r#"SELECT "verdictReason" FROM "innovation"."Deployment" WHERE "id" = 'd-2'"#).await;
    assert!(reason.contains("the golden path passed"), "{reason}");
    let walked = idle.events("arbiter_golden_path");
    assert!(walked.len() == 1 && walked[0]["passed"] == true, "{walked:?}");
    let left = r#"SELECT count(*) FROM "PipelineRun""#;
    assert_eq!(env.value(left).await, "0", "it leaves nothing behind");
}

#[tokio::test]
async fn errors_fail_a_deployment_within_looks() {
    let env = TestEnv::with_database().await;
    let broken = env.folder.path().join("bad/data/brand-profiles/broken.yaml");
    std::fs::create_dir_all(broken.parent().unwrap()).unwrap();
    std::fs::write(&broken, "brand_name: 7").unwrap();
    let alerts = [("ALERT_INTERVAL_SECONDS", "1"), ("ALERT_RESOLVE_SECONDS", "0")];
    let service = env.replica("bad", &[&watched("d-1")[..], &alerts].concat()).await;
    is_watched(&service, "d-1").await;
    // The brand's profile is invalid: 500.
    let failing = under_load(&service, "d-1", "/brands/broken", "failing").await;
    assert!(failing["verdict_reason"].as_str().unwrap().contains("errors"), "{failing}");
    assert_eq!((&failing["status"], &failing["action"]), (&json!("failed"), &json!("observe")));
    assert!(failing["error_count"].as_i64().unwrap() > 20 && failing["fault_at"].is_string());
    assert_eq!(service.events("deployment_failing").len(), 1);
    let status = super::deploy(&env, &["status"], &[]).await;
    assert_eq!(status.status.code(), Some(1));
    let is_alert = async |state: &str| {
        let is_it = |alert: &Value| alert["rule"] == "deployment-failing" && alert["state"] == state;
        let listed = |_, body: &Value| body["alerts"].as_array().is_some_and(|all| all.iter().any(is_it));
        service.wait_for_path("/api/admin/alerts", listed).await;
    };
    is_alert("firing").await;
    let _next = env.replica("next", &watched("d-2")).await;
    is_alert("resolved").await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_slow_deployment_fails_by_its_baseline() {
    let env = TestEnv::with_database().await;
    past(&env, "d-0", 30, json!({"figures": {"requests": 1000, "p95_ms": 20.0, "error_share": 0.0}})).await;
    let (proxy, through) = Proxy::before(&env.database_url()).await;
    let more = [("DATABASE_URL", through.as_str()), ("ARBITER_WATCH_SECONDS", "120")];
    let service = env.serve(&[&watched("d-1")[..], &more].concat()).await;
    is_watched(&service, "d-1").await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    proxy.slow(Duration::from_millis(100));
    let failing = under_load(&service, "d-1", "/status/run-1", "failing").await;
    assert!(failing["verdict_reason"].as_str().unwrap().contains("p95"), "{failing}");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_flapping_deployment_fails_in_the_end() {
    let env = TestEnv::with_database().await;
    // Each look comes between two changes, at most.
    let rare = [("ARBITER_WATCH_SECONDS", "120"), ("ARBITER_CHECK_SECONDS", "3")];
    let service = env.serve(&[&watched("d-1")[..], &rare].concat()).await;
    is_watched(&service, "d-1").await;
    let (root, aside) = (env.folder.path().join("data/test-outputs"), env.folder.path().join("aside"));
    let mut recoveries = 0;
    eventually("it fails", async || {
        std::fs::rename(&root, &aside).unwrap();
        std::fs::write(&root, "no folder").unwrap();
        service.wait_for_path("/health", |_, health| health["status"] == "degraded").await;
        std::fs::remove_file(&root).unwrap();
        // The service may have made its folder anew.
        let _ = std::fs::rename(&aside, &root);
        service.wait_for_path("/health", |_, health| health["status"] == "healthy").await;
        recoveries += 1;
        let deployment = service.call("GET", "/api/admin/deployments/d-1").await.body;
        wanted(deployment, |deployment| deployment["verdict"] == "failing")
    })
    .await;
    assert!(recoveries > 1, "it was well again in between");
}

#[tokio::test]
async fn a_crash_at_the_start_is_seen_by_others() {
    let env = TestEnv::with_database().await;
    let survivor = env.replica("good", &watched("d-1")).await;
    is_watched(&survivor, "d-1").await;
    for _ in 0..2 {
        let mut command = env.command(&watched("d-2"));
        // Somebody listens there already, so the process ends after it has recorded its start.
        command.env("PORT", survivor.port.to_string()).env("SINGLE_REPLICA", "false");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(1));
    }
    let failing = verdict(&survivor, "d-2", "failing").await;
    assert!(failing["verdict_reason"].as_str().unwrap().contains("crashed at their start"), "{failing}");
    let current = survivor.call("GET", "/api/admin/deployments").await.body;
    assert_eq!(current["current"]["id"], "d-1", "it still serves");
}

#[tokio::test]
async fn another_process_goes_on_with_a_watch() {
    let env = TestEnv::with_database().await;
    let settings = [&watched("d-1")[..], &[("ARBITER_WATCH_SECONDS", "600")]].concat();
    let mut first = env.serve(&settings).await;
    let looks =
        r#"SELECT (COALESCE(("progress"->>'looks')::int, 0) >= 2)::text FROM "innovation"."Deployment""#;
    env.wait_for_value(looks, "true").await;
    first.kill();
    let seen: i64 =
        env.value(r#"SELECT "progress"->>'looks' FROM "innovation"."Deployment""#).await.parse().unwrap();
    let _second = env.serve(&settings).await;
    env.wait_for_value(
        &format!(r#"SELECT (("progress"->>'looks')::int > {seen})::text FROM "innovation"."Deployment""#),
        "true",
    )
    .await;
    let arbiters = r#"SELECT count(*) FROM "innovation"."DeploymentProcess" WHERE "deployment" = 'd-1'"#;
    assert_eq!(env.value(arbiters).await, "2");
}

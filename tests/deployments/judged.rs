//! The arbiter's verdicts: good, without traffic, with errors, slow, crashed at the start, and across a restart.

use serde_json::{Value, json};

use super::{SHORT_WATCH, ask, is_watched, past, verdict};
use crate::support::{
    service::{Service, TestEnv},
    wait::eventually,
};

fn watched(id: &str) -> Vec<(&str, &str)> {
    [&SHORT_WATCH[..], &[("RAILWAY_DEPLOYMENT_ID", id)]].concat()
}

/// Keeps asking until the deployment has a verdict.
async fn under_load(service: &Service, id: &str, brand: &str, wish: &str) -> Value {
    let path = format!("/api/admin/deployments/{id}");
    eventually("a verdict under load", async || {
        ask(service, brand, 30).await;
        let body = service.call("GET", &path).await.body;
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
    let healthy = under_load(&busy, "d-1", "decathlon", "healthy").await;
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
    let service = env.replica("bad", &watched("d-1")).await;
    is_watched(&service, "d-1").await;
    // The brand's profile is invalid: 500.
    let failing = under_load(&service, "d-1", "broken", "failing").await;
    assert!(failing["verdict_reason"].as_str().unwrap().contains("errors"), "{failing}");
    assert_eq!((&failing["status"], &failing["action"]), (&json!("failed"), &json!("observe")));
    assert!(failing["error_count"].as_i64().unwrap() > 20 && failing["fault_at"].is_string());
    assert_eq!(service.events("deployment_failing").len(), 1);
    let status = super::deploy(&env, &["status"], &[]).await;
    assert_eq!(status.status.code(), Some(1));
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

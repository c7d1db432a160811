//! Rules of single signals: each fault is made for real, fires its rule, and the rule is resolved when the fault is repaired.

use std::time::Duration;

use serde_json::json;

use super::{FAST, all, wait_for, wait_for_looks};
use crate::{
    control_plane::{ADMIN_KEY, CLIENT_KEY, KEYS, ask},
    support::{
        assert_ok, innovation,
        openrouter::Reply,
        proxy::Proxy,
        service::{Service, TestEnv, env},
    },
};

async fn submit(service: &Service, env: &TestEnv, run: &str) {
    let answer = ask(service, CLIENT_KEY, "POST", "/run", Some(env.request(run))).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
}

async fn wait_under_load(service: &Service, rule: &str, state: &str) {
    tokio::select! {
        _ = wait_for(service, rule, state) => {}
        never = service.load("/status/run-1", &[("x-api-key", CLIENT_KEY)]) => never,
    }
}

#[tokio::test]
async fn a_slow_database_fires_pool_and_latency() {
    let env = TestEnv::with_database().await;
    // The figures of the deployment before this one.
    env.query(
        r#"INSERT INTO "innovation"."Baseline" VALUES ('before', 'one', now() - interval '1 hour',
           '{"requests": 1000, "mean_ms": 20, "p95_ms": 60, "error_share": 0}')"#,
    )
    .await;
    let (mut proxy, through) = Proxy::before(&env.database_url()).await;
    let quick = [
        ("ALERT_WINDOW_SECONDS", "4"),
        ("ALERT_MIN_REQUESTS", "1"),
        ("DATABASE_POOL_SIZE", "4"),
        ("DATABASE_URL", &through),
    ];
    let service = env.serve(&all(&[&FAST, &KEYS, &quick], &[])).await;
    submit(&service, &env, "run-1").await;
    env.wait_until_synced("run-1").await;
    proxy.slow(Duration::from_millis(80));
    for rule in ["pool-exhausted", "latency-p95"] {
        wait_under_load(&service, rule, "firing").await;
    }
    proxy.mend().await;
    for rule in ["pool-exhausted", "latency-p95"] {
        wait_for(&service, rule, "resolved").await;
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn runs_that_stall_and_rows_that_go_fire() {
    let env = TestEnv::with_database().await;
    let impatient = [("LLM_TIMEOUT_SECONDS", "2"), ("STAGE_DEADLINE_SECONDS", "2")];
    let settings = all(&[&FAST, &KEYS, &impatient], &[]);
    let mut service = env.serve(&settings).await;
    submit(&service, &env, "ended").await;
    env.wait_until_synced("ended").await;
    let mut request = env.request("stalled");
    request["blob_url"] = env.blob.url("hang").into();
    let accepted = ask(&service, CLIENT_KEY, "POST", "/run", Some(request)).await;
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    wait_for(&service, "stalled-runs", "firing").await;
    let cancelled = ask(&service, ADMIN_KEY, "POST", "/api/pipeline/stalled/cancel", None).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    wait_for(&service, "stalled-runs", "resolved").await;

    service.kill();
    env.query(r#"DELETE FROM "PipelineRun" WHERE "id" = 'ended'"#).await;
    // A new process compares everything.
    let service = env.serve(&settings).await;
    wait_for(&service, "missing-rows", "firing").await;
    let mut restore = innovation(&["reconcile", "--restore-rows"]);
    restore.env("APP_BASE_DIR", env.folder.path()).env("DATABASE_URL", env.database_url());
    assert_ok(&tokio::task::spawn_blocking(move || restore.output().unwrap()).await.unwrap());
    wait_for(&service, "missing-rows", "resolved").await;
}

#[tokio::test]
async fn a_busy_model_and_broken_flags_fire() {
    let env = TestEnv::files_only().await;
    let flags = env.folder.path().join("flags");
    std::fs::write(&flags, "").unwrap();
    let settings = [("ENABLE_DATABASE_WRITES", "false"), ("FLAGS_FILE", flags.to_str().unwrap())];
    let service = env.serve(&all(&[&FAST, &KEYS, &settings], &[])).await;
    wait_for_looks(&service).await;
    std::fs::write(&flags, "nonsense").unwrap();
    wait_for(&service, "flags-alarm", "firing").await;
    let headers = vec![("Retry-After", "3".to_owned())];
    let busy = json!({"error": {"code": 429, "message": "as scripted"}});
    env.model.script([Reply::Status { status: 429, headers, body: busy }]);
    submit(&service, &env, "run-1").await;
    wait_for(&service, "model-away", "firing").await;
    std::fs::write(&flags, "").unwrap();
    for rule in ["flags-alarm", "model-away"] {
        wait_for(&service, rule, "resolved").await;
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_run_that_a_redeploy_would_lose_fires() {
    let env = env(Duration::ZERO).await;
    // A deployment's disk is ephemeral.
    let deployed = [
        ("ENVIRONMENT", "staging"),
        ("SINGLE_REPLICA", "true"),
        ("ANALYST", "extractive"),
        ("OPENROUTER_API_KEY", ""),
        ("ENABLE_DATABASE_WRITES", "false"),
    ];
    let service = env.serve(&all(&[&FAST, &KEYS, &deployed], &[])).await;
    submit(&service, &env, "run-1").await;
    wait_for(&service, "data-at-risk", "firing").await;
    ask(&service, ADMIN_KEY, "POST", "/api/pipeline/run-1/cancel", None).await;
    let deleted = ask(&service, ADMIN_KEY, "DELETE", "/api/pipeline/run-1", None).await;
    assert_eq!(deleted.status, 204, "{}", deleted.body);
    wait_for(&service, "data-at-risk", "resolved").await;
}

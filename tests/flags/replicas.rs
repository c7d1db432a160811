//! A change reaches every replica, and each says so.

use std::time::Duration;

use serde_json::json;

use super::{PAUSE_ACCEPTANCE, PAUSE_CLAIMS, flags, flags_json, set, wait_for_flag};
use crate::support::{
    openrouter::Options,
    postgres::Postgres,
    proxy::Proxy,
    service::TestEnv,
    stderr,
    wait::{eventually, wanted},
};

#[tokio::test]
async fn a_change_reaches_three_replicas_in_time() {
    let env = TestEnv::with_database().await;
    let (one, two, three) =
        tokio::join!(env.replica("one", &[]), env.replica("two", &[]), env.replica("three", &[]));
    let done = set(&env, PAUSE_ACCEPTANCE, "true").await;
    assert_eq!((done["replicas"].as_array().unwrap().len(), &done["missing"]), (3, &json!([])), "{done}");
    let took = r#"SELECT extract(epoch FROM max(a."at") - max(c."at"))::float8::text FROM "innovation"."FlagAck" a, "innovation"."FlagChange" c
                  WHERE a."revision" = 1"#;
    let took: f64 = env.value(took).await.parse().unwrap();
    assert!(took < 2.5, "{took} s");
    for (number, service) in [&one, &two, &three].into_iter().enumerate() {
        let (status, body) = service.post(&env.request(&format!("run-{number}"))).await.unwrap();
        assert_eq!((status, &body["code"]), (503, &json!("acceptance_paused")), "{body}");
    }
    let audit = r#"SELECT concat_ws(' ', "action", "target", "actor", "old", "new", "reason") FROM "innovation"."AuditRecord""#;
    assert_eq!(env.value(audit).await, format!("flag.set {PAUSE_ACCEPTANCE} command true a test"));
    set(&env, PAUSE_ACCEPTANCE, "unset").await;
    one.submit(&env.request("run-1")).await;
    let listing = flags_json(&env, &["list"]).await;
    assert_eq!((&listing["database_revision"], &listing["database"]), (&json!(2), &json!("reachable")));
}

#[tokio::test]
async fn a_partitioned_replica_is_named() {
    let env = TestEnv::with_database().await;
    let (mut proxy, through) = Proxy::before(&env.database_url()).await;
    let of_one = [("DATABASE_URL", through.as_str()), ("RAILWAY_REPLICA_ID", "one")];
    let (one, two) =
        tokio::join!(env.replica("one", &of_one), env.replica("two", &[("RAILWAY_REPLICA_ID", "two")]));
    set(&env, PAUSE_CLAIMS, "true").await;
    proxy.swallow();
    let change = ["set", PAUSE_CLAIMS, "false", "--reason", "a test", "--wait", "--timeout", "1", "--json"];
    let output = flags(&env, &change, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let done: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(done["missing"], json!(["one"]));
    wait_for_flag(&two, PAUSE_CLAIMS, json!(false), "database").await;
    eventually("health names it", async || {
        let check = |body: &serde_json::Value| {
            let checks = body["checks"].as_array().unwrap();
            checks.iter().find(|check| check["name"] == "flags").unwrap()["detail"].to_string()
        };
        wanted(two.call("GET", "/health/deep").await.body, |body| check(body).contains("one"))
    })
    .await;
    proxy.mend().await;
    wait_for_flag(&one, PAUSE_CLAIMS, json!(false), "database").await;
}

#[tokio::test]
async fn paused_workers_finish_runs_and_start_none() {
    let options = Options { latency: Duration::from_millis(400), ..Options::default() };
    let mut env = TestEnv::with_model(options).await;
    env.postgres = Some(Postgres::start());
    env.migrate();
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    one.submit(&env.request("run-1")).await;
    one.wait_for_run_event("run-1", "run_started").await;
    set(&env, PAUSE_CLAIMS, "true").await;
    two.submit(&env.request("run-2")).await;
    assert_eq!(one.ended("run-1").await["status"], "complete");
    assert!(
        one.run_events("run-2", "run_started").is_empty()
            && two.run_events("run-2", "run_started").is_empty()
    );
    let change = set(&env, PAUSE_CLAIMS, "false").await;
    assert_eq!(two.ended("run-2").await["status"], "complete");
    let named = r#"SELECT concat_ws(' ', "stage1Output"->'meta'->>'flags_revision', "stage4Output"->'meta'->>'flags_revision')
                   FROM "PipelineRun" WHERE "id" = 'run-2'"#;
    let revision = change["change"]["revision"].as_u64().unwrap();
    assert_eq!(env.value(named).await, format!("{revision} {revision}"), "the same for every replica");
}

//! Runs that wait, hang or differ: the line that the check names ends each fault, typed as it stands.

use std::time::Duration;

use super::{Running, next, report, shell, type_next, until};
use crate::{
    flags::wait_for_flag,
    support::{
        STAGE_FILES, innovation,
        service::{TestEnv, env},
    },
};

/// Lets all runs wait for longer than they may.
const LONG_AGO: &str = r#"UPDATE "PipelineRun" SET "acceptedAt" = now() - interval '1 hour'"#;

/// The replicas answer while a command blocks the test.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_runs_are_claimed_after_the_line() {
    let env = TestEnv::with_database().await;
    let mut web = env.serve(&[("ROLE", "web")]).await;
    web.submit(&env.request("run-1")).await;
    env.query(LONG_AGO).await;
    let seen = report(&env, &[], "doctor");
    assert_eq!(seen.verdict("queue"), "fail", "{}", seen.check("queue"));
    assert_eq!((seen.verdict("replicas"), next(seen.check("replicas"))), ("fail", next(seen.check("queue"))));
    let worker = Running::start(&env, &[], next(seen.check("queue")));
    web.ended("run-1").await;
    let served = report(&env, &[], "doctor");
    assert_eq!((served.verdict("queue"), served.verdict("replicas")), ("ok", "ok"));
    drop(worker);

    // A flag of the database keeps them waiting.
    let pause = "innovation flags set OPERATIONS_PAUSE_CLAIMS true --reason 'a test'";
    assert!(shell(&env, &[], pause).output().unwrap().status.success());
    web.kill();
    let service = env.serve(&[]).await;
    wait_for_flag(&service, "OPERATIONS_PAUSE_CLAIMS", true.into(), "database").await;
    service.submit(&env.request("run-2")).await;
    env.query(LONG_AGO).await;
    let seen = report(&env, &[], "doctor");
    assert_eq!(seen.verdict("queue"), "fail", "{}", seen.check("queue"));
    type_next(&env, &[], seen.check("queue"));
    service.ended("run-2").await;
    until(&env, "queue", "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: make test-long"]
async fn a_stalled_run_is_cancelled_by_the_line() {
    let env = env(Duration::from_secs(30)).await;
    let service = env.serve(&[]).await;
    service.submit(&env.request("run-1")).await;
    let begun = r#"SELECT ("stageStartedAt" IS NOT NULL)::text FROM "PipelineRun""#;
    env.wait_for_value(begun, "true").await;
    env.query(r#"UPDATE "PipelineRun" SET "stageStartedAt" = now() - interval '1 hour'"#).await;
    let seen = report(&env, &[], "doctor");
    assert_eq!(seen.verdict("stalled-runs"), "fail", "{}", seen.check("stalled-runs"));
    type_next(&env, &[], seen.check("stalled-runs"));
    assert_eq!(report(&env, &[], "doctor").verdict("stalled-runs"), "ok");
    assert_eq!(service.ended("run-1").await["error"]["code"], "CANCELLED");
    let records = r#"SELECT concat_ws(' ', "actor", "action", "target") FROM "innovation"."AuditRecord""#;
    assert_eq!(env.value(records).await, "command run.cancel run-1");
    let again = shell(&env, &[], "innovation cancel run-1 nobody --json").output().unwrap();
    let told = String::from_utf8(again.stdout).unwrap();
    assert_eq!(again.status.code(), Some(1), "{told}");
    assert!(told.contains("already_cancelled") && told.contains("unknown"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_resolved_by_the_line() {
    let env = TestEnv::with_database().await;
    let mut service = env.serve(&[]).await;
    service.submit(&env.request("run-1")).await;
    service.ended("run-1").await;
    env.wait_until_synced("run-1").await;
    service.kill();
    let other = r#""stage2Output" = jsonb_set("stage2Output", '{meta,model}', '"another/model"')"#;
    env.query(&format!(r#"UPDATE "PipelineRun" SET {other}, "stage2Digest" = NULL"#)).await;
    let found = innovation(&["reconcile", "--run", "run-1"])
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    assert_eq!(found.status.code(), Some(1));
    let seen = report(&env, &[], "doctor");
    assert_eq!(seen.verdict("conflicts"), "fail", "{}", seen.check("conflicts"));
    type_next(&env, &[], seen.check("conflicts"));
    assert_eq!(report(&env, &[], "doctor").verdict("conflicts"), "ok");
    let file = std::fs::read(env.run_folder("run-1").join(STAGE_FILES[1])).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(file["meta"]["model"], "another/model", "the version of the database");
}

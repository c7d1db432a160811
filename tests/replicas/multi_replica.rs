//! Several replicas on one database, each with a disk of its own.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use serde_json::json;

use super::{SLOW, assert_all_complete, calls, env};
use crate::support::{
    openrouter::Reply,
    postgres::Stop,
    proxy::Proxy,
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

#[tokio::test]
async fn a_killed_worker_loses_nothing() {
    let env = env(SLOW).await;
    let mut one = env.replica("one", &[]).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    let two = env.replica("two", &[]).await;
    let killed = Instant::now();
    one.kill();
    two.wait_for_run_event("run-1", "run_started").await;
    let waited = killed.elapsed();
    assert!(waited < Duration::from_secs(3 + 1), "lease 3 s: {waited:?}");
    assert_eq!(two.ended("run-1").await["status"], "complete");
    let paid = calls(&env.model);
    assert_eq!(paid[0], 1, "its stage was stored: {paid:?}");
    assert!(paid.iter().sum::<usize>() <= 5, "at most the call in flight: {paid:?}");
    // The other's disk has gone; what went on has all of it.
    assert_all_complete(&env, 1).await;
}

#[tokio::test]
async fn a_hundred_posts_to_two_replicas_pay_once() {
    let env = env(Duration::ZERO).await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    let request = env.request("run-1");
    let posts = (0..100).map(|number| if number % 2 == 0 { one.post(&request) } else { two.post(&request) });
    for answer in join_all(posts).await {
        let (status, body) = answer.unwrap();
        assert_eq!((status, &body["run_id"]), (202, &"run-1".into()), "{body}");
    }
    assert_eq!(two.ended("run-1").await["status"], "complete");
    assert_eq!(calls(&env.model), [1; 4]);
    assert_all_complete(&env, 1).await;
}

#[tokio::test]
async fn a_paused_worker_writes_nothing_after_its_lease() {
    let env = env(SLOW).await;
    let one = env.replica("one", &[]).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    one.signal("STOP");
    let two = env.replica("two", &[]).await;
    assert_eq!(two.ended("run-1").await["status"], "complete");
    let taken = two.wait_for_run_event("run-1", "run_taken_over").await;
    assert!(taken["held_by"].is_string(), "{taken}");
    let row = r#"SELECT concat_ws(' ', "leaseEpoch", "stage1Digest", "stage2Digest", "reportDigest") FROM "PipelineRun""#;
    let before = env.value(row).await;
    one.signal("CONT");
    one.wait_for_run_event("run-1", "run_lost").await;
    // No store took the answer that it held; its first stage is the same in its own files.
    one.wait_for("run-1", |status| status["status"] == "complete").await;
    assert_eq!(env.value(row).await, before);
    let paid = calls(&env.model);
    assert_eq!(paid[0], 1);
    assert!(paid.iter().sum::<usize>() <= 5, "at most the call in flight: {paid:?}");
}

#[tokio::test]
async fn a_partitioned_replica_parks_while_its_run_continues() {
    // The stage in flight and the write that fails after it take longer than a lease.
    let env = env(Duration::from_millis(1_600)).await;
    let (mut proxy, through) = Proxy::before(&env.database_url()).await;
    let one = env.replica("one", &[("DATABASE_URL", through.as_str())]).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    let two = env.replica("two", &[]).await;
    proxy.swallow();
    // It finishes the call in flight, by its files, and starts no stage after its lease.
    one.wait_for_run_event("run-1", "run_parked").await;
    assert_eq!(two.ended("run-1").await["status"], "complete");
    let paid = calls(&env.model);
    // New runs need the database's guard, which it cannot reach.
    let (status, answer) = one.post(&env.request("run-2")).await.unwrap();
    assert_eq!(status, 503, "{answer}");
    proxy.mend().await;
    one.wait_for_run_event("run-1", "run_lost").await;
    assert_eq!(calls(&env.model), paid, "the parked one paid for nothing more");
    assert!(paid.iter().all(|calls| *calls <= 2) && paid.iter().sum::<usize>() <= 6, "{paid:?}");
    assert_all_complete(&env, 1).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_partitioned_replica_does_not_report_foreign_ends() {
    // The model fails the run once the lease has ended.
    let env = env(Duration::from_millis(3_300)).await;
    env.model.script([refusal()]);
    let (one, two, mut proxy) = cut_off_in_the_first_stage(&env, &[]).await;
    one.wait_for_run_event("run-1", "run_parked").await;
    assert_eq!(two.ended("run-1").await["status"], "complete");
    let status = env.manifest_of("one", "run-1")["status"].clone();
    assert_eq!(status, "PROCESSING", "this replica cannot say whether it has failed");
    proxy.mend().await;
    one.wait_for_run_event("run-1", "run_lost").await;
    one.wait_for("run-1", |status| status["status"] == "complete").await;
    assert_closed_without_conflict(&env, &one).await;
}

#[tokio::test]
async fn a_wait_for_the_model_outlives_no_takeover() {
    let env = env(Duration::ZERO).await;
    env.model.script([Reply::HangBeforeHeaders]);
    let (one, two, mut proxy) = cut_off_in_the_first_stage(&env, &[("LLM_TIMEOUT_SECONDS", "5")]).await;
    assert_eq!(two.ended("run-1").await["status"], "complete");
    one.wait_for_run_event("run-1", "run_waits").await;
    proxy.mend().await;
    one.wait_for("run-1", |status| status["status"] == "complete").await;
    assert_closed_without_conflict(&env, &one).await;
    assert!(one.run_events("run-1", "run_taken_over").is_empty());
}

/// An answer that fails a run for good.
fn refusal() -> Reply {
    let message = json!({"role": "assistant", "content": null, "refusal": "not for this model"});
    Reply::Choice { message, finish_reason: "stop".into() }
}

/// Two replicas. The first one starts a run, and then its network swallows what it says to the database.
async fn cut_off_in_the_first_stage(
    env: &TestEnv,
    environment: &[(&str, &str)],
) -> (Service, Service, Proxy) {
    let (proxy, through) = Proxy::before(&env.database_url()).await;
    let mut all = vec![("DATABASE_URL", through.as_str())];
    all.extend(environment);
    let one = env.replica("one", &all).await;
    let two = env.replica("two", &[]).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for_run_event("run-1", "stage_started").await;
    proxy.swallow();
    (one, two, proxy)
}

async fn assert_closed_without_conflict(env: &TestEnv, one: &Service) {
    let manifest = || env.manifest_of("one", "run-1");
    eventually("the manifest is closed", async || wanted(manifest(), |now| now["status"] == "COMPLETED"))
        .await;
    assert!(one.events("sync_conflict_found").is_empty());
    assert_all_complete(env, 1).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_late_failure_leaves_the_end_to_others() {
    // The model fails the run shortly before the lease ends, and the write of that end outlasts the lease.
    let env = env(Duration::from_millis(2_500)).await;
    env.model.script([refusal()]);
    let (one, two, mut proxy) = cut_off_in_the_first_stage(&env, &[]).await;
    one.wait_for_run_event("run-1", "run_failed").await;
    assert_eq!(two.ended("run-1").await["status"], "complete");
    assert_eq!(env.manifest_of("one", "run-1")["status"], "PROCESSING");
    proxy.mend().await;
    assert_closed_without_conflict(&env, &one).await;
}

#[tokio::test]
async fn a_postgres_restart_moves_no_run() {
    // Two stages take longer than a lease.
    let mut env = env(Duration::from_millis(1_600)).await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    for number in 0..6 {
        let replica = if number % 2 == 0 { &one } else { &two };
        replica.submit(&env.request(&format!("run-{number}"))).await;
    }
    one.wait_for("run-0", |status| status["stages"]["1"]["status"] == "complete").await;
    env.postgres().stop(Stop::Immediate);
    // Longer than a lease, as far as the replicas can tell.
    one.wait_for_event("run_parked").await;
    two.wait_for_event("run_parked").await;
    env.postgres().start_again();
    assert_all_complete(&env, 6).await;
    let paid: usize = calls(&env.model).iter().sum();
    assert_eq!(paid, 24, "each renewed its own first, and none was taken over");
}

#[tokio::test]
async fn a_run_ended_by_file_is_not_restarted() {
    const RUNS: usize = 6;
    let mut env = env(Duration::from_millis(200)).await;
    // The default lease: longer than the outage.
    let lease = [("LEASE_SECONDS", "15")];
    let (one, two) = tokio::join!(env.replica("one", &lease), env.replica("two", &lease));
    for number in 0..RUNS {
        one.submit(&env.request(&format!("run-{number}"))).await;
    }
    one.wait_for("run-0", |status| status["stages"]["1"]["status"] == "complete").await;
    env.postgres().stop(Stop::Immediate);
    for number in 0..RUNS {
        assert_eq!(one.ended(&format!("run-{number}")).await["status"], "complete", "by file");
    }
    env.postgres().start_again();
    assert_all_complete(&env, RUNS).await;
    assert_eq!(calls(&env.model), [RUNS; 4], "nothing is paid again");
    assert!(two.events("run_started").is_empty());
    for number in 0..RUNS {
        let manifest = env.manifest_of("one", &format!("run-{number}"));
        let sql = format!(r#"SELECT "reportDigest" FROM "PipelineRun" WHERE "id" = 'run-{number}'"#);
        assert_eq!(manifest["report"]["sha256"], env.value(&sql).await.as_str());
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn unsynced_ends_keep_their_lease_indefinitely() {
    /// As many ends at once as the bulkhead admits calls: three of them fail in a row, which opens the breaker.
    const RUNS: usize = 16;
    let env = env(Duration::from_millis(200)).await;
    let held = r#"SELECT string_agg(concat_ws(' ', "id", "leaseOwner", "leaseEpoch", "status"), ', ' ORDER BY "id")
        FROM "PipelineRun" WHERE "id" LIKE 'run-%'"#;
    env
        .query(
            r#"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"#,
        )
        .await;
    env.query(
        r#"CREATE TRIGGER full_disk BEFORE UPDATE ON "PipelineRun" FOR EACH ROW
               WHEN (NEW."id" LIKE 'run-%' AND NEW."status" = 'COMPLETED') EXECUTE FUNCTION full_disk()"#,
    )
    .await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    for number in 0..RUNS {
        one.submit(&env.request(&format!("run-{number}"))).await;
    }
    for number in 0..RUNS {
        assert_eq!(one.ended(&format!("run-{number}")).await["status"], "complete", "by file");
    }
    one.wait_for_event("database_breaker_opened").await;
    one.wait_for_event("reconcile_postponed").await;
    let before = env.value(held).await;
    assert_eq!(before.matches(" 1 PROCESSING").count(), RUNS, "{before}");
    // A run whose worker is gone: who takes it over three leases from now has looked for others' as well.
    two.submit(&env.request("dead")).await;
    env
        .query(
            r#"UPDATE "PipelineRun" SET "leaseOwner" = 'gone', "leaseUntil" = now() + interval '9 s' WHERE "id" = 'dead'"#,
        )
        .await;
    env.wait_for_value(r#"SELECT "status" FROM "PipelineRun" WHERE "id" = 'dead'"#, "COMPLETED").await;
    assert_eq!(env.value(held).await, before);
    env.query(r#"DROP TRIGGER full_disk ON "PipelineRun""#).await;
    assert_all_complete(&env, RUNS + 1).await;
    // Either of them may take over the dead one.
    assert!(one.events("run_taken_over").iter().all(|line| line["run_id"] == "dead"));
    let log = two.log();
    assert!(!log.contains("[run-") && !log.contains("\"run-"), "the other has nothing to do with them");
    for number in 0..RUNS {
        let manifest = env.manifest_of("one", &format!("run-{number}"));
        let sql = format!(r#"SELECT "reportDigest" FROM "PipelineRun" WHERE "id" = 'run-{number}'"#);
        assert_eq!(manifest["report"]["sha256"], env.value(&sql).await.as_str());
    }
}

#[tokio::test]
async fn ending_elsewhere_closes_the_first_owners_files() {
    let env = env(SLOW).await;
    let mut one = env.replica("one", &[("DRAIN_SECONDS", "0")]).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    let two = env.replica("two", &[]).await;
    one.signal("TERM");
    assert_eq!(one.wait().await, Some(0));
    assert_eq!(two.ended("run-1").await["status"], "complete");
    let open = env.folder.path().join("one/data/test-outputs/.open/run-1");
    assert!(open.exists(), "it was given back");
    // As a kill in the middle of a write leaves it.
    let torn = env.folder_of("one", "run-1").join(".run.json.1-1.tmp");
    std::fs::write(&torn, "{").unwrap();
    let _again = env.replica("one", &[]).await;
    eventually("the manifest is closed", async || !open.exists()).await;
    assert!(!torn.exists(), "nothing is left of a killed write");
    let manifest = env.manifest_of("one", "run-1");
    assert_eq!((&manifest["status"], &manifest["database"]["has_end"]), (&"COMPLETED".into(), &true.into()));
}

#[tokio::test]
async fn health_reports_when_peers_prevent_file_acceptance() {
    let mut env = env(SLOW).await;
    let one = env.replica("one", &[]).await;
    env.postgres().stop(Stop::Immediate);
    one.wait_for_path("/health", |code, health| code == 503 && health["status"] == "unhealthy").await;
    assert_eq!(one.get("/health/live").await.unwrap().0, 200);
    assert_eq!(one.post(&env.request("run-1")).await.unwrap().0, 503);
    env.postgres().start_again();
    one.wait_for_path("/health", |code, _| code == 200).await;
    one.submit(&env.request("run-1")).await;
    assert_eq!(one.ended("run-1").await["status"], "complete");
}

//! The bucket goes away, or the database does.

use std::time::{Duration, Instant};

use super::replica;
use crate::support::{
    openrouter::{Options, calls},
    postgres::{Postgres, Stop},
    proxy::Proxy,
    s3::S3,
    service::TestEnv,
    wait::{eventually, wanted},
};

const LATENCY: Duration = Duration::from_millis(400);

async fn world_with_database() -> TestEnv {
    let mut env = TestEnv::with_model(Options { latency: LATENCY, ..Options::default() }).await;
    env.postgres = Some(Postgres::start());
    env.migrate();
    env
}

#[tokio::test]
async fn dual_write_survives_a_bucket_outage_and_syncs() {
    let (env, server) = (world_with_database().await, S3::start());
    let mut network = Proxy::start(server.address).await;
    let one = replica(&env, &network.url(&server.url()), "one", &[]).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    network.refuse().await;
    let status = one.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    assert_eq!(status["stages"]["4"]["stored_in"], serde_json::json!(["database"]));
    one.submit(&env.request("run-2")).await;
    assert_eq!(one.ended("run-2").await["status"], "complete");
    let health = one.wait_for_path("/health", |_, health| health["status"] == "degraded").await;
    assert_eq!((&health["mode"], &health["file_storage"]), (&"DUAL_WRITE".into(), &"bucket".into()));
    assert!(one.log().contains("s3://runs/outputs/run-1"), "the place is named");
    assert!(!one.log().contains("test-secret"));
    network.mend().await;
    one.wait_for_path("/health", |_, health| health["status"] == "healthy").await;
    // The reconciler closes the manifest of a run that ended in the database.
    let manifest = eventually("the manifest is closed", async || {
        wanted(server.manifest("run-1"), |manifest| manifest["status"] == "COMPLETED")
    })
    .await;
    assert_eq!(manifest["stages"].as_object().unwrap().len(), 4, "{manifest}");
    assert_eq!(calls(&env.model), [2; 4]);
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn file_only_fails_without_its_bucket_and_resumes() {
    let env = TestEnv::with_model(Options { latency: LATENCY, ..Options::default() }).await;
    let server = S3::start();
    let mut network = Proxy::start(server.address).await;
    let alone = [
        ("ENABLE_DATABASE_WRITES", "false"),
        ("SINGLE_REPLICA", "true"),
        ("DATABASE_RETRY_DEADLINE_SECONDS", "2"),
    ];
    let one = replica(&env, &network.url(&server.url()), "one", &alone).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    network.refuse().await;
    let status = one.wait_for("run-1", |status| status["status"] == "failed").await;
    assert_eq!(status["error"]["code"], "STORAGE_UNAVAILABLE", "{status}");
    assert_eq!(one.post(&env.request("run-2")).await.unwrap().0, 503);
    one.wait_for_path("/health", |code, _| code == 503).await;
    network.mend().await;
    one.wait_for_run_event("run-1", "run_ended").await;
    let retried = one.call("POST", "/api/pipeline/run-1/retry").await;
    assert_eq!(retried.status, 202, "{:?}", retried.body);
    one.wait_for("run-1", |status| status["status"] == "complete").await;
    let paid = calls(&env.model);
    assert_eq!(paid[0], 1, "what was stored is not paid again: {paid:?}");
}

#[tokio::test]
async fn a_silent_bucket_delays_writes_within_their_limit() {
    let (env, server) = (world_with_database().await, S3::start());
    let network = Proxy::start(server.address).await;
    let one = replica(&env, &network.url(&server.url()), "one", &[]).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    network.swallow();
    let asked = Instant::now();
    assert_eq!(one.get("/health").await.unwrap().0, 200);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(one.ended("run-1").await["status"], "complete");
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn only_the_first_call_waits_for_silence() {
    let (env, server) = (world_with_database().await, S3::start());
    let mut network = Proxy::start(server.address).await;
    let one = replica(&env, &network.url(&server.url()), "one", &[]).await;
    network.swallow();
    let asked = Instant::now();
    one.submit(&env.request("run-1")).await;
    assert!(asked.elapsed() < Duration::from_millis(2_500), "{:?}", asked.elapsed());
    one.wait_for_event("file_breaker_opened").await;
    let asked = Instant::now();
    for number in 2..6 {
        one.submit(&env.request(&format!("run-{number}"))).await;
        assert_eq!(one.call("GET", &format!("/status/run-{number}")).await.status, 200);
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "eight calls took {:?}", asked.elapsed());
    let mended = Instant::now();
    network.mend().await;
    one.wait_for_event("file_breaker_closed").await;
    assert!(mended.elapsed() < Duration::from_secs(4), "{:?}", mended.elapsed());
    for number in 1..6 {
        let run_id = format!("run-{number}");
        assert_eq!(one.ended(&run_id).await["status"], "complete");
        let name = format!("outputs/{run_id}/report.md");
        eventually("the report is in the bucket", async || server.object(&name)).await;
    }
    assert_eq!(calls(&env.model), [5; 4]);
}

#[tokio::test]
async fn file_only_refuses_quickly_in_silence() {
    let env = TestEnv::with_model(Options { latency: LATENCY, ..Options::default() }).await;
    let server = S3::start();
    let mut network = Proxy::start(server.address).await;
    let file_only = [("ENABLE_DATABASE_WRITES", "false")];
    let one = replica(&env, &network.url(&server.url()), "one", &file_only).await;
    network.swallow();
    for limit in [Duration::from_millis(2_500), Duration::from_millis(500)] {
        let asked = Instant::now();
        let (status, problem) = one.post(&env.request("run-1")).await.unwrap();
        assert_eq!((status, &problem["code"]), (503, &"storage_unavailable".into()));
        assert!(asked.elapsed() < limit, "{:?}", asked.elapsed());
    }
    network.mend().await;
    one.wait_for_event("file_breaker_closed").await;
    one.submit(&env.request("run-1")).await;
    assert_eq!(one.ended("run-1").await["status"], "complete");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn without_the_database_replicas_finish_by_bucket() {
    let (mut env, server) = (world_with_database().await, S3::start());
    let url = server.url();
    let (one, two) = tokio::join!(replica(&env, &url, "one", &[]), replica(&env, &url, "two", &[]));
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    env.postgres().stop(Stop::Immediate);
    assert_eq!(one.ended("run-1").await["status"], "complete");
    // The other has no row and no disk in common with it.
    assert_eq!(two.ended("run-1").await["status"], "complete");
    two.submit(&env.request("run-2")).await;
    one.submit(&env.request("run-2")).await;
    assert_eq!(one.ended("run-2").await["status"], "complete");
    env.postgres().start_again();
    let complete = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'COMPLETED'
        AND num_nulls("stage1Output", "stage2Output", "stage3Output", "stage4Output", "fullReportMarkdown") = 0"#;
    env.wait_for_value(complete, "2").await;
    assert_eq!(calls(&env.model), [2; 4]);
    let environment = S3::environment(&url);
    let url = env.database_url();
    let verify = || {
        crate::support::innovation(&["reconcile", "--verify", "--all"])
            .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
            .env("DATABASE_URL", &url)
            .output()
            .unwrap()
    };
    // The proof may be a moment younger than the row.
    eventually("the stores are equal", async || wanted(verify(), |output| output.status.success())).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_takeover_needs_no_database() {
    let (mut env, server) = (world_with_database().await, S3::start());
    let url = server.url();
    let (mut one, two) = tokio::join!(replica(&env, &url, "one", &[]), replica(&env, &url, "two", &[]));
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["2"]["status"] == "complete").await;
    eventually("the mirror has both", async || {
        wanted(server.manifest("run-1"), |manifest| manifest["stages"].as_object().unwrap().len() >= 2)
    })
    .await;
    env.postgres().stop(Stop::Immediate);
    one.kill();
    // The database stays away: the files say whose the run is.
    assert_eq!(two.ended("run-1").await["status"], "complete");
    two.wait_for_run_event("run-1", "run_resumed_by_files").await;
    let paid = calls(&env.model);
    assert!(paid.iter().sum::<usize>() <= 5, "at most the call in flight is paid twice: {paid:?}");
    env.postgres().start_again();
    env.wait_for_value(r#"SELECT "status"::text FROM "PipelineRun""#, "COMPLETED").await;
    let conflicts = r#"SELECT COALESCE(cardinality("conflictedStages"), 0)::text FROM "PipelineRun""#;
    assert_eq!(env.value(conflicts).await, "0");
    assert_eq!(calls(&env.model), paid, "the database's return pays for nothing");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_takeover_waits_for_stages_of_the_row_alone() {
    let (mut env, server) = (world_with_database().await, S3::start());
    let url = server.url();
    let flags = env.folder.path().join("flags");
    let flip = |files: bool| {
        std::fs::write(flags.with_extension("next"), format!("ENABLE_FILE_FALLBACK={files}\n")).unwrap();
        std::fs::rename(flags.with_extension("next"), &flags).unwrap();
    };
    flip(true);
    let flagged = [("FLAGS_FILE", flags.to_str().unwrap())];
    let (mut one, two) =
        tokio::join!(replica(&env, &url, "one", &flagged), replica(&env, &url, "two", &flagged));
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    flip(false);
    let in_row =
        r#"SELECT num_nonnulls("stage1Output", "stage2Output", "stage3Output")::text FROM "PipelineRun""#;
    env.wait_for_value(in_row, "3").await;
    env.postgres().stop(Stop::Immediate);
    one.kill();
    flip(true);
    // It has the files, which know less than the row.
    two.wait_for_run_event("run-1", "write_retried").await;
    env.postgres().start_again();
    assert_eq!(two.ended("run-1").await["status"], "complete");
    let paid = calls(&env.model);
    assert_eq!(paid[..3], [1; 3], "what only the row has is not paid twice");
    env.wait_for_value(r#"SELECT "status"::text FROM "PipelineRun""#, "COMPLETED").await;
    let conflicts = r#"SELECT COALESCE(cardinality("conflictedStages"), 0)::text FROM "PipelineRun""#;
    assert_eq!(env.value(conflicts).await, "0");
}

#[tokio::test]
async fn the_command_stores_its_run_in_the_bucket() {
    let server = S3::start();
    let run = |document: &str| {
        crate::support::innovation(&["run"])
            .arg(crate::support::sample(document))
            .args(["--brand", "lactalis-canada", "--run-id", "r1", "--analyst", "extractive", "--json"])
            .envs(S3::environment(&server.url()))
            .output()
            .unwrap()
    };
    let output = run("spotted-innovation.md");
    crate::support::assert_ok(&output);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["report"], "s3://runs/outputs/r1/report.md");
    let report = server.object("outputs/r1/report.md").unwrap();
    assert!(report.starts_with('#'), "{report}");
    // It has left: the next one need not wait until it can be taken for dead.
    let begun = std::time::Instant::now();
    crate::support::assert_ok(&run("spotted-innovation.md"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

//! Replicas that share a bucket and no database.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::replica;
use crate::support::{
    openrouter::{Options, calls},
    s3::S3,
    service::TestEnv,
    wait::eventually,
};

/// Long enough for a test to act while a stage is under way.
const SLOW: Duration = Duration::from_millis(500);

const FILE_ONLY: &[(&str, &str)] = &[("ENABLE_DATABASE_WRITES", "false")];

async fn env(latency: Duration) -> TestEnv {
    TestEnv::with_model(Options { latency, ..Options::default() }).await
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_hundred_posts_start_one_run() {
    let (env, server) = (env(SLOW).await, S3::start());
    let url = server.url();
    let (one, two) =
        tokio::join!(replica(&env, &url, "one", FILE_ONLY), replica(&env, &url, "two", FILE_ONLY));
    let request = env.request("run-1");
    let posts = (0..100).map(|number| if number % 2 == 0 { one.post(&request) } else { two.post(&request) });
    for answer in join_all(posts).await {
        let (status, body) = answer.unwrap();
        assert_eq!((status, &body["run_id"]), (202, &"run-1".into()), "{body}");
    }
    for service in [&one, &two] {
        let status = service.ended("run-1").await;
        assert_eq!(status["status"], "complete", "{status}");
        assert_eq!(status["stages"]["4"]["stored_in"], serde_json::json!(["file"]));
        assert!(status.get("durability").is_none_or(|durability| durability == "durable"), "{status}");
        let (code, problem) = service.get("/status/nobody-knows-it").await.unwrap();
        assert_eq!(code, 404, "all files are seen from here: {problem}");
        assert_eq!(service.get("/health").await.unwrap().1["file_storage"], "bucket");
        let (code, list) = service.get("/api/pipeline").await.unwrap();
        assert_eq!((code, &list["runs"][0]["run_id"]), (200, &"run-1".into()), "{list}");
    }
    assert_eq!(calls(&env.model), [1; 4]);
    // No document was put into the bucket, and none is left on a disk.
    assert_eq!(server.object("outputs/run-1/document"), None);
    assert!(server.object("outputs/run-1/report.md").is_some());
    for name in ["one", "two"] {
        let spool = env.folder.path().join(name).join("data/test-outputs/.spool/run-1");
        assert!(!spool.exists());
    }
}

#[tokio::test]
async fn every_replica_shows_a_kept_page() {
    let (env, server) = (env(Duration::ZERO).await, S3::start());
    let (url, keep) = (server.url(), [FILE_ONLY[0], ("DOCUMENT_RETENTION_DAYS", "1")]);
    let (one, two) = tokio::join!(replica(&env, &url, "one", &keep), replica(&env, &url, "two", &keep));
    let mut request = env.request("run-1");
    request["blob_url"] = env.blob.url("sample/case-study.pdf").into();
    one.submit(&request).await;
    assert_eq!(one.ended("run-1").await["status"], "complete");
    // The copy is stored beside the run, which does not wait for it.
    let has_copy = || !server.names("outputs/run-1/document").is_empty();
    eventually("the copy", async || has_copy()).await;
    for service in [&one, &two] {
        let page = service.call("GET", "/api/pipeline/run-1/pages/1").await;
        assert_eq!((page.status, page.header("content-type")), (200, "image/png"), "{page:.300?}");
    }
    assert_eq!(two.call("DELETE", "/api/pipeline/run-1").await.status, 204);
    assert!(!has_copy());
    for name in ["one", "two"] {
        assert!(!env.folder.path().join(name).join("data/test-outputs/.spool/run-1").exists());
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_killed_replicas_run_continues_without_repeated_cost() {
    let (env, server) = (env(SLOW).await, S3::start());
    let url = server.url();
    let (mut one, two) =
        tokio::join!(replica(&env, &url, "one", FILE_ONLY), replica(&env, &url, "two", FILE_ONLY));
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    let killed = Instant::now();
    one.kill();
    two.wait_for_run_event("run-1", "run_started").await;
    let waited = killed.elapsed();
    assert!(waited < Duration::from_secs(3 + 3), "lease 3 s: {waited:?}");
    assert_eq!(two.ended("run-1").await["status"], "complete");
    let paid = calls(&env.model);
    assert_eq!((paid[0], paid[2], paid[3]), (1, 1, 1), "{paid:?}");
    assert!(paid[1] <= 2, "at most the call in flight: {paid:?}");
}

#[tokio::test]
async fn a_stopped_replicas_run_continues_elsewhere_immediately() {
    let (env, server) = (env(SLOW).await, S3::start());
    let url = server.url();
    let long = [FILE_ONLY[0], ("LEASE_SECONDS", "60"), ("DRAIN_SECONDS", "0")];
    let (mut one, two) = tokio::join!(replica(&env, &url, "one", &long), replica(&env, &url, "two", &long));
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    one.signal("TERM");
    assert_eq!(one.wait().await, Some(0));
    let stopped = Instant::now();
    assert_eq!(two.ended("run-1").await["status"], "complete");
    assert!(stopped.elapsed() < Duration::from_secs(30), "it did not wait for a lease of a minute");
    assert_eq!(calls(&env.model)[0], 1);
}

#[tokio::test]
async fn a_paused_replica_writes_nothing_after_its_lease() {
    let (env, server) = (env(SLOW).await, S3::start());
    let url = server.url();
    let (one, two) =
        tokio::join!(replica(&env, &url, "one", FILE_ONLY), replica(&env, &url, "two", FILE_ONLY));
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    // Its next call is under way, so that it is not about to begin one when it wakes.
    one.wait_for("run-1", |_| calls(&env.model)[1] == 1).await;
    one.signal("STOP");
    assert_eq!(two.ended("run-1").await["status"], "complete");
    let files = ["run.json", "stage1/inspirations.json", "stage2/trends.json", "report.md"];
    let read = || files.map(|file| server.object(&format!("outputs/run-1/{file}")).unwrap());
    let (before, paid) = (read(), calls(&env.model));
    one.signal("CONT");
    one.wait_for_run_event("run-1", "run_lost").await;
    assert_eq!(one.ended("run-1").await["status"], "complete");
    assert_eq!(read(), before);
    assert_eq!(calls(&env.model), paid);
    assert_eq!(paid[0], 1);
    assert!(paid.iter().sum::<usize>() <= 5, "at most the call in flight: {paid:?}");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_remote_cancellation_stops_and_either_replica_retries() {
    let (env, server) = (env(Duration::from_secs(2)).await, S3::start());
    let url = server.url();
    let (one, two) =
        tokio::join!(replica(&env, &url, "one", FILE_ONLY), replica(&env, &url, "two", FILE_ONLY));
    one.submit(&env.request("run-1")).await;
    one.wait_for_run_event("run-1", "run_started").await;
    let cancelled = two.call("POST", "/api/pipeline/run-1/cancel").await;
    assert_eq!(cancelled.status, 200, "{:?}", cancelled.body);
    one.wait_for_run_event("run-1", "run_lost").await;
    assert_eq!(one.ended("run-1").await["error"]["code"], "CANCELLED");
    let retried = two.call("POST", "/api/pipeline/run-1/retry").await;
    assert_eq!(retried.status, 202, "{:?}", retried.body);
    let status = one.wait_for("run-1", |status| status["status"] == "complete").await;
    assert_eq!(status["status"], "complete");
    let deleted = one.call("DELETE", "/api/pipeline/run-1").await;
    assert!(matches!(deleted.status, 200 | 204), "{:?}", deleted.body);
    assert_eq!(two.get("/status/run-1").await.unwrap().0, 410, "its tombstone is seen from everywhere");
    assert_eq!(server.object("outputs/run-1/run.json"), None);
    assert!(server.object("outputs/run-1/tombstone.json").is_some());
}

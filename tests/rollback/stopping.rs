//! The process ends: by SIGKILL, by SIGTERM; and the model or the document fails under it.

use std::time::{Duration, Instant};

use super::{DUAL_WRITE, FILE_ONLY, calls, slow_env, slow_model};
use crate::support::{
    openrouter::{Options, Reply},
    postgres::Stop,
    service::TestEnv,
};

#[tokio::test]
async fn a_killed_service_resumes_in_every_mode() {
    for environment in [FILE_ONLY, DUAL_WRITE, super::DATABASE_ONLY] {
        let env = slow_env().await;
        let mut settings = environment.to_vec();
        settings.push(("LEASE_SECONDS", "3"));
        let mut service = env.serve(&settings).await;
        service.submit(&env.request("run-1")).await;
        service.wait_for("run-1", |status| status["stages"]["2"]["status"] == "complete").await;
        service.kill();
        let service = env.serve(&settings).await;
        let status = service.ended("run-1").await;
        assert_eq!(status["status"], "complete", "{environment:?}: {status}");
        let paid = calls(&env.model);
        assert_eq!((paid[0], paid[1]), (1, 1), "what was stored is never paid again: {paid:?}");
        assert!(paid.iter().sum::<usize>() <= 5, "at most the call in flight: {paid:?}");
    }
}

#[tokio::test]
async fn the_first_sigterm_drains_and_rejects_new_runs() {
    let env = TestEnv::with_model(slow_model()).await;
    let mut service = env.serve(FILE_ONLY).await;
    service.submit(&env.request("run-1")).await;
    service.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    service.signal("TERM");
    service.wait_for_path("/health/ready", |code, _| code == 503).await;
    assert_eq!(service.post(&env.request("run-2")).await.unwrap().0, 503);
    assert_eq!(service.wait().await, Some(0));
    assert_eq!(env.manifest("run-1")["status"], "COMPLETED");
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn a_second_signal_ends_a_short_drain_immediately() {
    let env = TestEnv::with_model(Options { latency: Duration::from_secs(20), ..Options::default() }).await;
    let mut service = env.serve(&[FILE_ONLY[0], ("DRAIN_SECONDS", "1")]).await;
    service.submit(&env.request("run-1")).await;
    service.wait_for("run-1", |status| status["stages"]["1"]["status"] == "running").await;
    let started = Instant::now();
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    let manifest = env.manifest("run-1");
    assert_eq!((&manifest["status"], &manifest["owner"]), (&"PROCESSING".into(), &serde_json::Value::Null));

    let mut service = env.serve(&[FILE_ONLY[0], ("DRAIN_SECONDS", "60")]).await;
    service.wait_for("run-1", |status| status["stages"]["1"]["status"] == "running").await;
    let started = Instant::now();
    service.signal("TERM");
    service.wait_for_path("/health/ready", |code, _| code == 503).await;
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(1));
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_failing_model_fails_only_its_run() {
    let env = TestEnv::files_only().await;
    let environment = [
        FILE_ONLY[0],
        ("LLM_TIMEOUT_SECONDS", "2"),
        ("LLM_OUTAGE_DEADLINE_SECONDS", "1"),
        ("LLM_MAX_COST_PER_RUN_USD", "0.015"),
    ];
    let service = env.serve(&environment).await;
    // 1 cent a call: the second stage is asked for, the third no more.
    service.submit(&env.request("costly")).await;
    let status = service.ended("costly").await;
    assert_eq!(status["status"], "failed", "{status}");
    assert_eq!(status["stages"]["1"]["status"], "complete");
    assert!(calls(&env.model).iter().sum::<usize>() <= 2, "{:?}", calls(&env.model));

    env.model.script([Reply::HangBeforeHeaders, Reply::HangBeforeHeaders, Reply::HangBeforeHeaders]);
    service.submit(&env.request("hanging")).await;
    let status = service.ended("hanging").await;
    assert_eq!(status["error"]["code"], "LLM_TIMEOUT", "{status}");
    let live = Instant::now();
    assert_eq!(service.get("/health").await.unwrap().0, 200);
    assert!(live.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_bad_document_fails_free_with_its_code() {
    let env = TestEnv::files_only().await;
    let service = env.serve(FILE_ONLY).await;
    for (run_id, path, code) in [
        ("gone", "gone", "DOCUMENT_UNAVAILABLE"),
        ("inside", "inside", "DOCUMENT_UNAVAILABLE"),
        ("circle", "circle", "DOCUMENT_UNAVAILABLE"),
        ("endless", "endless", "DOCUMENT_TOO_LARGE"),
        ("announced", "announced", "DOCUMENT_TOO_LARGE"),
    ] {
        let mut request = env.request(run_id);
        request["blob_url"] = env.blob.url(path).into();
        service.submit(&request).await;
        let status = service.ended(run_id).await;
        assert_eq!(status["status"], "failed", "{status}");
        assert_eq!(status["error"]["code"], code, "{path}: {status}");
    }
    assert_eq!(calls(&env.model), [0; 4]);
}

#[tokio::test]
async fn a_hanging_blob_store_holds_up_nothing_else() {
    let env = TestEnv::files_only().await;
    let service = env.serve(FILE_ONLY).await;
    for (number, path) in ["hang", "drip", "hang", "drip"].iter().enumerate() {
        let mut request = env.request(&format!("slow-{number}"));
        request["blob_url"] = env.blob.url(path).into();
        service.submit(&request).await;
    }
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(service.get("/health").await.unwrap().0, 200);
        assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    }
    service.submit(&env.request("quick")).await;
    assert_eq!(service.ended("quick").await["status"], "complete");
}

#[tokio::test]
async fn a_resumed_run_reads_its_spooled_document() {
    let env = TestEnv::with_model(slow_model()).await;
    let mut service = env.serve(FILE_ONLY).await;
    service.submit(&env.request("run-1")).await;
    service.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    service.kill();
    env.blob.remove_all();
    let service = env.serve(FILE_ONLY).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    assert_eq!(env.blob.requests(), 1);
    assert!(!env.run_folder("run-1").join("document").exists(), "it goes when the run has ended");
}

#[tokio::test]
async fn an_unreadable_spooled_document_is_fetched_again() {
    let env = TestEnv::with_model(slow_model()).await;
    let mut service = env.serve(FILE_ONLY).await;
    service.submit(&env.request("run-1")).await;
    service.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    service.kill();
    // Larger than any document may be.
    let spooled = std::fs::File::options().write(true).open(env.run_folder("run-1").join("document"));
    spooled.unwrap().set_len(1 << 40).unwrap();
    let service = env.serve(FILE_ONLY).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    assert_eq!(env.blob.requests(), 2);
}

#[tokio::test]
async fn a_run_known_to_the_absent_database_waits() {
    let mut env = slow_env().await;
    let flags = env.folder.path().join("flags");
    let settings = [("FLAGS_FILE", flags.to_str().unwrap()), ("LEASE_SECONDS", "3")];
    std::fs::write(&flags, "ENABLE_FILE_FALLBACK=true\n").unwrap();
    let mut service = env.serve(&settings).await;
    service.submit(&env.request("run-1")).await;
    // Accepted in both; then the database alone.
    std::fs::write(&flags, "ENABLE_FILE_FALLBACK=false\n").unwrap();
    service.wait_for("run-1", |status| status["stages"]["2"]["status"] == "complete").await;
    service.kill();
    let before = calls(&env.model);
    std::fs::write(&flags, "ENABLE_FILE_FALLBACK=true\n").unwrap();
    env.postgres().stop(crate::support::postgres::Stop::Immediate);
    let service = env.serve(&settings).await;
    service.wait_for_path("/health", |_, health| health["effective_mode"] == "FILE_ONLY").await;
    assert_eq!(calls(&env.model), before, "nothing is asked for that may be stored");
    env.postgres().start_again();
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    let paid = calls(&env.model);
    assert_eq!((paid[0], paid[1]), (1, 1), "{paid:?}");
    assert!(paid.iter().sum::<usize>() <= 5, "{paid:?}");
    env.assert_both_agree("run-1").await;
}

/// A run that has ended by file alone, as the database went away under it.
async fn ended_by_file(env: &mut TestEnv, environment: &[(&str, &str)]) -> crate::support::service::Service {
    let service = env.serve(environment).await;
    service.submit(&env.request("run-1")).await;
    service.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    env.postgres().stop(Stop::Immediate);
    assert_eq!(service.ended("run-1").await["status"], "complete");
    service
}

#[tokio::test]
async fn a_drain_syncs_file_only_runs_first() {
    let mut env = slow_env().await;
    let mut service = ended_by_file(&mut env, DUAL_WRITE).await;
    service.signal("TERM");
    service.wait_for_event("drain_started").await;
    env.postgres().start_again();
    assert_eq!(service.wait().await, Some(0));
    assert_eq!(env.value(r#"SELECT "status"::text FROM "PipelineRun""#).await, "COMPLETED");
    env.assert_both_agree("run-1").await;
    assert!(service.events("unsynced_runs_left").is_empty());
}

#[tokio::test]
async fn a_failed_drain_lists_what_it_leaves() {
    let mut env = slow_env().await;
    let mut service = ended_by_file(&mut env, &[("DRAIN_SECONDS", "1")]).await;
    let told = Instant::now();
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));
    assert!(told.elapsed() < Duration::from_secs(8), "{:?}", told.elapsed());
    let left = service.wait_for_event("unsynced_runs_left").await;
    assert!(left["runs"] == 1 && left["message"].as_str().unwrap().contains("run-1"), "{left}");
}

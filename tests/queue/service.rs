//! The queue of the running service: the real binary, a real PostgreSQL.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    openrouter::Reply,
    service::{TestEnv, env},
    wait::eventually,
};

const FILE_ONLY: (&str, &str) = ("ENABLE_DATABASE_WRITES", "false");

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_worker_hears_of_what_another_process_accepts() {
    let env = TestEnv::with_database().await;
    let worker = env.serve(&[("ROLE", "worker")]).await;
    worker.wait_for_event("notifications_connected").await;
    let web = env.serve(&[("ROLE", "web")]).await;
    let mut waits = Vec::new();
    for n in 0..9 {
        let run_id = format!("run-{n}");
        web.submit(&env.request(&run_id)).await;
        assert_eq!(web.ended(&run_id).await["status"], "complete");
        let wait = format!(
            r#"SELECT (extract(epoch FROM "startedAt" - "acceptedAt") * 1000)::int8::text FROM "PipelineRun" WHERE "id" = '{run_id}'"#
        );
        waits.push(env.value(&wait).await.parse::<i64>().unwrap());
    }
    waits.sort_unstable();
    println!("from acceptance by one process to the start in another (ms): {waits:?}");
    // The poll alone comes twice a second: a quarter of a second in the middle.
    assert!(waits[4] < 125, "{waits:?}");
}

#[tokio::test]
async fn a_run_that_crashes_three_processes_is_parked() {
    let env = env(Duration::ZERO).await;
    env.model.script(vec![Reply::HangBeforeHeaders; 9]);
    let settings = [("LEASE_SECONDS", "3")];
    let started = Instant::now();
    for attempt in 1..=3 {
        let mut service = env.serve(&settings).await;
        if attempt == 1 {
            service.submit(&env.request("run-1")).await;
        }
        eventually("the call", async || env.model.calls() >= attempt).await;
        service.kill();
    }
    let service = env.serve(&settings).await;
    let status = service.ended("run-1").await;
    assert_eq!(
        (&status["status"], &status["error"]["code"]),
        (&json!("failed"), &json!("CRASH_LOOP")),
        "{status}"
    );
    assert_eq!(status["error"]["can_retry"], true);
    assert_eq!(env.model.calls(), 3, "no further call");
    let row = r#"SELECT concat_ws(' ', "status", "errorCode", "leaseOwner" IS NULL) FROM "PipelineRun""#;
    assert_eq!(env.value(row).await, "FAILED CRASH_LOOP t");
    let manifest = env.manifest_when("run-1", |manifest| manifest["status"] == "FAILED").await;
    assert_eq!((&manifest["status"], &manifest["error"]["code"]), (&json!("FAILED"), &json!("CRASH_LOOP")));
    println!("three kills and the parking: {:?}", started.elapsed());
}

#[tokio::test]
async fn without_a_database_the_manifest_counts_the_crashes() {
    let env = TestEnv::files_only().await;
    env.model.script(vec![Reply::HangBeforeHeaders; 9]);
    for attempt in 1..=3 {
        let mut service = env.serve(&[]).await;
        if attempt == 1 {
            service.submit(&env.request("run-1")).await;
        }
        eventually("the call", async || env.model.calls() >= attempt).await;
        service.kill();
    }
    let service = env.serve(&[]).await;
    assert_eq!(service.ended("run-1").await["error"]["code"], "CRASH_LOOP");
    assert_eq!(env.model.calls(), 3);
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn deploys_are_no_crashes() {
    let env = env(Duration::ZERO).await;
    env.model.script(vec![Reply::HangBeforeHeaders; 5]);
    for deploy in 1..=5 {
        let mut service = env.serve(&[("DRAIN_SECONDS", "0")]).await;
        if deploy == 1 {
            service.submit(&env.request("run-1")).await;
        }
        eventually("the call", async || env.model.calls() >= deploy).await;
        service.signal("TERM");
        assert_eq!(service.wait().await, Some(0));
        assert_eq!(env.manifest("run-1")["attempts"], 0);
    }
    let service = env.serve(&[]).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    env.assert_both_agree("run-1").await;
}

#[tokio::test]
async fn a_full_queue_rejects_new_and_knows_existing() {
    for environment in [&[][..], &[FILE_ONLY]] {
        let env = env(Duration::from_secs(3600)).await;
        let mut settings = environment.to_vec();
        settings.extend([("MAX_CONCURRENT_RUNS", "1"), ("MAX_QUEUED_RUNS", "2")]);
        let service = env.serve(&settings).await;
        for run_id in ["run-1", "run-2", "run-3"] {
            service.submit(&env.request(run_id)).await;
        }
        for _ in 0..2 {
            let (status, answer) = service.post(&env.request("run-4")).await.unwrap();
            assert_eq!((status, &answer["code"]), (503, &json!("queue_full")), "{environment:?}: {answer}");
        }
        assert_eq!(
            service.get("/status/run-4").await.unwrap().0,
            if environment.is_empty() { 404 } else { 503 }
        );
        for run_id in ["run-1", "run-2", "run-3"] {
            assert_eq!(service.post(&env.request(run_id)).await.unwrap().0, 202, "{run_id} is known");
        }
        let mut other = env.request("run-2");
        other["company_id"] = "lactalis-canada".into();
        assert_eq!(service.post(&other).await.unwrap().0, 409);
    }
}

#[tokio::test]
async fn a_web_replica_accepts_nothing_by_file() {
    let mut env = TestEnv::with_database().await;
    let web = env.serve(&[("ROLE", "web"), FILE_ONLY, ("SINGLE_REPLICA", "true")]).await;
    let (status, answer) = web.post(&env.request("run-1")).await.unwrap();
    assert_eq!((status, &answer["code"]), (503, &json!("not_alone")), "{answer}");
    let web = env.serve(&[("ROLE", "web")]).await;
    web.submit(&env.request("run-2")).await;
    env.postgres().stop(crate::support::postgres::Stop::Fast);
    assert_eq!(web.post(&env.request("run-3")).await.unwrap().0, 503);
}

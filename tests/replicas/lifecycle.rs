//! Stops, starts, roles and scaling.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{SLOW, assert_all_complete, calls, env};
use crate::support::postgres::Stop;

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_short_drain_hands_its_run_over_immediately() {
    let env = env(Duration::from_secs(3)).await;
    // A lease that nobody would wait for.
    let mut one = env.replica("one", &[("LEASE_SECONDS", "120"), ("DRAIN_SECONDS", "1")]).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    let two = env.replica("two", &[]).await;
    let told = Instant::now();
    one.signal("TERM");
    two.wait_for_run_event("run-1", "run_started").await;
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    assert_eq!(one.wait().await, Some(0));
    assert_eq!(two.ended("run-1").await["status"], "complete");
    let paid = calls(&env.model);
    assert!(paid[0] == 1 && paid.iter().sum::<usize>() <= 5, "{paid:?}");
    // A released lease is no crash.
    assert_eq!(env.value(r#"SELECT "attempts"::text FROM "PipelineRun""#).await, "0");
}

#[tokio::test]
async fn accepted_in_an_outage_then_killed_it_completes() {
    let mut env = env(SLOW).await;
    env.postgres().stop(Stop::Immediate);
    let settings = [("LEASE_SECONDS", "3")];
    let mut service = env.serve(&settings).await;
    service.submit(&env.request("run-1")).await;
    service.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    service.kill();
    env.postgres().start_again();
    let service = env.serve(&settings).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    env.wait_until_synced("run-1").await;
    env.assert_both_agree("run-1").await;
    let paid = calls(&env.model);
    assert!(paid[0] == 1 && paid.iter().sum::<usize>() <= 5, "{paid:?}");
}

#[tokio::test]
async fn web_and_worker_apart_share_one_queue() {
    let env = env(Duration::ZERO).await;
    let web = env.replica("web", &[("ROLE", "web")]).await;
    for number in 0..3 {
        web.submit(&env.request(&format!("run-{number}"))).await;
    }
    let status = web.get("/status/run-0").await.unwrap().1;
    assert_eq!((&status["status"], &status["stages"]["1"]["status"]), (&"running".into(), &"pending".into()));
    assert_eq!(calls(&env.model), [0; 4]);
    let workers = |deep: &Value| {
        let checks = deep["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "workers").unwrap().clone()
    };
    let deep = web.wait_for_path("/health/deep", |_, deep| workers(deep)["status"] == "failed").await;
    assert!(workers(&deep)["detail"].as_str().unwrap().contains("ROLE=worker"), "what to do: {deep}");
    assert_eq!(deep["status"], "degraded");
    let worker = env.replica("worker", &[("ROLE", "worker")]).await;
    for number in 0..3 {
        assert_eq!(web.ended(&format!("run-{number}")).await["status"], "complete");
    }
    assert_eq!(calls(&env.model), [3; 4]);
    assert_eq!(worker.post(&env.request("run-9")).await.unwrap().0, 404, "who only works accepts nothing");
    assert_eq!(worker.get("/health").await.unwrap().0, 200);
    let deep = web
        .wait_for_path("/health/deep", |_, deep| {
            deep["replicas"].as_array().is_some_and(|all| all.len() == 2)
        })
        .await;
    let mut roles: Vec<&str> =
        deep["replicas"].as_array().unwrap().iter().filter_map(|replica| replica["role"].as_str()).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["web", "worker"]);
    assert_eq!(workers(&deep)["status"], "ok");
    drop(worker);
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn scaling_from_zero_to_four_loses_nothing() {
    const RUNS: usize = 24;
    let env = env(Duration::from_millis(150)).await;
    let few = [("MAX_CONCURRENT_RUNS", "3"), ("DRAIN_SECONDS", "1")];
    let web = env.replica("web", &[("ROLE", "web")]).await;
    for number in 0..RUNS {
        web.submit(&env.request(&format!("run-{number}"))).await;
    }
    let ended = |wanted: usize| {
        let sql =
            format!(r#"SELECT (count(*) >= {wanted})::text FROM "PipelineRun" WHERE "status" = 'COMPLETED'"#);
        let env = &env;
        async move { env.wait_for_value(&sql, "true").await }
    };
    let mut workers = vec![env.replica("worker-0", &few).await];
    ended(2).await;
    for number in 1..4 {
        workers.push(env.replica(&format!("worker-{number}"), &few).await);
    }
    ended(8).await;
    for worker in &mut workers {
        worker.signal("TERM");
    }
    for worker in &mut workers {
        assert_eq!(worker.wait().await, Some(0));
    }
    let leased = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "leaseOwner" IS NOT NULL"#;
    assert_eq!(env.value(leased).await, "0", "every lease was given back");
    let _last = env.replica("worker-9", &few).await;
    assert_all_complete(&env, RUNS).await;
    let paid: usize = calls(&env.model).iter().sum();
    let in_flight = 4 * 3;
    assert!(
        (4 * RUNS..=4 * RUNS + in_flight).contains(&paid),
        "{paid}: at most the calls in flight at the stop"
    );
}

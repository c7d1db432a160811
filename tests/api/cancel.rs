//! Cancellations.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use super::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, SHORT_LEASE, calls, env, failed, with};
use crate::support::{openrouter::Reply, postgres::Stop, service::TestEnv, wait::eventually};

const PATH: &str = "/api/pipeline/run-1/cancel";

/// An environment whose model never answers, until somebody hangs up.
async fn silent_env() -> TestEnv {
    let env = env(Duration::ZERO).await;
    env.model.script([Reply::HangBeforeHeaders]);
    env
}

fn manifest(env: &TestEnv, replica: &str) -> Value {
    let path = env.folder.path().join(replica).join("data/test-outputs/run-1/run.json");
    std::fs::read(path).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_remote_cancellation_stops_work_within_a_second() {
    let env = silent_env().await;
    let lease = [("LEASE_SECONDS", "15")];
    let (one, two) = tokio::join!(env.replica("one", &lease), env.replica("two", &lease));
    one.submit(&env.request("run-1")).await;
    eventually("the model is asked", async || env.model.calls() == 1).await;
    let asked = Instant::now();
    let answers = join_all((0..100).map(|_| two.call("POST", PATH))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body["run_status"]), (200, &"CANCELLED".into()), "{answer:?}");
    }
    eventually("the call is given up", async || env.model.hung_up() == 1).await;
    let took = asked.elapsed();
    println!("a hundred cancellations, and the work on the other replica stopped after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    for replica in [&one, &two] {
        let status = replica.call("GET", "/status/run-1").await.body;
        assert_eq!((&status["status"], &status["error"]["code"]), (&"failed".into(), &"CANCELLED".into()));
        assert_eq!(status["error"]["stage"], 1);
    }
    assert_eq!(env.value(r#"SELECT "leaseEpoch"::text FROM "PipelineRun""#).await, "2", "raised once");
    eventually("files follow", async || manifest(&env, "one")["status"] == "CANCELLED").await;
    one.wait_for_path("/health/deep", |_, deep| deep["worker"]["active_runs"] != 1).await;
    assert_eq!(calls(&env.model), [1, 0, 0, 0]);
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_local_cancellation_stops_work_and_retry_resumes() {
    for mode in [DATABASE_ONLY, DUAL_WRITE, FILE_ONLY] {
        let env = env(Duration::from_millis(700)).await;
        let service = env.serve(mode).await;
        service.submit(&env.request("run-1")).await;
        service.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
        eventually("the second stage is asked for", async || calls(&env.model)[1] == 1).await;
        assert_eq!(service.call("POST", PATH).await.status, 200);
        eventually("the call is given up", async || env.model.hung_up() == 1).await;
        assert_eq!(service.call("POST", PATH).await.status, 200, "again is the same");
        assert_eq!(service.ended("run-1").await["error"]["code"], "CANCELLED");
        assert_eq!(service.call("POST", "/api/pipeline/run-1/retry").await.status, 202);
        assert_eq!(service.ended("run-1").await["status"], "complete", "{mode:?}");
        assert_eq!(calls(&env.model), [1, 2, 1, 1], "{mode:?}");
        assert_eq!(service.call("POST", PATH).await.code(), (409, "run_complete"));
        if mode == DUAL_WRITE {
            env.assert_both_agree("run-1").await;
        }
    }
}

#[tokio::test]
async fn a_queued_run_is_cancelled_before_it_starts() {
    let env = env(Duration::ZERO).await;
    let web = env.replica("web", &[("ROLE", "web")]).await;
    web.submit(&env.request("run-1")).await;
    assert_eq!(web.call("POST", PATH).await.status, 200);
    // The web replica has no files of the run.
    assert!(!env.folder.path().join("web/data/test-outputs/run-1").exists());
    let worker = env.replica("worker", &[]).await;
    failed(&env, &worker, "run-2").await;
    assert_eq!(worker.call("POST", "/api/pipeline/run-2/cancel").await.code(), (409, "run_failed"));
    assert_eq!(calls(&env.model), [1, 1, 0, 0], "only the other was worked on");
    assert_eq!(web.call("POST", "/api/pipeline/run-3/cancel").await.code(), (404, "run_not_found"));
}

#[tokio::test]
async fn a_cancellation_by_file_reaches_the_row_later() {
    let mut env = silent_env().await;
    let service = env.serve(&SHORT_LEASE).await;
    service.submit(&env.request("run-1")).await;
    eventually("the model is asked", async || env.model.calls() == 1).await;
    env.postgres().stop(Stop::Immediate);
    assert_eq!(service.call("POST", PATH).await.status, 200);
    eventually("the call is given up", async || env.model.hung_up() == 1).await;
    env.postgres().start_again();
    env.wait_for_value(r#"SELECT "status"::text FROM "PipelineRun""#, "CANCELLED").await;
    assert_eq!(service.ended("run-1").await["error"]["code"], "CANCELLED");
    assert_eq!(calls(&env.model), [1, 0, 0, 0]);
}

#[tokio::test]
async fn killed_between_the_two_stores_a_cancellation_stands() {
    let env = silent_env().await;
    let settings = with(&SHORT_LEASE, &[("CRASH_AT", "cancelled-in-database")]);
    let mut service = env.serve(&settings).await;
    service.submit(&env.request("run-1")).await;
    eventually("the model is asked", async || env.model.calls() == 1).await;
    assert!(service.ask("POST", PATH, "*/*").await.is_none());
    // The worker may have seen the row and closed the manifest by then.
    service.killed().await;
    let service = env.serve(&SHORT_LEASE).await;
    assert_eq!(service.ended("run-1").await["error"]["code"], "CANCELLED");
    eventually("files follow", async || env.manifest("run-1")["status"] == "CANCELLED").await;
    assert_eq!(service.call("POST", PATH).await.status, 200);
    assert_eq!(calls(&env.model), [1, 0, 0, 0]);
}

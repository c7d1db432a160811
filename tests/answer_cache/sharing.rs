//! Runs with the same question share its answer, also at once, on several replicas, and when the one that asks ends.

use std::time::Duration;

use futures_util::future::join_all;

use super::{BRANDS, ON, complete, meta, off, request, stored};
use crate::support::{
    openrouter::{Options, Reply},
    service::{self, FILE_ONLY, SHORT_LEASE, TestEnv},
    wait::{eventually, wanted},
};

const STAGE_1: &str = "input_processing";

#[tokio::test]
async fn four_brands_in_turn_cost_seven_calls() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[ON]).await;
    for brand in BRANDS {
        complete(&service, &request(&env, &format!("run-{brand}"), brand)).await;
    }
    assert_eq!(env.model.paid(), 7);
    for stage in 1..=3 {
        let (first, second) =
            (meta(&env, "run-decathlon", stage).await, meta(&env, "run-lactalis-canada", stage).await);
        assert_eq!(first["payload_sha256"], second["payload_sha256"]);
        assert_eq!(first["reuse"], serde_json::Value::Null);
        assert_eq!(second["reuse"]["reused_from"], "run-decathlon");
        let (cost, attempts) = (second["usage"]["cost_usd"].as_f64(), second["attempts"].as_u64());
        assert_eq!((cost, attempts), (Some(0.0), Some(0)));
    }
    assert_eq!(meta(&env, "run-lactalis-canada", 4).await["reuse"], serde_json::Value::Null);
    let (_, metrics) = service.get("/metrics").await.unwrap();
    assert!(metrics.as_str().unwrap().contains(r#"innovation_answer_cache_look_ups_total{result="hit"} 9"#));
}

#[tokio::test]
async fn concurrent_brands_on_two_replicas_cost_seven() {
    let env = service::env(Duration::from_millis(200)).await;
    let (one, two) = tokio::join!(env.replica("one", &[ON]), env.replica("two", &[ON]));
    let runs = BRANDS.iter().zip([&one, &two, &one, &two]).map(|(brand, service)| {
        let request = request(&env, &format!("run-{brand}"), brand);
        async move { complete(service, &request).await }
    });
    join_all(runs).await;
    assert_eq!(env.model.paid(), 7);
}

#[tokio::test]
async fn runs_of_files_alone_share_while_they_wait() {
    let env =
        TestEnv::with_model(Options { latency: Duration::from_millis(200), ..Options::default() }).await;
    let service = env.serve(&[FILE_ONLY, &[ON]].concat()).await;
    let (one, two) = (request(&env, "one", BRANDS[0]), request(&env, "two", BRANDS[1]));
    tokio::join!(complete(&service, &one), complete(&service, &two));
    assert_eq!(env.model.paid(), 5);
}

#[tokio::test]
async fn a_killed_leader_releases_its_followers() {
    let env = service::env(Duration::from_millis(1_500)).await;
    let settings = [&SHORT_LEASE[..], &[ON]].concat();
    let (mut one, two) = tokio::join!(env.replica("one", &settings), env.replica("two", &settings));
    one.submit(&request(&env, "leader", BRANDS[0])).await;
    eventually("the question", async || wanted(env.model.calls(), |calls| *calls == 1)).await;
    two.submit(&request(&env, "follower", BRANDS[1])).await;
    two.wait_for_run_event("follower", "answer_awaited").await;
    one.kill();
    let status = two.ended("follower").await;
    assert_eq!(status["status"], "complete", "{status}");
    assert_eq!(two.ended("leader").await["status"], "complete");
    assert_eq!(env.model.calls_of(STAGE_1), 2, "the one that was under way, and one more");
}

#[tokio::test]
async fn a_cancelled_leader_releases_its_followers() {
    let env = TestEnv::with_database().await;
    // An answer that arrived before the cancellation would serve the follower.
    env.model.script([Reply::HangBeforeHeaders]);
    let service = env.serve(&[ON]).await;
    service.submit(&request(&env, "leader", BRANDS[0])).await;
    eventually("the question", async || wanted(env.model.calls(), |calls| *calls == 1)).await;
    service.submit(&request(&env, "follower", BRANDS[1])).await;
    service.wait_for_run_event("follower", "answer_awaited").await;
    let (_, waits) = service.get("/status/follower").await.unwrap();
    assert_eq!(waits["waiting"]["reason"], "ANSWER_AWAITED", "{waits}");
    assert_eq!(service.call("POST", "/api/pipeline/leader/cancel").await.status, 200);
    let status = service.ended("follower").await;
    assert_eq!(status["status"], "complete", "{status}");
    assert_eq!(env.model.calls_of(STAGE_1), 2);
}

#[tokio::test]
async fn a_forged_answer_is_removed_unused() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[ON]).await;
    complete(&service, &request(&env, "first", BRANDS[0])).await;
    env.query(r#"UPDATE "innovation"."AnswerCache" SET "answer" = replace("answer", 'provider', 'forged')"#)
        .await;
    complete(&service, &request(&env, "second", BRANDS[0])).await;
    assert_eq!(env.model.paid(), 8);
    assert_eq!(service.run_events("second", "cached_answer_damaged").len(), 4);
    complete(&service, &request(&env, "third", BRANDS[0])).await;
    assert_eq!(env.model.paid(), 8, "the new answers are used");
}

#[tokio::test]
async fn cache_off_asks_anew_and_leaves_nothing() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[ON]).await;
    complete(&service, &off(request(&env, "off", BRANDS[0]))).await;
    assert_eq!(stored(&env).await, "0");
    complete(&service, &request(&env, "on", BRANDS[0])).await;
    complete(&service, &off(request(&env, "off-again", BRANDS[0]))).await;
    assert_eq!((env.model.paid(), stored(&env).await.as_str()), (12, "4"));
}

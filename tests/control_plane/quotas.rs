//! The quotas of keys: exact under load, on all replicas, and while the database is away.

use std::time::Duration;

use futures_util::future::join_all;

use super::{ADMIN_KEY, CLIENT_KEY, KEYS, ask};
use crate::support::{
    postgres::Stop,
    service::{Answer, Service, TestEnv, env},
};

async fn submit(service: &Service, env: &TestEnv, key: &str, run: &str) -> Answer {
    ask(service, key, "POST", "/run", Some(env.request(run))).await
}

/// Whether an answer names the quota that is used up.
fn names(answer: &Answer, limit: &str) -> bool {
    answer.code() == (429, "quota_exceeded") && answer.body["detail"].as_str().unwrap().contains(limit)
}

/// Submits runs at once; the number of accepted ones. All others meet the quota, by its name.
async fn accepted(service: &Service, env: &TestEnv, runs: std::ops::Range<usize>, limit: &str) -> usize {
    let requests = runs.map(|n| async move { submit(service, env, CLIENT_KEY, &format!("run-{n}")).await });
    let answers = join_all(requests).await;
    let refused = answers.iter().filter(|answer| names(answer, limit));
    let seconds = refused.filter(|answer| answer.header("retry-after").parse::<u64>().unwrap() > 0).count();
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(accepted + seconds, answers.len(), "{answers:?}");
    accepted
}

#[tokio::test]
async fn runs_and_dollars_are_limited_exactly() {
    let mut env = TestEnv::with_database().await;
    let limits = [("CLIENT_RUNS_PER_MINUTE", "5"), ("CLIENT_USD_PER_DAY", "1000")];
    let service = env.serve(&[&KEYS[..], &limits].concat()).await;
    assert_eq!(accepted(&service, &env, 0..20, "5 runs a minute").await, 5);
    let rows = env.query(r#"SELECT "id" FROM "PipelineRun""#).await;
    let known = rows[0][0].as_deref().unwrap();
    assert_eq!(submit(&service, &env, CLIENT_KEY, known).await.status, 202, "a repetition is no new run");
    assert_eq!(submit(&service, &env, ADMIN_KEY, "run-admin").await.status, 202, "no quota of this key");

    env.wait_for_value(r#"SELECT (sum("usd") > 0)::text FROM "innovation"."Spend""#, "true").await;
    env.query(r#"UPDATE "PipelineRun" SET "acceptedAt" = now() - interval '2 minutes'"#).await;
    env.query(r#"UPDATE "innovation"."Spend" SET "usd" = 1000"#).await;
    let again = env.serve(&[&KEYS[..], &limits].concat()).await;
    let answer = submit(&again, &env, CLIENT_KEY, "run-costly").await;
    assert!(names(&answer, "1000 dollars a day"), "{answer:?}");
    env.postgres().stop(Stop::Immediate);
    let answer = submit(&again, &env, CLIENT_KEY, "run-costly").await;
    assert!(names(&answer, "1000 dollars a day"), "the dollars of the day are still known: {answer:?}");
}

const FOUR: &str = "4 runs under way";

#[tokio::test]
async fn runs_under_way_count_on_all_replicas() {
    let mut env = env(Duration::from_secs(20)).await;
    let limits = [&KEYS[..], &[("CLIENT_RUNS_UNDER_WAY", "4"), ("SINGLE_REPLICA", "true")]].concat();
    let (one, two) = tokio::join!(env.replica("one", &limits), env.replica("two", &limits));
    assert_eq!(accepted(&one, &env, 0..3, FOUR).await, 3);
    assert_eq!(accepted(&two, &env, 3..13, FOUR).await, 1);
    let cancelled = ask(&one, CLIENT_KEY, "POST", "/api/pipeline/run-0/cancel", None).await;
    assert_eq!(cancelled.status, 200, "{:?}", cancelled.body);
    assert_eq!(accepted(&one, &env, 13..23, FOUR).await, 1, "a place is free again");
    env.postgres().stop(Stop::Immediate);
    // This replica has accepted four, and one of them was cancelled.
    assert_eq!(accepted(&one, &env, 23..30, FOUR).await, 1);
}

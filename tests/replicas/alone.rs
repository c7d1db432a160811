//! Acceptance by file alone: a deployed process is alone only if it has looked, or if its operator or volume says so.

use std::time::Duration;

use super::env;
use crate::support::{
    postgres::Stop,
    service::{FILE_ONLY, Service, TestEnv},
};

/// A deployed replica that nobody calls the only one. Its analyst needs no model.
const DEPLOYED: [(&str, &str); 5] = [
    ("ENVIRONMENT", "staging"),
    ("ALLOW_UNAUTHENTICATED", "true"),
    ("SINGLE_REPLICA", ""),
    ("ANALYST", "extractive"),
    ("OPENROUTER_API_KEY", ""),
];

async fn deployed(env: &TestEnv, name: &str, more: &[(&str, &str)]) -> Service {
    env.replica(name, &[&DEPLOYED, more].concat()).await
}

/// The word for whether a replica may accept by file alone.
async fn file_acceptance(service: &Service) -> String {
    let (_, deep) = service.get("/health/deep").await.unwrap();
    deep["storage"]["file_acceptance"].as_str().unwrap().to_owned()
}

async fn wait_for_acceptance(service: &Service, word: &str) {
    service.wait_for_path("/health/deep", |_, deep| deep["storage"]["file_acceptance"] == word).await;
}

/// Asserts that a replica refuses a run because it may not be alone, and that its health says so.
async fn assert_refuses(env: &TestEnv, service: &Service, run_id: &str) {
    let (status, problem) = service.post(&env.request(run_id)).await.unwrap();
    assert_eq!((status, &problem["code"]), (503, &"not_alone".into()), "{problem}");
    service.wait_for_path("/health", |status, _| status == 503).await;
    let ready = service.call("GET", "/health/ready").await;
    assert_eq!(ready.code(), (503, "not_alone"), "{ready:?}");
    assert!(ready.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn a_flipped_newcomer_leaves_runs_to_its_predecessor() {
    let env = env(Duration::ZERO).await;
    let old = deployed(&env, "old", &[]).await;
    let new = deployed(&env, "new", FILE_ONLY).await;
    old.submit(&env.request("run-1")).await;
    assert_refuses(&env, &new, "run-1").await;
    let (_, problem) = new.post(&env.request("run-1")).await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("SINGLE_REPLICA"), "{problem}");
    assert_eq!(file_acceptance(&new).await, "never_looked");
    assert_eq!(new.events("file_acceptance_refused")[0]["reason"], "never_looked");
    assert_eq!(new.call("GET", "/status/run-1").await.status, 503);
    assert_eq!(old.ended("run-1").await["status"], "complete");
    assert!(new.events("run_started").is_empty());
}

#[tokio::test]
async fn an_unknown_run_is_no_404_without_proof() {
    let env = env(Duration::ZERO).await;
    let new = deployed(&env, "new", &[&[("DATABASE_URL", "")], FILE_ONLY].concat()).await;
    for (method, path) in
        [("GET", "/status/run-1"), ("GET", "/api/pipeline/run-1/report"), ("DELETE", "/api/pipeline/run-1")]
    {
        let answer = new.call(method, path).await;
        assert_eq!(answer.code(), (503, "not_alone"), "{method} {path}: {answer:?}");
    }
    let alone = [&[("DATABASE_URL", ""), ("SINGLE_REPLICA", "true")], FILE_ONLY].concat();
    let alone = deployed(&env, "alone", &alone).await;
    assert_eq!(alone.call("GET", "/status/run-1").await.code(), (404, "run_not_found"));
}

#[tokio::test]
async fn the_operators_word_counts_after_the_overlap() {
    // Longer than a loaded machine takes to start the service.
    const OVERLAP: u64 = 8;
    let env = env(Duration::ZERO).await;
    let overlap = OVERLAP.to_string();
    let word = [("SINGLE_REPLICA", "true"), ("RAILWAY_DEPLOYMENT_OVERLAP_SECONDS", overlap.as_str())];
    let service = deployed(&env, "one", &[&word, FILE_ONLY].concat()).await;
    assert_refuses(&env, &service, "run-1").await;
    assert_eq!(file_acceptance(&service).await, "overlap");
    let ready = service.call("GET", "/health/ready").await;
    assert!(ready.header("retry-after").parse::<u64>().unwrap() <= OVERLAP, "{ready:?}");
    service.wait_for_path("/health", |status, _| status == 200).await;
    assert_eq!(file_acceptance(&service).await, "single_replica");
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
}

#[tokio::test]
async fn without_rights_on_the_registry_nothing_is_proved() {
    let mut env = env(Duration::ZERO).await;
    for sql in [
        "CREATE ROLE limited LOGIN",
        "GRANT USAGE ON SCHEMA public TO limited",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO limited",
        r#"REVOKE ALL ON "Replica" FROM limited"#,
    ] {
        env.query(sql).await;
    }
    let mut address = url::Url::parse(&env.database_url()).unwrap();
    address.set_username("limited").unwrap();
    let service = deployed(&env, "one", &[("DATABASE_URL", address.as_str())]).await;
    service
        .wait_for_path("/health/deep", |_, deep| {
            let tasks = deep["background"].as_array().unwrap();
            tasks.iter().any(|task| {
                task["name"] == "replica_heartbeat" && task["failures_in_a_row"].as_u64().unwrap() > 0
            }) || deep["database_connection"] == "failed"
        })
        .await;
    assert_eq!(file_acceptance(&service).await, "never_looked");
    env.postgres().stop(Stop::Immediate);
    assert_refuses(&env, &service, "run-1").await;
}

#[tokio::test]
async fn two_starts_in_an_outage_accept_nothing() {
    let mut env = env(Duration::ZERO).await;
    env.postgres().stop(Stop::Immediate);
    let (one, two) = tokio::join!(deployed(&env, "one", &[]), deployed(&env, "two", &[]));
    for service in [&one, &two] {
        assert_refuses(&env, service, "run-1").await;
        assert_eq!(file_acceptance(service).await, "never_looked");
    }
    env.postgres().start_again();
    for service in [&one, &two] {
        service.wait_for_path("/health", |status, _| status == 200).await;
        wait_for_acceptance(service, "other_replicas").await;
    }
    one.submit(&env.request("run-1")).await;
    assert_eq!(two.ended("run-1").await["status"], "complete");
}

#[tokio::test]
async fn a_killed_replica_is_no_company_for_itself() {
    let mut env = env(Duration::ZERO).await;
    let mut service = deployed(&env, "one", &[]).await;
    wait_for_acceptance(&service, "registry").await;
    service.kill();
    let service = deployed(&env, "one", &[]).await;
    wait_for_acceptance(&service, "registry").await;
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "Replica""#).await, "2", "its dead self is there");
    env.postgres().stop(Stop::Immediate);
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    env.postgres().start_again();
    // Its disk is another, where no lock proves a death.
    let elsewhere = deployed(&env, "two", &[]).await;
    wait_for_acceptance(&elsewhere, "other_replicas").await;
}

#[tokio::test]
async fn a_lone_replica_restarts_in_an_outage_and_accepts() {
    let mut env = env(Duration::ZERO).await;
    let mut service = deployed(&env, "one", &[]).await;
    wait_for_acceptance(&service, "registry").await;
    env.postgres().stop(Stop::Immediate);
    service.submit(&env.request("run-1")).await;
    service.kill();
    for run_id in ["run-2", "run-3"] {
        let mut service = deployed(&env, "one", &[]).await;
        service.wait_for_path("/health", |status, _| status == 200).await;
        assert_eq!(file_acceptance(&service).await, "registry");
        service.submit(&env.request(run_id)).await;
        service.kill();
    }
    // A stop says goodbye, and its look is nobody's to go on with.
    env.postgres().start_again();
    let mut service = deployed(&env, "one", &[]).await;
    assert_eq!(service.ended("run-3").await["status"], "complete");
    service.wait_for_path("/health", |_, health| health["database_connection"] == "healthy").await;
    wait_for_acceptance(&service, "registry").await;
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));
    env.postgres().stop(Stop::Immediate);
    let service = deployed(&env, "one", &[]).await;
    assert_refuses(&env, &service, "run-4").await;
}

#[tokio::test]
async fn a_volume_lets_files_accept() {
    let env = env(Duration::ZERO).await;
    let base = env.folder.path().join("one");
    let volume = [("RAILWAY_VOLUME_MOUNT_PATH", base.to_str().unwrap())];
    let service = deployed(&env, "one", &[&volume, FILE_ONLY].concat()).await;
    assert_eq!(file_acceptance(&service).await, "volume");
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
}

//! Flags that change what a running service does.

use futures_util::future::join_all;
use serde_json::json;

use super::{flag, flags_with, set, wait_for_flag};
use crate::support::{
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

const BATCHING: &str = "DATABASE_WRITE_BATCHING";
const STRICT: &str = "SECURITY_STRICT_ORIGIN";
const CACHE: &str = "PERFORMANCE_ANSWER_CACHE";
const POOL: &str = "PERFORMANCE_EXTRACTION_POOL";

/// Notes how many runs each statement gives their first stage, and makes such statements slow enough to meet.
const COUNT_SHARED: &str = r#"
CREATE TABLE shared (runs int8);
CREATE FUNCTION count_shared() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE stored int8;
BEGIN
  SELECT count(*) INTO stored FROM n JOIN o USING ("id") WHERE n."stage1Output" IS NOT NULL AND o."stage1Output" IS NULL;
  IF stored > 0 THEN
    INSERT INTO shared VALUES (stored);
    -- Well below the time at which the service makes its groups smaller.
    PERFORM pg_sleep(0.1);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER count_shared AFTER UPDATE ON "PipelineRun" REFERENCING OLD TABLE AS o NEW TABLE AS n
FOR EACH STATEMENT EXECUTE FUNCTION count_shared()"#;

async fn finish_runs(env: &TestEnv, service: &Service, name: &str) {
    let ids: Vec<String> = (0..16).map(|number| format!("{name}-{number}")).collect();
    join_all(ids.iter().map(|id| async move { service.submit(&env.request(id)).await })).await;
    join_all(ids.iter().map(|id| service.ended(id))).await;
}

#[tokio::test]
async fn batching_and_strict_origins_switch_live() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    env.query(COUNT_SHARED).await;
    let largest = r#"SELECT concat(max("runs") > 1, ' ', sum("runs")) FROM shared"#;
    // On a busy machine, runs may come so far apart that none meet.
    eventually("runs share a statement", async || {
        env.query("DELETE FROM shared").await;
        finish_runs(&env, &service, &uuid::Uuid::new_v4().to_string()).await;
        wanted(env.value(largest).await, |told| told == "t 16")
    })
    .await;
    env.query("DELETE FROM shared").await;
    set(&env, BATCHING, "0").await;
    finish_runs(&env, &service, "alone").await;
    assert_eq!(env.value(largest).await, "f 16", "each write had a statement of its own");

    let submit = async |headers: &[(&str, &str)]| {
        service
            .send("POST", "/run", &env.request("alone-0"), &[headers, &[("x-api-key", "k")]].concat())
            .await
    };
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(submit(&foreign).await.status, 202);
    set(&env, STRICT, "true").await;
    assert_eq!(submit(&foreign).await.code(), (403, "foreign_origin"));
    assert_eq!(submit(&[("sec-fetch-site", "same-site")]).await.code(), (403, "foreign_origin"));
    assert_eq!(submit(&[]).await.status, 202, "a program has no origin");
    set(&env, STRICT, "unset").await;
    wait_for_flag(&service, STRICT, json!(false), "default").await;
    assert_eq!(submit(&foreign).await.status, 202);
}

/// Whether a document was read by a process that was started for it alone.
fn started_a_reader(service: &Service) -> bool {
    let told = ["document_reader_confined", "document_reader_unconfined"].map(|event| service.events(event));
    told.iter().flatten().any(|line| line["method"] == "ProcessPerDocument")
}

#[tokio::test]
async fn cache_and_extraction_pool_switch_live() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[("ANSWER_CACHE", "on")]).await;
    let paid_by = async |run: &str| {
        let before = env.model.paid();
        service.submit(&env.request(run)).await;
        assert_eq!(service.ended(run).await["status"], "complete");
        env.model.paid() - before
    };
    assert_eq!((paid_by("first").await, paid_by("cached").await), (4, 0));
    assert!(!started_a_reader(&service), "the server of readers forks a child");
    set(&env, CACHE, "0").await;
    set(&env, POOL, "0").await;
    assert_eq!(paid_by("asked").await, 4);
    assert!(started_a_reader(&service));
    set(&env, CACHE, "unset").await;
    assert_eq!(paid_by("cached-again").await, 0);
}

#[tokio::test]
async fn each_source_outranks_the_one_below() {
    let env = TestEnv::with_database().await;
    let file = env.folder.path().join("flags");
    std::fs::write(&file, "").unwrap();
    let variable = format!("FEATURE_FLAG_{POOL}");
    let settings = [("FLAGS_FILE", file.to_str().unwrap()), (variable.as_str(), "20")];
    let service = env.serve(&settings).await;
    assert_eq!(flag(&service, CACHE).await["source"], "default");
    let value = async |value: u8, source: &str| {
        wait_for_flag(&service, POOL, json!(value), source).await;
        let told = flags_with(&env, &["get", POOL], &settings).await;
        assert_eq!((&told["value"], &told["source"]), (&json!(value), &json!(source)), "{told}");
    };
    value(20, "environment").await;
    set(&env, POOL, "30").await;
    value(30, "database").await;
    std::fs::write(&file, format!("{POOL}=40")).unwrap();
    value(40, "file").await;
    std::fs::write(&file, "").unwrap();
    value(30, "database").await;
    set(&env, POOL, "unset").await;
    value(20, "environment").await;
}

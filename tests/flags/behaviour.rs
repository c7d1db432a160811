//! Flags that change what a running service does.

use futures_util::future::join_all;
use serde_json::json;

use super::{set, wait_for_flag};
use crate::support::{
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

const BATCHING: &str = "DATABASE_WRITE_BATCHING";
const STRICT: &str = "SECURITY_STRICT_ORIGIN";

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

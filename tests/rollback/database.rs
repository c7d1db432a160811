//! The database fails in every way that it can, under a running service.

use std::time::{Duration, Instant};

use super::{DATABASE_ONLY, DUAL_WRITE, calls, slow_env, slow_model};
use crate::support::{
    postgres::{Postgres, Stop},
    proxy::Proxy,
    service::{Service, TestEnv},
};

/// Waits until the run has its first stage.
async fn after_stage_1(service: &Service, run_id: &str) {
    service.wait_for(run_id, |status| status["stages"]["1"]["status"] == "complete").await;
}

/// A database that is away makes DUAL_WRITE effective FILE_ONLY, and says so.
async fn effective(service: &Service, mode: &str) -> serde_json::Value {
    service.wait_for_path("/health", |_, health| health["effective_mode"] == mode).await
}

/// Asserts that a second run goes to both stores, as soon as the database is back.
async fn assert_dual_write(env: &TestEnv, service: &Service) {
    effective(service, "DUAL_WRITE").await;
    service.submit(&env.request("run-2")).await;
    assert_eq!(service.ended("run-2").await["status"], "complete");
    env.assert_both_agree("run-2").await;
    assert_eq!(calls(&env.model), [2; 4]);
}

/// Asserts that the first run, which ended by file, is in both stores, and was paid once.
async fn assert_synced(env: &TestEnv, service: &Service) {
    effective(service, "DUAL_WRITE").await;
    env.wait_until_synced("run-1").await;
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), [1; 4], "nothing was paid twice");
}

#[tokio::test]
async fn a_service_works_without_its_database() {
    let mut env = TestEnv::with_database().await;
    env.postgres().stop(Stop::Fast);
    let service = env.serve(DUAL_WRITE).await;
    service.submit(&env.request("run-1")).await;
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    assert_eq!(status["stages"]["4"]["stored_in"], serde_json::json!(["file"]));
    let health = effective(&service, "FILE_ONLY").await;
    assert_eq!((&health["status"], &health["mode"]), (&"degraded".into(), &"DUAL_WRITE".into()), "{health}");
    let manifest = env.manifest("run-1");
    assert_eq!(manifest["stages"]["1"]["pending_database"], true);
    assert_eq!(calls(&env.model), [1; 4]);
    env.postgres().start_again();
    assert_dual_write(&env, &service).await;
}

#[tokio::test]
async fn database_only_answers_503_during_an_outage() {
    let mut env = TestEnv::with_database().await;
    env.postgres().stop(Stop::Fast);
    let service = env.serve(DATABASE_ONLY).await;
    let (status, problem) = service.post(&env.request("run-1")).await.unwrap();
    assert_eq!(status, 503, "{problem}");
    let port = env.postgres().url();
    let port = url::Url::parse(&port).unwrap().port().unwrap().to_string();
    assert!(!problem.to_string().contains(&port), "no address leaves the service: {problem}");
    assert_eq!(service.get("/status/run-1").await.unwrap().0, 503, "not known to be missing");
    assert_eq!(service.get("/health").await.unwrap().0, 503, "no storage works at all");
    assert_eq!(service.get("/health/live").await.unwrap().0, 200);
    assert_eq!(calls(&env.model), [0; 4]);
    env.postgres().start_again();
    service.wait_for_path("/health", |code, _| code == 200).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn dual_write_survives_a_postgres_crash_and_syncs() {
    let mut env = slow_env().await;
    // A short lease: the row waits for it before it is taken up again.
    let service = env.serve(&[("LEASE_SECONDS", "3")]).await;
    service.submit(&env.request("run-1")).await;
    after_stage_1(&service, "run-1").await;
    env.postgres().stop(Stop::Immediate);
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    assert_eq!(status["stages"]["4"]["stored_in"], serde_json::json!(["file"]));
    effective(&service, "FILE_ONLY").await;
    env.postgres().start_again();
    assert_synced(&env, &service).await;
}

#[tokio::test]
async fn database_only_waits_for_postgres_and_continues() {
    let mut env = slow_env().await;
    let service = env.serve(DATABASE_ONLY).await;
    service.submit(&env.request("run-1")).await;
    after_stage_1(&service, "run-1").await;
    env.postgres().stop(Stop::Immediate);
    // Until the outage has been met by a write of the run.
    service.wait_for_event("write_retried").await;
    env.postgres().start_again();
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    assert_eq!(calls(&env.model), [1; 4]);
    assert!(!env.run_folder("run-1").exists());
}

#[tokio::test]
async fn database_only_stops_at_its_deadline_keeping_stages() {
    let mut env = slow_env().await;
    let environment = [DATABASE_ONLY[0], ("DATABASE_RETRY_DEADLINE_SECONDS", "2")];
    let service = env.serve(&environment).await;
    service.submit(&env.request("run-1")).await;
    after_stage_1(&service, "run-1").await;
    env.postgres().stop(Stop::Immediate);
    // The client sees it although no store can be told.
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "failed", "{status}");
    assert_eq!(status["error"]["code"], "STORAGE_UNAVAILABLE", "{status}");
    env.postgres().start_again();
    env.wait_for_value(r#"SELECT "status"::text FROM "PipelineRun""#, "FAILED").await;
    let code = env.value(r#"SELECT "errorCode" FROM "PipelineRun""#).await;
    assert_eq!(code, "STORAGE_UNAVAILABLE");
    let kept =
        env.value(r#"SELECT num_nonnulls("stage1Output", "stage2Output")::text FROM "PipelineRun""#).await;
    assert_eq!(kept, "1", "the earlier stage stays");
    assert_eq!(calls(&env.model), [1, 1, 0, 0]);
}

#[tokio::test]
async fn swallowed_packets_delay_writes_within_their_limit() {
    let env = slow_env().await;
    let (mut proxy, through) = Proxy::before(&env.database_url()).await;
    let service = env.serve(&[("DATABASE_URL", &through)]).await;
    service.submit(&env.request("run-1")).await;
    after_stage_1(&service, "run-1").await;
    proxy.swallow();
    let started = Instant::now();
    let by_file = service
        .wait_for("run-1", |status| {
            status["stages"]
                .as_object()
                .unwrap()
                .values()
                .any(|s| s["stored_in"] == serde_json::json!(["file"]))
        })
        .await;
    // The model's own time, the write's limit, and the look itself, which waits for the database too.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}: {by_file}", started.elapsed());
    let health = Instant::now();
    assert_eq!(service.get("/health").await.unwrap().0, 200);
    assert!(health.elapsed() < Duration::from_secs(2), "{:?}", health.elapsed());
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    proxy.mend().await;
    assert_dual_write(&env, &service).await;
}

#[tokio::test]
async fn a_slow_database_is_waited_for_within_limits() {
    let env = slow_env().await;
    env
        .query(
            r#"CREATE FUNCTION dawdle() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(1.2); RETURN NEW; END $$ LANGUAGE plpgsql"#,
        )
        .await;
    let service = env.serve(DUAL_WRITE).await;
    service.submit(&env.request("run-1")).await;
    after_stage_1(&service, "run-1").await;
    env
        .query(r#"CREATE TRIGGER dawdle BEFORE UPDATE OF "stage2Output", "stage3Output", "stage4Output" ON "PipelineRun" FOR EACH ROW EXECUTE FUNCTION dawdle()"#)
        .await;
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn a_locked_table_fails_that_write_alone() {
    let env = slow_env().await;
    let service = env.serve(&[("DATABASE_POOL_SIZE", "1"), ("LEASE_SECONDS", "60")]).await;
    service.submit(&env.request("run-1")).await;
    after_stage_1(&service, "run-1").await;
    let url = env.database_url();
    let locking = tokio::spawn(async move {
        let lock = r#"BEGIN; LOCK TABLE "PipelineRun" IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT"#;
        crate::support::postgres::query(&url, lock).await
    });
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    locking.await.unwrap();
    effective(&service, "DUAL_WRITE").await;
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn a_dropped_column_opens_the_breaker_until_restored() {
    let env = slow_env().await;
    let service = env.serve(&[("LEASE_SECONDS", "3")]).await;
    service.submit(&env.request("run-1")).await;
    after_stage_1(&service, "run-1").await;
    env.query(r#"ALTER TABLE "PipelineRun" DROP COLUMN "stage3Output""#).await;
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    let deep = service.wait_for_path("/health/deep", |_, deep| deep["storage"]["schema"] == "behind").await;
    assert!(deep["storage"].to_string().contains("stage3Output"), "{deep}");
    env.query(r#"ALTER TABLE "PipelineRun" ADD COLUMN "stage3Output" JSONB"#).await;
    assert_synced(&env, &service).await;
}

#[tokio::test]
async fn a_revoked_permission_opens_the_breaker_until_granted() {
    let env = TestEnv::with_model(slow_model()).await;
    let env = TestEnv { postgres: Some(Postgres::start()), ..env };
    env.migrate();
    env.query("CREATE ROLE app LOGIN PASSWORD 'app'").await;
    env.query("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app").await;
    let mut url = url::Url::parse(&env.database_url()).unwrap();
    url.set_username("app").unwrap();
    url.set_password(Some("app")).unwrap();
    let service = env.serve(&[("DATABASE_URL", url.as_str()), ("LEASE_SECONDS", "3")]).await;
    service.submit(&env.request("run-1")).await;
    after_stage_1(&service, "run-1").await;
    env.query(r#"REVOKE UPDATE ON "PipelineRun" FROM app"#).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    effective(&service, "FILE_ONLY").await;
    env.query(r#"GRANT UPDATE ON "PipelineRun" TO app"#).await;
    assert_synced(&env, &service).await;
}

#[tokio::test]
async fn without_migrations_a_service_works_by_file() {
    let mut env = TestEnv::files_only().await;
    env.postgres = Some(Postgres::start());
    let service = env.serve(DUAL_WRITE).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    service.wait_for_path("/health/deep", |_, deep| deep["storage"]["schema"] == "behind").await;
    let (status, health) = service.get("/health").await.unwrap();
    assert_eq!((status, &health["status"]), (200, &"degraded".into()), "{health}");
    // A migration is all it takes.
    env.migrate();
    assert_dual_write(&env, &service).await;
}

#[tokio::test]
async fn a_completed_row_receives_all_missed_stages() {
    let env = slow_env().await;
    let flags = env.folder.path().join("flags");
    std::fs::write(&flags, "ENABLE_DATABASE_WRITES=true\n").unwrap();
    let service = env.serve(&[("FLAGS_FILE", flags.to_str().unwrap()), ("LEASE_SECONDS", "60")]).await;
    service.submit(&env.request("run-1")).await;
    after_stage_1(&service, "run-1").await;
    std::fs::write(&flags, "ENABLE_DATABASE_WRITES=false\n").unwrap();
    service.wait_for("run-1", |status| status["stages"]["2"]["status"] == "complete").await;
    std::fs::write(&flags, "ENABLE_DATABASE_WRITES=true\n").unwrap();
    assert_eq!(service.ended("run-1").await["status"], "complete");
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn a_failed_claim_query_fails_no_run() {
    let env = slow_env().await;
    let settings = [DATABASE_ONLY[0], ("LEASE_SECONDS", "3")];
    let mut service = env.serve(&settings).await;
    for number in 0..3 {
        service.submit(&env.request(&format!("run-{number}"))).await;
    }
    for number in 0..3 {
        after_stage_1(&service, &format!("run-{number}")).await;
    }
    service.kill();
    let url = env.database_url();
    let locking = tokio::spawn(async move {
        let lock = r#"BEGIN; LOCK TABLE "PipelineRun" IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(6); COMMIT"#;
        crate::support::postgres::query(&url, lock).await
    });
    let service = env.serve(&settings).await;
    locking.await.unwrap();
    for number in 0..3 {
        let status = service.ended(&format!("run-{number}")).await;
        assert_eq!(status["status"], "complete", "{status}");
    }
    assert_eq!(calls(&env.model)[0], 3, "no first stage is paid twice");
}

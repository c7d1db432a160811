//! The database's faults, one after the other on one server.

use super::{report, type_next};
use crate::support::{
    postgres::{Postgres, Stop},
    service::TestEnv,
};

/// Breaks the database by a statement, sees the check fail, types its next command, and sees it pass.
async fn breaks_and_repairs(env: &TestEnv, id: &str, sql: &str) {
    env.query(sql).await;
    let before = report(env, &[], "preflight");
    assert_eq!((before.code, before.verdict(id)), (Some(1), "fail"), "{}", before.check(id));
    type_next(env, &[], before.check(id));
    let after = report(env, &[], "preflight");
    assert_eq!(after.verdict(id), "ok", "{}", after.check(id));
}

#[tokio::test]
async fn each_database_fault_names_its_repair() {
    let env = TestEnv { postgres: Some(Postgres::start()), ..TestEnv::files_only().await };
    breaks_and_repairs(&env, "migrations", "SELECT 1").await;
    breaks_and_repairs(&env, "schema-drift", r#"ALTER TABLE "PipelineRun" DROP COLUMN "grounding""#).await;
    let invalid =
        r#"UPDATE pg_index SET "indisvalid" = false WHERE "indexrelid" = '"RunTombstone_pkey"'::regclass"#;
    breaks_and_repairs(&env, "indexes", invalid).await;
    let read_only = "ALTER DATABASE postgres SET default_transaction_read_only = on";
    breaks_and_repairs(&env, "database-writable", read_only).await;
    env.query("GRANT USAGE ON SCHEMA innovation TO PUBLIC").await;
    let open = report(&env, &[], "audit security");
    assert_eq!(open.verdict("grants"), "fail", "{}", open.check("grants"));
    type_next(&env, &[], open.check("grants"));
    assert_eq!(report(&env, &[], "audit security").verdict("grants"), "ok");
}

#[tokio::test]
async fn an_old_key_is_rotated_by_its_line() {
    let env = TestEnv::with_database().await;
    env.query(
        r#"INSERT INTO "innovation"."ApiKey" ("id", "name", "role", "principal", "sha256", "createdAt")
           VALUES ('k1', 'old', 'viewer', 'team', decode(repeat('00', 32), 'hex'), now() - interval '91 days')"#,
    )
    .await;
    assert_eq!(report(&env, &[], "doctor").verdict("replicas"), "fail", "no replica runs");
    let old = report(&env, &[], "audit security");
    assert_eq!(old.verdict("key-age"), "warn");
    type_next(&env, &[], old.check("key-age"));
    assert_eq!(report(&env, &[], "audit security").verdict("key-age"), "ok");
}

#[tokio::test]
async fn without_the_database_no_check_hangs() {
    let mut env = TestEnv::with_database().await;
    env.postgres().stop(Stop::Fast);
    let seen = report(&env, &[], "doctor");
    assert_eq!((seen.code, seen.verdict("database")), (Some(1), "fail"));
    assert_eq!(seen.verdict("migrations"), "could_not_check");
    assert!(seen.body["waivers_unknown"].is_string());
    // The checks that need no database still answer.
    assert_eq!((seen.verdict("brands"), seen.verdict("document-reader")), ("ok", "ok"));
    let slowest =
        seen.body["checks"].as_array().unwrap().iter().map(|check| check["elapsed_ms"].as_u64()).max();
    assert!(slowest.flatten().unwrap() < 6_000, "{}", seen.body);
}

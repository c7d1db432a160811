//! The database's faults, one after the other on one server.

use std::time::{Duration, Instant};

use super::{Report, report, type_next};
use crate::support::{
    postgres::{Postgres, Stop},
    proxy::Proxy,
    service::TestEnv,
};

/// An index that nobody reads, on a large table.
pub(super) const UNREAD_INDEX: &str = "CREATE TABLE large AS SELECT generate_series(1, 10000) n; CREATE INDEX unread ON large (n); ANALYZE large";

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
    env.query(UNREAD_INDEX).await;
    let unread = report(&env, &[], "preflight");
    assert_eq!(unread.check("indexes")["data"]["unused"][0]["name"], "unread", "{}", unread.check("indexes"));
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

/// Asserts that no check took longer than its five seconds, and a second of a busy machine.
fn assert_none_hung(seen: &Report) {
    let checks = seen.body["checks"].as_array().unwrap();
    let slowest = checks.iter().max_by_key(|check| check["elapsed_ms"].as_u64()).unwrap();
    assert!(slowest["elapsed_ms"].as_u64().unwrap() < 6_000, "{slowest}");
}

/// The proxy swallows while a command blocks the test.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_no_check_hangs() {
    let mut env = TestEnv::with_database().await;
    // Connections to a silent server open, and nothing answers.
    let (proxy, through) = Proxy::before(&env.database_url()).await;
    proxy.swallow();
    let begun = Instant::now();
    let silent =
        report(&env, &[("DATABASE_URL", &through), ("DATABASE_URL_NON_POOLING", &through)], "doctor");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_none_hung(&silent);
    assert_ne!(silent.verdict("database"), "ok");
    assert_eq!(silent.verdict("migrations"), "could_not_check");
    env.postgres().stop(Stop::Fast);
    let seen = report(&env, &[], "doctor");
    assert_eq!((seen.code, seen.verdict("database")), (Some(1), "fail"));
    assert_eq!(seen.verdict("migrations"), "could_not_check");
    assert!(seen.body["waivers_unknown"].is_string());
    // The checks that need no database still answer.
    assert_eq!((seen.verdict("brands"), seen.verdict("document-reader")), ("ok", "ok"));
    assert_none_hung(&seen);
}

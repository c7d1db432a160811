//! `innovation migrate`, alone and in turns with the real Prisma.

mod rollback;
mod with_prisma;

use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{
    innovation,
    postgres::{Postgres, Rows, Stop, query, try_query},
    prisma::{Said, migration_names},
    root, stderr,
    wait::eventually,
};

const STAGE_OUTPUTS: &str = "20251029043929_add_stage_outputs_and_report";

/// `innovation migrate ARGUMENTS…` on a database.
fn migrate(url: &str, arguments: &[&str]) -> Output {
    innovation(&["migrate"]).args(arguments).env("DATABASE_URL", url).output().unwrap()
}

#[track_caller]
fn assert_migrated(url: &str, arguments: &[&str]) -> String {
    let output = migrate(url, arguments);
    assert!(output.status.success(), "{arguments:?}: {:?}\n{}", output.status, stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

/// One column of a query's answer.
async fn column(url: &str, sql: &str) -> Vec<String> {
    let rows = query(url, sql).await;
    rows.into_iter().map(|mut row| row.remove(0).unwrap_or_else(|| "NULL".to_owned())).collect()
}

/// Every table, column, index, key and enum of a database, and what it has recorded of migrations.
async fn schema(url: &str) -> Vec<String> {
    let mut schema = column(
        url,
        "SELECT concat_ws(' ', table_name, column_name, udt_name, datetime_precision, is_nullable, column_default)
         FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1",
    )
    .await;
    schema
        .extend(column(url, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1").await);
    schema.extend(
        column(
            url,
            "SELECT concat_ws(' ', conname, pg_get_constraintdef(oid)) FROM pg_constraint
             WHERE connamespace = 'public'::regnamespace ORDER BY 1",
        )
        .await,
    );
    schema.extend(column(url, "SELECT enumlabel::text FROM pg_enum ORDER BY enumsortorder").await);
    schema.extend(
        column(
            url,
            "SELECT concat_ws(' ', migration_name, checksum, applied_steps_count, logs IS NULL, length(id),
                              finished_at >= started_at, rolled_back_at IS NULL)
             FROM _prisma_migrations ORDER BY started_at",
        )
        .await,
    );
    schema
}

#[track_caller]
fn assert_same_schema(left: &[String], right: &[String]) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    assert_eq!(only(left, right), only(right, left));
    assert_eq!(left.len(), right.len());
}

#[tokio::test]
async fn an_empty_database_gets_everything_once() {
    let server = Postgres::start();
    let url = server.url();
    let before = migrate(&url, &["status", "--json"]);
    assert_eq!(before.status.code(), Some(1));
    assert_eq!(json_of(&before)["status"]["schema"], "behind");
    assert_eq!(json_of(&before)["next"], json!(["innovation migrate deploy"]));

    let applied = assert_migrated(&url, &["deploy", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&applied).unwrap()["applied"], json!(migration_names()));
    assert!(assert_migrated(&url, &["status"]).contains("applied"));
    assert_eq!(assert_migrated(&url, &["deploy"]), "nothing is pending\n");
    // None of the indexes was left half built.
    assert_eq!(column(&url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, ["0"]);
}

#[tokio::test]
async fn a_custom_schema_is_created_and_used() {
    let server = Postgres::start();
    let url = server.url() + "?schema=of%20its%20own&connection_limit=5";
    assert_migrated(&url, &["deploy"]);
    assert_migrated(&url, &["status"]);
    let tables = "SELECT DISTINCT schemaname::text FROM pg_tables WHERE tablename IN ('PipelineRun', '_prisma_migrations')";
    assert_eq!(column(&server.url(), tables).await, ["of its own"]);
}

#[tokio::test]
async fn concurrent_deploys_apply_each_migration_once() {
    let server = Postgres::start();
    let url = server.url();
    let deploys: Vec<_> = (0..4)
        .map(|_| innovation(&["migrate", "deploy", "--json"]).env("DATABASE_URL", &url).spawn().unwrap())
        .collect();
    for deploy in deploys {
        assert!(deploy.wait_with_output().unwrap().status.success());
    }
    let rows = column(&url, "SELECT migration_name FROM _prisma_migrations ORDER BY started_at").await;
    assert_eq!(rows, migration_names());
}

/// The database as it was live before this service had migrations of its own.
async fn live(url: &str) {
    for name in &migration_names()[..3] {
        let path = root().join("prisma/migrations").join(name).join("migration.sql");
        query(url, &std::fs::read_to_string(path).unwrap()).await;
    }
}

#[tokio::test]
async fn the_newest_frontends_own_migration_is_left_alone() {
    let server = Postgres::start();
    let url = server.fresh_database().await;
    live(&url).await;
    for name in &migration_names()[..3] {
        assert_migrated(&url, &["resolve", "--applied", name]);
    }
    // As the newest frontend's deploy leaves it, one of its own before the one that both have.
    query(
        &url,
        r#"ALTER TABLE "Document" ADD COLUMN "contentHash" TEXT;
           CREATE INDEX "Document_contentHash_idx" ON "Document"("contentHash");
           CREATE UNIQUE INDEX "Document_userId_contentHash_key" ON "Document"("userId", "contentHash");
           INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
           VALUES ('theirs', repeat('a', 64), '20251029012100_add_document_content_hash', now(), 1)"#,
    )
    .await;
    assert_migrated(&url, &["deploy"]);
    assert_migrated(&url, &["status"]);
    let theirs = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'contentHash'";
    assert_eq!(column(&url, theirs).await, ["1"]);
}

/// Waits until a query's answer is not zero.
async fn until(url: &str, count: &str) {
    eventually(count, async || column(url, count).await != ["0"]).await;
}

/// Starts a deploy that holds Prisma's lock, while a reader holds up the first script. Returns both.
async fn held_deploy(url: &str) -> (JoinHandle<sqlx::Result<Rows>>, Child) {
    live(url).await;
    for name in &migration_names()[..3] {
        assert_migrated(url, &["resolve", "--applied", name]);
    }
    let read = "BEGIN; LOCK TABLE \"PipelineRun\" IN ACCESS SHARE MODE; SELECT pg_sleep(60)";
    let reader = tokio::spawn({
        let url = url.to_owned();
        async move { try_query(&url, read).await }
    });
    until(url, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
    let deploy =
        innovation(&["migrate", "deploy"]).env("DATABASE_URL", url).stderr(Stdio::piped()).spawn().unwrap();
    until(url, "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted").await;
    (reader, deploy)
}

#[tokio::test]
async fn waiting_for_prismas_lock_fails_no_index() {
    let server = Postgres::start();
    let url = server.fresh_database().await;
    let (reader, deploy) = held_deploy(&url).await;
    // A client that waits as Prisma does holds a snapshot; a concurrent build of an index waits for snapshots.
    // Its server sees the deadlock late, so that it is the deploy's to notice.
    let wait =
        "SET deadlock_timeout = '1min'; SET statement_timeout = '4s'; SELECT pg_advisory_lock(72707369)";
    let waiter = tokio::spawn({
        let url = url.clone();
        async move { try_query(&url, wait).await }
    });
    until(&url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").await;
    query(&url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
    reader.await.unwrap().unwrap_err();

    let deploy = tokio::task::spawn_blocking(|| deploy.wait_with_output().unwrap()).await.unwrap();
    Said::new(&deploy).assert(true, "deadlock detected");
    waiter.await.unwrap().unwrap_err();
    assert_migrated(&url, &["status"]);
}

#[tokio::test]
async fn the_wait_for_a_held_lock_is_limited() {
    let server = Postgres::start();
    let url = server.url();
    let held = url.clone();
    let holder = tokio::spawn(async move {
        try_query(&held, "SELECT pg_advisory_lock(72707369); SELECT pg_sleep(60)").await
    });
    until(&url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").await;
    let output = migrate(&url, &["deploy"]);
    Said::new(&output).assert(false, "P1002");
    assert!(column(&url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").await == ["0"]);
    holder.abort();
}

#[tokio::test]
async fn unrecorded_tables_get_a_baseline_hint() {
    let server = Postgres::start();
    let url = server.fresh_database().await;
    live(&url).await;
    let refused = migrate(&url, &["deploy", "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(json_of(&refused)["error"]["code"], "P3005");
    // The commands in the error help.
    for command in json_of(&refused)["error"]["next"].as_array().unwrap() {
        let words: Vec<_> = command.as_str().unwrap().split(' ').collect();
        assert_migrated(&url, &words[2..]);
    }
    assert_migrated(&url, &["status"]);
    Said::new(&migrate(&url, &["resolve", "--applied", STAGE_OUTPUTS])).assert(false, "P3008");
}

#[tokio::test]
async fn a_failed_migration_blocks_until_it_is_resolved() {
    let server = Postgres::start();
    let url = server.url();
    query(&url, "CREATE TYPE \"RunStatus\" AS ENUM ('OTHER')").await;
    Said::new(&migrate(&url, &["deploy"])).assert(false, "P3018");
    let name = &migration_names()[0];
    let status = migrate(&url, &["status", "--json"]);
    assert_eq!(status.status.code(), Some(1));
    let failed = &json_of(&status)["status"]["migrations"][0];
    assert_eq!((&failed["state"], &failed["name"]), (&json!("failed"), &json!(name)));
    assert!(failed["logs"].as_str().unwrap().contains("42710"), "{failed}");
    Said::new(&migrate(&url, &["deploy"])).assert(false, "P3009");
    Said::new(&migrate(&url, &["resolve", "--rolled-back", "20990101000000_never"])).assert(false, "P3011");
    Said::new(&migrate(&url, &["resolve", "--applied", "20990101000000_never"])).assert(false, "P3017");

    query(&url, "DROP TYPE \"RunStatus\"").await;
    assert_migrated(&url, &["resolve", "--rolled-back", name]);
    assert_migrated(&url, &["deploy"]);
    Said::new(&migrate(&url, &["resolve", "--rolled-back", name])).assert(false, "P3012");
    assert_eq!(
        column(&url, "SELECT concat(finished_at IS NULL, rolled_back_at IS NULL) FROM _prisma_migrations ORDER BY started_at LIMIT 2").await,
        ["tf", "ft"]
    );
}

#[tokio::test]
async fn a_half_built_index_is_dropped_and_rebuilt() {
    let server = Postgres::start();
    let url = server.fresh_database().await;
    assert_migrated(&url, &["deploy"]);
    let indexes =
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = '\"PipelineRun\"'::regclass";
    let all = column(&url, &format!("{indexes} ORDER BY 1")).await;
    let name = migration_names().into_iter().find(|name| name.ends_with("index_leased_runs")).unwrap();
    query(&url, "DROP INDEX \"PipelineRun_leased_idx\"").await;
    query(&url, &format!("DELETE FROM _prisma_migrations WHERE migration_name = '{name}'")).await;

    // A transaction that has written holds the build up, until someone cancels it.
    let held = url.clone();
    let writer = tokio::spawn(async move {
        try_query(&held, "BEGIN; LOCK TABLE \"PipelineRun\" IN ROW EXCLUSIVE MODE; SELECT pg_sleep(60)").await
    });
    until(&url, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
    let deploy =
        innovation(&["migrate", "deploy"]).env("DATABASE_URL", &url).stderr(Stdio::piped()).spawn().unwrap();
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                  WHERE application_name = 'innovation migrate' AND wait_event_type = 'Lock' AND query LIKE '%CONCURRENTLY%'";
    eventually("the build waits", async || !query(&url, cancel).await.is_empty()).await;
    let deploy = deploy.wait_with_output().unwrap();
    Said::new(&deploy).assert(false, "P3018");
    query(&url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
    writer.await.unwrap().unwrap_err();
    assert_eq!(column(&url, &format!("{indexes} AND NOT indisvalid")).await.len(), 1);

    assert_migrated(&url, &["resolve", "--rolled-back", &name]);
    assert_migrated(&url, &["deploy"]);
    assert_eq!(column(&url, &format!("{indexes} AND indisvalid ORDER BY 1")).await, all);
    let records = r#"SELECT concat_ws(' ', "actor", "target", "new"->>'marked_as') FROM "innovation"."AuditRecord"
                     WHERE "action" = 'migrate.resolve'"#;
    assert_eq!(column(&url, records).await, [format!("command {name} rolled back")]);
}

#[tokio::test]
async fn a_crash_in_a_script_can_be_resolved() {
    let mut server = Postgres::start();
    let url = server.url();
    let (reader, deploy) = held_deploy(&url).await;
    server.stop(Stop::Immediate);
    Said::new(&deploy.wait_with_output().unwrap()).assert(false, STAGE_OUTPUTS);
    reader.await.unwrap().unwrap_err();

    server.start_again();
    let refused = json_of(&migrate(&url, &["deploy", "--json"]));
    assert_eq!(refused["error"]["code"], "P3009");
    for command in refused["error"]["next"].as_array().unwrap() {
        let words: Vec<_> = command.as_str().unwrap().split(' ').collect();
        assert_migrated(&url, &words[2..]);
    }
    assert_migrated(&url, &["status"]);
}

#[tokio::test]
async fn older_versions_still_work_and_changes_are_reported() {
    let server = Postgres::start();
    let url = server.url();
    assert_migrated(&url, &["deploy"]);
    query(
        &url,
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)
         VALUES ('1', 'abc', '20990101000000_newer', now());
         UPDATE _prisma_migrations SET checksum = 'abc' WHERE migration_name LIKE '%_init'",
    )
    .await;
    let listing = assert_migrated(&url, &["status"]);
    assert!(listing.contains("20990101000000_newer") && listing.contains("not of this version"), "{listing}");
    assert_eq!(listing.matches("by another script").count(), 1, "{listing}");
    assert_eq!(assert_migrated(&url, &["deploy"]), "nothing is pending\n");
}

#[test]
fn an_unreachable_database_is_reported_without_secrets() {
    let unconfigured = innovation(&["migrate", "status"]).output().unwrap();
    assert_eq!(unconfigured.status.code(), Some(3));
    assert!(stderr(&unconfigured).contains("DATABASE_URL"), "{}", stderr(&unconfigured));

    let nobody = "postgresql://operator:hush@127.0.0.1:1/secret_name";
    for (arguments, code) in [(vec!["status", "--json"], 3), (vec!["deploy", "--json"], 1)] {
        let output = migrate(nobody, &arguments);
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(json_of(&output)["error"]["code"], "P1001");
        let said = Said::new(&output).text;
        assert!(!["hush", "operator", "127.0.0.1"].iter().any(|secret| said.contains(secret)), "{said}");
    }
    let pooled = migrate("postgresql://u:hush@h:6432/db?pgbouncer=true", &["deploy"]);
    Said::new(&pooled).assert(false, "DATABASE_URL_NON_POOLING");
    for wrong in [&["resolve"][..], &["rollback", STAGE_OUTPUTS], &["nonsense"]] {
        assert_eq!(migrate(nobody, wrong).status.code(), Some(64), "{wrong:?}");
    }
}

#[tokio::test]
async fn the_direct_address_is_used() {
    let server = Postgres::start();
    let output = innovation(&["migrate", "deploy"])
        .env("DATABASE_URL", "postgresql://u@127.0.0.1:1/db?pgbouncer=true")
        .env("DATABASE_URL_NON_POOLING", server.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

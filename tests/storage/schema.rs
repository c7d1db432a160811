//! A schema that is not (or no longer) ours: told as such, and noticed when it is back.

use pipeline::run::Stage;
use storage::{
    Claim, StorageError, StorageErrorKind, WaitingRuns,
    contract::{accepted, at, failure, lease, new_run, record},
    prelude::*,
};
use storage::{End, postgres::PostgresStore};

use super::{migrated, store};
use crate::support::{
    postgres::{Postgres, query},
    root,
};

fn assert_schema<T: std::fmt::Debug>(result: Result<T, StorageError>, what: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Schema, "{error}");
    assert!(error.message.contains(what), "{error}");
}

#[tokio::test]
async fn a_dropped_column_is_named_until_restored() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    store.probe().await.unwrap();
    let fence = accepted(&store, &new_run("r1", "https://a/1"), "one").await;
    let stored = record(Stage::InputProcessing, "one");
    store.store_stage(&fence, &stored).await.unwrap();
    store.load(&fence.run).await.unwrap();
    query(&url, r#"ALTER TABLE "PipelineRun" DROP COLUMN "stage1Output""#).await;
    let what = r#"column "stage1Output""#;
    assert_schema(store.probe().await, r#"column "stage1Output" does not exist"#);
    assert_schema(store.store_stage(&fence, &stored).await, what);
    assert_schema(store.load(&fence.run).await, what);
    assert_schema(store.accept(&new_run("r2", "https://a/1"), None).await, "stage1Output");
    query(&url, r#"ALTER TABLE "PipelineRun" ADD COLUMN "stage1Output" JSONB"#).await;
    store.probe().await.unwrap();
    store.store_stage(&fence, &stored).await.unwrap();
    assert_eq!(store.load(&fence.run).await.unwrap().unwrap().stages.len(), 1);
}

#[tokio::test]
async fn a_revoked_permission_is_named_until_granted() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    query(&url, "CREATE ROLE app LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO app").await;
    let store = store(&url.replace("postgres@", "app@"));
    store.probe().await.unwrap();
    let fence = accepted(&store, &new_run("r1", "https://a/1"), "one").await;
    for (privilege, table) in [
        ("UPDATE", "PipelineRun"),
        ("INSERT", "OpportunityCard"),
        ("INSERT", "RunTombstone"),
        ("DELETE", "WebhookDelivery"),
        ("SELECT", "PipelineRun"),
    ] {
        query(&url, &format!(r#"REVOKE {privilege} ON "{table}" FROM app"#)).await;
        assert_schema(store.probe().await, table);
        if privilege == "UPDATE" {
            let stored = store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await;
            assert_schema(stored, "permission denied");
        }
        query(&url, &format!(r#"GRANT {privilege} ON "{table}" TO app"#)).await;
        store.probe().await.unwrap();
    }
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
}

#[tokio::test]
async fn a_database_without_our_migrations_is_only_behind() {
    let server = Postgres::start();
    let (empty, frontends) = (server.fresh_database().await, server.fresh_database().await);
    for name in
        ["20251022123459_init", "20251022130135_add_document_model", "20251022130947_add_document_model"]
    {
        let path = root().join("prisma/migrations").join(name).join("migration.sql");
        query(&frontends, &std::fs::read_to_string(path).unwrap()).await;
    }
    let ours = migrated(&server).await;
    let fence = accepted(&store(&ours), &new_run("r1", "https://a/1"), "one").await;
    for url in [empty, frontends] {
        let store: PostgresStore = store(&url);
        assert_schema(store.probe().await, "does not exist");
        assert_schema(store.accept(&new_run("r1", "https://a/1"), None).await, "does not exist");
        for expired in [true, false] {
            let claim = Claim {
                lease: &lease("one"),
                limit: 9,
                held: &Default::default(),
                expired,
                waiting: WaitingRuns::None,
            };
            assert_schema(store.claim(claim).await, "does not exist");
        }
        assert_schema(store.renew(&lease("one"), std::slice::from_ref(&fence)).await, "does not exist");
        assert_schema(store.release(&fence).await, "does not exist");
        assert_schema(store.load(&fence.run).await, "does not exist");
        assert_schema(
            store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await,
            "does not exist",
        );
        assert_schema(store.mark_unsynced(&fence, &[]).await, "does not exist");
        let failure = failure();
        for end in [End::Failed(&failure), End::Completed { records: &[], report: "" }] {
            assert_schema(store.finish(&fence, end, at("2026-11-21T12:00:00Z")).await, "does not exist");
        }
    }
}

#[tokio::test]
async fn a_read_only_database_takes_no_probe() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let name = url.rsplit('/').next().unwrap();
    query(&url, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let store = store(&url);
    let error = store.probe().await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Unavailable);
    assert!(error.message.contains("read-only"), "{error}");
    let error = store.accept(&new_run("r1", "https://a/1"), None).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Unavailable);
}

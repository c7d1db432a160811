//! The probe finds whatever would make a write fail, and leaves nothing behind.

use std::{sync::Arc, time::Duration};

use foundation::clock::SystemClock;
use pipeline::clock::{Clock, Timestamp};
use storage::{Listing, PageStart, StorageErrorKind, contract::new_run, prelude::*};

use super::{migrated, store, value};
use crate::support::{
    postgres::{Postgres, query},
    root,
};

/// Every column that a statement of the store names: the words in double quotes of its sources.
fn named_in_sources() -> std::collections::BTreeSet<String> {
    let mut words = std::collections::BTreeSet::new();
    let mut folders = vec![root().join("backend/storage/src/postgres")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                words.extend(text.split('"').filter(|word| !word.contains(' ')).map(str::to_owned));
            }
        }
    }
    words
}

/// The registry of replicas has a rule of its own, and the frontend's documents are not ours.
const COLUMNS: &str = r#"
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'
  AND table_name IN ('PipelineRun', 'User', 'StageOutput', 'OpportunityCard', 'InspirationReport', 'WebhookDelivery',
    'RunTombstone')"#;

#[tokio::test]
async fn the_probe_misses_no_column_that_is_used() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let (store, named) = (store(&url), named_in_sources());
    store.probe().await.unwrap();
    let mut checked = 0;
    for row in query(&url, COLUMNS).await {
        let (table, column) = (row[0].clone().unwrap(), row[1].clone().unwrap());
        // The same word may name a column of another table: these tables' own are not used.
        let is_unused = matches!(
            (table.as_str(), column.as_str()),
            ("User", "name" | "createdAt")
                | ("OpportunityCard", "isStarred")
                | ("PipelineRun", "eventSeq" | "documentDigest")
        );
        if is_unused || !named.contains(&column) {
            continue;
        }
        query(&url, &format!(r#"ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "gone""#)).await;
        let error = store.probe().await.expect_err(&format!("{table}.{column} is missing"));
        assert_eq!(error.kind, StorageErrorKind::Schema, "{table}.{column}: {error}");
        query(&url, &format!(r#"ALTER TABLE "{table}" RENAME COLUMN "gone" TO "{column}""#)).await;
        checked += 1;
    }
    assert!(checked > 60, "{checked} columns were checked");
    store.probe().await.unwrap();
}

#[tokio::test]
async fn the_probe_leaves_no_row_and_no_notification() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    store.probe().await.unwrap();
    store.prove_recovery().await.unwrap();
    for table in [
        "User",
        "PipelineRun",
        "StageOutput",
        "OpportunityCard",
        "InspirationReport",
        "WebhookDelivery",
        "RunTombstone",
    ] {
        assert_eq!(value(&url, &format!(r#"SELECT count(*) FROM "{table}""#)).await, "0", "{table}");
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    assert_eq!(value(&url, open).await, "0");
}

#[tokio::test]
async fn the_probe_finds_what_only_a_write_shows() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    query(&url, "CREATE ROLE app LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO app").await;
    let store = store(&url.replace("postgres@", "app@"));
    store.probe().await.unwrap();
    for (broken, repaired, sqlstate) in [
        (
            r#"ALTER TABLE "OpportunityCard" ENABLE ROW LEVEL SECURITY"#,
            r#"ALTER TABLE "OpportunityCard" DISABLE ROW LEVEL SECURITY"#,
            "42501",
        ),
        (
            r#"ALTER TABLE "StageOutput" ADD COLUMN "theirs" INT NOT NULL"#,
            r#"ALTER TABLE "StageOutput" DROP COLUMN "theirs""#,
            "23502",
        ),
        (
            r#"ALTER TABLE "PipelineRun" ADD CONSTRAINT "theirs" CHECK ("pipelineVersion" = '2.0')"#,
            r#"ALTER TABLE "PipelineRun" DROP CONSTRAINT "theirs""#,
            "23514",
        ),
        (
            r#"REVOKE UPDATE ON "WebhookDelivery" FROM app"#,
            r#"GRANT UPDATE ON "WebhookDelivery" TO app"#,
            "42501",
        ),
        (r#"REVOKE DELETE ON "PipelineRun" FROM app"#, r#"GRANT DELETE ON "PipelineRun" TO app"#, "42501"),
        (
            r#"ALTER TABLE "RunTombstone" ADD COLUMN "theirs" INT NOT NULL"#,
            r#"ALTER TABLE "RunTombstone" DROP COLUMN "theirs""#,
            "23502",
        ),
        (
            r#"CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE 'deliveries are kept' USING ERRCODE = '42501'; END $$;
               CREATE TRIGGER kept BEFORE DELETE ON "WebhookDelivery" FOR EACH ROW EXECUTE FUNCTION kept()"#,
            "DROP FUNCTION kept CASCADE",
            "42501",
        ),
    ] {
        query(&url, broken).await;
        let error = store.probe().await.unwrap_err();
        assert_eq!(
            (error.kind, error.sqlstate()),
            (StorageErrorKind::Schema, Some(sqlstate)),
            "{broken}: {error}"
        );
        query(&url, repaired).await;
        store.probe().await.unwrap();
    }
}

#[tokio::test]
async fn hidden_rows_are_never_taken_for_deleted() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    query(&url, "CREATE ROLE app LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO app").await;
    let store = store(&url.replace("postgres@", "app@"));
    let run = new_run("r1", "https://a/1");
    store.accept(&run, None).await.unwrap();
    query(&url, r#"ALTER TABLE "PipelineRun" ENABLE ROW LEVEL SECURITY"#).await;
    let error = store.load(&run.id).await.unwrap_err();
    assert_eq!((error.kind, error.sqlstate()), (StorageErrorKind::Schema, Some("42501")), "{error}");
}

/// A clock that is an hour behind the machine's, which the database shows.
#[derive(Debug, Default)]
struct Behind(SystemClock);

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        self.0.now() - Duration::from_secs(3_600)
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

#[tokio::test]
async fn a_wrong_clock_is_told() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let right = store(&url).with_clock(Arc::new(SystemClock::default()));
    right.probe().await.unwrap();
    assert!(!right.clock_skew().unwrap().is_too_large());
    let wrong = store(&url).with_clock(Arc::new(Behind::default()));
    wrong.probe().await.unwrap();
    let skew = wrong.clock_skew().unwrap();
    assert!(skew.is_too_large() && (skew.ahead_ms - 3_600_000).abs() < 1_000, "{skew:?}");
}

#[tokio::test]
async fn an_unknown_status_word_hides_no_other_run() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let runs = ["r0", "r1", "r2"].map(|id| new_run(id, "https://a/1"));
    for run in &runs {
        store.accept(run, None).await.unwrap();
    }
    query(&url, r#"ALTER TYPE "RunStatus" ADD VALUE 'ARCHIVED'"#).await;
    query(&url, r#"UPDATE "PipelineRun" SET "status" = 'ARCHIVED' WHERE "id" = 'r1'"#).await;
    let page = store
        .list(&Listing {
            status: None,
            brand_id: None,
            principal: None,
            start: PageStart::Offset(0),
            limit: 2,
        })
        .await
        .unwrap();
    let listed: Vec<&str> = page.runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!((listed, page.total, page.has_next), (vec!["r2", "r0"], 2, false));
    let error = store.load(&runs[1].id).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Unreadable);
    assert!(!error.is_failure_of_the_store() && !error.is_outage(), "the breaker does not count it");
}

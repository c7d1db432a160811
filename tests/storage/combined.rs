//! Writes of concurrent runs share statements, and no run stands in the way of another.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use foundation::clock::SystemClock;
use futures_util::future::join_all;
use pipeline::{clock::Clock, record::StageRecord, run::Stage};
use sqlx::{Connection as _, PgConnection};
use storage::{
    DeliveryOutcome, DueDelivery, End, Fence, Outbox as _, StorageError, StorageErrorKind,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    contract::{accepted, at, failure, new_run, record, records},
    postgres::PostgresStore,
    router::{Database, ReadLimiter},
};
use tokio::{sync::Notify, task::JoinSet};

use super::{config, migrated, value};
use crate::support::{
    pgbouncer::PgBouncer,
    postgres::{Postgres, Stop, query},
    wait::eventually,
};

const RUNS: usize = 64;

/// The first statements hold few rows, until the server's pace is known. On a busy machine that takes some more.
const FEW: usize = RUNS / 4;

/// So many transactions have written the rows of this column last.
async fn transactions(url: &str, table: &str) -> usize {
    value(url, &format!(r#"SELECT count(DISTINCT xmin::text) FROM "{table}""#)).await.parse().unwrap()
}

/// How many runs have the stage, in their rows and in the frontend's.
const STORED: &str = r#"SELECT count(*) FROM "PipelineRun" r JOIN "StageOutput" o ON o."runId" = r."id"
    WHERE r."stage1Output" IS NOT NULL AND r."currentStage" = 2 AND o."stageNumber" = 1 AND o."status" = 'COMPLETED'"#;

/// A database with runs that end a stage at the same moment.
#[derive(Clone)]
struct Crowd {
    database: Database,
    fences: Vec<Fence>,
}

impl Crowd {
    fn new_database(url: &str) -> Database {
        let config = config(url, &[]);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let store =
            PostgresStore::new(&config).unwrap().unwrap().with_webhooks(Some(Arc::new(Notify::new())));
        Database {
            store: Arc::new(store),
            breaker: Arc::new(Breaker::new(BreakerConfig::default(), clock)),
            bulkhead: Arc::new(Bulkhead::new(config.database_calls_max(), config.statement_timeout)),
            read_limiter: Arc::new(ReadLimiter::new(config.readers_max(), config.acquire_timeout)),
        }
    }

    async fn new(url: &str) -> Self {
        let database = Self::new_database(url);
        let mut fences = Vec::new();
        for number in 0..RUNS {
            let run = new_run(&format!("r{number}"), "https://a/1");
            fences.push(accepted(&*database.store, &run, "one").await);
        }
        Self { database, fences }
    }

    /// Ends a stage of all runs. The results are in the order of the runs.
    async fn end(&self, record: &StageRecord) -> Vec<Result<(), StorageError>> {
        join_all(self.fences.iter().map(|fence| self.database.store_stage(fence, record))).await
    }

    /// As [`Crowd::end`], by tasks that report the numbers of their runs.
    fn begin(&self) -> JoinSet<(usize, Result<(), StorageError>)> {
        let mut writes = JoinSet::new();
        for number in 0..RUNS {
            let crowd = self.clone();
            writes.spawn(async move {
                let record = record(Stage::InputProcessing, "one");
                (number, crowd.database.store_stage(&crowd.fences[number], &record).await)
            });
        }
        writes
    }
}

/// The numbers of the runs whose write failed, with the kind of the error.
fn failed(written: Vec<Result<(), StorageError>>) -> Vec<(usize, StorageErrorKind)> {
    let all = written.into_iter().enumerate();
    all.filter_map(|(number, written)| Some((number, written.err()?.kind))).collect()
}

#[tokio::test]
async fn concurrent_stages_share_few_transactions() {
    let server = Postgres::start_durable();
    let url = migrated(&server).await;
    let crowd = Crowd::new(&url).await;
    for (number, record) in records().iter().enumerate() {
        assert_eq!(failed(crowd.end(record).await), []);
        let transactions = transactions(&url, "PipelineRun").await;
        assert!(transactions <= FEW, "stage {}: {transactions}", number + 1);
    }
    for (stage, record) in Stage::ALL.into_iter().zip(records()) {
        let run = crowd.database.store.load(&crowd.fences[7].run).await.unwrap().unwrap();
        assert_eq!(run.stages[&stage].record, record);
    }
    let rows =
        r#"SELECT count(*) || ' ' || count(*) FILTER (WHERE "status" = 'COMPLETED') FROM "StageOutput""#;
    assert_eq!(value(&url, rows).await, "320 256", "four of each run, and the fifth has begun");
    assert_eq!(
        failed(crowd.end(&record(Stage::InputProcessing, "one")).await),
        [],
        "an equal record is stored"
    );
    let other = crowd.database.store_stage(&crowd.fences[0], &record(Stage::InputProcessing, "two")).await;
    assert_eq!(other.unwrap_err().kind, StorageErrorKind::Conflict);
}

#[tokio::test]
async fn concurrent_ends_share_few_transactions() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let crowd = Crowd::new(&url).await;
    for record in records() {
        assert_eq!(failed(crowd.end(&record).await), []);
    }
    let records = records();
    let report = "# Report\n\n## Opportunities\n\n### O1 · Deposit bottle 1\n\nFirst.\n\n## Lessons\n";
    let end = End::Completed { records: &records, report };
    for _ in 0..2 {
        let ends = crowd
            .fences
            .iter()
            .map(|fence| crowd.database.finish(fence, end, at("2026-11-21T11:00:42.500Z")));
        assert_eq!(failed(join_all(ends).await), [], "the same end is stored already");
    }
    let transactions = transactions(&url, "PipelineRun").await;
    assert!(transactions <= FEW, "{transactions}");
    let rows = r#"SELECT concat_ws(' ', (SELECT count(*) FROM "PipelineRun" WHERE "status" = 'COMPLETED' AND "duration" = 42),
        (SELECT count(*) FROM "StageOutput" WHERE "status" = 'COMPLETED'), (SELECT count(*) FROM "InspirationReport"),
        (SELECT count(DISTINCT "runId") FROM "OpportunityCard"), (SELECT count(*) FROM "WebhookDelivery"))"#;
    assert_eq!(value(&url, rows).await, "64 320 64 64 64");

    let store = PostgresStore::new(&config(&url, &[])).unwrap().unwrap();
    let claimed: Vec<DueDelivery> = store.claim_due(99, Duration::from_secs(30)).await.unwrap();
    assert_eq!(claimed.len(), RUNS);
    let acks = claimed.iter().map(|one| store.ack(one, DeliveryOutcome::Delivered, None));
    assert_eq!(failed(join_all(acks).await), []);
    assert_eq!(store.count_deliveries().await.unwrap().delivered, 64);
    let transactions = self::transactions(&url, "WebhookDelivery").await;
    assert!(transactions <= FEW, "{transactions}");
}

#[tokio::test]
async fn concurrent_failures_share_few_transactions() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let crowd = Crowd::new(&url).await;
    assert_eq!(failed(crowd.end(&record(Stage::InputProcessing, "one")).await), []);
    let failure = failure();
    for _ in 0..2 {
        let at = at("2026-11-21T11:00:42.500Z");
        let ends = crowd.fences.iter().map(|fence| crowd.database.finish(fence, End::Failed(&failure), at));
        assert_eq!(failed(join_all(ends).await), [], "the same end is stored already");
    }
    let transactions = transactions(&url, "PipelineRun").await;
    assert!(transactions <= FEW, "{transactions}");
    let rows = format!(
        r#"SELECT concat_ws(' ', (SELECT count(*) FROM "PipelineRun" WHERE "status" = 'FAILED' AND "duration" = 42
            AND "errorCode" = '{}' AND "lostUsd" = 0.25 AND "leaseOwner" IS NULL),
          (SELECT count(*) FROM "StageOutput" WHERE "status" = 'FAILED' AND "stageNumber" = 2 AND "output" <> ''))"#,
        failure.code
    );
    assert_eq!(value(&url, &rows).await, "64 64");
    let end = End::Completed { records: &records(), report: "# Report" };
    let other = crowd.database.finish(&crowd.fences[0], end, at("2026-11-21T11:00:43Z")).await;
    assert_eq!(other.unwrap_err().kind, StorageErrorKind::Fenced);
}

#[tokio::test]
async fn a_locked_row_delays_its_run_alone() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    for lock in [
        r#"SELECT FROM "PipelineRun" WHERE "id" = 'r3' FOR UPDATE"#,
        r#"SELECT FROM "StageOutput" WHERE "runId" = 'r3' FOR UPDATE"#,
    ] {
        let crowd = Crowd::new(&url).await;
        let mut frontend = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; {lock}"))).execute(&mut frontend).await.unwrap();
        let mut writes = crowd.begin();
        let mut ended = BTreeSet::new();
        while ended.len() < RUNS - 1 {
            let (number, stored) = writes.join_next().await.unwrap().unwrap();
            stored.unwrap();
            ended.insert(number);
        }
        assert!(!ended.contains(&3), "{lock}");
        sqlx::raw_sql("COMMIT").execute(&mut frontend).await.unwrap();
        let (number, stored) = writes.join_next().await.unwrap().unwrap();
        assert_eq!((number, stored), (3, Ok(())));
        assert_eq!(value(&url, STORED).await, "64");
        query(&url, r#"DELETE FROM "PipelineRun""#).await;
    }
}

#[tokio::test]
async fn a_lost_or_bad_row_fails_alone() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let crowd = Crowd::new(&url).await;
    let change = r#"DELETE FROM "PipelineRun" WHERE "id" = 'r2';
        UPDATE "PipelineRun" SET "leaseEpoch" = 2 WHERE "id" = 'r5';
        ALTER TABLE "StageOutput" ADD CONSTRAINT "bad" CHECK ("runId" <> 'r7' OR "stageNumber" = 1 AND "status" = 'PROCESSING')"#;
    query(&url, change).await;
    let failed = failed(crowd.end(&record(Stage::InputProcessing, "one")).await);
    let fenced = StorageErrorKind::Fenced;
    assert_eq!(failed, [(2, fenced), (5, fenced), (7, StorageErrorKind::Invalid)]);
    assert_eq!(value(&url, STORED).await, "61");
    assert!(crowd.database.breaker.is_closed(), "the database is well");
}

#[tokio::test]
async fn a_server_that_dies_fails_each_run_once() {
    let mut server = Postgres::start();
    let url = migrated(&server).await;
    let crowd = Crowd::new(&url).await;
    query(&url, r#"ALTER TABLE "PipelineRun" ADD CONSTRAINT "slow" CHECK ("stage1Output" IS NULL OR pg_sleep(0.05) IS NOT NULL)"#)
        .await;
    let writes = crowd.begin();
    let under_way = r#"SELECT count(*) FROM pg_stat_activity WHERE "state" = 'active' AND "query" LIKE '%mine AS%' AND "pid" <> pg_backend_pid()"#;
    eventually("a statement is under way", async || value(&url, under_way).await != "0").await;
    server.stop(Stop::Immediate);
    let ended = tokio::time::timeout(Duration::from_millis(2_500), writes.join_all()).await.unwrap();
    assert_eq!(ended.len(), RUNS);
    assert!(ended.iter().filter_map(|(_, stored)| stored.as_ref().err()).all(StorageError::is_outage));
    assert!(!crowd.database.breaker.is_closed());
    server.start_again();
    query(&url, r#"ALTER TABLE "PipelineRun" DROP CONSTRAINT "slow""#).await;
    let again = Crowd { database: Crowd::new_database(&url), ..crowd };
    assert_eq!(failed(again.end(&record(Stage::InputProcessing, "one")).await), [], "nothing is half stored");
    assert_eq!(value(&url, STORED).await, "64");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_in_reverse_order_never_deadlock() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let crowd = Crowd::new(&url).await;
    let mut reversed = Crowd { database: Crowd::new_database(&url), fences: crowd.fences.clone() };
    reversed.fences.reverse();
    for record in records() {
        let (forth, back) = tokio::join!(crowd.end(&record), reversed.end(&record));
        assert_eq!((failed(forth), failed(back)), (vec![], vec![]));
    }
    assert_eq!(value(&url, "SELECT sum(deadlocks) FROM pg_stat_database").await, "0");
}

#[tokio::test]
async fn groups_go_through_a_pooler() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let pooler = PgBouncer::start(&url).await;
    let through = pooler.url(&url);
    let crowd = Crowd::new(&through).await;
    for record in records() {
        assert_eq!(failed(crowd.end(&record).await), []);
    }
    assert!(transactions(&url, "PipelineRun").await <= FEW);
    let left = value(&through, "SELECT current_setting('lock_timeout')").await;
    assert_eq!(left, "0", "the limit of a group reaches the pooler's other clients");
}

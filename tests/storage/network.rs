//! A database that is slow, silent, or gone: every call ends in time, and the pool recovers.

use std::time::{Duration, Instant};

use pipeline::run::Stage;
use storage::{
    StorageErrorKind,
    contract::{accepted, new_run, record},
    postgres::{Connections, PostgresStore},
    prelude::*,
};

use super::{config, migrated, store, value};
use crate::support::{
    postgres::{Postgres, Stop, query},
    proxy::Proxy,
    wait::eventually,
};

/// A call is given up after 2 s; the rest is this machine's.
const WRITE_MAX: Duration = Duration::from_millis(2_500);

/// A store of two connections behind a proxy.
async fn behind_a_proxy(url: &str) -> (Proxy, PostgresStore) {
    let (proxy, through) = Proxy::before(url).await;
    let config = config(&through, &[("DATABASE_POOL_SIZE", "2")]);
    (proxy, PostgresStore::new(&config).unwrap().unwrap())
}

/// Lets the statement of stage 1 take so long.
pub(super) async fn slow_down(url: &str, seconds: f64) {
    let sql = format!(
        r#"CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$;
           CREATE OR REPLACE TRIGGER slow BEFORE UPDATE OF "stage1Output" ON "PipelineRun"
           FOR EACH ROW EXECUTE FUNCTION slow()"#
    );
    query(url, &sql).await;
}

#[tokio::test]
async fn nothing_is_connected_before_it_is_needed() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let Connections { open, in_use, waiting, .. } = store.connections();
    assert_eq!((open, in_use, waiting), (0, 0, 0));
    let others = r#"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'innovation'"#;
    assert_eq!(value(&url, others).await, "0");
    store.probe().await.unwrap();
    assert_eq!(value(&url, others).await, "1");
    store.close().await;
    let error = store.probe().await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Unavailable);
}

#[tokio::test]
async fn the_server_stops_a_slow_statement() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let fence = accepted(&store, &new_run("r1", "https://a/1"), "one").await;
    slow_down(&url, 5.0).await;
    let started = Instant::now();
    let error = store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Unavailable, "{error}");
    assert!(error.message.contains("statement timeout"), "{error}");
    assert!(started.elapsed() < WRITE_MAX);
    query(&url, r#"DROP TRIGGER slow ON "PipelineRun""#).await;
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
}

/// A probe of ten round trips would exceed the time limit of a write.
#[tokio::test]
async fn a_far_database_passes_the_probe() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let (proxy, store) = behind_a_proxy(&url).await;
    store.probe().await.unwrap();
    proxy.slow(Duration::from_millis(130));
    store.probe().await.unwrap();
}

#[tokio::test]
async fn swallowed_packets_time_out_and_the_pool_recovers() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let (mut proxy, store) = behind_a_proxy(&url).await;
    let fence = accepted(&store, &new_run("r1", "https://a/1"), "one").await;
    let first = record(Stage::InputProcessing, "one");
    store.probe().await.unwrap();
    // More than there are connections, so that each of them is lost in mid-query, and some wait in vain.
    proxy.swallow();
    let started = Instant::now();
    let writes = (0..4).map(|_| {
        let (store, fence, first) = (store.clone(), fence.clone(), first.clone());
        tokio::spawn(async move { store.store_stage(&fence, &first).await.unwrap_err().kind })
    });
    let mut kinds = Vec::new();
    for write in writes.collect::<Vec<_>>() {
        kinds.push(write.await.unwrap());
    }
    assert!(started.elapsed() < WRITE_MAX, "{:?}", started.elapsed());
    assert!(kinds.contains(&StorageErrorKind::Indeterminate), "{kinds:?}");
    assert!(
        kinds
            .iter()
            .all(|kind| matches!(kind, StorageErrorKind::Indeterminate | StorageErrorKind::Unavailable)),
        "{kinds:?}"
    );
    let started = Instant::now();
    assert!(store.probe().await.is_err());
    assert!(started.elapsed() < WRITE_MAX);

    proxy.mend().await;
    let started = Instant::now();
    store.store_stage(&fence, &first).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    // Both places in the pool are free again, at the same time.
    let (one, two) = tokio::join!(store.load(&fence.run), store.load(&fence.run));
    assert_eq!(one.unwrap().unwrap().stages.len(), 1);
    assert_eq!(two.unwrap().unwrap().stages.len(), 1);
}

#[tokio::test]
async fn a_connection_cut_during_a_write_is_indeterminate() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let (mut proxy, store) = behind_a_proxy(&url).await;
    let fence = accepted(&store, &new_run("r1", "https://a/1"), "one").await;
    slow_down(&url, 1.0).await;
    let first = record(Stage::InputProcessing, "one");
    let writing = {
        let (store, fence, first) = (store.clone(), fence.clone(), first.clone());
        tokio::spawn(async move { store.store_stage(&fence, &first).await })
    };
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    eventually("the statement sleeps", async || value(&url, sleeping).await != "0").await;
    proxy.cut().await;
    assert_eq!(writing.await.unwrap().unwrap_err().kind, StorageErrorKind::Indeterminate);
    // Waits until the server, which has not noticed, is through with it: written it was.
    query(&url, r#"DROP TRIGGER slow ON "PipelineRun""#).await;
    assert_eq!(value(&url, r#"SELECT "stage1Output" IS NOT NULL FROM "PipelineRun""#).await, "t");
    store.store_stage(&fence, &first).await.unwrap();

    proxy.refuse().await;
    let started = Instant::now();
    let error = store.store_stage(&fence, &first).await.unwrap_err();
    assert!(started.elapsed() < WRITE_MAX);
    assert!(error.is_outage() && !error.message.contains("127.0.0.1"), "{error}");
    let error = store.store_stage(&fence, &first).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Unavailable, "nothing was sent: {error}");
    proxy.mend().await;
    store.store_stage(&fence, &first).await.unwrap();
}

#[tokio::test]
async fn a_server_is_used_again_after_power_loss() {
    let mut server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let fence = accepted(&store, &new_run("r1", "https://a/1"), "one").await;
    server.stop(Stop::Immediate);
    for _ in 0..3 {
        let error = store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap_err();
        assert!(error.is_outage(), "{error}");
    }
    server.start_again();
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
}

#[tokio::test]
async fn a_dropped_caller_returns_its_connection() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let (mut proxy, store) = behind_a_proxy(&url).await;
    let fence = accepted(&store, &new_run("r1", "https://a/1"), "one").await;
    let first = record(Stage::InputProcessing, "one");
    proxy.slow(Duration::from_millis(200));
    for _ in 0..6 {
        let write = tokio::time::timeout(Duration::from_millis(50), store.store_stage(&fence, &first));
        assert!(write.await.is_err(), "the caller gave up");
    }
    proxy.mend().await;
    let (one, two) = tokio::join!(store.load(&fence.run), store.load(&fence.run));
    assert!(one.unwrap().is_some() && two.unwrap().is_some());
}

//! Which connections the pool keeps, and how it does with fewer than it wants.

use std::time::Duration;

use futures_util::future::join_all;
use storage::{StorageErrorKind, contract::new_run, postgres::PostgresStore, prelude::*};

use super::{config, migrated, store, value};
use crate::support::{
    postgres::{Postgres, query},
    wait::{eventually, wanted},
};

/// Ends all sessions of the service, as a server's shutdown does.
const CUT: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'innovation'";

/// So many callers at once open as many connections.
async fn fill(store: &PostgresStore, callers: usize) {
    let run = new_run("r1", "https://a/1").id;
    join_all((0..callers).map(|_| store.load(&run))).await.into_iter().for_each(|loaded| {
        loaded.unwrap();
    });
}

#[tokio::test]
async fn one_ended_session_empties_the_pool() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    eventually("several connections are open", async || {
        fill(&store, 12).await;
        wanted(store.connections().open, |open| *open >= 3)
    })
    .await;
    query(&url, CUT).await;
    let run = new_run("r1", "https://a/1").id;
    let mut failed = 0;
    for _ in 0..6 {
        failed += usize::from(store.load(&run).await.is_err());
    }
    assert!(failed <= 1, "the first error tells of all: {failed} calls failed");
}

#[tokio::test]
async fn a_minimum_above_the_limit_blocks_nobody() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    query(&url, "CREATE ROLE app LOGIN CONNECTION LIMIT 2; GRANT ALL ON ALL TABLES IN SCHEMA public TO app")
        .await;
    let settings = [("DATABASE_POOL_SIZE", "15"), ("DATABASE_POOL_MIN", "10")];
    let small = config(&url.replace("postgres@", "app@"), &settings);
    let store = PostgresStore::new(&small).unwrap().unwrap();
    // A pool that holds both connections until it gives up the third would take 1 s a call.
    let calls = async {
        for _ in 0..40 {
            fill(&store, 1).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), calls).await.unwrap();
    assert!(store.connections().open <= 2);
}

#[tokio::test]
async fn an_idle_pool_opens_its_minimum() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = PostgresStore::new(&config(&url, &[("DATABASE_POOL_MIN", "4")])).unwrap().unwrap();
    fill(&store, 1).await;
    eventually("the minimum is open", async || {
        wanted(store.connections(), |connections| (connections.open, connections.in_use) == (4, 0))
    })
    .await;
}

#[tokio::test]
async fn a_read_only_session_never_enters_the_pool() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let name = url.rsplit('/').next().unwrap();
    let store = store(&url);
    query(&url, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let run = new_run("r1", "https://a/1");
    for refused in join_all((0..6).map(|_| store.load(&run.id))).await {
        let error = refused.unwrap_err();
        assert_eq!((error.kind, error.sqlstate()), (StorageErrorKind::Unavailable, Some("25006")));
    }
    assert_eq!(store.connections().open, 0);
    query(&server.url(), &format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await;
    store.accept(&run, None).await.unwrap();
}

#[tokio::test]
async fn a_small_server_is_shared_not_given_up() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    query(&url, "CREATE ROLE app LOGIN CONNECTION LIMIT 2; GRANT ALL ON ALL TABLES IN SCHEMA public TO app")
        .await;
    let small = config(&url.replace("postgres@", "app@"), &[("DATABASE_POOL_SIZE", "15")]);
    let store = PostgresStore::new(&small).unwrap().unwrap();
    // A busy machine may need longer for all than a caller waits for a place.
    let mut left: Vec<_> = (0..40).map(|number| new_run(&format!("r{number}"), "https://a/1")).collect();
    eventually("all runs are accepted", async || {
        let accepted = join_all(left.iter().map(|run| store.accept(run, None))).await;
        for error in accepted.iter().filter_map(|accepted| accepted.as_ref().err()) {
            assert_eq!(error.kind, StorageErrorKind::Busy, "{error}");
        }
        let mut ended = accepted.iter();
        left.retain(|_| ended.next().is_some_and(Result::is_err));
        wanted(left.len(), |left| *left == 0)
    })
    .await;
    assert!(store.connections().open <= 2);
    query(&url, "ALTER ROLE app CONNECTION LIMIT 6").await;
    eventually("the pool grows again", async || {
        fill(&store, 12).await;
        // The pool asks for one more connection at a time.
        tokio::time::sleep(Duration::from_millis(100)).await;
        wanted(store.connections().open, |open| *open > 2)
    })
    .await;
    assert_eq!(value(&url, r#"SELECT count(*) FROM "PipelineRun""#).await, "40");
}

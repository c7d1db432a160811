//! A pooler in transaction mode whose address does not say so.

use std::sync::Arc;

use backend::migrate::{MigrateError, Migrator};
use foundation::clock::SystemClock;
use pipeline::run::Stage;
use storage::{
    End,
    contract::{accepted, at, failure, new_run, record},
    postgres::{address::Address, shares_server_processes},
    prelude::*,
};
use tokio::task::JoinSet;

use super::{config, migrated, store, value};
use crate::support::{
    pgbouncer::PgBouncer,
    postgres::Postgres,
    wait::{eventually, wanted},
};

const ENDED: &str = r#"SELECT count(*) FROM "PipelineRun" WHERE "status" = 'FAILED'"#;

#[tokio::test]
async fn an_unnamed_pooler_is_recognised_before_any_error() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let pooler = PgBouncer::start(&url).await;
    let through = pooler.url(&url);
    let store = store(&through);
    let mut runs = JoinSet::new();
    for number in 0..16 {
        let store = store.clone();
        runs.spawn(async move {
            let fence = accepted(&store, &new_run(&format!("r{number}"), "https://a/1"), "one").await;
            store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
            store.probe().await.unwrap();
            store.finish(&fence, End::Failed(&failure()), at("2026-11-21T12:00:00Z")).await.unwrap();
        });
    }
    runs.join_all().await;
    assert_eq!(value(&url, ENDED).await, "16");
    for setting in ["statement_timeout", "lock_timeout"] {
        let left = value(&through, &format!("SELECT current_setting('{setting}')")).await;
        assert_eq!(left, "0", "{setting} reaches the pooler's other clients");
    }
    assert_eq!(value(&through, "SELECT count(*) FROM pg_prepared_statements").await, "0");
}

#[tokio::test]
async fn a_server_of_our_own_keeps_statements_prepared() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    for _ in 0..3 {
        store.is_deleted(&new_run("r1", "https://a/1").id).await.unwrap();
    }
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'innovation'";
    // The server takes a moment to end the session of a closed connection.
    eventually("one session", async || wanted(value(&url, sessions).await, |count| count == "1")).await;
    assert_eq!(store.connections().open, 1);
}

#[tokio::test]
async fn migrations_refuse_an_unnamed_pooler() {
    let server = Postgres::start();
    let url = server.fresh_database().await;
    let pooler = PgBouncer::start(&url).await;
    let migrator = |url: &str| Migrator::new(&config(url, &[]), Arc::new(SystemClock::default())).unwrap();
    let error = migrator(&pooler.url(&url)).deploy().await.unwrap_err();
    assert_eq!(error, MigrateError::Pooled);
    assert!(!migrator(&url).deploy().await.unwrap().is_empty());
}

/// A pooler keeps the subscriptions of its clients for the next ones.
#[tokio::test]
async fn a_listener_subscribes_to_no_pooler() {
    let server = Postgres::start();
    let url = server.fresh_database().await;
    let pooler = PgBouncer::start(&url).await;
    let busy = async |url: String| {
        loop {
            value(&url, "SELECT 1").await;
        }
    };
    // Its other clients keep several server processes open.
    let others: Vec<_> = (0..3).map(|_| tokio::spawn(busy(pooler.url(&url)))).collect();
    for _ in 0..20 {
        let options = Address::parse(&pooler.url(&url).into()).unwrap().options;
        assert!(shares_server_processes(&options).await.unwrap());
    }
    for other in others {
        other.abort();
    }
    assert!(!shares_server_processes(&Address::parse(&url.into()).unwrap().options).await.unwrap());
}

//! The contract, kept by every store.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use foundation::clock::SystemClock;
use pipeline::{clock::Clock, run::Stage};
use storage::{
    End, StorageError, StorageErrorKind, Store,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    contract::{
        Place, accepted, an_ended_lease_is_taken_when_asked_for, at, failure, holds, new_run, record,
    },
    control_plane::{AuditFilter, AuditLog, AuditRecord},
    files::FileStore,
    memory::MemoryStore,
    mode::{Flags, Mode},
    prelude::*,
    router::{Database, ReadLimiter, ReplicaPresence, Router, RouterConfig},
};
use tokio::sync::watch;

use super::{migrated, store};
use crate::support::postgres::Postgres;

/// One store for all processes.
#[derive(Debug)]
struct Shared<T>(Arc<T>);

#[async_trait]
impl<T: Store + AuditLog + 'static> Place for Shared<T> {
    async fn open(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    async fn audit(&self) -> Vec<AuditRecord> {
        self.0.newest(&AuditFilter::default(), None, 1_000).await.unwrap()
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    let place = Shared(Arc::new(MemoryStore::new()));
    holds(&place).await;
    an_ended_lease_is_taken_when_asked_for(&place).await;
}

/// One disk, and a store for each process.
#[derive(Debug)]
struct Files(PathBuf);

#[async_trait]
impl Place for Files {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(FileStore::new(self.0.clone(), clock()))
    }

    async fn audit(&self) -> Vec<AuditRecord> {
        FileStore::new(self.0.clone(), clock()).newest_audit(1_000).await.unwrap().records
    }
}

#[tokio::test]
async fn files_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    holds(&Files(folder.path().join("runs"))).await;
}

#[tokio::test]
async fn postgres_keeps_the_contract() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let place = Shared(Arc::new(store(&url)));
    holds(&place).await;
    an_ended_lease_is_taken_when_asked_for(&place).await;
}

#[tokio::test]
async fn postgres_keeps_the_contract_as_through_a_pooler() {
    let server = Postgres::start();
    let url = format!("{}?pgbouncer=true", migrated(&server).await);
    holds(&Shared(Arc::new(store(&url)))).await;
}

/// A router for each process, over one disk and perhaps a database.
#[derive(Debug)]
struct Routers<T> {
    root: PathBuf,
    database: Option<Arc<T>>,
}

#[async_trait]
impl<T: Store + AuditLog + 'static> Place for Routers<T> {
    async fn open(&self) -> Arc<dyn Store> {
        let files = FileStore::new(self.root.clone(), clock());
        let Some(store) = self.database.clone() else {
            return Arc::new(Router::files_only(files, clock()));
        };
        let breaker = Arc::new(Breaker::new(BreakerConfig::default(), clock()));
        let flags = Flags::of_mode(Mode::DualWrite, 1);
        let config = RouterConfig {
            retry_deadline: Duration::from_secs(5),
            presence: Arc::new(ReplicaPresence::new(Some(true))),
        };
        let bulkhead = Arc::new(Bulkhead::new(4, Duration::from_secs(2)));
        let read_limiter = Arc::new(ReadLimiter::new(4, Duration::from_secs(1)));
        let database = Some(Database { store, breaker, bulkhead, read_limiter });
        Arc::new(Router::new(files, database, watch::channel(flags).1, config, clock()))
    }

    /// Each change is in one of both.
    async fn audit(&self) -> Vec<AuditRecord> {
        let mut records =
            FileStore::new(self.root.clone(), clock()).newest_audit(1_000).await.unwrap().records;
        if let Some(database) = &self.database {
            records.extend(database.newest(&AuditFilter::default(), None, 1_000).await.unwrap());
        }
        records
    }
}

#[tokio::test]
async fn a_router_keeps_the_contract_with_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    holds(&Routers::<MemoryStore> { root: folder.path().join("runs"), database: None }).await;
}

#[tokio::test]
async fn the_router_meets_the_contract_with_memory() {
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(MemoryStore::new());
    let place = Routers { root: folder.path().join("runs"), database: Some(database) };
    holds(&place).await;
    an_ended_lease_is_taken_when_asked_for(&place).await;
}

#[tokio::test]
async fn the_router_meets_the_contract_with_postgres() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(store(&migrated(&server).await));
    holds(&Routers { root: folder.path().join("runs"), database: Some(database) }).await;
}

#[tokio::test]
async fn while_the_database_is_away_files_take_everything() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("runs");
    let database = Arc::new(MemoryStore::new());
    let place = Routers { root: root.clone(), database: Some(database.clone()) };
    let store = place.open().await;
    let known = accepted(&*store, &new_run("known", "https://a/1"), "one").await;
    let away = StorageError::new(StorageErrorKind::Unavailable, "the database is away");
    database.set_outage(Some(away));
    store.store_stage(&known, &record(Stage::InputProcessing, "one")).await.unwrap();
    let new = accepted(&*store, &new_run("new", "https://a/1"), "one").await;
    assert!(known.owns_row && !new.owns_row);
    for fence in [&known, &new] {
        store.finish(fence, End::Failed(&failure()), at("2026-11-21T12:00:00Z")).await.unwrap();
    }
    let files = FileStore::new(root, clock());
    assert_eq!(files.unsynced().await.unwrap().runs, 2);
    assert_eq!(files.load(&known.run).await.unwrap().unwrap().stages.len(), 1);
}

#[tokio::test]
async fn stages_missing_in_files_are_marked_in_rows() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("runs");
    let database = Arc::new(MemoryStore::new());
    let store = Routers { root: root.clone(), database: Some(database.clone()) }.open().await;
    let fence = accepted(&*store, &new_run("r1", "https://a/1"), "one").await;
    // A file where the stage's folder should be.
    std::fs::write(root.join("r1/stage1"), "in the way").unwrap();
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    assert_eq!(database.unsynced(&fence.run), HashSet::from([Some(Stage::InputProcessing)]));
    let snapshot = store.load(&fence.run).await.unwrap().unwrap();
    let places = snapshot.stages[&Stage::InputProcessing].stored_in;
    assert!(places.database && !places.files);
}

#[tokio::test]
async fn a_run_cancelled_in_files_takes_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("runs");
    let database = Arc::new(MemoryStore::new());
    let store = Routers { root: root.clone(), database: Some(database.clone()) }.open().await;
    database.set_outage(Some(StorageError::new(StorageErrorKind::Unavailable, "the database is away")));
    let fence = accepted(&*store, &new_run("r1", "https://a/1"), "one").await;
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    // Another process cancels it on the same disk, and then the database is back.
    let other = FileStore::new(root, clock());
    assert!(other.cancel(&fence.run, &failure(), at("2026-11-21T12:00:00Z"), None).await.unwrap());
    database.set_outage(None);
    let stored = store.store_stage(&fence, &record(Stage::SignalAmplification, "one")).await;
    assert_eq!(stored.unwrap_err().kind, StorageErrorKind::Fenced);
    assert_eq!(database.load(&fence.run).await.unwrap(), None);
}

#[tokio::test]
async fn files_fence_a_write_that_the_row_took() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("runs");
    let database = Arc::new(MemoryStore::new());
    let store = Routers { root: root.clone(), database: Some(database.clone()) }.open().await;
    let fence = accepted(&*store, &new_run("r1", "https://a/1"), "one").await;
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    // Another process on the same files cancels the run, and the row does not know it yet.
    let other = FileStore::new(root, clock());
    assert!(other.cancel(&fence.run, &failure(), at("2026-11-21T12:00:00Z"), None).await.unwrap());
    let stored = store.store_stage(&fence, &record(Stage::SignalAmplification, "one")).await;
    assert_eq!(stored.unwrap_err().kind, StorageErrorKind::Fenced);
}

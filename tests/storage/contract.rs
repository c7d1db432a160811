//! The contract, kept by every store.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use backend::{
    clock::SystemClock,
    storage::{
        Store,
        breaker::{Breaker, BreakerConfig},
        contract::{Place, holds},
        files::FileStore,
        memory::MemoryStore,
        mode::Flags,
        router::{Database, Router, RouterConfig},
    },
};
use pipeline::clock::Clock;
use tokio::sync::watch;

use super::{migrated, store};
use crate::support::postgres::Postgres;

/// One store for all processes.
#[derive(Debug)]
struct Shared(Arc<dyn Store>);

#[async_trait]
impl Place for Shared {
    async fn open(&self) -> Arc<dyn Store> {
        self.0.clone()
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    holds(&Shared(Arc::new(MemoryStore::new()))).await;
}

/// One disk, and a store for each process.
#[derive(Debug)]
struct Files(PathBuf);

#[async_trait]
impl Place for Files {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(FileStore::new(self.0.clone(), clock()))
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
    holds(&Shared(Arc::new(store(&url)))).await;
}

#[tokio::test]
async fn postgres_keeps_the_contract_as_through_a_pooler() {
    let server = Postgres::start();
    let url = format!("{}?pgbouncer=true", migrated(&server).await);
    holds(&Shared(Arc::new(store(&url)))).await;
}

/// A router for each process, over one disk and perhaps a database.
#[derive(Debug)]
struct Routers {
    root: PathBuf,
    database: Option<Arc<dyn Store>>,
}

#[async_trait]
impl Place for Routers {
    async fn open(&self) -> Arc<dyn Store> {
        let files = FileStore::new(self.root.clone(), clock());
        let Some(store) = self.database.clone() else {
            return Arc::new(Router::files_only(files, clock()));
        };
        let breaker = Arc::new(Breaker::new(BreakerConfig::default(), clock()));
        let flags = Flags { database_writes: true, file_fallback: true, revision: 1 };
        let config = RouterConfig { retry_deadline: Duration::from_secs(5), is_alone: true };
        let database = Some(Database { store, breaker });
        Arc::new(Router::new(files, database, watch::channel(flags).1, config, clock()))
    }
}

#[tokio::test]
async fn a_router_keeps_the_contract_with_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    holds(&Routers { root: folder.path().join("runs"), database: None }).await;
}

#[tokio::test]
async fn a_router_keeps_the_contract_over_memory_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let database: Arc<dyn Store> = Arc::new(MemoryStore::new());
    holds(&Routers { root: folder.path().join("runs"), database: Some(database) }).await;
}

#[tokio::test]
async fn a_router_keeps_the_contract_over_postgres_and_files() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let database: Arc<dyn Store> = Arc::new(store(&migrated(&server).await));
    holds(&Routers { root: folder.path().join("runs"), database: Some(database) }).await;
}

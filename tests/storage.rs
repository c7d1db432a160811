//! Storage, against real disks and a real PostgreSQL.

mod audited_changes;
mod combined;
mod connections;
mod contract;
mod evidence;
mod load_bursts;
mod network;
mod pooler;
mod postgres;
mod probe;
mod schema;

use std::{collections::BTreeMap, sync::Arc};

use backend::{
    config::{Config, DatabaseConfig, Purpose},
    migrate::Migrator,
};
use foundation::clock::SystemClock;
use storage::postgres::PostgresStore;

use crate::support::postgres::{Postgres, query};

/// The configuration of a database at `url`, with other settings than usual.
pub(crate) fn config(url: &str, settings: &[(&str, &str)]) -> DatabaseConfig {
    let mut variables = BTreeMap::from([("DATABASE_URL".to_owned(), url.to_owned())]);
    variables.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Config::from_variables(variables, Purpose::Command).unwrap().database
}

/// A store at `url`.
pub(crate) fn store(url: &str) -> PostgresStore {
    PostgresStore::new(&config(url, &[])).unwrap().unwrap()
}

/// The address of a new database with all migrations.
pub(crate) async fn migrated(server: &Postgres) -> String {
    let url = server.fresh_database().await;
    let migrator = Migrator::new(&config(&url, &[]), Arc::new(SystemClock::default())).unwrap();
    migrator.deploy().await.unwrap();
    url
}

/// The only value of a query's only row.
pub(crate) async fn value(url: &str, sql: &str) -> String {
    let mut rows = query(url, sql).await;
    assert_eq!(rows.len(), 1, "{sql}");
    rows.remove(0).remove(0).unwrap_or_else(|| "NULL".to_owned())
}

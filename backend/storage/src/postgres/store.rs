//! The store's connections, and the tasks that it wakes.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::{
    error::StorageError,
    postgres::pool::{address::Malformed, config::DatabaseConfig, connections::Pool},
};

/// Runs in a PostgreSQL database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pub(super) pool: Pool,
    /// The user whose run was claimed last: the next claim begins after them.
    pub(super) last_user: Arc<Mutex<String>>,
    /// Where the frontend is told of runs: wakes who tells it.
    pub(super) telling: Option<Arc<Notify>>,
}

/// Connections of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub open: u32,
    pub in_use: u32,
}

impl PostgresStore {
    /// A store at the configured address; none without one. Connects to nothing before it is used. Must be called
    /// within a runtime.
    pub fn new(config: &DatabaseConfig) -> Result<Option<Self>, Malformed> {
        let Some(address) = &config.url else { return Ok(None) };
        Ok(Some(Self { pool: Pool::new(address, config)?, last_user: Arc::default(), telling: None }))
    }

    /// Writes down, with each state change, what the frontend is to be told, and wakes who tells it.
    #[must_use]
    pub fn with_webhooks(self, wake: Option<Arc<Notify>>) -> Self {
        Self { telling: wake, ..self }
    }

    /// Wakes who tells the frontend, if something was written down.
    pub(super) fn wake_dispatcher<T>(&self, written: Result<T, StorageError>) -> Result<T, StorageError> {
        if let (Ok(_), Some(wake)) = (&written, &self.telling) {
            wake.notify_one();
        }
        written
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let (open, in_use) = self.pool.counts();
        Connections { open, in_use }
    }

    /// Says goodbye to the server; later calls are refused.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

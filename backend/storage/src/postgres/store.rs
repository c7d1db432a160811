//! The store's connections, and the tasks that it wakes.

use std::sync::Arc;

use parking_lot::Mutex;

use tokio::sync::Notify;

use crate::{
    error::StorageError,
    postgres::pool::{address::Malformed, config::DatabaseConfig, connections::Pool},
};

/// Stores runs in a PostgreSQL database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pub(super) pool: Pool,
    /// The user whose run was claimed last. The next claim starts with the user after them.
    pub(super) last_user: Arc<Mutex<String>>,
    /// Wakes the webhook dispatcher. None if webhooks are off.
    pub(super) telling: Option<Arc<Notify>>,
}

/// The connections of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub open: u32,
    pub in_use: u32,
}

impl PostgresStore {
    /// Creates a store for the configured address, without connecting. None without an address. Call it
    /// within a runtime.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the address, or a parameter or file that it names, is wrong.
    pub fn new(config: &DatabaseConfig) -> Result<Option<Self>, Malformed> {
        let Some(address) = &config.url else { return Ok(None) };
        Ok(Some(Self { pool: Pool::new(address, config)?, last_user: Arc::default(), telling: None }))
    }

    /// Queues a webhook with each state change, and wakes the dispatcher.
    #[must_use]
    pub fn with_webhooks(self, wake: Option<Arc<Notify>>) -> Self {
        Self { telling: wake, ..self }
    }

    /// Wakes the webhook dispatcher if the write succeeded.
    pub(super) fn wake_dispatcher<T>(&self, written: Result<T, StorageError>) -> Result<T, StorageError> {
        if let (Ok(_), Some(wake)) = (&written, &self.telling) {
            wake.notify_one();
        }
        written
    }

    /// The number of connections.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let (open, in_use) = self.pool.counts();
        Connections { open, in_use }
    }

    /// Closes all connections. Later calls fail with `Unavailable`.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

//! The store's connections, and the tasks that it wakes.

use std::sync::Arc;

use parking_lot::Mutex;
use pipeline::clock::Clock;
use tokio::sync::Notify;

use crate::{
    error::StorageError,
    observer::CallObserver,
    ports::{clock_skew::ClockSkew, combined::BatchingRule},
    postgres::{
        control_plane::answer_lines::AnswerLines,
        pool::{address::Malformed, config::DatabaseConfig, connections::Pool},
        shared_writes::SharedWrites,
    },
};

/// Stores runs in a PostgreSQL database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pub(super) pool: Pool,
    pub(super) shared: SharedWrites,
    /// The questions of the answer cache that wait for a statement.
    pub(super) answers: AnswerLines,
    /// The user whose run was claimed last. The next claim starts with the user after them.
    pub(super) last_user: Arc<Mutex<String>>,
    /// Wakes the webhook dispatcher. None if webhooks are off.
    pub(super) telling: Option<Arc<Notify>>,
    /// None where nobody asks for the difference of the clocks.
    pub(super) clock: Option<Arc<dyn Clock>>,
    /// The most connections.
    size: u32,
    /// The difference at the last probe.
    pub(super) skew: Arc<Mutex<Option<ClockSkew>>>,
}

/// The connections of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub open: u32,
    pub in_use: u32,
    /// Callers that wait for a connection.
    pub waiting: u32,
    /// The most that the pool opens.
    pub size: u32,
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
        Ok(Some(Self {
            pool: Pool::new(address, config)?,
            shared: SharedWrites::new(config),
            answers: AnswerLines::default(),
            last_user: Arc::default(),
            telling: None,
            clock: None,
            size: config.pool_max,
            skew: Arc::default(),
        }))
    }

    /// Reports each call, and each wait for a connection.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn CallObserver>) -> Self {
        Self { pool: self.pool.observed_by(observer), ..self }
    }

    /// Lets the writes of only those runs share statements that the rule names.
    #[must_use]
    pub fn with_batching(self, rule: Arc<dyn BatchingRule>) -> Self {
        Self { shared: self.shared.under(rule), ..self }
    }

    /// Compares the database's clock with this one at each probe.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Keeps the difference of the clocks. Logs when it becomes too large, and when it is small again.
    pub(super) fn note_skew(&self, now: Option<ClockSkew>) {
        let Some(now) = now else { return };
        let before = self.skew.lock().replace(now);
        let was_too_large = before.is_some_and(|before| before.is_too_large());
        if now.is_too_large() != was_too_large {
            let ClockSkew { ahead_ms, uncertainty_ms } = now;
            if was_too_large {
                tracing::info!(
                    event = "clock_skew_ended",
                    ahead_ms,
                    uncertainty_ms,
                    "the database's clock agrees with this one again"
                );
            } else {
                tracing::warn!(
                    event = "clock_skew",
                    ahead_ms,
                    uncertainty_ms,
                    "the database's clock differs from this one; leases and times are compared across both"
                );
            }
        }
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
        Connections { open, in_use, waiting: self.pool.waiting(), size: self.size }
    }

    /// Closes all connections. Later calls fail with `Unavailable`.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

//! The figures that a store reports. The storage does not know which exporter counts them.

use std::{fmt, time::Duration};

use pipeline::run::Stage;

use crate::error::StorageErrorKind;

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreName {
    Database,
    File,
}

impl StoreName {
    /// The store's name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::File => "file",
        }
    }
}

/// Receives the router's figures. Each method returns at once.
pub trait StorageObserver: fmt::Debug + Send + Sync {
    /// The router wrote to the database, or failed to.
    fn database_write(&self, is_ok: bool);

    /// A store has stored a stage.
    fn stage_stored(&self, stage: Stage, provider: &str, store: StoreName);

    /// A worker has written a stage after so many attempts, or has given up.
    fn stage_written(&self, attempts: u32, is_ok: bool);

    /// A write to the files failed.
    fn file_write_failed(&self);

    /// Reconciliation wrote stages to the database.
    fn stages_reconciled(&self, count: usize);
}

/// How the wait for a connection of the pool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionWait {
    Taken,
    /// All connections were in use for the whole wait.
    Exhausted,
    /// The server gave no connection.
    Failed,
}

/// Receives the calls to the stores, each in the task that made it. Each method returns at once.
pub trait CallObserver: fmt::Debug + Send + Sync {
    /// A call has ended. `operation` is one of a closed set of names.
    fn called(
        &self,
        store: StoreName,
        operation: &'static str,
        took: Duration,
        error: Option<StorageErrorKind>,
    );

    /// A caller has waited for a connection of the pool.
    fn connection_awaited(&self, waited: Duration, outcome: ConnectionWait);
}

/// Counts nothing, for commands and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl StorageObserver for Unobserved {
    fn database_write(&self, _: bool) {}

    fn stage_stored(&self, _: Stage, _: &str, _: StoreName) {}

    fn stage_written(&self, _: u32, _: bool) {}

    fn file_write_failed(&self) {}

    fn stages_reconciled(&self, _: usize) {}
}

impl CallObserver for Unobserved {
    fn called(&self, _: StoreName, _: &'static str, _: Duration, _: Option<StorageErrorKind>) {}

    fn connection_awaited(&self, _: Duration, _: ConnectionWait) {}
}

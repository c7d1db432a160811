//! The figures that a store reports. The storage does not know which exporter counts them.

use std::fmt;

use pipeline::run::Stage;

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

    /// A write to the files failed.
    fn file_write_failed(&self);

    /// Reconciliation wrote stages to the database.
    fn stages_reconciled(&self, count: usize);
}

/// Counts nothing, for commands and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl StorageObserver for Unobserved {
    fn database_write(&self, _: bool) {}

    fn stage_stored(&self, _: Stage, _: &str, _: StoreName) {}

    fn file_write_failed(&self) {}

    fn stages_reconciled(&self, _: usize) {}
}

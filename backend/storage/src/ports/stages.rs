//! The stages of a run.

use async_trait::async_trait;
use pipeline::{record::StageRecord, run::Stage};

use crate::{error::StorageError, ports::lifecycle::Fence};

/// Keeps the stages of runs.
#[async_trait]
pub trait Stages: Send + Sync {
    /// Stores a stage durably.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run, or if it has ended. `Conflict` if a different record is
    /// stored. `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError>;

    /// Records that the other store lacks these stages (none: only the run's end).
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run. `Unavailable` or `Schema` if the store fails. `Indeterminate`
    /// if it does not answer in time.
    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError>;
}

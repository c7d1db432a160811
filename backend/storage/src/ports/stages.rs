//! The stages of a run.

use async_trait::async_trait;
use pipeline::{record::StageRecord, run::Stage};

use crate::{
    error::StorageError,
    ports::{
        combined::{Alone, Combined, Leave},
        lifecycle::Fence,
    },
};

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

    /// As [`Stages::store_stage`], in one statement with the stages of other runs. A store that combines nothing says `Alone`.
    ///
    /// # Errors
    ///
    /// `Invalid` if the record has no canonical form.
    async fn store_stage_combined(
        &self,
        _: &Fence,
        _: &StageRecord,
        _: Leave<'_>,
    ) -> Result<Combined, StorageError> {
        Ok(Combined::Alone(Alone::default()))
    }

    /// Records that the other store lacks these stages (none: only the run's end).
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run. `Unavailable` or `Schema` if the store fails. `Indeterminate`
    /// if it does not answer in time.
    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError>;
}

//! How a run is deleted: its tombstone first, then all that is left of it.

use async_trait::async_trait;
use pipeline::run::RunId;

use crate::{
    control_plane::{AuditRecord, Principal},
    error::StorageError,
};

/// The result of the first step of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TombstoneOutcome {
    /// The tombstone exists, so no caller sees the run any more.
    Done {
        /// Whether the store had the run before.
        had_run: bool,
    },
    /// The run has not ended. Nothing has changed.
    Running,
}

/// Deletes runs.
#[async_trait]
pub trait Tombstones: Send + Sync {
    /// Creates a run's tombstone, so that it is no longer shown, retried or accepted. Idempotent. The tombstone keeps the
    /// run's principal; `owner` is it where the store does not have the run. The call that creates it keeps the `audit` record,
    /// as [`Control`](crate::ports::control::Control) does.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn create_tombstone(
        &self,
        run: &RunId,
        owner: &Principal,
        audit: Option<&AuditRecord>,
    ) -> Result<TombstoneOutcome, StorageError>;

    /// The principal of a deleted run. None if the run has no tombstone.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn deleted_owner(&self, run: &RunId) -> Result<Option<Principal>, StorageError>;

    /// Whether the run has a tombstone.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn is_deleted(&self, run: &RunId) -> Result<bool, StorageError> {
        Ok(self.deleted_owner(run).await?.is_some())
    }

    /// Removes all of a deleted run except its tombstone. Idempotent.
    ///
    /// # Errors
    ///
    /// `Invalid` if the run has no tombstone. `Unavailable` or `Schema` if the store fails. `Indeterminate`
    /// if it does not answer in time.
    async fn remove(&self, run: &RunId) -> Result<(), StorageError>;

    /// Lists deleted runs of which something remains, because a process died during the removal.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError>;
}

//! The commands on a run that no worker makes: list, retry, cancel, delete.

use async_trait::async_trait;
use pipeline::{clock::Timestamp, failure::RunFailure, run::RunId};

use crate::{
    error::StorageError,
    ports::{
        lifecycle::Fence,
        listing::{FrontendRun, Listing, RunPage},
    },
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

/// The operations on runs that no worker makes.
#[async_trait]
pub trait Control: Send + Sync {
    /// Reads the run's row in the frontend's database. None for a store without such rows.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn frontend_run(&self, _run: &RunId) -> Result<Option<FrontendRun>, StorageError> {
        Ok(None)
    }

    /// Ends the current step on the frontend's page, for a run that the frontend has ended.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn end_step(&self, _run: &RunId, _failure: &RunFailure) -> Result<(), StorageError> {
        Ok(())
    }

    /// Lists one page of runs.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError>;

    /// Lists the runs that the caller no longer owns. Changes nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError>;

    /// Continues a failed or cancelled run with its stored stages, under the generation after `seen`. Returns
    /// the new generation. None if the run has changed since: of many concurrent calls, one succeeds.
    ///
    /// # Errors
    ///
    /// `NotFound` if the store does not hold the run. `Unavailable` or `Schema` if the store fails.
    /// `Indeterminate` if it does not answer in time.
    async fn retry(&self, run: &RunId, seen: i32) -> Result<Option<i32>, StorageError>;

    /// Cancels a run that has not ended. From then on, its worker's writes are stale. False if the run had
    /// ended.
    ///
    /// # Errors
    ///
    /// `NotFound` if the store does not hold the run. `Unavailable` or `Schema` if the store fails.
    /// `Indeterminate` if it does not answer in time.
    async fn cancel(&self, run: &RunId, failure: &RunFailure, at: Timestamp) -> Result<bool, StorageError>;

    /// Creates a run's tombstone, so that it is no longer shown, retried or accepted. Idempotent.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn create_tombstone(&self, run: &RunId) -> Result<TombstoneOutcome, StorageError>;

    /// Whether the run has a tombstone.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn is_deleted(&self, run: &RunId) -> Result<bool, StorageError>;

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

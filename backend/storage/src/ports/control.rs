//! Commands on a run from outside of its work: list, retry, cancel, delete.

use async_trait::async_trait;
use pipeline::{clock::Timestamp, failure::RunFailure, run::RunId};

use crate::{
    error::StorageError,
    ports::{
        lifecycle::Fence,
        listing::{FrontendRun, Listing, RunPage},
    },
};

/// What came of a deletion's first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TombstoneOutcome {
    /// Its tombstone stands; nobody sees the run any more.
    Done {
        /// Whether the store had the run, or only knows now that there must be none.
        had_run: bool,
    },
    /// It has not ended. Nothing has changed.
    Running,
}

/// What is done to runs from outside of their work.
#[async_trait]
pub trait Control: Send + Sync {
    /// The run's row in the database that the frontend shares; a store without such rows has none.
    async fn frontend_run(&self, _run: &RunId) -> Result<Option<FrontendRun>, StorageError> {
        Ok(None)
    }

    /// Ends the step that a page shows as under way, for a run that the frontend has ended.
    async fn end_step(&self, _run: &RunId, _failure: &RunFailure) -> Result<(), StorageError> {
        Ok(())
    }

    /// A page of the list.
    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError>;

    /// Which of the runs are no longer the caller's. Changes nothing.
    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError>;

    /// Makes a failed or cancelled run work again, with what is stored of it, under the generation after the one that
    /// was seen; returns that. None if it is not as seen any more: of many at once, one does it.
    async fn retry(&self, run: &RunId, seen: i32) -> Result<Option<i32>, StorageError>;

    /// Ends a run that has not ended, whoever works on it: from now on their writes are stale. False if it had ended.
    async fn cancel(&self, run: &RunId, failure: &RunFailure, at: Timestamp) -> Result<bool, StorageError>;

    /// Sets a run's tombstone: it is shown, retried and accepted no more. May be done again.
    async fn create_tombstone(&self, run: &RunId) -> Result<TombstoneOutcome, StorageError>;

    /// Whether the run has a tombstone.
    async fn is_deleted(&self, run: &RunId) -> Result<bool, StorageError>;

    /// Removes all that a buried run has left but its tombstone. May be done again.
    async fn remove(&self, run: &RunId) -> Result<(), StorageError>;

    /// Buried runs of which something is left: a process died before it had removed all.
    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError>;
}

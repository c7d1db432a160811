//! A store of runs.

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunId, Stage},
};

use crate::{
    error::StorageError,
    ports::{
        control::Control,
        lifecycle::{Acceptance, Claim, Fence, Lease},
    },
    run::{End, RunRecord, RunSubmission},
};

/// A store of runs.
#[async_trait]
pub trait Store: Control + std::fmt::Debug {
    /// Stores a request durably, or finds that it was stored before. Of many concurrent calls, one returns
    /// `New`.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError>;

    /// Stores a run that another store accepted, under the same fence. The run may be here already.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run, or if it was deleted. `Conflict` if the run has another
    /// request. `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn adopt(&self, run: &RunSubmission, fence: &Fence) -> Result<(), StorageError>;

    /// Claims accepted, unfinished runs without an owner: urgent ones first, then each user's oldest.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError>;

    /// Renews leases. Returns the runs that the caller has lost.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn renew(&self, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, StorageError>;

    /// Releases an unfinished run, so that any worker may claim it at once. The attempt does not count.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn release(&self, fence: &Fence) -> Result<(), StorageError>;

    /// Loads a run with all its stored parts.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError>;

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

    /// Ends the run durably, with its report and its failure. Repeating the same end succeeds.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run, or if it has ended otherwise. `Unavailable` or `Schema` if
    /// the store fails. `Indeterminate` if it does not answer in time.
    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError>;

    /// Checks whether the store would accept a write now.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Indeterminate` or `Schema` says why it would not.
    async fn probe(&self) -> Result<(), StorageError>;
}

//! Commands on a run from outside of its work: retry and cancel.

use async_trait::async_trait;
use pipeline::{clock::Timestamp, failure::RunFailure, run::RunId};

use crate::{control_plane::AuditRecord, error::StorageError};

/// Retries and cancels runs.
///
/// A change by a person brings the `audit` record of it, which the store keeps if it makes the change: in the same statement
/// in a database, before the change in files. The store sets `old` and `new` of the record. Without a record, the service
/// itself makes the change.
#[async_trait]
pub trait Control: Send + Sync {
    /// Continues a failed or cancelled run with its stored stages, under the generation after `seen`. Returns
    /// the new generation. None if the run has changed since: of many concurrent calls, one succeeds.
    ///
    /// # Errors
    ///
    /// `NotFound` if the store does not hold the run. `Unavailable` or `Schema` if the store fails.
    /// `Indeterminate` if it does not answer in time.
    async fn retry(
        &self,
        run: &RunId,
        seen: i32,
        audit: Option<&AuditRecord>,
    ) -> Result<Option<i32>, StorageError>;

    /// Cancels a run that has not ended. From then on, its worker's writes are stale. False if the run had
    /// ended.
    ///
    /// # Errors
    ///
    /// `NotFound` if the store does not hold the run. `Unavailable` or `Schema` if the store fails.
    /// `Indeterminate` if it does not answer in time.
    async fn cancel(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at: Timestamp,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError>;

    /// Ends the current step on the frontend's page, for a run that the frontend has ended.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn end_step(&self, _run: &RunId, _failure: &RunFailure) -> Result<(), StorageError> {
        Ok(())
    }
}

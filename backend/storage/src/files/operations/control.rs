//! Retries, cancellations and deletions, and what they leave behind.

use pipeline::{clock::Timestamp, failure::RunFailure, run::RunId};

use crate::{
    control_plane::{AuditRecord, Principal},
    error::StorageError,
    files::{db_sync::DbSync, run_files::RunFiles, store::FileStore},
    ports::tombstones::TombstoneOutcome,
};

impl FileStore {
    /// As `Control::retry`; also records whether the database holds the retry.
    ///
    /// # Errors
    ///
    /// `NotFound` if the files do not hold the run. `Unavailable` if the files cannot be written.
    /// `Indeterminate` if a write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn retry_with_sync_state(
        &self,
        run: &RunId,
        seen: i32,
        db_sync: DbSync,
        audit: Option<&AuditRecord>,
    ) -> Result<Option<i32>, StorageError> {
        let audit = audit.cloned();
        self.write_one(run, move |files, run| files.retry(run, seen, db_sync, audit.as_ref())).await
    }

    /// As `Control::cancel`; also records whether the database holds the cancellation.
    ///
    /// # Errors
    ///
    /// `NotFound` if the files do not hold the run. `Unavailable` if the files cannot be written.
    /// `Indeterminate` if a write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn cancel_with_sync_state(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at: Timestamp,
        db_sync: DbSync,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        let (id, audit) = (run.clone(), audit.cloned());
        let cancel = move |files: &RunFiles, failure: &RunFailure| {
            files.cancel(&id, failure, at, db_sync, audit.as_ref())
        };
        self.wake_dispatcher(self.write_with(run, failure, cancel).await)
    }

    /// Records that a deletion begins, so that a later start can finish it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn mark_deleting(&self, run: &RunId) -> Result<(), StorageError> {
        self.write_one(run, RunFiles::mark_deleting).await
    }

    /// Lists runs whose deletion has begun and may not have ended.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn deleting(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(RunFiles::deleting).await
    }

    /// As `Tombstones::create_tombstone`. With `has_ended`, the database says that the run has ended, whatever
    /// the files say.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn create_tombstone_for(
        &self,
        run: &RunId,
        has_ended: bool,
        owner: &Principal,
        audit: Option<&AuditRecord>,
    ) -> Result<TombstoneOutcome, StorageError> {
        let (owner, audit) = (owner.clone(), audit.cloned());
        let create = move |files: &RunFiles, run: &RunId| {
            files.create_tombstone(run, has_ended, &owner, audit.as_ref())
        };
        self.write_one(run, create).await
    }

    /// Removes half-written files that a killed process left, from whichever run they are in.
    ///
    /// # Errors
    ///
    /// As [`FileStore::clear_leftovers`].
    pub async fn sweep_leftovers(&self, run: &RunId) -> Result<(), StorageError> {
        self.write_one(run, RunFiles::sweep_leftovers).await
    }

    /// Removes half-written files that a killed process left in a run without a worker.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn clear_leftovers(&self, run: &RunId) -> Result<(), StorageError> {
        self.write_one(run, RunFiles::clear_leftovers_locked).await
    }
}

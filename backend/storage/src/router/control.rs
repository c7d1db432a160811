//! Retry and cancel in both stores: the database decides where it has the run's row, and the files follow. The store that
//! decides keeps the audit record.

use async_trait::async_trait;
use foundation::failpoints;
use pipeline::{clock::Timestamp, failure::RunFailure, run::RunId};

use crate::{
    control_plane::AuditRecord,
    database::Database,
    error::{StorageError, StorageErrorKind},
    files::DbSync,
    ports::control::Control,
    router::{
        both_sides::{BothSides, ReadPurpose},
        core::Router,
    },
};

impl Router {
    /// The sync state of a change that only the files receive.
    fn absent_twin(&self) -> DbSync {
        if self.database.is_some() { DbSync::Pending } else { DbSync::NotTracked }
    }

    /// The database, if its row decides about the run.
    fn deciding(&self, sides: &BothSides) -> Option<&Database> {
        self.database.as_ref().filter(|_| sides.row.is_some() && !sides.files_are_ahead())
    }

    async fn cancel_in_files(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at: Timestamp,
        db_sync: DbSync,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        let cancelled = self.files.cancel_with_sync_state(run, failure, at, db_sync, audit).await;
        self.note_file(&cancelled);
        cancelled
    }
}

#[async_trait]
impl Control for Router {
    async fn retry(
        &self,
        run: &RunId,
        seen: i32,
        audit: Option<&AuditRecord>,
    ) -> Result<Option<i32>, StorageError> {
        let sides = self.read_both(run, ReadPurpose::Decision).await?;
        if let Some(database) = self.deciding(&sides) {
            // The files follow at the next claim.
            return database.call(|store| async move { store.retry(run, seen, audit).await }).await;
        }
        if sides.file.is_none() {
            return Ok(None);
        }
        // If the row is gone, inserting it again serves as the claim, so the database guards against two
        // retries.
        let guard = self.file_acceptance();
        if !guard.is_allowed() && !self.has_no_row(run).await {
            return Err(StorageError::new(StorageErrorKind::Unavailable, guard.sentence()));
        }
        let retried = self.files.retry_with_sync_state(run, seen, self.absent_twin(), audit).await;
        self.note_file(&retried);
        retried
    }

    async fn cancel(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at: Timestamp,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        let sides = self.read_both(run, ReadPurpose::Decision).await?;
        let Some(database) = self.deciding(&sides) else {
            if sides.file.is_none() {
                return Ok(false);
            }
            let cancelled = self.cancel_in_files(run, failure, at, self.absent_twin(), audit).await?;
            // No other worker may execute the run again from its row, which lacks the cancellation.
            if cancelled && let Some(active) = self.active.get(run).filter(|active| active.owns_row) {
                self.leases.retain(&active.fence, self.clock.monotonic());
            }
            return Ok(cancelled);
        };
        let cancelled =
            database.call(|store| async move { store.cancel(run, failure, at, audit).await }).await?;
        failpoints::hit("cancelled-in-database");
        if cancelled && let Err(error) = self.cancel_in_files(run, failure, at, DbSync::Synced, None).await {
            // The run's worker closes the files too. Without a worker, the next sync closes them.
            if error.is_outage() {
                tracing::warn!(event = "manifest_close_failed", run_id = %run, %error, "the run's manifest could not be closed; the run is cancelled in the database");
            }
        }
        Ok(cancelled)
    }
}

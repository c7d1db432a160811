//! Runs whose row was in the database and is there no longer: deleted by us, on whatever replica; removed by the
//! database's owner; or lost with an older backup.
//!
//! The first has a tombstone, and its files go. The other two cannot be told apart. So nothing is begun anew, and nothing
//! comes back by itself: what had ended stays as it ended, and what was under way is cancelled. Whoever asks for the run
//! again, by its id, or by command, brings its row back with what the files have.

use pipeline::{
    failure::{FailureCode, RunFailure},
    run::RunId,
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{DbSync, manifest::Manifest},
    ports::{control::Control as _, lifecycle::Acceptance},
    router::Router,
    run::RunSubmission,
};

/// What is said of a run that was under way when its row went.
const REMOVED: &str = "the run was stopped: its row was removed from the database, by its owner or by restoring an \
                       older backup";

impl Router {
    /// Removes what this disk has of a run that the database says is deleted; false if it does not say so.
    pub async fn purge_if_deleted(&self, run: &RunId) -> Result<bool, StorageError> {
        if !self.has_tombstone_in_database(run).await? {
            return Ok(false);
        }
        self.purge_deleted(run).await.map(|()| true)
    }

    /// Removes what this disk has of a deleted run.
    pub(super) async fn purge_deleted(&self, run: &RunId) -> Result<(), StorageError> {
        tracing::info!(event = "deleted_files_removed", run_id = %run, "[{run}] was deleted on another replica; deleting files");
        self.files.create_tombstone_for(run, true).await?;
        self.files.remove(run).await?;
        self.changes.publish(run);
        Ok(())
    }

    /// What a run's acceptance comes to that the files know, if the database, which answers, no longer has its row; none if
    /// it is for the database to say.
    pub(super) async fn accept_missing_row(
        &self,
        run: &RunSubmission,
        manifest: &Manifest,
    ) -> Result<Option<Acceptance>, StorageError> {
        let Some(database) = &self.database else { return Ok(None) };
        let id = &run.id;
        match database.call(|store| async move { store.load(id).await }).await {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(None),
            // Whoever asks it next finds out what that means.
            Err(_) => return Ok(None),
        }
        if self.purge_if_deleted(id).await? {
            return Ok(Some(Acceptance::Deleted));
        }
        if manifest.request.digest != run.request.digest {
            return Ok(Some(Acceptance::RequestMismatch));
        }
        // It was accepted, and stays so: reconciliation brings an ended run's row back, whoever claims an open one its.
        self.files.lose_row(id).await?;
        tracing::warn!(event = "row_restored", run_id = %id, "[{id}] was accepted before, and its row is gone; it comes back with what the files have");
        Ok(Some(Acceptance::Existing(manifest.status)))
    }

    /// Ends in files, as cancelled, a run whose row is gone: the database, which had it, is where runs are decided.
    pub(super) async fn cancel_missing_row(&self, run: &RunId) -> Result<(), StorageError> {
        // Accepted by file, or asked for again: its row has yet to come.
        let is_open = |manifest: &Manifest| manifest.has_row() && !manifest.has_ended();
        if !self.files.manifest(run).await?.as_ref().is_some_and(is_open) {
            return Ok(());
        }
        let failure = RunFailure::new(FailureCode::Cancelled, None, REMOVED, true);
        match self.files.cancel_with_sync_state(run, &failure, self.clock.now(), DbSync::Synced).await {
            Err(error) if error.kind == StorageErrorKind::NotFound => return Ok(()),
            cancelled => cancelled?,
        };
        tracing::warn!(event = "run_row_removed", run_id = %run, audit = "run_cancelled", "[{run}] is cancelled: its row was removed from the database");
        self.changes.publish(run);
        Ok(())
    }

    /// Whether the database answers, and says that it has no row of the run.
    pub(super) async fn has_no_row(&self, run: &RunId) -> bool {
        let Some(database) = self.open_database(self.mode()) else { return false };
        matches!(database.call(|store| async move { store.load(run).await }).await, Ok(None))
    }
}

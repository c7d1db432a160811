//! Cancels, retries, deletes and lists runs in both stores. The database decides if it has the run's row, and
//! the files follow.

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus},
};

use crate::{
    database::Database,
    error::{StorageError, StorageErrorKind},
    files::DbSync,
    ports::{
        control::{Control, TombstoneOutcome},
        lifecycle::Fence,
        listing::{FrontendRun, Listing, RunPage},
        store::Store as _,
    },
    router::{
        both_sides::{BothSides, ReadPurpose},
        core::Router,
    },
};
use foundation::failpoints;

impl Router {
    /// The sync state of a change that only the files receive.
    fn absent_twin(&self) -> DbSync {
        if self.database.is_some() { DbSync::Pending } else { DbSync::NotTracked }
    }

    /// The database, if its row decides about the run.
    fn deciding(&self, sides: &BothSides) -> Option<&Database> {
        self.database.as_ref().filter(|_| sides.row.is_some() && !sides.files_are_ahead())
    }

    /// Fails if the database has the run's row but is switched off. A deletion must not leave the row behind.
    async fn check_row_is_reachable(&self, run: &RunId) -> Result<(), StorageError> {
        if self.database.is_none() || self.mode().has_database() {
            return Ok(());
        }
        let manifest = self.files.manifest(run).await?;
        if manifest.is_some_and(|manifest| manifest.has_row()) {
            let what = "the database is switched off, and holds the run's row";
            return Err(StorageError::new(StorageErrorKind::Unavailable, what));
        }
        Ok(())
    }

    /// Checks that every store can do its part before a deletion begins.
    async fn check_both_are_reachable(&self, run: &RunId) -> Result<(), StorageError> {
        self.check_row_is_reachable(run).await?;
        let mode = self.mode();
        if let Some(database) = self.database.as_ref().filter(|_| mode.has_database()) {
            database.call(|store| async move { store.is_deleted(run).await }).await?;
        } else if !mode.has_files() {
            let what = "both storage flags are off; set ENABLE_DATABASE_WRITES or ENABLE_FILE_FALLBACK";
            return Err(StorageError::new(StorageErrorKind::Unavailable, what));
        }
        if mode.has_files() || self.files.manifest(run).await?.is_some() {
            let probed = self.files.probe().await;
            self.note_file(&probed);
            probed?;
            self.files.mark_deleting(run).await?;
        }
        Ok(())
    }

    /// Finishes deletions that a dead process left incomplete.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    pub async fn finish_removals(&self) -> Result<(), StorageError> {
        for run in self.pending_purges().await? {
            self.remove(&run).await?;
            tracing::info!(event = "deletion_finished", run_id = %run, "[{run}] incomplete deletion finished");
        }
        Ok(())
    }

    async fn cancel_in_files(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at: Timestamp,
        db_sync: DbSync,
    ) -> Result<bool, StorageError> {
        let cancelled = self.files.cancel_with_sync_state(run, failure, at, db_sync).await;
        self.note_file(&cancelled);
        cancelled
    }
}

#[async_trait]
impl Control for Router {
    async fn frontend_run(&self, run: &RunId) -> Result<Option<FrontendRun>, StorageError> {
        match self.database.as_ref().filter(|_| self.mode().has_database()) {
            Some(database) => database.read(|store| async move { store.frontend_run(run).await }).await,
            None => Ok(None),
        }
    }

    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        let mode = self.mode();
        if let Some(database) = self.database.as_ref().filter(|_| mode.has_database()) {
            match database.read(|store| async move { store.list(listing).await }).await {
                Err(error) if error.is_outage() && mode.has_files() => {
                    tracing::warn!(event = "run_list_from_files", %error, "the list of runs comes from this replica's files");
                }
                listed => return listed,
            }
        }
        self.files.list(listing).await
    }

    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        // The worker calls this twice a second, so the time of a change of mode is known.
        self.database_disabled_since();
        let with_row: Vec<Fence> = fences.iter().filter(|fence| self.owns_row(fence)).cloned().collect();
        match self.open_database(self.mode()) {
            // Bypass the breaker: such frequent reads must not decide about an outage.
            Some(database) if !with_row.is_empty() => database.store.lost_leases(&with_row).await,
            // Other replicas may have ended the runs in shared files.
            _ if !fences.is_empty()
                && self.mode().has_files()
                && self.files.has_shared_create_if_absent() =>
            {
                let [_, for_ended] = &self.poll_limiters;
                if for_ended.is_due(self.clock.monotonic()) {
                    self.files.ended_elsewhere(fences).await
                } else {
                    Ok(Vec::new())
                }
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn retry(&self, run: &RunId, seen: i32) -> Result<Option<i32>, StorageError> {
        let sides = self.read_both(run, ReadPurpose::Decision).await?;
        if let Some(database) = self.deciding(&sides) {
            // The files follow at the next claim.
            return database.call(|store| async move { store.retry(run, seen).await }).await;
        }
        if sides.file.is_none() {
            return Ok(None);
        }
        // If the row is gone, inserting it again serves as the claim, so the database guards against two
        // retries.
        if !self.has_global_claim() && !self.has_no_row(run).await {
            let what = "files alone cannot keep several replicas from retrying it twice (SINGLE_REPLICA)";
            return Err(StorageError::new(StorageErrorKind::Unavailable, what));
        }
        let retried = self.files.retry_with_sync_state(run, seen, self.absent_twin()).await;
        self.note_file(&retried);
        retried
    }

    async fn cancel(&self, run: &RunId, failure: &RunFailure, at: Timestamp) -> Result<bool, StorageError> {
        let sides = self.read_both(run, ReadPurpose::Decision).await?;
        let Some(database) = self.deciding(&sides) else {
            if sides.file.is_none() {
                return Ok(false);
            }
            let cancelled = self.cancel_in_files(run, failure, at, self.absent_twin()).await?;
            // No other worker may execute the run again from its row, which lacks the cancellation.
            if cancelled && let Some(active) = self.active(run).filter(|active| active.owns_row) {
                self.leases.retain(&active.fence, self.clock.monotonic());
            }
            return Ok(cancelled);
        };
        let cancelled = database.call(|store| async move { store.cancel(run, failure, at).await }).await?;
        failpoints::hit("cancelled-in-database");
        if cancelled && let Err(error) = self.cancel_in_files(run, failure, at, DbSync::Synced).await {
            // The run's worker closes the files too. Without a worker, the next sync closes them.
            if error.is_outage() {
                tracing::warn!(event = "manifest_close_failed", run_id = %run, %error, "the run's manifest could not be closed; the run is cancelled in the database");
            }
        }
        Ok(cancelled)
    }

    async fn create_tombstone(&self, run: &RunId) -> Result<TombstoneOutcome, StorageError> {
        self.check_both_are_reachable(run).await?;
        let Some(database) = self.database.as_ref().filter(|_| self.mode().has_database()) else {
            return self.files.create_tombstone_for(run, false).await;
        };
        let sides = self.read_both(run, ReadPurpose::Decision).await?;
        if let Some(error) = sides.row_error {
            return Err(error);
        }
        let has_row = sides.row.is_some();
        let merged = sides.merged();
        if merged.is_some_and(|snapshot| snapshot.status == RunStatus::Processing) {
            return Ok(TombstoneOutcome::Running);
        }
        // The deciding store goes first, because a retry may have opened the run again.
        if has_row {
            let tombstone = database.call(|store| async move { store.create_tombstone(run).await }).await?;
            failpoints::hit("buried-in-database");
            if tombstone == TombstoneOutcome::Running {
                return Ok(tombstone);
            }
            // Also on a disk that never had the run. Otherwise, this replica could accept it again during an
            // outage of the database.
            if self.mode().has_files() || self.files.manifest(run).await?.is_some() {
                self.files.create_tombstone_for(run, true).await?;
            }
            return Ok(tombstone);
        }
        let tombstone = self.files.create_tombstone_for(run, false).await?;
        failpoints::hit("buried-in-files");
        if tombstone != TombstoneOutcome::Running {
            database.call(|store| async move { store.create_tombstone(run).await }).await?;
        }
        Ok(tombstone)
    }

    async fn is_deleted(&self, run: &RunId) -> Result<bool, StorageError> {
        self.has_tombstone(run).await
    }

    async fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        self.check_row_is_reachable(run).await?;
        if !self.has_tombstone(run).await? {
            let what = format!("run {run} has no tombstone");
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        }
        if let Some(database) = self.database.as_ref().filter(|_| self.mode().has_database()) {
            let is_deleted = database.call(|store| async move { store.is_deleted(run).await }).await?;
            if !is_deleted {
                // A process died between the two tombstones.
                database.call(|store| async move { store.create_tombstone(run).await }).await?;
            }
            database.call(|store| async move { store.remove(run).await }).await?;
            failpoints::hit("removed-from-database");
        }
        if self.files.manifest(run).await?.is_some() {
            self.files.create_tombstone_for(run, true).await?;
        }
        if self.files.is_deleted(run).await? { self.files.remove(run).await } else { Ok(()) }
    }

    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        let mut left = Vec::new();
        for run in self.files.deleting().await? {
            if self.has_tombstone(&run).await? {
                left.push(run);
            }
        }
        if let Some(database) = self.open_database(self.mode()) {
            left.extend(database.call(|store| async move { store.pending_purges().await }).await?);
        }
        Ok(left)
    }
}

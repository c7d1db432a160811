//! Deletion in both stores: the side that decides gets its tombstone first, and both have one before anything is
//! removed.

use async_trait::async_trait;
use foundation::failpoints;
use pipeline::{
    failure::RunFailure,
    run::{RunId, RunStatus},
};

use crate::{
    control_plane::{AuditRecord, Principal},
    error::{StorageError, StorageErrorKind},
    ports::{
        prelude::*,
        tombstones::{TombstoneOutcome, Tombstones},
    },
    router::{both_sides::ReadPurpose, core::Router},
};

impl Router {
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

    /// Deletes a row that came back with an older backup, of a run that the files say is deleted. A worker that has the row
    /// loses it.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn restore_deletion(&self, run: &RunId) -> Result<(), StorageError> {
        let Some(database) = self.open_database(self.mode()) else { return Ok(()) };
        let owner = &self.files.deleted_owner(run).await?.unwrap_or_else(Principal::environment);
        let bury = || database.call(|store| async move { store.create_tombstone(run, owner, None).await });
        if bury().await? == TombstoneOutcome::Running {
            let (failure, at) = (RunFailure::cancelled(None), self.clock.now());
            match database.call(|store| async { store.cancel(run, &failure, at, None).await }).await {
                Err(error) if error.kind != StorageErrorKind::NotFound => return Err(error),
                _ => {}
            }
            bury().await?;
        }
        database.call(|store| async move { store.remove(run).await }).await?;
        tracing::warn!(event = "deletion_restored", run_id = %run, audit = "run_deleted", "[{run}] was deleted, and its row came back: it is deleted again");
        self.changes.publish(run);
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
}

#[async_trait]
impl Tombstones for Router {
    async fn create_tombstone(
        &self,
        run: &RunId,
        owner: &Principal,
        audit: Option<&AuditRecord>,
    ) -> Result<TombstoneOutcome, StorageError> {
        self.check_both_are_reachable(run).await?;
        let Some(database) = self.database.as_ref().filter(|_| self.mode().has_database()) else {
            return self.files.create_tombstone_for(run, false, owner, audit).await;
        };
        let sides = self.read_both(run, ReadPurpose::Decision).await?;
        if let Some(error) = sides.row_error {
            return Err(error);
        }
        let has_row = sides.row.is_some();
        let merged = sides.merged();
        let owner = &merged.as_ref().map_or(owner, |record| &record.principal).clone();
        if merged.is_some_and(|snapshot| snapshot.status == RunStatus::Processing) {
            return Ok(TombstoneOutcome::Running);
        }
        // The deciding store goes first, because a retry may have opened the run again.
        if has_row {
            let bury = database.call(|store| async move { store.create_tombstone(run, owner, audit).await });
            let tombstone = bury.await?;
            failpoints::hit("buried-in-database");
            if tombstone == TombstoneOutcome::Running {
                return Ok(tombstone);
            }
            // Also on a disk that never had the run. Otherwise, this replica could accept it again during an
            // outage of the database.
            if self.mode().has_files() || self.files.manifest(run).await?.is_some() {
                self.files.create_tombstone_for(run, true, owner, None).await?;
            }
            return Ok(tombstone);
        }
        let tombstone = self.files.create_tombstone_for(run, false, owner, audit).await?;
        failpoints::hit("buried-in-files");
        if tombstone != TombstoneOutcome::Running {
            database.call(|store| async move { store.create_tombstone(run, owner, None).await }).await?;
        }
        Ok(tombstone)
    }

    async fn deleted_owner(&self, run: &RunId) -> Result<Option<Principal>, StorageError> {
        self.tombstone_owner(run).await
    }

    async fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        self.check_row_is_reachable(run).await?;
        let Some(owner) = &self.tombstone_owner(run).await? else {
            let what = format!("run {run} has no tombstone");
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        };
        if let Some(database) = self.database.as_ref().filter(|_| self.mode().has_database()) {
            let is_deleted = database.call(|store| async move { store.is_deleted(run).await }).await?;
            if !is_deleted {
                // A process died between the two tombstones.
                database.call(|store| async move { store.create_tombstone(run, owner, None).await }).await?;
            }
            database.call(|store| async move { store.remove(run).await }).await?;
            failpoints::hit("removed-from-database");
        }
        if self.files.manifest(run).await?.is_some() {
            self.files.create_tombstone_for(run, true, owner, None).await?;
        }
        if self.files.is_deleted(run).await? { self.files.remove(run).await } else { Ok(()) }
    }

    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        let mut left = Vec::new();
        for run in self.files.deleting().await? {
            if self.tombstone_owner(&run).await?.is_some() {
                left.push(run);
            }
        }
        if let Some(database) = self.open_database(self.mode()) {
            left.extend(database.call(|store| async move { store.pending_purges().await }).await?);
        }
        Ok(left)
    }
}

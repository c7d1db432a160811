//! The worker's hand: the router applies the plans of runs that this process works on, under their fences.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::{clock::Timestamp, failure::RunFailure, record::StageRecord, run::RunId};

use crate::{
    database::Database,
    error::{StorageError, StorageErrorKind},
    files::{DbSync, FileStore},
    observer::{StorageObserver, StoreName},
    ports::{changes::RunChanges, lifecycle::Fence, prelude::*},
    router::{core::Router, write::Write},
    sync::{
        WritePath,
        apply::{Hand, RowChange, Work, apply, mark_synced, tolerate_mark},
        missing_row, plan,
    },
};

/// The lease of a row that is taken under its manifest's fence, until the first renewal says how long.
const ADOPTED_LEASE: Duration = Duration::from_secs(15);

impl Router {
    /// Takes the row of a run under way, or inserts it: the run was accepted by file. Stores what the files have of it.
    pub(super) async fn take_row(&self, fence: &Fence) -> Result<(), StorageError> {
        let run = &fence.run;
        let Some(active) = self.active.get(run) else {
            let what = "the database does not know the run";
            return Err(StorageError::new(StorageErrorKind::Unavailable, what));
        };
        let file = self.files.load(run).await?;
        // The files accepted the run, so they say whose it is: another replica may have claimed or cancelled it there while
        // the database was away. The row does not exist yet, or knows nothing of that.
        if file.is_some() && !self.files.lost_leases(std::slice::from_ref(fence)).await?.is_empty() {
            let what = format!("run {run} belongs to another replica, or has ended, as its files say");
            return Err(StorageError::new(StorageErrorKind::Fenced, what));
        }
        let work =
            Work { run, fence, new: Some(&*active.new), row: None, row_version: None, file: file.as_ref() };
        apply(self, &plan::take_row(file.as_ref()), &work).await?;
        self.active.note_owns_row(run);
        tracing::info!(event = "row_created", run_id = %run, "[{run}] has its row in the database");
        Ok(())
    }

    /// Stores stages in the open row, in order. Returns how many. Where another record stands, both stay: the run goes on,
    /// and reconciliation reports the difference. `row_lacked`: the row surely had none of them, so each counts as stored.
    pub(super) async fn store_in_row(
        &self,
        database: &Database,
        fence: &Fence,
        records: &[&StageRecord],
        row_lacked: bool,
    ) -> Result<usize, StorageError> {
        let run = &fence.run;
        let mut count = 0;
        for record in records {
            let stage = record.meta.stage;
            let stored =
                database.call_queued(|store| async move { store.store_stage(fence, record).await }).await;
            match stored {
                Err(error) if error.kind == StorageErrorKind::Conflict => {
                    tracing::error!(event = "sync_conflict_found", run_id = %run, %error, "[{run}] the row's own stage stands; both are kept");
                    self.active.note_in_row(run, stage);
                    continue;
                }
                stored => stored?,
            }
            count += 1;
            if row_lacked {
                self.note_stage_stored(fence, record);
            }
            self.active.note_in_row(run, stage);
            if row_lacked {
                mark_synced(&self.files, run, stage).await;
            } else {
                self.mark_taken(fence, record).await?;
            }
        }
        Ok(count)
    }

    /// Notes in the manifest, under the fence, that the row which was just taken has the stage. A claim or a cancellation in
    /// the files since then fences this process off.
    async fn mark_taken(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        match self.files.store_stage_with_sync_state(fence, record, DbSync::Synced).await {
            Err(error) if error.kind == StorageErrorKind::Fenced => Err(error),
            marked => {
                tolerate_mark(&fence.run, marked);
                Ok(())
            }
        }
    }

    /// Counts and logs a stage that the row has now.
    pub(super) fn note_stage_stored(&self, fence: &Fence, record: &StageRecord) {
        self.observer.stage_stored(record.meta.stage, &record.meta.provider, StoreName::Database);
        let stage = record.meta.stage.number();
        tracing::info!(event = "stage_row_written", run_id = %fence.run, stage, "[{}] Wrote Stage {stage} to database", fence.run);
    }

    fn any_database(&self) -> Result<&Database, StorageError> {
        let missing = || StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set");
        self.database.as_ref().ok_or_else(missing)
    }
}

#[async_trait]
impl Hand for Router {
    fn files(&self) -> &FileStore {
        &self.files
    }

    fn changes(&self) -> &RunChanges {
        &self.changes
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn change_row(&self, fence: &Fence, change: RowChange<'_>) -> Result<usize, StorageError> {
        let database = self.any_database()?;
        if let Some(new) = change.take {
            let began = self.clock.monotonic();
            database.call_queued(|store| async move { store.adopt(new, fence).await }).await?;
            self.leases.grant([&fence.run], began, ADOPTED_LEASE);
        }
        let count = self.store_in_row(database, fence, change.stages, change.take.is_none()).await?;
        if let Some((end, at)) = change.end {
            let ended = database.call_queued(|store| async move { store.finish(fence, end, at).await }).await;
            self.observer.database_write(ended.is_ok());
            ended?;
        }
        Ok(count)
    }

    async fn store_in_files(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        self.write_file(fence, Write::Stage(record), DbSync::Synced).await
    }

    fn remember_files_lack(&self, run: &RunId) {
        self.active.note_files_incomplete(run);
    }

    async fn end_frontend_step(&self, run: &RunId, failure: &RunFailure) -> Result<(), StorageError> {
        self.any_database()?.call_queued(|store| async move { store.end_step(run, failure).await }).await
    }

    async fn release_row(&self, fence: &Fence) {
        if let Some(database) = &self.database {
            // The database refuses it, as the run is another's, but counts the attempt back.
            let _ = database.call(|store| async move { store.release(fence).await }).await;
        }
    }
}

#[async_trait]
impl WritePath for Router {
    fn files(&self) -> &FileStore {
        &self.files
    }

    fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    fn changes(&self) -> &RunChanges {
        &self.changes
    }

    fn observer(&self) -> &dyn StorageObserver {
        &*self.observer
    }

    fn is_database_open(&self) -> bool {
        Self::is_database_open(self)
    }

    fn is_database_expected(&self) -> bool {
        Self::is_database_expected(self)
    }

    fn expects_files(&self) -> bool {
        Self::expects_files(self)
    }

    fn keeps_all_files(&self) -> bool {
        Self::keeps_all_files(self)
    }

    fn retained_leases(&self) -> Vec<Fence> {
        Self::retained_leases(self)
    }

    fn retained_lease(&self, run: &RunId) -> Option<Fence> {
        Self::retained_lease(self, run)
    }

    fn stop_retaining(&self, fences: &[Fence]) {
        Self::stop_retaining(self, fences);
    }

    async fn close_in_files(&self, run: &RunId) -> Result<(), StorageError> {
        Self::close_in_files(self, run).await
    }

    async fn restore_deletion(&self, run: &RunId) -> Result<(), StorageError> {
        Self::restore_deletion(self, run).await
    }

    async fn purge_if_deleted(&self, run: &RunId) -> Result<bool, StorageError> {
        Self::purge_if_deleted(self, run).await
    }
}

impl Router {
    /// Removes this disk's files of a run that the database says is deleted; false if it does not say so.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn purge_if_deleted(&self, run: &RunId) -> Result<bool, StorageError> {
        if !self.has_tombstone_in_database(run).await? {
            return Ok(false);
        }
        missing_row::purge(&self.files, &self.changes, run).await.map(|()| true)
    }
}

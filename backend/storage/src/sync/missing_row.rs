//! Runs whose row is gone from the database.
//!
//! There are three reasons. A replica deleted the run: the row has a tombstone, and the files here go. The database's owner
//! removed the row, or somebody restored an older backup: these two look the same. So the service restores nothing and runs
//! nothing on its own. A run that had ended stays as it ended; a run under way ends as cancelled. A command brings the row
//! back, and so does the same request again.

use std::{collections::HashSet, time::Duration};

use chrono::TimeDelta;
use pipeline::{
    clock::Timestamp,
    failure::{FailureCode, RunFailure},
    run::RunId,
};

use crate::{
    control_plane::Principal,
    error::{StorageError, StorageErrorKind},
    files::{DbSync, FileStore},
    ports::{changes::RunChanges, prelude::*},
    sync::{reconciler::Reconciler, reconciler::SWEEP_BATCH},
};

/// How far back a sweep reads tombstones again: a slow statement, or a server whose predecessor's clock was ahead, may have
/// hidden some.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// How long an open manifest must be unchanged before it is closed, where no lease is configured.
const GRACE: Duration = Duration::from_secs(15);

/// The reason that clients see for a run that was under way when its row went.
const REMOVED: &str = "the run was stopped: its row was removed from the database, by its owner or by restoring an \
                       older backup";

/// Removes this disk's files of a deleted run.
pub(crate) async fn purge(files: &FileStore, changes: &RunChanges, run: &RunId) -> Result<(), StorageError> {
    tracing::info!(event = "deleted_files_removed", run_id = %run, "[{run}] was deleted on another replica; deleting files");
    // The manifest names the principal.
    files.create_tombstone_for(run, true, &Principal::environment(), None).await?;
    files.remove(run).await?;
    changes.publish(run);
    Ok(())
}

/// Ends the files of a run as cancelled: the database, which had its row, is where runs are decided.
pub(crate) async fn cancel(
    files: &FileStore,
    changes: &RunChanges,
    run: &RunId,
    at: Timestamp,
) -> Result<(), StorageError> {
    let failure = RunFailure::new(FailureCode::Cancelled, None, REMOVED, true);
    match files.cancel_with_sync_state(run, &failure, at, DbSync::Synced, None).await {
        Err(error) if error.kind == StorageErrorKind::NotFound => return Ok(()),
        cancelled => cancelled?,
    };
    tracing::warn!(event = "run_row_removed", run_id = %run, audit = "run_cancelled", "[{run}] is cancelled: its row was removed from the database");
    changes.publish(run);
    Ok(())
}

impl Reconciler {
    /// The ended runs of this disk that lack the row that they should have.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn missing(&self) -> Result<Vec<RunId>, StorageError> {
        let mut missing = Vec::new();
        for run in self.absent(self.files().runs().await?).await? {
            let manifest = self.files().manifest(&run).await?;
            if manifest.is_some_and(|manifest| manifest.has_ended() && manifest.database.is_some()) {
                missing.push(run);
            }
        }
        Ok(missing)
    }

    async fn absent(&self, runs: Vec<RunId>) -> Result<Vec<RunId>, StorageError> {
        let mut absent = Vec::new();
        for batch in runs.chunks(SWEEP_BATCH) {
            absent.extend(self.call(|target| async { target.absent_among(batch).await }).await?);
        }
        Ok(absent)
    }

    /// Removes this disk's files of runs that other replicas deleted: of all such runs at first, then of those since the last
    /// sweep. Shared files went with the deletion.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn sync_tombstones(&self) -> Result<(), StorageError> {
        if !self.files().is_on_disk() {
            return Ok(());
        }
        let seen = *self.tombstones_read_until.lock();
        let mut after: Option<(Timestamp, Option<RunId>)> = seen.map(|at| (at - OVERLAP, None));
        let mut here: Option<HashSet<RunId>> = None;
        let mut has_left_any = false;
        loop {
            let from = after.as_ref().map(|(at, run)| (*at, run.as_ref()));
            let page = self.call(|target| async move { target.tombstones(from, SWEEP_BATCH).await }).await?;
            let is_last = page.len() < SWEEP_BATCH;
            for (run, at) in page {
                let here = match &mut here {
                    Some(here) => here,
                    none => none.insert(self.files().runs().await?.into_iter().collect()),
                };
                if here.contains(&run) && self.files().manifest(&run).await?.is_some() {
                    // Its worker notices the tombstone, and releases the run first.
                    if self.is_worked_on(&run) {
                        has_left_any = true;
                    } else if let Err(error) = self.write_path.purge_if_deleted(&run).await {
                        // The disk or the database is away, so the next run would fail too.
                        tracing::warn!(event = "deleted_files_not_removed", run_id = %run, %error, "[{run}] has been deleted, and its files could not be removed yet");
                        return Ok(());
                    }
                }
                after = Some((at, Some(run)));
            }
            if is_last {
                break;
            }
        }
        if let (Some((at, _)), false) = (after, has_left_any) {
            let mut until = self.tombstones_read_until.lock();
            *until = (*until).max(Some(at));
        }
        Ok(())
    }

    /// Closes open files whose row is gone, once the manifest has been unchanged for a lease: a worker on the run would
    /// notice first.
    pub(super) async fn close_missing_rows(&self, open: Vec<RunId>) -> Result<(), StorageError> {
        let grace = self.active.as_ref().map_or(GRACE, |active| active.lease().duration);
        for run in self.absent(open).await? {
            let Some(manifest) = self.files().manifest(&run).await? else { continue };
            let age = (self.clock.now() - manifest.updated_at).to_std().unwrap_or_default();
            if manifest.has_row() && age >= grace && !self.is_worked_on(&run) {
                self.write_path.close_in_files(&run).await?;
            }
        }
        Ok(())
    }
}

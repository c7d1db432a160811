//! Lists, cancels, retries and deletes runs in files.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        db_sync::DbSync,
        layout::{MANIFEST_FILE, OPEN_FOLDER, TOMBSTONE_FILE, UNSYNCED_FOLDER},
        manifest::{DatabaseSide, Manifest},
        run_files::{RunFiles, unknown},
        store::FileStore,
    },
    ports::{
        control::{Control, TombstoneOutcome},
        lifecycle::Fence,
        listing::{COUNTED_MAX, Listing, PageStart, RunPage, RunSummary},
    },
    run::StoredIn,
};

/// How long a caller waits for a list of runs.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// How many manifests a list reads at once.
const LISTED_AT_ONCE: usize = 32;

impl RunFiles {
    /// Lists the newest runs and reads at most as many as are counted. If the backend knows their order, it
    /// reads only the requested page.
    fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        let newest = self.backend.newest_runs(COUNTED_MAX).map_err(|error| self.fault("", &error))?;
        let is_sorted = newest.runs.first().is_some_and(|(accepted_ms, _)| accepted_ms.is_some());
        let wanted = match &listing.start {
            PageStart::Offset(offset) => offset + listing.limit + 1,
            PageStart::After(_) => listing.limit + 1,
        };
        let is_after = |accepted_ms: &Option<i64>| match (&listing.start, accepted_ms) {
            (PageStart::After(position), Some(ms)) => *ms <= position.created_at.timestamp_millis(),
            _ => true,
        };
        let count = newest.runs.len();
        let runs: Vec<RunId> = newest
            .runs
            .into_iter()
            .filter(|(accepted_ms, _)| is_after(accepted_ms))
            .filter_map(|(_, name)| RunId::parse(&name).ok())
            .collect();
        let mut all: Vec<RunSummary> = Vec::new();
        let mut read = 0;
        for batch in runs.chunks(LISTED_AT_ONCE) {
            read += batch.len();
            all.extend(self.summaries(batch, listing));
            if is_sorted && all.len() > wanted {
                break;
            }
        }
        all.sort_by_key(|run| Reverse(run.position()));
        all.dedup_by(|one, other| one.id == other.id);
        let page = RunPage::of(all, listing, StoredIn::FILES);
        if read == runs.len() && runs.len() == count {
            return Ok(RunPage { is_total_exact: page.is_total_exact && !newest.has_more, ..page });
        }
        // Without a filter, runs that were not read count too.
        let total = if *listing == (Listing { status: None, brand_id: None, ..listing.clone() }) {
            count
        } else {
            page.total
        };
        Ok(RunPage { total, is_total_exact: false, ..page })
    }

    /// Reads the runs that match the filter.
    fn summaries(&self, runs: &[RunId], listing: &Listing) -> Vec<RunSummary> {
        let names: Vec<String> = runs
            .iter()
            .flat_map(|run| [Self::name(run, TOMBSTONE_FILE), Self::name(run, MANIFEST_FILE)])
            .collect();
        let mut read = self.backend.read_all(&names).into_iter();
        let mut wanted = Vec::new();
        for run in runs {
            let (Some(tombstone), Some(manifest)) = (read.next(), read.next()) else { break };
            let manifest = match (tombstone, manifest) {
                (Ok(None), Ok(Some(stored))) => self.parse_manifest(run, stored),
                (Ok(_), Ok(_)) => Ok(None),
                (Err(error), _) | (_, Err(error)) => Err(self.fault(run.as_str(), &error)),
            };
            match manifest {
                Ok(Some(manifest)) if listing.wants(manifest.status, Some(&manifest.request.brand_id)) => {
                    wanted.push(summary(manifest));
                }
                Ok(_) => {}
                // An unreadable run must not hide the others.
                Err(error) => {
                    tracing::warn!(event = "run_list_entry_unreadable", run_id = %run, %error, "a run cannot be listed")
                }
            }
        }
        wanted
    }

    /// Lists the runs whose fence no longer holds.
    fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let names: Vec<String> = fences.iter().map(|fence| Self::name(&fence.run, MANIFEST_FILE)).collect();
        let mut lost = Vec::new();
        for (fence, (name, stored)) in fences.iter().zip(names.iter().zip(self.backend.read_all(&names))) {
            let stored = stored.map_err(|error| self.fault(name, &error))?;
            let manifest = stored.map_or(Ok(None), |stored| self.parse_manifest(&fence.run, stored))?;
            let is_ours =
                manifest.is_some_and(|manifest| !manifest.has_ended() && manifest.term() == fence.term());
            if !is_ours {
                lost.push(fence.run.clone());
            }
        }
        Ok(lost)
    }

    /// Lists the runs that another process ended. It lists the open markers once instead of reading each
    /// manifest.
    fn ended_elsewhere(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let open: std::collections::HashSet<RunId> = self.marked(OPEN_FOLDER)?.into_iter().collect();
        let unmarked: Vec<Fence> =
            fences.iter().filter(|fence| !open.contains(&fence.run)).cloned().collect();
        self.lost_leases(&unmarked)
    }

    /// Removes the open markers of an ended run, under the lock, because a retry may be about to open it
    /// again.
    pub(in crate::files) fn unmark_ended(&self, run: &RunId) -> Result<(), StorageError> {
        let _lock = self.lock(run)?;
        let has_ended = self.read_manifest(run)?.is_none_or(|manifest| manifest.has_ended());
        if has_ended { self.clear_open(run) } else { Ok(()) }
    }

    /// Removes the unsynced marker of an ended run of an older generation. A retry has completed it
    /// elsewhere, so the database lacks nothing. The other files stay.
    pub(in crate::files) fn unmark_superseded(
        &self,
        run: &RunId,
        generation: i32,
    ) -> Result<(), StorageError> {
        let _lock = self.lock(run)?;
        let is_superseded = self
            .read_manifest(run)?
            .is_some_and(|manifest| manifest.has_ended() && manifest.generation < generation);
        if is_superseded { self.unmark(UNSYNCED_FOLDER, run) } else { Ok(()) }
    }

    /// Removes the remains of a process that was killed before it wrote the manifest. No caller was told that
    /// the run is accepted. Without a lock, another process may be accepting the run, so its files stay.
    pub(in crate::files) fn clear_unaccepted(&self, run: &RunId) -> Result<(), StorageError> {
        let _lock = match self.lock(run) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Ok(()),
            Err(error) if error.kind == StorageErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.read_manifest(run)?.is_some() {
            return Ok(());
        }
        self.clear_leftovers(run)?;
        self.clear_open(run)
    }

    fn retry(&self, run: &RunId, seen: i32, db_sync: DbSync) -> Result<Option<i32>, StorageError> {
        // Before the lock: a search holds this cache while it waits for the run's lock.
        self.forget_observation(run);
        let _lock = self.lock(run)?;
        let Some(mut manifest) = self.read_manifest(run)? else { return Err(unknown(run)) };
        let has_failed = matches!(manifest.status, RunStatus::Failed | RunStatus::Cancelled);
        if !has_failed || manifest.generation != seen || self.is_deleted(run)? {
            return Ok(None);
        }
        // The next claim removes a marker without an open run. No claim finds an open run without its marker.
        self.mark(OPEN_FOLDER, run)?;
        reopen(&mut manifest);
        manifest.generation += 1;
        manifest.epoch += 1;
        manifest.attempts = 0;
        manifest.owner = None;
        // The row in the database, if any, belongs to an earlier generation.
        if db_sync == DbSync::Pending || manifest.database.is_some() {
            manifest.database = Some(DatabaseSide::default());
        }
        self.write_manifest(&mut manifest)?;
        self.unmark(UNSYNCED_FOLDER, run)?;
        Ok(Some(manifest.generation))
    }

    fn cancel(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at_time: Timestamp,
        db_sync: DbSync,
    ) -> Result<bool, StorageError> {
        let _lock = self.lock(run)?;
        let Some(mut manifest) = self.read_manifest(run)? else { return Err(unknown(run)) };
        if manifest.has_ended() {
            return Ok(false);
        }
        manifest.epoch += 1;
        manifest.error = Some(failure.clone());
        // Only a killed process leaves half-written files here.
        self.clear_leftovers(run)?;
        self.close(&mut manifest, RunStatus::Cancelled, at_time, db_sync)?;
        Ok(true)
    }
}

/// Undoes the end of a run.
pub(in crate::files) fn reopen(manifest: &mut Manifest) {
    manifest.status = RunStatus::Processing;
    manifest.finished_at = None;
    manifest.error = None;
}

fn summary(manifest: Manifest) -> RunSummary {
    RunSummary {
        stages: manifest.stages.len(),
        id: manifest.run_id,
        status: manifest.status,
        generation: manifest.generation,
        source: manifest.request.source,
        brand_id: Some(manifest.request.brand_id),
        created_at: manifest.accepted_at,
        finished_at: manifest.finished_at,
        failure: manifest.error,
    }
}

impl FileStore {
    /// As [`Control::retry`]; also records whether the database holds the retry.
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
    ) -> Result<Option<i32>, StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.retry(&id, seen, db_sync)).await
    }

    /// As [`Control::cancel`]; also records whether the database holds the cancellation.
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
    ) -> Result<bool, StorageError> {
        let (id, failure) = (run.clone(), Arc::new(failure.clone()));
        self.wake_dispatcher(self.write(run, move |files| files.cancel(&id, &failure, at, db_sync)).await)
    }

    /// Records that a deletion begins, so that a later start can finish it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn mark_deleting(&self, run: &RunId) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.mark_deleting(&id)).await
    }

    /// Lists runs whose deletion has begun and may not have ended.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn deleting(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(RunFiles::deleting).await
    }

    /// Lists the runs that other processes have ended, as far as the open markers show.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn ended_elsewhere(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let fences = fences.to_vec();
        self.whole(move |files| files.ended_elsewhere(&fences)).await
    }

    /// As [`Control::create_tombstone`]. With `has_ended`, the database says that the run has ended, whatever
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
    ) -> Result<TombstoneOutcome, StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.create_tombstone(&id, has_ended)).await
    }
}

#[async_trait]
impl Control for FileStore {
    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        let listing = listing.clone();
        self.blocking("", LIST_TIMEOUT, move |files| files.list(&listing)).await
    }

    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let fences = fences.to_vec();
        self.whole(move |files| files.lost_leases(&fences)).await
    }

    async fn retry(&self, run: &RunId, seen: i32) -> Result<Option<i32>, StorageError> {
        self.retry_with_sync_state(run, seen, DbSync::NotTracked).await
    }

    async fn cancel(&self, run: &RunId, failure: &RunFailure, at: Timestamp) -> Result<bool, StorageError> {
        self.cancel_with_sync_state(run, failure, at, DbSync::NotTracked).await
    }

    async fn create_tombstone(&self, run: &RunId) -> Result<TombstoneOutcome, StorageError> {
        self.create_tombstone_for(run, false).await
    }

    async fn is_deleted(&self, run: &RunId) -> Result<bool, StorageError> {
        let id = run.clone();
        self.one(run, move |files| files.is_deleted(&id)).await
    }

    async fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.remove(&id)).await
    }

    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(RunFiles::pending_purges).await
    }
}

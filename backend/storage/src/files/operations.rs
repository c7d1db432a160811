//! The operations of the file store beside its ports. Each call runs one blocking operation with a time limit.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    record::StageRecord,
    run::{RunId, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        db_sync::DbSync,
        layout::{OPEN_FOLDER, UNSYNCED_FOLDER},
        leases::claim::Search,
        limits::ATTEMPT_TIMEOUT,
        manifest::{DocumentSummary, Manifest},
        repair::Damage,
        run_files::RunFiles,
        runs::{accept::OpenError, finish::OwnedEnd, unsynced::Unsynced},
        store::FileStore,
    },
    ports::{
        lifecycle::{Acceptance, Claim, Fence, Lease},
        sync::{Expiry, Proof, Row},
        tombstones::TombstoneOutcome,
    },
    run::{End, RunRecord, RunSubmission},
    waiting::WaitReason,
};

/// How often [`FileStore::open`] checks whether the run's current owner is still alive.
const BUSY_INTERVAL: Duration = Duration::from_secs(1);

impl FileStore {
    /// Lists files that are unreadable or whose digest does not match.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn damage(&self, run: &RunId) -> Result<Damage, StorageError> {
        self.read_one(run, RunFiles::damage).await
    }

    /// Whether any file of the run exists, with or without a manifest.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn has_anything_of(&self, run: &RunId) -> Result<bool, StorageError> {
        self.read_one(run, |files, run| files.io.has_run(run)).await
    }

    /// Tests create-if-absent with a write that the store must refuse.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn check_create_if_absent(&self) -> Result<bool, StorageError> {
        self.whole(|files| files.io.check_create_if_absent()).await
    }

    /// Whether this process surely still owns the run, so that it may pay for work.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker took the run. `Unavailable` if the files cannot be written. `Indeterminate`
    /// if a write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn confirm(&self, fence: &Fence) -> Result<bool, StorageError> {
        self.write_with(&fence.run, fence, RunFiles::confirm).await
    }

    /// Announces that this process no longer works on any run.
    pub async fn leave(&self) {
        let left = self.whole(|files| {
            files.io.backend.leave();
            Ok(())
        });
        // On failure, other replicas wait one lease before they take over.
        let _ = left.await;
    }

    /// Opens a run by its id for immediate work. The run is new, or has the same request and no worker. In a
    /// bucket, it takes up to one lease to see whether the owner lives.
    ///
    /// # Errors
    ///
    /// [`OpenError::Busy`] if another process works on the run, [`OpenError::RequestMismatch`] if it has
    /// another request, and [`OpenError::Deleted`] if it was deleted. [`OpenError::Store`] if the files fail.
    pub async fn open(&self, new: &RunSubmission, owner: &str) -> Result<(Fence, Manifest), OpenError> {
        let detection_delay = self.files.io.backend.detection_delay();
        let began = self.files.io.clock.monotonic();
        loop {
            let (files, new, owner) = (self.files.clone(), new.clone(), owner.to_owned());
            let opening = tokio::task::spawn_blocking(move || files.open(&new, &owner));
            let opened = opening.await.map_err(|error| self.files.io.fault("", &io::Error::other(error)))?;
            let has_time =
                self.files.io.clock.monotonic().saturating_sub(began) < detection_delay + BUSY_INTERVAL;
            match opened {
                Err(OpenError::Busy(_)) if !detection_delay.is_zero() && has_time => {}
                Err(OpenError::Store(error)) if error.kind == StorageErrorKind::CasConflict && has_time => {}
                opened => return opened,
            }
            tokio::time::sleep(BUSY_INTERVAL.min(detection_delay / 4)).await;
        }
    }

    /// As `Lifecycle::accept`; also records whether the database holds the run.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn accept_with_sync_state(
        &self,
        new: &RunSubmission,
        lease: Option<&Lease>,
        db_sync: DbSync,
    ) -> Result<Acceptance, StorageError> {
        let (new, owner) = (Arc::new(new.clone()), lease.map(|lease| lease.owner.clone()));
        let (run, tried) = (new.id.clone(), Arc::new(AtomicBool::new(false)));
        let accepted = self
            .write(&run, move |files| {
                files.accept(&new, owner.as_deref(), db_sync, tried.swap(true, Ordering::Relaxed))
            })
            .await;
        match &accepted {
            // The run may be stored with this process as owner, although the caller saw an error.
            Err(error) if error.is_outage() => self.files.owners.note_indeterminate(&run),
            Ok(Acceptance::New(_)) => self.files.owners.clear_indeterminate(&run),
            _ => {}
        }
        self.wake_dispatcher(accepted)
    }

    /// As `Stages::store_stage`; also records whether the database holds the stage.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker took the run, or if the run ended or was deleted. `Conflict` if a different
    /// record is stored. `Unavailable` if the files cannot be written. `Indeterminate` if a write may have
    /// happened. `CasConflict` if other processes kept changing the run.
    pub async fn store_stage_with_sync_state(
        &self,
        fence: &Fence,
        record: &StageRecord,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        let (fence, record) = (Arc::new(fence.clone()), Arc::new(record.clone()));
        let stored =
            self.write(&fence.run.clone(), move |files| files.store_stage(&fence, &record, db_sync)).await;
        self.wake_dispatcher(stored)
    }

    /// As `Lifecycle::finish`; also records whether the database holds the end.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker took the run, or if the run ended or was deleted. `Unavailable` if the
    /// files cannot be written. `Indeterminate` if a write may have happened. `CasConflict` if other
    /// processes kept changing the run.
    pub async fn finish_with_sync_state(
        &self,
        fence: &Fence,
        end: End<'_>,
        at: Timestamp,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        let fence = Arc::new(fence.clone());
        let run = fence.run.clone();
        let end: Arc<OwnedEnd> = Arc::new(end.into());
        self.wake_dispatcher(
            self.write(&run, move |files| files.finish(&fence, end.borrowed(), at, db_sync)).await,
        )
    }

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
    ) -> Result<Option<i32>, StorageError> {
        self.write_one(run, move |files, run| files.retry(run, seen, db_sync)).await
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
    ) -> Result<bool, StorageError> {
        let id = run.clone();
        let cancel = move |files: &RunFiles, failure: &RunFailure| files.cancel(&id, failure, at, db_sync);
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

    /// Lists the runs that other processes have ended, as far as the open markers show.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn ended_elsewhere(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let fences = fences.to_vec();
        self.whole(move |files| files.ended_elsewhere(&fences)).await
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
    ) -> Result<TombstoneOutcome, StorageError> {
        self.write_one(run, move |files, run| files.create_tombstone(run, has_ended)).await
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

    /// Counts the waiting runs by reason, as the last search for work observed them. None while a search is under
    /// way.
    #[must_use]
    pub fn waiting(&self) -> Option<BTreeMap<WaitReason, usize>> {
        self.files.waiting_by_reason()
    }

    /// Remembers the summary of a run's document for the next write of its manifest.
    pub fn note_document(&self, run: &RunId, document: DocumentSummary) {
        self.files.manifests.note_document(run, Some(document));
    }

    /// Remembers a run that could not be released: its owner is this process, which lives and does not work on it. Only this
    /// process may claim it, and its next search does.
    pub(super) fn note_release(&self, fence: &Fence, released: &Result<(), StorageError>) {
        if released.as_ref().is_err_and(StorageError::is_outage) {
            self.files.owners.note_indeterminate(&fence.run);
        }
    }

    /// Drops the remembered document summary once this process stops working on the run.
    pub fn forget(&self, run: &RunId) {
        self.files.manifests.note_document(run, None);
    }

    /// Notes whether the row has stages that the files lack, because the operator has switched the files off.
    ///
    /// # Errors
    ///
    /// `NotFound` if the files do not know the run. `Fenced` if another process owns it. `Unavailable` if the files cannot
    /// be written. `Indeterminate` if a write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn set_row_is_ahead(&self, fence: &Fence, is_ahead: bool) -> Result<(), StorageError> {
        let held = fence.clone();
        self.write_one(&fence.run, move |files, _| {
            files.update(&held, |manifest| manifest.row_is_ahead = is_ahead)
        })
        .await
    }

    /// Stores the document durably, so that a resumed run need not download it again.
    ///
    /// # Errors
    ///
    /// `Fenced` if the run was deleted. `Unavailable` if the files cannot be written. `Indeterminate` if a
    /// write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn spool(&self, fence: &Fence, bytes: Arc<[u8]>) -> Result<(), StorageError> {
        let held = fence.clone();
        self.write_one(&fence.run, move |files, _| files.spool(&held, &bytes)).await
    }

    /// Whether the document is spooled.
    #[must_use]
    pub fn is_spooled(&self, run: &RunId) -> bool {
        self.files.spool.has(run)
    }

    /// Reads the spooled document, if there is one.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn spooled(&self, run: &RunId) -> Result<Option<Vec<u8>>, StorageError> {
        self.read_one(run, RunFiles::spooled).await
    }

    /// Reads the manifest, if there is one.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    /// `Invalid` if a newer version of the program wrote it.
    pub async fn manifest(&self, run: &RunId) -> Result<Option<Manifest>, StorageError> {
        self.read_one(run, |files, run| files.manifests.read(run)).await
    }

    /// Whether the run has a tombstone; otherwise also its manifest.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    /// `Invalid` if a newer version of the program wrote the manifest.
    pub async fn standing(&self, run: &RunId) -> Result<(bool, Option<Manifest>), StorageError> {
        self.read_one(run, |files, run| files.manifests.read_run(run)).await
    }

    /// As `Lifecycle::claim`. With `without_row_only`, it claims only runs without a row, because the database
    /// hands out the others.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn claim_where(
        &self,
        claim: Claim<'_>,
        without_row_only: bool,
    ) -> Result<Vec<Fence>, StorageError> {
        let Claim { lease, limit, held, waiting, .. } = claim;
        let search =
            Search { owner: lease.owner.clone(), limit, held: held.clone(), without_row_only, waiting };
        if let Some(breaker) = &self.breaker {
            // A search over many runs may be slow, so its end tells the breaker nothing.
            breaker.admit()?;
        }
        let Some(turn) = self.claims.turn(ATTEMPT_TIMEOUT).await else {
            return Err(self.no_answer("", ATTEMPT_TIMEOUT));
        };
        let files = self.files.clone();
        let mut claiming = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            files.claim(&search)
        });
        match tokio::time::timeout(ATTEMPT_TIMEOUT, &mut claiming).await {
            Ok(Ok(claimed)) => self.wake_dispatcher(claimed),
            Ok(Err(error)) => Err(self.files.io.fault("", &io::Error::other(error))),
            Err(_) => {
                let files = self.files.clone();
                // If the search succeeds late, no worker takes its runs. A later claim takes them again.
                tokio::spawn(async move {
                    for fence in claiming.await.into_iter().flatten().flatten() {
                        files.owners.note_indeterminate(&fence.run);
                    }
                });
                Err(self.no_answer("", ATTEMPT_TIMEOUT))
            }
        }
    }

    /// Records that the database holds a stage.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn mark_stage_synced(&self, run: &RunId, stage: Stage) -> Result<(), StorageError> {
        self.write_one(run, move |files, run| files.mark_stage_synced(run, stage)).await
    }

    /// Lists accepted runs that have not ended in these files.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn open_runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(|files| files.markers.marked(OPEN_FOLDER)).await
    }

    /// Lists all runs that have a folder here.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(RunFiles::runs).await
    }

    /// Lists ended runs of which the database lacks a part.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn unsynced_runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(|files| files.markers.marked(UNSYNCED_FOLDER)).await
    }

    /// Removes the unsynced marker of an ended run if a newer generation has completed elsewhere.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn unmark_superseded(&self, run: &RunId, generation: i32) -> Result<(), StorageError> {
        let run = run.clone();
        self.whole(move |files| files.unmark_superseded(&run, generation)).await
    }

    /// Stores a proof in the manifest. The database then holds everything of the run.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn keep_proof(&self, proof: &Proof) -> Result<(), StorageError> {
        self.write_with(&proof.run_id, proof, RunFiles::keep_proof).await
    }

    /// Makes the files equal to the row. A file that differs is kept as `*.conflict-TIME`.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn overwrite_from_row(&self, row: &RunRecord) -> Result<(), StorageError> {
        self.write_with(&row.id, row, RunFiles::overwrite_from_row).await
    }

    /// Saves the row's content in the run's folder before the files' content replaces it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn snapshot_row(&self, row: &Row) -> Result<(), StorageError> {
        self.write_with(&row.snapshot.id, row, RunFiles::snapshot_row).await
    }

    /// Adds the stages and the report of an ended run that its row holds and its files lack.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn fill(&self, row: &RunRecord) -> Result<(), StorageError> {
        self.write_with(&row.id, row, RunFiles::fill).await
    }

    /// Stores an ended run that only the database holds, with all its content.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn import(&self, row: &RunRecord) -> Result<(), StorageError> {
        self.write_with(&row.id, row, RunFiles::import).await
    }

    /// Counts the runs and stages that the database lacks.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn unsynced(&self) -> Result<Unsynced, StorageError> {
        self.whole(RunFiles::unsynced).await
    }

    /// Lists runs that may have ended before that time, the oldest first.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn unchanged_since(&self, before: Timestamp) -> Result<Vec<RunId>, StorageError> {
        self.whole(move |files| files.unchanged_since(before)).await
    }

    /// Removes a run or a tombstone that is old enough, if the database lacks nothing of it. Returns
    /// false if it stays.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn expire(&self, run: &RunId, expiry: Expiry) -> Result<bool, StorageError> {
        self.write_one(run, move |files, run| files.expire(run, expiry)).await
    }

    /// Counts accepted runs that have not ended.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn open_count(&self) -> Result<usize, StorageError> {
        Ok(self.open_runs().await?.len())
    }
}

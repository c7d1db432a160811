//! The file store for its callers. Each call runs one blocking operation with a time limit.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipeline::{
    clock::{Clock, Timestamp},
    failure::RunFailure,
    record::StageRecord,
    run::{RunId, Stage},
};
use tokio::sync::Notify;

use crate::{
    bulkhead::Bulkhead,
    error::{StorageError, StorageErrorKind},
    files::{
        backend::{file_backend::FileBackend, local_fs::LocalFs, s3::S3},
        calls::{ATTEMPT_TIMEOUT, CALLS_MAX},
        config::{StorageConfig, StoragePlace},
        db_sync::DbSync,
        layout::{OPEN_FOLDER, REPORT_FILE, UNSYNCED_FOLDER},
        leases::claim::Search,
        manifest::{DocumentSummary, Manifest},
        outbox::WebhookQueue,
        repair::Damage,
        run_files::RunFiles,
        runs::{accept::OpenError, finish::OwnedEnd, unsynced::Unsynced},
        spool::Spool,
    },
    ports::{
        lifecycle::{Acceptance, Claim, Fence, Lease},
        sync::{Proof as Evidence, Row},
        tombstones::TombstoneOutcome,
    },
    run::{End, RunRecord, RunSubmission},
};

/// How often [`FileStore::open`] checks whether the run's current owner is still alive.
const BUSY_INTERVAL: Duration = Duration::from_secs(1);

/// Stores runs in a folder or a bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileStore {
    pub(super) files: Arc<RunFiles>,
    pub(super) bulkhead: Arc<Bulkhead>,
}

impl FileStore {
    /// Opens a store in a folder. It creates nothing until a run is accepted.
    #[must_use]
    pub fn new(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let backend = Box::new(LocalFs::new(root.clone()));
        Self::over(backend, Spool::Beside(root), clock)
    }

    fn over(backend: Box<dyn FileBackend>, spool: Spool, clock: Arc<dyn Clock>) -> Self {
        let files = Arc::new(RunFiles::new(backend, spool, WebhookQueue::default(), clock));
        Self { files, bulkhead: Arc::new(Bulkhead::new(CALLS_MAX, ATTEMPT_TIMEOUT)) }
    }

    /// Opens the configured store without connecting. In a bucket, a process counts as dead once it has sent
    /// no heartbeat for one `lease`. All replicas that share the bucket must use the same lease.
    ///
    /// # Errors
    ///
    /// The bucket's HTTP client cannot be built, for example from a bad certificate file.
    pub fn of(config: &StorageConfig, lease: Duration, clock: Arc<dyn Clock>) -> io::Result<Self> {
        match &config.place {
            StoragePlace::Folder(root) => Ok(Self::new(root.clone(), clock)),
            StoragePlace::Bucket(bucket) => {
                let backend = Box::new(S3::new(bucket, clock.clone(), lease)?);
                Ok(Self::over(backend, Spool::apart(&config.local), clock))
            }
        }
    }

    /// Queues a webhook with each state change that the database lacks, and wakes the dispatcher. Call it
    /// before the store is used.
    #[must_use]
    pub fn with_webhooks(mut self, wake: Option<Arc<Notify>>) -> Self {
        if let Some(files) = Arc::get_mut(&mut self.files) {
            files.webhook_queue = WebhookQueue::new(wake);
        }
        self
    }

    /// Leaves damaged files in place, for commands that only compare. Call it before the store is used.
    #[must_use]
    pub fn into_read_only(mut self) -> Self {
        if let Some(files) = Arc::get_mut(&mut self.files) {
            files.read_only = true;
        }
        self
    }

    /// Lists files that are unreadable or whose digest does not match.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn damage(&self, run: &RunId) -> Result<Damage, StorageError> {
        let id = run.clone();
        self.one(run, move |files| files.damage(&id)).await
    }

    /// Whether any file of the run exists, with or without a manifest.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn has_anything_of(&self, run: &RunId) -> Result<bool, StorageError> {
        let id = run.clone();
        self.one(run, move |files| {
            files.backend.has_run(id.as_str()).map_err(|error| files.fault(id.as_str(), &error))
        })
        .await
    }

    /// Wakes the webhook dispatcher if the write succeeded.
    pub(super) fn wake_dispatcher<T>(&self, written: Result<T, StorageError>) -> Result<T, StorageError> {
        if let (Ok(_), Some(wake)) = (&written, &self.files.webhook_queue.wake) {
            wake.notify_one();
        }
        written
    }

    /// The location of all runs, for people: a folder, or `s3://…`.
    #[must_use]
    pub fn place(&self) -> String {
        self.files.backend.place("")
    }

    /// The location of a run, for people.
    #[must_use]
    pub fn place_of(&self, run: &RunId) -> String {
        self.files.backend.place(run.as_str())
    }

    /// The location of the run's report, for people.
    #[must_use]
    pub fn report_place(&self, run: &RunId) -> String {
        self.files.backend.place(&RunFiles::name(run, REPORT_FILE))
    }

    /// Whether [`FileStore::place`] is on this machine's disk.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.files.backend.detection_delay().is_zero()
    }

    /// Whether create-if-absent is proven to work among processes on all machines.
    #[must_use]
    pub fn has_shared_create_if_absent(&self) -> bool {
        self.files.backend.has_shared_create_if_absent()
    }

    /// Tests create-if-absent with a write that the store must refuse.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn check_create_if_absent(&self) -> Result<bool, StorageError> {
        self.whole(|files| files.backend.check_create_if_absent().map_err(|error| files.fault("", &error)))
            .await
    }

    /// Whether this process surely still owns the run, so that it may pay for work.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker took the run. `Unavailable` if the files cannot be written. `Indeterminate`
    /// if a write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn confirm(&self, fence: &Fence) -> Result<bool, StorageError> {
        let fence = Arc::new(fence.clone());
        self.write(&fence.run.clone(), move |files| files.confirm(&fence)).await
    }

    /// Announces that this process no longer works on any run.
    pub async fn leave(&self) {
        let left = self.whole(|files| {
            files.backend.leave();
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
        let detection_delay = self.files.backend.detection_delay();
        let began = self.files.clock.monotonic();
        loop {
            let (files, new, owner) = (self.files.clone(), new.clone(), owner.to_owned());
            let opening = tokio::task::spawn_blocking(move || files.open(&new, &owner));
            let opened = opening.await.map_err(|error| self.files.fault("", &io::Error::other(error)))?;
            let has_time =
                self.files.clock.monotonic().saturating_sub(began) < detection_delay + BUSY_INTERVAL;
            match opened {
                Err(OpenError::Busy(_)) if !detection_delay.is_zero() && has_time => {}
                Err(OpenError::Store(error)) if error.kind == StorageErrorKind::CasConflict && has_time => {}
                opened => return opened,
            }
            tokio::time::sleep(BUSY_INTERVAL.min(detection_delay / 4)).await;
        }
    }

    /// As [`Store::accept`]; also records whether the database holds the run.
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
            Err(error) if error.is_outage() => self.files.note_indeterminate(&run),
            Ok(Acceptance::New(_)) => self.files.clear_indeterminate(&run),
            _ => {}
        }
        self.wake_dispatcher(accepted)
    }

    /// As [`Store::store_stage`]; also records whether the database holds the stage.
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

    /// As [`Store::finish`]; also records whether the database holds the end.
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

    /// Removes half-written files that a killed process left in a run without a worker.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn clear_leftovers(&self, run: &RunId) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |files| {
            let _lock = files.lock(&id)?;
            files.clear_leftovers(&id)
        })
        .await
    }

    /// Remembers the summary of a run's document for the next write of its manifest.
    pub fn note_document(&self, run: &RunId, document: DocumentSummary) {
        self.files.note_document(run, Some(document));
    }

    /// Drops the remembered document summary once this process stops working on the run.
    pub fn forget(&self, run: &RunId) {
        self.files.note_document(run, None);
    }

    /// Stores the document durably, so that a resumed run need not download it again.
    ///
    /// # Errors
    ///
    /// `Fenced` if the run was deleted. `Unavailable` if the files cannot be written. `Indeterminate` if a
    /// write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn spool(&self, run: &RunId, bytes: Arc<[u8]>) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.spool(&id, &bytes)).await
    }

    /// Whether the document is spooled.
    #[must_use]
    pub fn is_spooled(&self, run: &RunId) -> bool {
        self.files.spool.path(run).is_file()
    }

    /// Reads the spooled document, if there is one.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn spooled(&self, run: &RunId) -> Result<Option<Vec<u8>>, StorageError> {
        let id = run.clone();
        self.one(run, move |files| files.spooled(&id)).await
    }

    /// Reads the manifest, if there is one.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    /// `Invalid` if a newer version of the program wrote it.
    pub async fn manifest(&self, run: &RunId) -> Result<Option<Manifest>, StorageError> {
        let id = run.clone();
        self.one(run, move |files| files.read_manifest(&id)).await
    }

    /// Whether the run has a tombstone; otherwise also its manifest.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    /// `Invalid` if a newer version of the program wrote the manifest.
    pub async fn standing(&self, run: &RunId) -> Result<(bool, Option<Manifest>), StorageError> {
        let id = run.clone();
        self.one(run, move |files| files.read_run(&id)).await
    }

    /// As [`Store::claim`]. With `without_row_only`, it claims only runs without a row, because the database
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
        let Claim { lease, limit, held, .. } = claim;
        let search = Search { owner: lease.owner.clone(), limit, held: held.clone(), without_row_only };
        let files = self.files.clone();
        let mut claiming = tokio::task::spawn_blocking(move || files.claim(&search));
        match tokio::time::timeout(ATTEMPT_TIMEOUT, &mut claiming).await {
            Ok(Ok(claimed)) => self.wake_dispatcher(claimed),
            Ok(Err(error)) => Err(self.files.fault("", &io::Error::other(error))),
            Err(_) => {
                let files = self.files.clone();
                // If the search succeeds late, no worker takes its runs. A later claim takes them again.
                tokio::spawn(async move {
                    for fence in claiming.await.into_iter().flatten().flatten() {
                        files.note_indeterminate(&fence.run);
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
        let id = run.clone();
        self.write(run, move |files| files.mark_stage_synced(&id, stage)).await
    }

    /// Lists accepted runs that have not ended in these files.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn open_runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(|files| files.marked(OPEN_FOLDER)).await
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
        self.whole(|files| files.marked(UNSYNCED_FOLDER)).await
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
    pub async fn keep_proof(&self, proof: &Evidence) -> Result<(), StorageError> {
        let proof = Arc::new(proof.clone());
        self.write(&proof.run_id.clone(), move |files| files.keep_proof(&proof)).await
    }

    /// Makes the files equal to the row. A file that differs is kept as `*.conflict-TIME`.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn overwrite_from_row(&self, row: &RunRecord) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |files| files.overwrite_from_row(&row)).await
    }

    /// Saves the row's content in the run's folder before the files' content replaces it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn snapshot_row(&self, row: &Row) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.snapshot.id.clone(), move |files| files.snapshot_row(&row)).await
    }

    /// Adds the stages and the report of an ended run that its row holds and its files lack.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn fill(&self, row: &RunRecord) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |files| files.fill(&row)).await
    }

    /// Stores an ended run that only the database holds, with all its content.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn import(&self, row: &RunRecord) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |files| files.import(&row)).await
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

    /// Removes a run or a tombstone that ended before that time, if the database lacks nothing of it. Returns
    /// false if it stays.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn expire(&self, run: &RunId, before: Timestamp) -> Result<bool, StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.expire(&id, before)).await
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

#[cfg(test)]
mod tests;

//! The file store for its users: each call runs one blocking operation, bounded in time.

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
    },
    run::{End, RunRecord, RunSubmission},
};

/// Between two looks at whether a run's owner, who may have died, has shown a sign of life.
const BUSY_INTERVAL: Duration = Duration::from_secs(1);

/// Runs in a folder or a bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileStore {
    pub(super) files: Arc<RunFiles>,
    pub(super) bulkhead: Arc<Bulkhead>,
}

impl FileStore {
    /// A store in a folder; nothing is created until a run is accepted.
    #[must_use]
    pub fn new(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let backend = Box::new(LocalFs::new(root.clone()));
        Self::over(backend, Spool::Beside(root), clock)
    }

    fn over(backend: Box<dyn FileBackend>, spool: Spool, clock: Arc<dyn Clock>) -> Self {
        let files = Arc::new(RunFiles::new(backend, spool, WebhookQueue::default(), clock));
        Self { files, bulkhead: Arc::new(Bulkhead::new(CALLS_MAX, ATTEMPT_TIMEOUT)) }
    }

    /// A store where the configuration says. `lease`: how long a process counts as alive, in a bucket, without a sign of
    /// life; the same for all that share it. Connects to nothing yet.
    pub fn of(config: &StorageConfig, lease: Duration, clock: Arc<dyn Clock>) -> io::Result<Self> {
        match &config.place {
            StoragePlace::Folder(root) => Ok(Self::new(root.clone(), clock)),
            StoragePlace::Bucket(bucket) => {
                let backend = Box::new(S3::new(bucket, clock.clone(), lease)?);
                Ok(Self::over(backend, Spool::apart(&config.local), clock))
            }
        }
    }

    /// Writes down, with each state change that the database has not, what the frontend is to be told, and wakes who
    /// tells it. To be said of a store before it is used.
    #[must_use]
    pub fn with_webhooks(mut self, wake: Option<Arc<Notify>>) -> Self {
        if let Some(files) = Arc::get_mut(&mut self.files) {
            files.webhook_queue = WebhookQueue::new(wake);
        }
        self
    }

    /// For who only compares: what is found damaged stays where it lies. To be said of a store before it is used.
    #[must_use]
    pub fn into_read_only(mut self) -> Self {
        if let Some(files) = Arc::get_mut(&mut self.files) {
            files.read_only = true;
        }
        self
    }

    /// What of a run's files is there and does not prove itself.
    pub async fn damage(&self, run: &RunId) -> Result<Damage, StorageError> {
        let id = run.clone();
        self.one(run, move |files| files.damage(&id)).await
    }

    /// Whether something lies here of a run, with or without a manifest.
    pub async fn has_anything_of(&self, run: &RunId) -> Result<bool, StorageError> {
        let id = run.clone();
        self.one(run, move |files| {
            files.backend.has_run(id.as_str()).map_err(|error| files.fault(id.as_str(), &error))
        })
        .await
    }

    /// Wakes who tells the frontend, if something was written down.
    pub(super) fn wake_dispatcher<T>(&self, written: Result<T, StorageError>) -> Result<T, StorageError> {
        if let (Ok(_), Some(wake)) = (&written, &self.files.webhook_queue.wake) {
            wake.notify_one();
        }
        written
    }

    /// Where all runs are, for people: a folder, or `s3://…`.
    #[must_use]
    pub fn place(&self) -> String {
        self.files.backend.place("")
    }

    /// Where a run is, for people.
    #[must_use]
    pub fn place_of(&self, run: &RunId) -> String {
        self.files.backend.place(run.as_str())
    }

    /// Where the run's report lies, for people.
    #[must_use]
    pub fn report_place(&self, run: &RunId) -> String {
        self.files.backend.place(&RunFiles::name(run, REPORT_FILE))
    }

    /// Whether what [`FileStore::place`] names is on this machine's disk.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.files.backend.detection_delay().is_zero()
    }

    /// Whether a creation here is known to be a guard among processes on all machines.
    #[must_use]
    pub fn has_shared_create_if_absent(&self) -> bool {
        self.files.backend.has_shared_create_if_absent()
    }

    /// Finds out whether it is one, by asking for what must be refused.
    pub async fn check_create_if_absent(&self) -> Result<bool, StorageError> {
        self.whole(|files| files.backend.check_create_if_absent().map_err(|error| files.fault("", &error)))
            .await
    }

    /// Whether the run is surely this process's still, so that work may be paid for. A run that somebody else has is an
    /// error.
    pub async fn confirm(&self, fence: &Fence) -> Result<bool, StorageError> {
        let fence = Arc::new(fence.clone());
        self.write(&fence.run.clone(), move |files| files.confirm(&fence)).await
    }

    /// Says that this process works on nothing any more.
    pub async fn leave(&self) {
        let left = self.whole(|files| {
            files.backend.leave();
            Ok(())
        });
        // Whoever waits for its end waits a little longer.
        let _ = left.await;
    }

    /// Opens a run by its id for work here and now: a new one, or one that asks the same and that nobody works on. Whether
    /// its owner lives takes time to see in a bucket.
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

    /// As [`Store::accept`], noting what the database has of the run.
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
            // It may be there, with this process as its owner, which does not know of it.
            Err(error) if error.is_outage() => self.files.note_indeterminate(&run),
            Ok(Acceptance::New(_)) => self.files.clear_indeterminate(&run),
            _ => {}
        }
        self.wake_dispatcher(accepted)
    }

    /// As [`Store::store_stage`], noting what the database has of it.
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

    /// As [`Store::finish`], noting what the database has of it.
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

    /// Removes what a killed process left half written of a run that nobody works on.
    pub async fn clear_leftovers(&self, run: &RunId) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |files| {
            let _lock = files.lock(&id)?;
            files.clear_leftovers(&id)
        })
        .await
    }

    /// Remembers what a run's document turned out to be: its manifest says so from its next writing on.
    pub fn note_document(&self, run: &RunId, document: DocumentSummary) {
        self.files.note_document(run, Some(document));
    }

    /// Forgets what is remembered of a run that is no longer worked on here.
    pub fn forget(&self, run: &RunId) {
        self.files.note_document(run, None);
    }

    /// Keeps the document for a resumed run, durably.
    pub async fn spool(&self, run: &RunId, bytes: Arc<[u8]>) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.spool(&id, &bytes)).await
    }

    /// Whether the document is spooled.
    #[must_use]
    pub fn is_spooled(&self, run: &RunId) -> bool {
        self.files.spool.path(run).is_file()
    }

    /// The spooled document, if it is there.
    pub async fn spooled(&self, run: &RunId) -> Result<Option<Vec<u8>>, StorageError> {
        let id = run.clone();
        self.one(run, move |files| files.spooled(&id)).await
    }

    /// The manifest alone, if there is one.
    pub async fn manifest(&self, run: &RunId) -> Result<Option<Manifest>, StorageError> {
        let id = run.clone();
        self.one(run, move |files| files.read_manifest(&id)).await
    }

    /// Whether a run has a tombstone, and its manifest if it has not.
    pub async fn standing(&self, run: &RunId) -> Result<(bool, Option<Manifest>), StorageError> {
        let id = run.clone();
        self.one(run, move |files| files.read_run(&id)).await
    }

    /// As [`Store::claim`], if wanted only of runs that the database has no row of: it hands out the others.
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
                // What it takes after all is nobody's work, and is taken again.
                tokio::spawn(async move {
                    for fence in claiming.await.into_iter().flatten().flatten() {
                        files.note_indeterminate(&fence.run);
                    }
                });
                Err(self.no_answer("", ATTEMPT_TIMEOUT))
            }
        }
    }

    /// Notes that the database has a stage.
    pub async fn mark_stage_synced(&self, run: &RunId, stage: Stage) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.mark_stage_synced(&id, stage)).await
    }

    /// Accepted runs that have not ended, as far as these files know.
    pub async fn open_runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(|files| files.marked(OPEN_FOLDER)).await
    }

    /// All runs that have a folder here.
    pub async fn runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(RunFiles::runs).await
    }

    /// The ended runs that the database lacks something of.
    pub async fn unsynced_runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(|files| files.marked(UNSYNCED_FOLDER)).await
    }

    /// Unmarks an ended run that a retry of this generation has completed elsewhere.
    pub async fn unmark_superseded(&self, run: &RunId, generation: i32) -> Result<(), StorageError> {
        let run = run.clone();
        self.whole(move |files| files.unmark_superseded(&run, generation)).await
    }

    /// Keeps a proof with the manifest: the database has everything of the run.
    pub async fn keep_proof(&self, proof: &Evidence) -> Result<(), StorageError> {
        let proof = Arc::new(proof.clone());
        self.write(&proof.run_id.clone(), move |files| files.keep_proof(&proof)).await
    }

    /// Makes the files hold what the row holds; what differed stays beside it as `*.conflict-TIME`.
    pub async fn overwrite_from_row(&self, row: &RunRecord) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |files| files.overwrite_from_row(&row)).await
    }

    /// Keeps a row's version in the run's folder, before the files' replaces it.
    pub async fn snapshot_row(&self, row: &Row) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.snapshot.id.clone(), move |files| files.snapshot_row(&row)).await
    }

    /// Gives an ended run the stages and the report that its row has and its files lack.
    pub async fn fill(&self, row: &RunRecord) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |files| files.fill(&row)).await
    }

    /// Enters an ended run that only its row knows, with all that the row has.
    pub async fn import(&self, row: &RunRecord) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |files| files.import(&row)).await
    }

    /// What the database lacks.
    pub async fn unsynced(&self) -> Result<Unsynced, StorageError> {
        self.whole(RunFiles::unsynced).await
    }

    /// Runs that may have ended before then, the oldest first.
    pub async fn unchanged_since(&self, before: Timestamp) -> Result<Vec<RunId>, StorageError> {
        self.whole(move |files| files.unchanged_since(before)).await
    }

    /// Removes a run, or a tombstone, that ended before then and that the database lacks nothing of; false if it stays.
    pub async fn expire(&self, run: &RunId, before: Timestamp) -> Result<bool, StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.expire(&id, before)).await
    }

    /// How many accepted runs have not ended.
    pub async fn open_count(&self) -> Result<usize, StorageError> {
        Ok(self.open_runs().await?.len())
    }
}

#[cfg(test)]
mod tests;

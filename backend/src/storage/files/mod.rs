//! Runs in files: `{root}/{run_id}/stage{n}/{name}.json`, `report.md`, `run.json`; atomic, durable, digest-checked
//! on read.
//!
//! # Invariants
//!
//! * A stage file is created once and never replaced; a different record for it is a conflict.
//! * The stage file is durable before the manifest names it. After a crash in between, the record's own payload
//!   digest still proves it.
//! * A manifest changes under its run's lock, and only for the fence that it names.

mod claim;
mod control;
mod disk;
mod end;
pub mod manifest;
mod marks;
mod mend;
mod outbox;
mod owners;
mod proof;
mod retention;
mod tombstone;
mod unsynced;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use pipeline::{
    clock::{Clock, Timestamp},
    failure::RunFailure,
    record::StageRecord,
    run::{RunId, Stage},
};
use tokio::sync::Notify;

pub use self::{disk::OpenError, unsynced::Unsynced};
use self::{
    disk::{Disk, REPORT_FILE},
    manifest::{DatabaseSide, DocumentSummary, Manifest},
    marks::{OPEN_FOLDER, UNSYNCED_FOLDER},
    outbox::Telling,
    proof::at,
};
use super::{
    Acceptance, Claim, End, Fence, Lease, NewRun, Snapshot, StorageError, StorageErrorKind, Store,
    proof::Proof as Evidence,
};

/// How long one attempt at a write may take before it is given up (a dead network disk never answers).
/// It may still finish later, which does no harm: stage files are create-only, and manifests fenced.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Further attempts after a failed write.
const RETRIES_MAX: usize = 3;

/// What the database has of the same write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// No database is meant to have it.
    None,
    Has,
    /// It is to be brought there later.
    Lacks,
}

impl Twin {
    fn side(self) -> Option<DatabaseSide> {
        match self {
            Self::None => None,
            Self::Has => Some(DatabaseSide { has_row: true, has_end: false }),
            Self::Lacks => Some(DatabaseSide::default()),
        }
    }
}

/// Runs below one folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileStore {
    disk: Arc<Disk>,
}

impl FileStore {
    /// A store below `root`; nothing is created until a run is accepted.
    #[must_use]
    pub fn new(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { disk: Arc::new(Disk::new(root, clock)) }
    }

    /// Writes down, with each state change that the database has not, what the frontend is to be told, and wakes who
    /// tells it.
    #[must_use]
    pub fn telling(self, wake: Option<Arc<Notify>>) -> Self {
        let Disk { root, clock, .. } = &*self.disk;
        let mut disk = Disk::new(root.clone(), clock.clone());
        disk.telling = Telling::waking(wake);
        Self { disk: Arc::new(disk) }
    }

    /// Wakes who tells the frontend, if something was written down.
    fn told<T>(&self, written: Result<T, StorageError>) -> Result<T, StorageError> {
        if let (Ok(_), Some(wake)) = (&written, &self.disk.telling.wake) {
            wake.notify_one();
        }
        written
    }

    /// The folder that holds all runs.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.disk.root
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self, run: &RunId) -> PathBuf {
        self.disk.folder(run)
    }

    /// Where the run's report lies.
    #[must_use]
    pub fn report_path(&self, run: &RunId) -> PathBuf {
        self.folder(run).join(REPORT_FILE)
    }

    /// Opens a run by its id for work here and now: a new one, or one that asks the same and that nobody works on.
    pub async fn open(&self, new: &NewRun, owner: &str) -> Result<(Fence, Manifest), OpenError> {
        let (disk, new, owner) = (self.disk.clone(), new.clone(), owner.to_owned());
        let opening = tokio::task::spawn_blocking(move || disk.open(&new, &owner));
        opening.await.map_err(|error| at(self.root())(io::Error::other(error)))?
    }

    /// As [`Store::accept`], noting what the database has of the run.
    pub async fn accept_beside(
        &self,
        new: &NewRun,
        lease: Option<&Lease>,
        twin: Twin,
    ) -> Result<Acceptance, StorageError> {
        let (new, owner) = (Arc::new(new.clone()), lease.map(|lease| lease.owner.clone()));
        self.write(&new.id.clone(), move |disk| disk.accept(&new, owner.as_deref(), twin)).await
    }

    /// As [`Store::store_stage`], noting what the database has of it.
    pub async fn store_stage_beside(
        &self,
        fence: &Fence,
        record: &StageRecord,
        twin: Twin,
    ) -> Result<(), StorageError> {
        let (fence, record) = (Arc::new(fence.clone()), Arc::new(record.clone()));
        let stored =
            self.write(&fence.run.clone(), move |disk| disk.store_stage(&fence, &record, twin)).await;
        self.told(stored)
    }

    /// As [`Store::finish`], noting what the database has of it.
    pub async fn finish_beside(
        &self,
        fence: &Fence,
        end: End<'_>,
        at: Timestamp,
        twin: Twin,
    ) -> Result<(), StorageError> {
        let fence = Arc::new(fence.clone());
        let run = fence.run.clone();
        let end: Arc<OwnedEnd> = Arc::new(end.into());
        self.told(self.write(&run, move |disk| disk.finish(&fence, end.borrowed(), at, twin)).await)
    }

    /// Notes what the document turned out to be.
    pub async fn describe_document(
        &self,
        fence: &Fence,
        summary: DocumentSummary,
    ) -> Result<(), StorageError> {
        let fence = Arc::new(fence.clone());
        self.write(&fence.run.clone(), move |disk| {
            disk.update(&fence, |manifest| manifest.document = Some(summary.clone()))
        })
        .await
    }

    /// Keeps the document for a resumed run, durably.
    pub async fn spool(&self, run: &RunId, bytes: Arc<[u8]>) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |disk| disk.spool(&id, &bytes)).await
    }

    /// Whether the document is spooled.
    #[must_use]
    pub fn is_spooled(&self, run: &RunId) -> bool {
        self.disk.spool_path(run).is_file()
    }

    /// The spooled document, if it is there.
    pub async fn spooled(&self, run: &RunId) -> Result<Option<Vec<u8>>, StorageError> {
        let id = run.clone();
        self.blocking(run, move |disk| disk.spooled(&id)).await
    }

    /// The manifest alone, if there is one.
    pub async fn manifest(&self, run: &RunId) -> Result<Option<Manifest>, StorageError> {
        let id = run.clone();
        self.blocking(run, move |disk| disk.read_manifest(&id)).await
    }

    /// As [`Store::claim`], if wanted only of runs that the database has no row of: it hands out the others.
    pub async fn claim_where(
        &self,
        claim: Claim<'_>,
        without_row_only: bool,
    ) -> Result<Vec<Fence>, StorageError> {
        let Claim { lease, limit, held, .. } = claim;
        let (disk, owner, held) = (self.disk.clone(), lease.owner.clone(), held.clone());
        run_blocking(self.root(), move || disk.claim(&owner, limit, &held, without_row_only)).await
    }

    /// Notes that the database has a stage.
    pub async fn mark_stage_synced(&self, run: &RunId, stage: Stage) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |disk| disk.mark_stage_synced(&id, stage)).await
    }

    /// Accepted runs that have not ended, as far as these files know.
    pub async fn open_runs(&self) -> Result<Vec<RunId>, StorageError> {
        let disk = self.disk.clone();
        run_blocking(self.root(), move || disk.marked(OPEN_FOLDER)).await
    }

    /// All runs that have a folder here.
    pub async fn runs(&self) -> Result<Vec<RunId>, StorageError> {
        let disk = self.disk.clone();
        run_blocking(self.root(), move || disk.runs()).await
    }

    /// The ended runs that the database lacks something of.
    pub async fn unsynced_runs(&self) -> Result<Vec<RunId>, StorageError> {
        let disk = self.disk.clone();
        run_blocking(self.root(), move || disk.marked(UNSYNCED_FOLDER)).await
    }

    /// Keeps a proof with the manifest: the database has everything of the run.
    pub async fn keep_proof(&self, proof: &Evidence) -> Result<(), StorageError> {
        let proof = Arc::new(proof.clone());
        self.write(&proof.run_id.clone(), move |disk| disk.keep_proof(&proof)).await
    }

    /// Makes the files hold what the row holds; what differed stays beside it as `*.conflict-TIME`.
    pub async fn take_over(&self, row: &Snapshot) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |disk| disk.take_over(&row)).await
    }

    /// Keeps a row's version in the run's folder, before the files' replaces it.
    pub async fn keep_row(&self, row: &Snapshot) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |disk| disk.keep_row(&row)).await
    }

    /// Gives an ended run the stages and the report that its row has and its files lack.
    pub async fn fill(&self, row: &Snapshot) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |disk| disk.fill(&row)).await
    }

    /// Enters an ended run that only its row knows, with all that the row has.
    pub async fn import(&self, row: &Snapshot) -> Result<(), StorageError> {
        let row = Arc::new(row.clone());
        self.write(&row.id.clone(), move |disk| disk.import(&row)).await
    }

    /// What the database lacks.
    pub async fn unsynced(&self) -> Result<Unsynced, StorageError> {
        let disk = self.disk.clone();
        run_blocking(self.root(), move || disk.unsynced()).await
    }

    /// Runs whose folders have not changed since then, the oldest first.
    pub async fn unchanged_since(&self, before: Timestamp) -> Result<Vec<RunId>, StorageError> {
        let disk = self.disk.clone();
        run_blocking(self.root(), move || disk.unchanged_since(before)).await
    }

    /// Removes a run, or a tombstone, that ended before then and that the database lacks nothing of; false if it stays.
    pub async fn expire(&self, run: &RunId, before: Timestamp) -> Result<bool, StorageError> {
        let id = run.clone();
        self.write(run, move |disk| disk.expire(&id, before)).await
    }

    /// How many accepted runs have not ended.
    pub async fn open_count(&self) -> Result<usize, StorageError> {
        Ok(self.open_runs().await?.len())
    }

    /// Runs blocking work, bounded in time.
    async fn blocking<T: Send + 'static>(
        &self,
        run: &RunId,
        work: impl FnOnce(&Disk) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let disk = self.disk.clone();
        run_blocking(&self.folder(run), move || work(&disk)).await
    }

    /// Runs a blocking write, bounded in time, a few times where trying again can help.
    async fn write<T: Send + 'static>(
        &self,
        run: &RunId,
        work: impl Fn(&Disk) -> Result<T, StorageError> + Send + Sync + Clone + 'static,
    ) -> Result<T, StorageError> {
        let attempt = || self.blocking(run, work.clone());
        attempt
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(50))
                    .with_max_times(RETRIES_MAX),
            )
            .when(StorageError::is_outage)
            .notify(|error, delay| tracing::warn!(%error, ?delay, "file write failed; trying again"))
            .await
    }
}

async fn run_blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::time::timeout(ATTEMPT_TIMEOUT, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(at(path)(io::Error::other(error))),
        Err(_) => Err(StorageError::new(
            StorageErrorKind::Ambiguous,
            format!("{}: no answer from the disk within {ATTEMPT_TIMEOUT:?}", path.display()),
        )),
    }
}

/// An [`End`] that may cross to another thread.
enum OwnedEnd {
    Completed { records: Vec<StageRecord>, report: String },
    Failed(RunFailure),
}

impl From<End<'_>> for OwnedEnd {
    fn from(end: End<'_>) -> Self {
        match end {
            End::Completed { records, report } => {
                Self::Completed { records: records.to_vec(), report: report.to_owned() }
            }
            End::Failed(failure) => Self::Failed(failure.clone()),
        }
    }
}

impl OwnedEnd {
    fn borrowed(&self) -> End<'_> {
        match self {
            Self::Completed { records, report } => End::Completed { records, report },
            Self::Failed(failure) => End::Failed(failure),
        }
    }
}

#[async_trait]
impl Store for FileStore {
    async fn accept(&self, run: &NewRun, lease: Option<&Lease>) -> Result<Acceptance, StorageError> {
        self.accept_beside(run, lease, Twin::None).await
    }

    async fn adopt(&self, new: &NewRun, fence: &Fence) -> Result<(), StorageError> {
        let (new, fence) = (Arc::new(new.clone()), Arc::new(fence.clone()));
        self.write(&new.id.clone(), move |disk| disk.adopt(&new, &fence)).await
    }

    /// An owner whose locked file is free is dead, whatever the time: there is no lease that could have expired.
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        self.claim_where(claim, false).await
    }

    async fn renew(&self, _: &Lease, _: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        // The owner's locked file says so, as long as the process lives.
        Ok(Vec::new())
    }

    async fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        let fence = Arc::new(fence.clone());
        self.write(&fence.run.clone(), move |disk| disk.release(&fence)).await
    }

    async fn load(&self, run: &RunId) -> Result<Option<Snapshot>, StorageError> {
        let id = run.clone();
        self.blocking(run, move |disk| disk.load(&id)).await
    }

    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        self.store_stage_beside(fence, record, Twin::None).await
    }

    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        let (fence, stages) = (Arc::new(fence.clone()), Arc::<[Stage]>::from(stages));
        self.write(&fence.run.clone(), move |disk| {
            disk.update(&fence, |manifest| {
                manifest.database.get_or_insert_default();
                for stage in stages.iter() {
                    if let Some(stored) = manifest.stages.get_mut(stage) {
                        stored.unsynced = true;
                    }
                }
            })
        })
        .await
    }

    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError> {
        self.finish_beside(fence, end, at, Twin::None).await
    }

    async fn probe(&self) -> Result<(), StorageError> {
        let disk = self.disk.clone();
        run_blocking(self.root(), move || disk.probe()).await
    }
}

#[cfg(test)]
mod tests;

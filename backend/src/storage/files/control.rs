//! What is done to runs from outside of their work, in files.

use std::{cmp::Reverse, fs, io, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus},
};

use super::{
    super::{
        Fence, Places, StorageError,
        control::{Burial, COUNTED_MAX, Control, Listing, RunPage, RunSummary},
    },
    FileStore, Twin,
    disk::{Disk, unknown},
    manifest::{DatabaseSide, Manifest},
    marks::{OPEN_FOLDER, UNSYNCED_FOLDER},
    proof::at,
    run_blocking,
};

impl Disk {
    /// The newest runs: there is no index, so it looks at the manifests of the folders that changed last, and at no more
    /// than are counted anyway.
    fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        let mut folders = self.run_folders()?;
        let has_more = folders.len() > COUNTED_MAX;
        if has_more {
            folders.select_nth_unstable_by_key(COUNTED_MAX, |(changed_at, _)| Reverse(*changed_at));
            folders.truncate(COUNTED_MAX);
        }
        let mut all = Vec::new();
        for (_, run) in folders {
            match self.read_manifest(&run) {
                Ok(Some(manifest))
                    if listing.wants(manifest.status, Some(&manifest.request.brand_id))
                        && !self.is_buried(&run)? =>
                {
                    all.push(summary(manifest));
                }
                Ok(_) => {}
                // One that cannot be read must not hide the others.
                Err(error) => tracing::warn!(run_id = %run, %error, "a run cannot be listed"),
            }
        }
        all.sort_by_key(|run| Reverse(run.position()));
        let page = RunPage::of(all, listing, Places::FILES);
        Ok(RunPage { is_total_exact: page.is_total_exact && !has_more, ..page })
    }

    /// All folders of runs, each with when it changed last.
    pub(super) fn run_folders(&self) -> Result<Vec<(SystemTime, RunId)>, StorageError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(at(&self.root)(error)),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(at(&self.root))?;
            let Some(run) = entry.file_name().to_str().and_then(|name| RunId::parse(name).ok()) else {
                continue;
            };
            // Where the file system does not tell, any order will do.
            let changed_at = entry.metadata().and_then(|metadata| metadata.modified());
            folders.push((changed_at.unwrap_or(SystemTime::UNIX_EPOCH), run));
        }
        Ok(folders)
    }

    fn lost(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let mut lost = Vec::new();
        for fence in fences {
            let is_ours = self.read_manifest(&fence.run)?.is_some_and(|manifest| {
                !manifest.has_ended()
                    && (manifest.generation, manifest.epoch) == (fence.generation, fence.epoch)
            });
            if !is_ours {
                lost.push(fence.run.clone());
            }
        }
        Ok(lost)
    }

    /// Clears the mark of an open run from one that has ended; under the lock, as a retry may be about to open it again.
    pub(super) fn unmark_ended(&self, run: &RunId) -> Result<(), StorageError> {
        let _lock = self.lock(run)?;
        let has_ended = self.read_manifest(run)?.is_none_or(|manifest| manifest.has_ended());
        if has_ended { self.unmark(OPEN_FOLDER, run) } else { Ok(()) }
    }

    fn retry(&self, run: &RunId, seen: i32, twin: Twin) -> Result<Option<i32>, StorageError> {
        // Before the lock, which a claim takes while it holds what this changes.
        self.forget_row(run);
        let _lock = self.lock(run)?;
        let Some(mut manifest) = self.read_manifest(run)? else { return Err(unknown(run)) };
        let has_failed = matches!(manifest.status, RunStatus::Failed | RunStatus::Cancelled);
        if !has_failed || manifest.generation != seen || self.is_buried(run)? {
            return Ok(None);
        }
        // A mark without an open run is cleared at the next claim; an open run without its mark is never found.
        self.mark(OPEN_FOLDER, run)?;
        reopen(&mut manifest);
        manifest.generation += 1;
        manifest.epoch += 1;
        manifest.attempts = 0;
        manifest.owner = None;
        // What the database may have is a row of an earlier generation.
        if twin == Twin::Lacks || manifest.database.is_some() {
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
        twin: Twin,
    ) -> Result<bool, StorageError> {
        let _lock = self.lock(run)?;
        let Some(mut manifest) = self.read_manifest(run)? else { return Err(unknown(run)) };
        if manifest.has_ended() {
            return Ok(false);
        }
        manifest.epoch += 1;
        manifest.error = Some(failure.clone());
        self.close(&mut manifest, RunStatus::Cancelled, at_time, twin)?;
        Ok(true)
    }
}

/// As it was before it ended.
pub(super) fn reopen(manifest: &mut Manifest) {
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
    /// As [`Control::retry`], noting what the database has of it.
    pub async fn retry_beside(
        &self,
        run: &RunId,
        seen: i32,
        twin: Twin,
    ) -> Result<Option<i32>, StorageError> {
        let id = run.clone();
        self.write(run, move |disk| disk.retry(&id, seen, twin)).await
    }

    /// As [`Control::cancel`], noting what the database has of it.
    pub async fn cancel_beside(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at: Timestamp,
        twin: Twin,
    ) -> Result<bool, StorageError> {
        let (id, failure) = (run.clone(), Arc::new(failure.clone()));
        self.told(self.write(run, move |disk| disk.cancel(&id, &failure, at, twin)).await)
    }

    /// Notes that a deletion begins, so that a later start finds it should this one not end.
    pub async fn mark_deleting(&self, run: &RunId) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |disk| disk.mark_deleting(&id)).await
    }

    /// Runs whose deletion has begun and is not known to have ended.
    pub async fn deleting(&self) -> Result<Vec<RunId>, StorageError> {
        let disk = self.disk.clone();
        run_blocking(self.root(), move || disk.deleting()).await
    }

    /// As [`Control::bury`]; `has_ended`: the database says that the run has, whatever stands here.
    pub async fn bury_beside(&self, run: &RunId, has_ended: bool) -> Result<Burial, StorageError> {
        let id = run.clone();
        self.write(run, move |disk| disk.bury(&id, has_ended)).await
    }
}

#[async_trait]
impl Control for FileStore {
    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        let (disk, listing) = (self.disk.clone(), listing.clone());
        run_blocking(self.root(), move || disk.list(&listing)).await
    }

    async fn lost(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let (disk, fences) = (self.disk.clone(), fences.to_vec());
        run_blocking(self.root(), move || disk.lost(&fences)).await
    }

    async fn retry(&self, run: &RunId, seen: i32) -> Result<Option<i32>, StorageError> {
        self.retry_beside(run, seen, Twin::None).await
    }

    async fn cancel(&self, run: &RunId, failure: &RunFailure, at: Timestamp) -> Result<bool, StorageError> {
        self.cancel_beside(run, failure, at, Twin::None).await
    }

    async fn bury(&self, run: &RunId) -> Result<Burial, StorageError> {
        self.bury_beside(run, false).await
    }

    async fn is_buried(&self, run: &RunId) -> Result<bool, StorageError> {
        let id = run.clone();
        self.blocking(run, move |disk| disk.is_buried(&id)).await
    }

    async fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |disk| disk.remove(&id)).await
    }

    async fn half_removed(&self) -> Result<Vec<RunId>, StorageError> {
        let disk = self.disk.clone();
        run_blocking(self.root(), move || disk.half_removed()).await
    }
}

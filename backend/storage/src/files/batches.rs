//! Batches in files. One file accepts a whole batch: it is created once, with the requests of all runs, and only then do the runs
//! get their manifests. So there is no half-accepted batch to remove. If the process dies in between, the batch's marker remains,
//! and the next pass over the markers writes the missing manifests.

use std::io;

use foundation::failpoints;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pipeline::batch::BatchId;

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        batch_file::{BatchFile, BatchStanding},
        db_sync::DbSync,
        layout::{
            BATCHES_FOLDER, MANIFEST_FILE, TOMBSTONE_FILE, UNSETTLED_BATCHES_FOLDER, batch_file,
            batch_marker, comparison_file, in_run,
        },
        limits::ATTEMPT_TIMEOUT,
        run_files::RunFiles,
        store::FileStore,
    },
    ports::{
        batches::{Batch, BatchAcceptance, BatchSubmission},
        lifecycle::Acceptance,
    },
    run::RunSubmission,
};

/// How many manifests of a batch are written at once. Each write has a limit of its own, and the files serve other runs too.
const WRITTEN_AT_ONCE: usize = 8;

/// The most markers that one pass looks at. Each stands for a batch that met an outage.
const MARKERS_MAX: usize = 200;

impl FileStore {
    /// Accepts a batch. Its runs have their manifests when this returns, and wait for a worker.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written; the batch may be accepted, and a repetition finds that out. `Indeterminate`
    /// if a write may have happened.
    pub(crate) async fn accept_batch(
        &self,
        new: &BatchSubmission,
        db_sync: DbSync,
    ) -> Result<BatchAcceptance, StorageError> {
        let standing = self.batch_standing(new).await?;
        if let Some(known) = &standing.file {
            return self.accept_again(known, &new.batch).await;
        }
        match standing {
            BatchStanding { deleted: Some(run), .. } => return Ok(BatchAcceptance::Deleted(run)),
            BatchStanding { is_taken: true, .. } => return Ok(BatchAcceptance::Mismatch),
            _ => {}
        }
        let file = BatchFile::new(&new.batch, &new.runs, db_sync);
        let written = file.clone();
        let created = self.guarded("create_batch", BATCHES_FOLDER, ATTEMPT_TIMEOUT, move |files| {
            files.create_batch(&written)
        });
        if !created.await? {
            let known = self.batch(&new.batch.id).await?;
            let what = "the batch appeared and went at the same time";
            let known = known.ok_or_else(|| StorageError::new(StorageErrorKind::CasConflict, what))?;
            return self.accept_again(&known, &new.batch).await;
        }
        failpoints::hit("batch-recorded");
        self.expand_batch(&file).await?;
        Ok(BatchAcceptance::New)
    }

    async fn accept_again(&self, known: &BatchFile, new: &Batch) -> Result<BatchAcceptance, StorageError> {
        if !known.batch.is_same(new) {
            return Ok(BatchAcceptance::Mismatch);
        }
        self.expand_batch(known).await?;
        Ok(BatchAcceptance::Existing)
    }

    /// Writes the manifests that the runs of an accepted batch lack. Repeating it changes nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn expand_batch(&self, file: &BatchFile) -> Result<(), StorageError> {
        if !file.is_expanded() {
            let db_sync = file.db_sync();
            stream::iter(file.submissions())
                .map(|run| self.expand_run(run, db_sync))
                .buffer_unordered(WRITTEN_AT_ONCE)
                .try_collect::<()>()
                .await?;
            failpoints::hit("batch-expanded");
            let expanded = file.expanded();
            self.whole(move |files| files.replace_batch(&expanded)).await?;
        }
        if file.lacks_database {
            return Ok(());
        }
        self.settle_batch(&file.batch.id).await
    }

    async fn expand_run(&self, run: RunSubmission, db_sync: DbSync) -> Result<(), StorageError> {
        let accepted = self.accept_with_sync_state(&run, None, db_sync).await?;
        // Another request took the id in between, or the run was deleted already.
        if matches!(accepted, Acceptance::RequestMismatch | Acceptance::Deleted) {
            tracing::warn!(event = "batch_run_skipped", run_id = %run.id, "a run of a batch is not accepted: its id is taken, or the run was deleted");
        }
        Ok(())
    }

    /// Keeps a batch that the database has, for the time while the database is away.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub(crate) async fn mirror_batch(&self, batch: &Batch) -> Result<(), StorageError> {
        let file = BatchFile::new(batch, &[], DbSync::Synced);
        self.guarded("create_file", BATCHES_FOLDER, ATTEMPT_TIMEOUT, move |files| files.create_file(&file))
            .await
            .map(drop)
    }

    /// Reads a batch, if the files hold it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    /// `Invalid` if a newer version of the program wrote it.
    pub async fn batch(&self, id: &BatchId) -> Result<Option<BatchFile>, StorageError> {
        let id = id.clone();
        self.guarded("read_batch", BATCHES_FOLDER, ATTEMPT_TIMEOUT, move |files| files.batch(&id)).await
    }

    /// Reads what the files hold of a batch and of its runs.
    pub(crate) async fn batch_standing(&self, new: &BatchSubmission) -> Result<BatchStanding, StorageError> {
        let new = new.clone();
        self.whole(move |files| files.batch_standing(&new)).await
    }

    /// Lists batches that a process left without manifests, or that the database lacks: a page of them, in the order of their
    /// ids.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn unsettled_batches(&self, after: Option<BatchId>) -> Result<Vec<BatchId>, StorageError> {
        self.whole(move |files| {
            let listed = files.io.backend.names(UNSETTLED_BATCHES_FOLDER);
            let listed = listed.map_err(|error| files.io.fault(UNSETTLED_BATCHES_FOLDER, &error))?;
            let ids = listed.iter().filter_map(|name| BatchId::parse(name).ok());
            let mut ids: Vec<BatchId> =
                ids.filter(|id| after.as_ref().is_none_or(|after| id > after)).collect();
            ids.sort();
            ids.truncate(MARKERS_MAX);
            Ok(ids)
        })
        .await
    }

    /// Notes that the database has the batch.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn note_batch_imported(&self, file: &BatchFile) -> Result<(), StorageError> {
        let synced = file.imported();
        self.whole(move |files| files.replace_batch(&synced)).await?;
        self.settle_batch(&file.batch.id).await
    }

    /// Writes or replaces the comparison of a batch's brands beside the runs. Returns its place for people.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn write_comparison(&self, id: &BatchId, text: String) -> Result<String, StorageError> {
        let name = comparison_file(id);
        let place = self.files.io.backend.place(&name);
        self.whole(move |files| files.io.replace(&name, text.as_bytes())).await?;
        Ok(place)
    }

    /// Removes the marker of a batch for which nothing remains to do.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn settle_batch(&self, id: &BatchId) -> Result<(), StorageError> {
        let name = batch_marker(id);
        self.whole(move |files| {
            // Not flushed. A marker that returns after a crash costs one look.
            files.io.backend.remove(&name).map_err(|error| files.io.fault(&name, &error))
        })
        .await
    }
}

impl RunFiles {
    /// Creates a batch's file after its marker. False if there is one.
    fn create_batch(&self, file: &BatchFile) -> Result<bool, StorageError> {
        let marker = batch_marker(&file.batch.id);
        let backend = &self.io.backend;
        let marked = backend
            .make_folder(UNSETTLED_BATCHES_FOLDER)
            .and_then(|()| backend.touch(&marker))
            .and_then(|()| self.io.flush(&marker));
        marked.map_err(|error| self.io.fault(&marker, &error))?;
        self.create_file(file)
    }

    fn create_file(&self, file: &BatchFile) -> Result<bool, StorageError> {
        let name = batch_file(&file.batch.id);
        let bytes = self.io.json_bytes(file, &name)?;
        let made = self.io.backend.make_folder(BATCHES_FOLDER);
        let is_new = match made.and_then(|()| self.io.backend.create(&name, &bytes)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            created => created.map(|()| true).map_err(|error| self.io.fault(&name, &error))?,
        };
        // A process that was killed here may not have flushed the name.
        self.io.flush(&name).map_err(|error| self.io.fault(&name, &error))?;
        Ok(is_new)
    }

    /// Replaces a batch's file. All writers write what follows from the same batch, so the last one may win.
    fn replace_batch(&self, file: &BatchFile) -> Result<(), StorageError> {
        let name = batch_file(&file.batch.id);
        let bytes = self.io.json_bytes(file, &name)?;
        self.io.replace(&name, &bytes)
    }

    fn batch(&self, id: &BatchId) -> Result<Option<BatchFile>, StorageError> {
        let name = batch_file(id);
        let Some(stored) = self.io.read(&name)? else { return Ok(None) };
        match serde_json::from_slice::<BatchFile>(&stored.bytes) {
            Ok(file) if file.is_newer() => Err(StorageError::new(
                StorageErrorKind::Invalid,
                format!("{name} was written by a newer version of this program; use that version"),
            )),
            Ok(file) => Ok(Some(file)),
            Err(error) => {
                self.io.quarantine(&name, &error.to_string(), Some(&stored.version))?;
                Ok(None)
            }
        }
    }

    fn batch_standing(&self, new: &BatchSubmission) -> Result<BatchStanding, StorageError> {
        let file = self.batch(&new.batch.id)?;
        let mut standing = BatchStanding { file, ..BatchStanding::default() };
        // All at once, because a bucket answers many reads in the time of one.
        let names: Vec<String> = new
            .runs
            .iter()
            .flat_map(|run| [in_run(&run.id, TOMBSTONE_FILE), in_run(&run.id, MANIFEST_FILE)])
            .collect();
        let mut read = self.io.backend.read_all(&names).into_iter().zip(&names);
        let mut next = || match read.next() {
            Some((stored, name)) => stored.map_err(|error| self.io.fault(name, &error)),
            None => Ok(None),
        };
        for run in &new.runs {
            let (tombstone, manifest) = (next()?, next()?);
            if tombstone.is_some() {
                let owner = self.deleted_owner(&run.id)?;
                if owner.is_none_or(|owner| owner == run.request.principal) {
                    standing.deleted.get_or_insert_with(|| run.id.clone());
                } else {
                    standing.is_taken = true;
                }
            } else if let Some(stored) = manifest
                && let Some(manifest) = self.manifests.parse(&run.id, stored)?
            {
                standing.is_taken |= !manifest.request.is_same(&run.request);
                standing.lacks_row |= !manifest.has_row();
            }
        }
        Ok(standing)
    }
}

//! Accepts and reads batches by the mode, and brings those that files alone accepted to the database.

use std::sync::Arc;

use pipeline::batch::BatchId;

use crate::{
    error::{StorageError, StorageErrorKind},
    files::DbSync,
    mode::Mode,
    ports::batches::{Batch, BatchAcceptance, BatchSubmission, Batches},
    router::core::Router,
};

/// The result of a look at batches that met an outage.
#[derive(Debug, Default)]
pub struct SettledBatches {
    /// Markers without a batch: its acceptance is under way, or its process died.
    pub without_file: Vec<BatchId>,
    /// The last batch of the page. None if there is none.
    pub last: Option<BatchId>,
}

impl Router {
    /// Sets the database's batches. Without them, a batch is accepted by file alone.
    #[must_use]
    pub fn with_batches(self, batches: Option<Arc<dyn Batches>>) -> Self {
        Self { batches, ..self }
    }

    /// Accepts all runs of a batch, or none. They wait for a worker.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time. A repetition finds out
    /// whether the batch is accepted.
    pub async fn accept_batch(&self, new: &BatchSubmission) -> Result<BatchAcceptance, StorageError> {
        let accepted = match self.mode() {
            Mode::Invalid => Err(StorageError::new(
                StorageErrorKind::Invalid,
                "both storage flags are off; set ENABLE_DATABASE_WRITES or ENABLE_FILE_FALLBACK",
            )),
            Mode::FileOnly => self.accept_batch_by_file(new, None).await,
            Mode::DatabaseOnly => self.accept_batch_by_row(new).await,
            Mode::DualWrite => self.accept_batch_in_both(new).await,
        }?;
        if accepted == BatchAcceptance::New {
            for run in &new.runs {
                self.changes.publish(&run.id);
            }
        }
        Ok(accepted)
    }

    async fn accept_batch_in_both(&self, new: &BatchSubmission) -> Result<BatchAcceptance, StorageError> {
        let standing = match self.files.batch_standing(new).await {
            Err(error) if !error.is_outage() => return Err(error),
            // The database may accept the batch even if the files cannot be read.
            standing => standing.unwrap_or_default(),
        };
        if standing.file.as_ref().is_some_and(|file| file.lacks_database) {
            return self.accept_batch_by_file(new, None).await;
        }
        match &standing.deleted {
            // The database may still lack the tombstone.
            Some(run) => return Ok(BatchAcceptance::Deleted(run.clone())),
            None if standing.is_taken => return Ok(BatchAcceptance::Mismatch),
            None => {}
        }
        if standing.file.is_none() && standing.lacks_row {
            let what = "a run of the batch was accepted by file, and the database lacks it yet";
            return Err(StorageError::new(StorageErrorKind::Unavailable, what));
        }
        match self.accept_batch_by_row(new).await {
            Ok(accepted) => {
                if matches!(accepted, BatchAcceptance::New | BatchAcceptance::Existing) {
                    let mirrored = self.files.mirror_batch(&new.batch).await;
                    self.note_file(&mirrored);
                    if let Err(error) = mirrored {
                        tracing::warn!(event = "batch_mirror_failed", batch_id = %new.batch.id, %error, "a batch is not in files; the database has it");
                    }
                }
                Ok(accepted)
            }
            Err(error) if error.is_outage() => self.accept_batch_by_file(new, Some(error)).await,
            Err(error) => Err(error),
        }
    }

    async fn accept_batch_by_row(&self, new: &BatchSubmission) -> Result<BatchAcceptance, StorageError> {
        self.call_batches(|batches| async move { batches.accept_batch(new).await }).await
    }

    /// Accepts a batch by its file, under the same guard as a single run.
    async fn accept_batch_by_file(
        &self,
        new: &BatchSubmission,
        cause: Option<StorageError>,
    ) -> Result<BatchAcceptance, StorageError> {
        self.check_file_may_accept(cause.clone())?;
        if let Some(error) = cause {
            tracing::warn!(event = "batch_accepted_by_file", batch_id = %new.batch.id, %error, "the database did not take the batch; accepting by file");
        }
        let db_sync = if self.database.is_some() { DbSync::Pending } else { DbSync::NotTracked };
        let accepted = self.files.accept_batch(new, db_sync).await;
        self.note_file(&accepted);
        accepted
    }

    /// Reads a batch. None if no store that can be read holds it.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store that may hold it fails. `Indeterminate` if it does not answer in time.
    pub async fn batch(&self, id: &BatchId) -> Result<Option<Batch>, StorageError> {
        let mode = self.mode();
        // A batch never changes, so either store may answer.
        if mode.has_files()
            && let Ok(Some(file)) = self.files.batch(id).await
        {
            // A process died in its acceptance. Without their manifests, its runs would seem to be gone.
            if !file.is_expanded() {
                self.files.expand_batch(&file).await?;
            }
            return Ok(Some(file.batch));
        }
        if mode.has_database() {
            return self.call_batches(|batches| async move { batches.batch(id).await }).await;
        }
        Ok(self.files.batch(id).await?.map(|file| file.batch))
    }

    /// Completes a page of the batches that met an outage: writes the manifests that their runs lack, and imports them to the
    /// database.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn settle_batches(&self, after: Option<BatchId>) -> Result<SettledBatches, StorageError> {
        let mut settled = SettledBatches::default();
        if !self.mode().has_files() {
            return Ok(settled);
        }
        for id in self.files.unsettled_batches(after).await? {
            settled.last = Some(id.clone());
            let Some(file) = self.files.batch(&id).await? else {
                settled.without_file.push(id);
                continue;
            };
            self.files.expand_batch(&file).await?;
            if file.lacks_database && self.open_database(self.mode()).is_some() {
                let batch = &file.batch;
                self.call_batches(|batches| async move { batches.import_batch(batch).await }).await?;
                self.files.note_batch_imported(&file).await?;
                tracing::info!(event = "batch_imported", batch_id = %id, "a batch that files accepted is in the database");
            }
        }
        Ok(settled)
    }

    /// Calls the database if its breaker admits it. A missing table of batches says nothing about the runs, so the breaker does
    /// not count it.
    async fn call_batches<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn Batches) -> F + Send,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        let (Some(database), Some(batches)) = (&self.database, &self.batches) else {
            return Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set"));
        };
        database.breaker.admit()?;
        let result = call(&**batches).await;
        if !matches!(&result, Err(error) if error.kind == StorageErrorKind::Schema) {
            database.breaker.record(&result);
        }
        result
    }
}

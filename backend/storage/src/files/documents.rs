//! The calls of the file store for kept documents.

use std::{sync::Arc, time::Duration};

use pipeline::run::RunId;

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        layout::DOCUMENTS_FOLDER,
        run_files::RunFiles,
        runs::kept_document::{DocumentSweep, KeptDocument},
        store::FileStore,
    },
    ports::lifecycle::Fence,
};

/// The time limit for a whole document of 25 MiB. A bucket over a slow line takes most of it.
const WHOLE_DOCUMENT_TIMEOUT: Duration = Duration::from_secs(30);

impl FileStore {
    /// Keeps the documents of ended runs for this long. Call it before the store is used.
    #[must_use]
    pub fn with_document_retention(mut self, keep: Option<Duration>) -> Self {
        if let Some(files) = Arc::get_mut(&mut self.files) {
            files.document_retention = keep;
        }
        self
    }

    /// Whether a document of an ended run needs a copy, because the spooled one is on a disk of this replica alone.
    #[must_use]
    pub fn needs_document_copy(&self) -> bool {
        self.files.document_retention.is_some() && !self.files.spool.is_in_run_folder()
    }

    /// Stores a copy of a run's document beside its files, for readers of the report. Returns false if the worker came
    /// too late.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written, or if the copies under way hold too much memory. `Indeterminate` if a
    /// write may have happened.
    pub async fn copy_document(&self, fence: &Fence, bytes: Arc<[u8]>) -> Result<bool, StorageError> {
        let kib = u32::try_from(bytes.len() / 1024 + 1).unwrap_or(u32::MAX);
        let _memory = self.copying_kib.clone().try_acquire_many_owned(kib).map_err(|_| {
            let what = "too many documents wait for their copy";
            StorageError::new(StorageErrorKind::Unavailable, what)
        })?;
        let (run, held) = (fence.run.clone(), fence.clone());
        self.large(&run, move |files| files.copy_document(&held, &bytes)).await
    }

    /// The facts about the document of an ended run. None if it is not kept here.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn kept_document(&self, run: &RunId) -> Result<Option<KeptDocument>, StorageError> {
        if self.files.document_retention.is_none() {
            return Ok(None);
        }
        self.read_one(run, RunFiles::kept_document).await
    }

    /// Reads the kept document of an ended run. None if it is not kept here.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn read_document(&self, run: &RunId) -> Result<Option<Vec<u8>>, StorageError> {
        if self.files.document_retention.is_none() {
            return Ok(None);
        }
        let id = run.clone();
        self.large(run, move |files| files.read_document(&id)).await
    }

    /// Lists the runs whose document may be kept.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn marked_documents(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(|files| files.markers.marked(DOCUMENTS_FOLDER)).await
    }

    /// Removes the document of a marked run whose retention is over.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn sweep_document(&self, run: &RunId) -> Result<DocumentSweep, StorageError> {
        self.write_one(run, RunFiles::sweep_document).await
    }

    /// Runs blocking work on a whole document. It stays outside of the bulkhead and tells the breaker nothing: a slow
    /// line says little about small files.
    async fn large<T: Send + 'static>(
        &self,
        run: &RunId,
        work: impl FnOnce(&RunFiles) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        if let Some(breaker) = &self.breaker {
            breaker.admit()?;
        }
        self.blocking("copy_document", run.as_str(), WHOLE_DOCUMENT_TIMEOUT, work).await
    }
}

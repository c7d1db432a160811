//! The document of a run under way.

use std::sync::Arc;

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{manifest::DocumentSummary, run_files::RunFiles, store::FileStore},
    ports::lifecycle::Fence,
};

impl FileStore {
    /// Remembers the summary of a run's document for the next write of its manifest.
    pub fn note_document(&self, run: &RunId, document: DocumentSummary) {
        self.files.manifests.note_document(run, Some(document));
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
}

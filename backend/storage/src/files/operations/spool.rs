//! The document of a run under way.

use std::sync::Arc;

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{
        manifest::DocumentSummary,
        mirror::{batch::MirrorPart, queue::Pushed},
        run_files::RunFiles,
        store::FileStore,
    },
    ports::lifecycle::Fence,
};

/// The largest document that goes through the mirror: most pages and notes. Dozens of larger ones would fill it.
const MIRRORED_BYTES_MAX: usize = 1024 * 1024;

impl FileStore {
    /// Remembers the summary of a run's document for the next write of its manifest.
    pub fn note_document(&self, run: &RunId, document: DocumentSummary) {
        self.files.manifests.note_document(run, Some(document));
    }

    /// Stores the document, so that a resumed run need not download it again. On a disk, a small one goes with the run's next
    /// files.
    ///
    /// # Errors
    ///
    /// `Fenced` if the run was deleted. `Unavailable` if the files cannot be written. `Indeterminate` if a
    /// write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn spool(&self, fence: &Fence, bytes: Arc<[u8]>) -> Result<(), StorageError> {
        let is_small = bytes.len() <= MIRRORED_BYTES_MAX && self.files.spool.is_in_run_folder();
        if is_small && self.push(fence, MirrorPart::Document(bytes.clone())) == Pushed::Kept {
            return Ok(());
        }
        self.spool_now(fence, bytes).await
    }

    /// As [`FileStore::spool`], durably.
    pub(crate) async fn spool_now(&self, fence: &Fence, bytes: Arc<[u8]>) -> Result<(), StorageError> {
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

//! Marks runs whose row is missing and has to be restored.

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{layout::UNSYNCED_FOLDER, manifest::DatabaseSide, run_files::RunFiles, store::FileStore},
};

impl RunFiles {
    fn lose_row(&self, run: &RunId) -> Result<(), StorageError> {
        self.note_lost_row(run)?;
        // From now on a claim may take an open run by its files. This needs no run lock, because a claim holds the observations
        // while it takes that lock. It comes after the write, or a claim would use the manifest that it read before.
        self.forget_observation(run);
        Ok(())
    }

    fn note_lost_row(&self, run: &RunId) -> Result<(), StorageError> {
        let _lock = self.io.lock(run)?;
        let Some(mut manifest) = self.manifests.read(run)?.filter(|manifest| manifest.has_row()) else {
            return Ok(());
        };
        manifest.database = Some(DatabaseSide::default());
        manifest.proof = None;
        if manifest.has_ended() {
            self.markers.mark(UNSYNCED_FOLDER, run)?;
        }
        self.manifests.write(&mut manifest)
    }
}

impl FileStore {
    /// Notes in the manifest that the row is missing and has to be restored.
    ///
    /// # Errors
    ///
    /// The run has no manifest (`NotFound`), or the manifest could not be written.
    pub async fn lose_row(&self, run: &RunId) -> Result<(), StorageError> {
        self.write_one(run, RunFiles::lose_row).await
    }
}

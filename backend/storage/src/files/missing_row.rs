//! Runs whose row in the database is gone and is wanted again.

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{layout::UNSYNCED_FOLDER, manifest::DatabaseSide, run_files::RunFiles, store::FileStore},
};

impl RunFiles {
    fn lose_row(&self, run: &RunId) -> Result<(), StorageError> {
        self.note_lost_row(run)?;
        // An open run may be claimed by its files from now on. Without the lock, which a claim takes while it holds what
        // this changes; and after the writing, or a claim would go on by what it has read before.
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
    /// Notes that the database has lost a run's row and is to get it back.
    pub async fn lose_row(&self, run: &RunId) -> Result<(), StorageError> {
        self.write_one(run, RunFiles::lose_row).await
    }
}

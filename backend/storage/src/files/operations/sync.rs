//! The writes of reconciliation: marks, proofs, and parts that come from the row.

use pipeline::run::{RunId, Stage};

use crate::{
    error::StorageError,
    files::{run_files::RunFiles, store::FileStore},
    ports::sync::{Expiry, Proof, Row},
    run::RunRecord,
};

impl FileStore {
    /// Records that the database holds a stage.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn mark_stage_synced(&self, run: &RunId, stage: Stage) -> Result<(), StorageError> {
        self.write_one(run, move |files, run| files.mark_stage_synced(run, stage)).await
    }

    /// Removes the unsynced marker of an ended run if a newer generation has completed elsewhere.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn unmark_superseded(&self, run: &RunId, generation: i32) -> Result<(), StorageError> {
        let run = run.clone();
        self.whole(move |files| files.unmark_superseded(&run, generation)).await
    }

    /// Stores a proof in the manifest. The database then holds everything of the run.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn keep_proof(&self, proof: &Proof) -> Result<(), StorageError> {
        self.write_with(&proof.run_id, proof, RunFiles::keep_proof).await
    }

    /// Makes the files equal to the row. A file that differs is kept as `*.conflict-TIME`.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn overwrite_from_row(&self, row: &RunRecord) -> Result<(), StorageError> {
        self.write_with(&row.id, row, RunFiles::overwrite_from_row).await
    }

    /// Saves the row's content in the run's folder before the files' content replaces it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn snapshot_row(&self, row: &Row) -> Result<(), StorageError> {
        self.write_with(&row.snapshot.id, row, RunFiles::snapshot_row).await
    }

    /// Adds the stages and the report of an ended run that its row holds and its files lack.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn fill(&self, row: &RunRecord) -> Result<(), StorageError> {
        self.write_with(&row.id, row, RunFiles::fill).await
    }

    /// Stores an ended run that only the database holds, with all its content.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn import(&self, row: &RunRecord) -> Result<(), StorageError> {
        self.write_with(&row.id, row, RunFiles::import).await
    }

    /// Removes a run or a tombstone that is old enough, if the database lacks nothing of it. Returns
    /// false if it stays.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn expire(&self, run: &RunId, expiry: Expiry) -> Result<bool, StorageError> {
        self.write_one(run, move |files, run| files.expire(run, expiry)).await
    }
}

//! Questions about runs, one or all.

use std::collections::BTreeMap;

use pipeline::{clock::Timestamp, run::RunId};

use crate::{
    error::StorageError,
    files::{
        layout::{OPEN_FOLDER, UNSYNCED_FOLDER},
        manifest::Manifest,
        repair::Damage,
        run_files::RunFiles,
        runs::unsynced::Unsynced,
        store::FileStore,
    },
    ports::lifecycle::Fence,
    waiting::WaitReason,
};

impl FileStore {
    /// Reads the manifest, if there is one.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    /// `Invalid` if a newer version of the program wrote it.
    pub async fn manifest(&self, run: &RunId) -> Result<Option<Manifest>, StorageError> {
        self.read_one(run, |files, run| files.manifests.read(run)).await
    }

    /// Whether the run has a tombstone; otherwise also its manifest.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    /// `Invalid` if a newer version of the program wrote the manifest.
    pub async fn standing(&self, run: &RunId) -> Result<(bool, Option<Manifest>), StorageError> {
        self.read_one(run, |files, run| files.manifests.read_run(run)).await
    }

    /// Lists files that are unreadable or whose digest does not match.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn damage(&self, run: &RunId) -> Result<Damage, StorageError> {
        self.read_one(run, RunFiles::damage).await
    }

    /// Whether any file of the run exists, with or without a manifest.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn has_anything_of(&self, run: &RunId) -> Result<bool, StorageError> {
        self.read_one(run, |files, run| files.io.has_run(run)).await
    }

    /// Tests create-if-absent with a write that the store must refuse.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn check_create_if_absent(&self) -> Result<bool, StorageError> {
        self.whole(|files| files.io.check_create_if_absent()).await
    }

    /// Lists the runs that other processes have ended, as far as the open markers show.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn ended_elsewhere(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let fences = fences.to_vec();
        self.whole(move |files| files.ended_elsewhere(&fences)).await
    }

    /// Lists accepted runs that have not ended in these files.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn open_runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(|files| files.markers.marked(OPEN_FOLDER)).await
    }

    /// Counts accepted runs that have not ended.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn open_count(&self) -> Result<usize, StorageError> {
        Ok(self.open_runs().await?.len())
    }

    /// Lists all runs that have a folder here.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(RunFiles::runs).await
    }

    /// Lists ended runs of which the database lacks a part.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn unsynced_runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(|files| files.markers.marked(UNSYNCED_FOLDER)).await
    }

    /// Counts the runs and stages that the database lacks.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn unsynced(&self) -> Result<Unsynced, StorageError> {
        self.whole(RunFiles::unsynced).await
    }

    /// Lists runs that may have ended before that time, the oldest first.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn unchanged_since(&self, before: Timestamp) -> Result<Vec<RunId>, StorageError> {
        self.whole(move |files| files.unchanged_since(before)).await
    }

    /// Counts the waiting runs by reason, as the last search for work observed them. None while a search is under
    /// way.
    #[must_use]
    pub fn waiting(&self) -> Option<BTreeMap<WaitReason, usize>> {
        self.files.waiting_by_reason()
    }
}

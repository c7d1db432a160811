//! A cheap look at a run's files, for sync: the parts that the manifest names, and those whose files are gone.

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{
        layout::{REPORT_FILE, TOMBSTONE_FILE, in_run},
        manifest::Manifest,
        run_files::RunFiles,
        store::FileStore,
    },
    part::Part,
};

/// The parts of a run in its files, by their names. Their content is not read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileOutline {
    /// Whether the run has a tombstone here.
    pub is_deleted: bool,
    /// None for a deleted run, and without a readable manifest.
    pub manifest: Option<Manifest>,
    /// The parts that the manifest names and whose files are gone.
    pub lost: Vec<Part>,
}

impl RunFiles {
    fn outline(&self, run: &RunId) -> Result<FileOutline, StorageError> {
        let (is_deleted, manifest) = self.manifests.read_run(run)?;
        let mut lost = Vec::new();
        if let Some(manifest) = &manifest {
            let stages = manifest.stages.keys().map(|stage| (Part::Stage(*stage), stage.file()));
            let report = manifest.report.iter().map(|_| (Part::Report, REPORT_FILE));
            for (part, file) in stages.chain(report) {
                let name = in_run(run, file);
                if !self.io.backend.exists(&name).map_err(|error| self.io.fault(&name, &error))? {
                    lost.push(part);
                }
            }
        }
        Ok(FileOutline { is_deleted, manifest, lost })
    }

    fn deleted_among(&self, runs: &[RunId]) -> Result<Vec<RunId>, StorageError> {
        // A bucket reads them at once.
        let names: Vec<String> = runs.iter().map(|run| in_run(run, TOMBSTONE_FILE)).collect();
        let mut deleted = Vec::new();
        for ((run, name), stored) in runs.iter().zip(&names).zip(self.io.backend.read_all(&names)) {
            if stored.map_err(|error| self.io.fault(name, &error))?.is_some() {
                deleted.push(run.clone());
            }
        }
        Ok(deleted)
    }
}

impl FileStore {
    /// The parts that a run's files hold, by their names.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn outline(&self, run: &RunId) -> Result<FileOutline, StorageError> {
        self.read_one(run, RunFiles::outline).await
    }

    /// Selects the runs that have a tombstone in these files.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn deleted_among(&self, runs: Vec<RunId>) -> Result<Vec<RunId>, StorageError> {
        self.whole(move |files| files.deleted_among(&runs)).await
    }
}

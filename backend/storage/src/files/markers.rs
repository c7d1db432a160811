//! Index markers: empty files named by run ids. They let a start find a set of runs without reading every
//! run.

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{manifest::Manifest, run_files::RunFiles},
};

impl RunFiles {
    /// Marks a run durably.
    pub(super) fn mark(&self, folder: &str, run: &RunId) -> Result<(), StorageError> {
        let name = format!("{folder}/{run}");
        let marked = self.backend.touch(&name).and_then(|()| self.flush(&name));
        marked.map_err(|error| self.fault(&name, &error))
    }

    /// Marks a run. The marker becomes durable before the manifest is written.
    pub(super) fn mark_with_manifest(
        &self,
        manifest: &mut Manifest,
        folder: &str,
    ) -> Result<(), StorageError> {
        let name = format!("{folder}/{}", manifest.run_id);
        manifest.flush_with(&name);
        self.backend.touch(&name).map_err(|error| self.fault(&name, &error))
    }

    pub(super) fn unmark(&self, folder: &str, run: &RunId) -> Result<(), StorageError> {
        let name = format!("{folder}/{run}");
        // Not flushed. If the marker returns after a crash, the next pass checks the run once more.
        self.backend.remove(&name).map_err(|error| self.fault(&name, &error))
    }

    pub(super) fn is_marked(&self, folder: &str, run: &RunId) -> Result<bool, StorageError> {
        let name = format!("{folder}/{run}");
        self.backend.exists(&name).map_err(|error| self.fault(&name, &error))
    }

    pub(super) fn marked(&self, folder: &str) -> Result<Vec<RunId>, StorageError> {
        let names = self.backend.names(folder).map_err(|error| self.fault(folder, &error))?;
        Ok(names.iter().filter_map(|name| RunId::parse(name).ok()).collect())
    }
}

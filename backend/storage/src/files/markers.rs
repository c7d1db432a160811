//! Index markers: empty files named by run ids. They let a start find a set of runs without reading every
//! run.

use std::sync::Arc;

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{io::FileIo, layout::in_folder, manifest::Manifest},
};

/// The markers of one storage root, each in a folder of `layout.rs`.
#[derive(Debug)]
pub(super) struct Markers {
    io: Arc<FileIo>,
}

impl Markers {
    pub(super) fn new(io: Arc<FileIo>) -> Self {
        Self { io }
    }

    /// Marks a run durably.
    pub(super) fn mark(&self, folder: &str, run: &RunId) -> Result<(), StorageError> {
        let name = in_folder(folder, run);
        let marked = self.io.backend.touch(&name).and_then(|()| self.io.flush(&name));
        marked.map_err(|error| self.io.fault(&name, &error))
    }

    /// Marks a run. The marker becomes durable before the manifest is written.
    pub(super) fn mark_with_manifest(
        &self,
        manifest: &mut Manifest,
        folder: &str,
    ) -> Result<(), StorageError> {
        let name = in_folder(folder, &manifest.run_id);
        manifest.flush_with(&name);
        self.io.backend.touch(&name).map_err(|error| self.io.fault(&name, &error))
    }

    pub(super) fn unmark(&self, folder: &str, run: &RunId) -> Result<(), StorageError> {
        let name = in_folder(folder, run);
        // Not flushed. If the marker returns after a crash, the next pass checks the run once more.
        self.io.backend.remove(&name).map_err(|error| self.io.fault(&name, &error))
    }

    pub(super) fn is_marked(&self, folder: &str, run: &RunId) -> Result<bool, StorageError> {
        let name = in_folder(folder, run);
        self.io.backend.exists(&name).map_err(|error| self.io.fault(&name, &error))
    }

    pub(super) fn marked(&self, folder: &str) -> Result<Vec<RunId>, StorageError> {
        let names = self.io.backend.names(folder).map_err(|error| self.io.fault(folder, &error))?;
        Ok(names.iter().filter_map(|name| RunId::parse(name).ok()).collect())
    }
}

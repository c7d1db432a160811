//! Removes expired runs.

use pipeline::{clock::Timestamp, run::RunId};

use crate::{
    error::StorageError,
    files::{
        layout::{MANIFEST_FILE, UNSYNCED_FOLDER, in_run},
        run_files::RunFiles,
    },
    ports::sync::Expiry,
};

impl RunFiles {
    pub(in crate::files) fn unchanged_since(&self, before: Timestamp) -> Result<Vec<RunId>, StorageError> {
        let runs = self.io.backend.runs_before(before).map_err(|error| self.io.fault("", &error))?;
        Ok(runs.iter().filter_map(|name| RunId::parse(name).ok()).collect())
    }

    pub(in crate::files) fn expire(&self, run: &RunId, expiry: Expiry) -> Result<bool, StorageError> {
        let name = run.as_str();
        let fault = |error| self.io.fault(name, &error);
        if !self.io.backend.has_run(name).map_err(fault)? {
            return Ok(false);
        }
        let _lock = self.io.lock(run)?;
        let tombstone = self.tombstone(run)?;
        let mut manifest = self.manifests.read(run)?;
        let has_expired = match (&manifest, &tombstone) {
            (Some(manifest), None) => {
                manifest.has_ended()
                    && manifest.finished_at.is_some_and(|at| at < expiry.ended_before)
                    && !manifest.is_unsynced()
                    && !self.markers.is_marked(UNSYNCED_FOLDER, run)?
            }
            (None, Some(tombstone)) => tombstone.deleted_at < expiry.deleted_before,
            // The deletion is not finished and must end first.
            (Some(_), Some(_)) => false,
            // A process died between creating or removing the folder and its content.
            (None, None) => self.io.backend.holds_nothing(name).map_err(fault)?,
        };
        if !has_expired {
            return Ok(false);
        }
        if let Some(etag) = manifest.as_mut().and_then(|manifest| manifest.etag.take()) {
            // A concurrent retry has changed the manifest, so the deletion fails; or it finds the run gone.
            let name = in_run(run, MANIFEST_FILE);
            self.io.backend.conditional_delete(&name, &etag).map_err(|error| self.io.fault(&name, &error))?;
        }
        let accepted_at = manifest
            .map(|manifest| manifest.accepted_at)
            .or_else(|| tombstone.and_then(|tombstone| tombstone.accepted_at));
        self.clear(run)?;
        self.io.backend.remove_run(name).map_err(fault)?;
        if let Some(at) = accepted_at {
            self.io.backend.forget_run(name, at.timestamp_millis()).map_err(fault)?;
        }
        Ok(true)
    }
}

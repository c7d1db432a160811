//! Deleted runs. A `tombstone.json` in a run's folder means that the run does not exist, whatever other files
//! are there.
//!
//! The tombstone is durable before any file is removed. A marker in `.deleting/` says that files may remain,
//! so that a start need not read every run.

use std::io;

use pipeline::{clock::Timestamp, record::millis, run::RunId};
use serde::{Deserialize, Serialize};

use crate::{
    control_plane::{AuditRecord, Principal},
    error::{StorageError, StorageErrorKind},
    files::{
        layout::{DELETING_FOLDER, MANIFEST_FILE, OPEN_FOLDER, TOMBSTONE_FILE, UNSYNCED_FOLDER, in_run},
        run_files::RunFiles,
    },
    optional_millis,
    ports::tombstones::TombstoneOutcome,
};

/// The record of a deletion.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tombstone {
    run_id: RunId,
    /// The last generation of the run.
    generation: i32,
    /// The time of acceptance, if the run was here. The index of newest runs uses it.
    #[serde(default, with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub(super) accepted_at: Option<Timestamp>,
    #[serde(with = "millis")]
    pub(super) deleted_at: Timestamp,
    /// The run's principal.
    #[serde(default = "Principal::environment", skip_serializing_if = "Principal::is_environment")]
    pub(super) principal: Principal,
}

impl RunFiles {
    /// Whether the run has been deleted.
    pub(super) fn is_deleted(&self, run: &RunId) -> Result<bool, StorageError> {
        Ok(self.io.read(&in_run(run, TOMBSTONE_FILE))?.is_some())
    }

    pub(super) fn tombstone(&self, run: &RunId) -> Result<Option<Tombstone>, StorageError> {
        let name = in_run(run, TOMBSTONE_FILE);
        let Some(stored) = self.io.read(&name)? else { return Ok(None) };
        let read = serde_json::from_slice(&stored.bytes);
        read.map(Some).map_err(|error| self.io.fault(&name, &io::Error::other(error)))
    }

    /// The principal of a deleted run.
    pub(super) fn deleted_owner(&self, run: &RunId) -> Result<Option<Principal>, StorageError> {
        Ok(self.tombstone(run)?.map(|tombstone| tombstone.principal))
    }

    /// Creates the tombstone. `owner` is the run's principal if the files do not have the run. With `has_ended`, the database says that the run has ended, whatever the files
    /// say.
    pub(super) fn create_tombstone(
        &self,
        run: &RunId,
        has_ended: bool,
        owner: &Principal,
        audit: Option<&AuditRecord>,
    ) -> Result<TombstoneOutcome, StorageError> {
        let _lock = self.io.lock_new(run)?;
        let manifest = self.manifests.read(run)?;
        if manifest.as_ref().is_some_and(|manifest| !manifest.has_ended()) && !has_ended {
            return Ok(TombstoneOutcome::Running);
        }
        let had_run = manifest.is_some();
        let name = in_run(run, TOMBSTONE_FILE);
        if self.is_deleted(run)? {
            // A process that was killed here may not have flushed the tombstone's name.
            self.flush_with_folder(run, &name)?;
            return Ok(TombstoneOutcome::Done { had_run });
        }
        let generation = manifest.as_ref().map_or(1, |manifest| manifest.generation);
        let principal = manifest.as_ref().map_or(owner, |manifest| &manifest.request.principal).clone();
        let record = audit.map(|audit| audit.of_delete(manifest.as_ref().map(|manifest| manifest.status)));
        let accepted_at = manifest.map(|manifest| manifest.accepted_at);
        let deleted_at = self.io.clock.now();
        let tombstone = Tombstone { run_id: run.clone(), generation, accepted_at, deleted_at, principal };
        let bytes = self.io.json_bytes(&tombstone, &name)?;
        self.mark_deleting(run)?;
        let create = || {
            self.io.backend.replace(&name, &bytes).map_err(|error| self.io.fault(&name, &error))?;
            self.flush_with_folder(run, &name)
        };
        self.audited(record, create, || self.is_deleted(run))?;
        Ok(TombstoneOutcome::Done { had_run })
    }

    /// Makes a file durable in a run's folder that may be new.
    fn flush_with_folder(&self, run: &RunId, name: &str) -> Result<(), StorageError> {
        let flushed = self.io.flush(name).and_then(|()| self.io.flush(run.as_str()));
        flushed.map_err(|error| self.io.fault(name, &error))
    }

    /// Removes the remaining files of a deleted run. The manifest goes last, because it lists the others.
    pub(super) fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        if !self.is_deleted(run)? {
            let what = format!("{} has no tombstone", self.io.backend.place(run.as_str()));
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        }
        let _lock = self.io.lock(run)?;
        self.clear(run)
    }

    /// Removes all files of a run but its tombstone, the manifest last. The caller holds the lock.
    pub(super) fn clear(&self, run: &RunId) -> Result<(), StorageError> {
        let name = run.as_str();
        let removed = self.io.backend.remove_below(name, &[TOMBSTONE_FILE, MANIFEST_FILE]);
        removed.map_err(|error| self.io.fault(name, &error))?;
        self.spool.forget(run).map_err(|error| self.spool.fault(run, &error))?;
        let manifest = in_run(run, MANIFEST_FILE);
        self.io.backend.remove(&manifest).map_err(|error| self.io.fault(&manifest, &error))?;
        for marks in [OPEN_FOLDER, UNSYNCED_FOLDER, DELETING_FOLDER] {
            self.markers.unmark(marks, run)?;
        }
        Ok(())
    }

    /// Records that a deletion begins.
    pub(super) fn mark_deleting(&self, run: &RunId) -> Result<(), StorageError> {
        self.markers.mark(DELETING_FOLDER, run)
    }

    /// Lists runs whose deletion has begun and may not have ended. Only a tombstone makes the deletion final.
    pub(super) fn deleting(&self) -> Result<Vec<RunId>, StorageError> {
        self.markers.marked(DELETING_FOLDER)
    }

    /// Lists deleted runs of which files may remain.
    pub(super) fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        let mut left = Vec::new();
        for run in self.deleting()? {
            if self.is_deleted(&run)? {
                left.push(run);
            }
        }
        Ok(left)
    }
}

/// The error for a caller that works on, or asks for, a deleted run.
pub(super) fn deleted(run: &RunId) -> StorageError {
    StorageError::new(StorageErrorKind::Fenced, format!("run {run} has been deleted"))
}

//! Deleted runs: `tombstone.json` in a run's folder says that there is no run, whatever else lies there.
//!
//! The tombstone is durable before anything is removed. A mark below `.deleting/` says that something may be left to
//! remove, so that a start finds it without looking at every run there is.

use pipeline::{clock::Timestamp, record::millis, run::RunId};
use serde::Serialize;

use super::{
    super::{StorageError, StorageErrorKind, control::Burial},
    marks::{OPEN_FOLDER, UNSYNCED_FOLDER},
    run_files::{MANIFEST_FILE, RunFiles},
};

pub(super) const TOMBSTONE_FILE: &str = "tombstone.json";

/// Names of buried runs of which something may be left.
const DELETING_FOLDER: &str = ".deleting";

/// What is known of a deleted run.
#[derive(Debug, Serialize)]
struct Tombstone<'a> {
    run_id: &'a RunId,
    /// The last generation that there was.
    generation: i32,
    #[serde(with = "millis")]
    deleted_at: Timestamp,
}

impl RunFiles {
    /// Whether the run has been deleted.
    pub(super) fn is_buried(&self, run: &RunId) -> Result<bool, StorageError> {
        Ok(self.read(&Self::name(run, TOMBSTONE_FILE))?.is_some())
    }

    /// Sets the tombstone. `has_ended`: the database says that the run has ended, whatever stands here.
    pub(super) fn bury(&self, run: &RunId, has_ended: bool) -> Result<Burial, StorageError> {
        let _lock = self.lock_new(run)?;
        let manifest = self.read_manifest(run)?;
        if manifest.as_ref().is_some_and(|manifest| !manifest.has_ended()) && !has_ended {
            return Ok(Burial::Running);
        }
        let had_run = manifest.is_some();
        if self.is_buried(run)? {
            return Ok(Burial::Done { had_run });
        }
        let generation = manifest.map_or(1, |manifest| manifest.generation);
        let name = Self::name(run, TOMBSTONE_FILE);
        let tombstone = Tombstone { run_id: run, generation, deleted_at: self.clock.now() };
        let bytes = self.json_bytes(&tombstone, &name)?;
        self.mark_deleting(run)?;
        self.replace(&name, &bytes)?;
        Ok(Burial::Done { had_run })
    }

    /// Removes what is left of a buried run: the manifest last, so that what is there is always known by it.
    pub(super) fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        if !self.is_buried(run)? {
            let what = format!("{} has no tombstone", self.medium.place(run.as_str()));
            return Err(StorageError::new(StorageErrorKind::Refused, what));
        }
        let _lock = self.lock(run)?;
        let accepted_at = self.read_manifest(run)?.map(|manifest| manifest.accepted_at);
        let name = run.as_str();
        let removed = self.medium.remove_below(name, &[TOMBSTONE_FILE, MANIFEST_FILE]);
        removed.map_err(|error| self.fault(name, &error))?;
        self.spool.forget(run).map_err(|error| self.spool_fault(run, &error))?;
        if let Some(at) = accepted_at {
            let forgotten = self.medium.forget_run(name, at.timestamp_millis());
            forgotten.map_err(|error| self.fault(name, &error))?;
        }
        let manifest = Self::name(run, MANIFEST_FILE);
        self.medium.remove(&manifest).map_err(|error| self.fault(&manifest, &error))?;
        for marks in [OPEN_FOLDER, UNSYNCED_FOLDER, DELETING_FOLDER] {
            self.unmark(marks, run)?;
        }
        Ok(())
    }

    /// Notes that a deletion begins.
    pub(super) fn mark_deleting(&self, run: &RunId) -> Result<(), StorageError> {
        self.mark(DELETING_FOLDER, run)
    }

    /// Runs whose deletion has begun and is not known to have ended. Whether it goes on is for the tombstones to say.
    pub(super) fn deleting(&self) -> Result<Vec<RunId>, StorageError> {
        self.marked(DELETING_FOLDER)
    }

    /// Buried runs of which something may be left.
    pub(super) fn half_removed(&self) -> Result<Vec<RunId>, StorageError> {
        let mut left = Vec::new();
        for run in self.deleting()? {
            if self.is_buried(&run)? {
                left.push(run);
            }
        }
        Ok(left)
    }
}

/// The error of whoever works on, or asks for, a deleted run.
pub(super) fn deleted(run: &RunId) -> StorageError {
    StorageError::new(StorageErrorKind::Fenced, format!("run {run} has been deleted"))
}

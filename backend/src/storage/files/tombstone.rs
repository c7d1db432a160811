//! Deleted runs: `tombstone.json` in a run's folder says that there is no run, whatever else lies there.
//!
//! The tombstone is durable before anything is removed. A mark below `.deleting/` says that something may be left to
//! remove, so that a start finds it without looking at every run there is.

use std::{fs, io, path::PathBuf};

use pipeline::{clock::Timestamp, record::millis, run::RunId};
use serde::{Deserialize, Serialize};

use super::{
    super::{StorageError, StorageErrorKind, atomic, control::Burial},
    disk::{Disk, LOCK_FILE, MANIFEST_FILE},
    marks::{OPEN_FOLDER, UNSYNCED_FOLDER},
    owners::remove_file,
    proof::{at, read_bounded},
};

const TOMBSTONE_FILE: &str = "tombstone.json";

/// Names of buried runs of which something may be left.
const DELETING_FOLDER: &str = ".deleting";

/// What is known of a deleted run.
#[derive(Debug, Serialize, Deserialize)]
struct Tombstone {
    run_id: RunId,
    /// The last generation that there was.
    generation: i32,
    #[serde(with = "millis")]
    deleted_at: Timestamp,
}

impl Disk {
    pub(super) fn tombstone_path(&self, run: &RunId) -> PathBuf {
        self.folder(run).join(TOMBSTONE_FILE)
    }

    /// Whether the run has been deleted.
    pub(super) fn is_buried(&self, run: &RunId) -> Result<bool, StorageError> {
        let path = self.tombstone_path(run);
        path.try_exists().map_err(at(&path))
    }

    /// When the run was deleted, if it was.
    pub(super) fn buried_at(&self, run: &RunId) -> Result<Option<Timestamp>, StorageError> {
        let path = self.tombstone_path(run);
        let Some(bytes) = read_bounded(&path).map_err(at(&path))? else { return Ok(None) };
        let tombstone: Tombstone =
            serde_json::from_slice(&bytes).map_err(|error| at(&path)(io::Error::other(error)))?;
        Ok(Some(tombstone.deleted_at))
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
        let path = self.tombstone_path(run);
        let tombstone = Tombstone { run_id: run.clone(), generation, deleted_at: self.clock.now() };
        let bytes =
            serde_json::to_vec_pretty(&tombstone).map_err(|error| at(&path)(io::Error::other(error)))?;
        self.mark_deleting(run)?;
        atomic::replace(&path, &bytes).map_err(at(&path))?;
        Ok(Burial::Done { had_run })
    }

    /// Removes what is left of a buried run: the manifest last, so that what is there is always known by it.
    pub(super) fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        if !self.is_buried(run)? {
            let what = format!("{} has no tombstone", self.folder(run).display());
            return Err(StorageError::new(StorageErrorKind::Refused, what));
        }
        let _lock = self.lock(run)?;
        self.clear(run)
    }

    /// Empties a run's folder but for its lock and its tombstone: the manifest last. Under its lock.
    pub(super) fn clear(&self, run: &RunId) -> Result<(), StorageError> {
        let folder = self.folder(run);
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?;
            let (name, path) = (entry.file_name(), entry.path());
            if [TOMBSTONE_FILE, LOCK_FILE, MANIFEST_FILE].iter().any(|kept| name == *kept) {
                continue;
            }
            let is_folder = entry.file_type().map_err(at(&path))?.is_dir();
            let removed = if is_folder { fs::remove_dir_all(&path) } else { remove_file(&path) };
            removed.map_err(at(&path))?;
        }
        let manifest = folder.join(MANIFEST_FILE);
        remove_file(&manifest).map_err(at(&manifest))?;
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

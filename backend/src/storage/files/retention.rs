//! What has been kept long enough.

use std::{fs, io};

use pipeline::{clock::Timestamp, run::RunId};

use super::{
    super::StorageError,
    disk::{Disk, LOCK_FILE},
    marks::UNSYNCED_FOLDER,
    owners::remove_file,
    proof::at,
};

impl Disk {
    pub(super) fn unchanged_since(&self, before: Timestamp) -> Result<Vec<RunId>, StorageError> {
        let before = before.into();
        let mut folders = self.run_folders()?;
        folders.retain(|(changed_at, _)| *changed_at < before);
        folders.sort();
        Ok(folders.into_iter().map(|(_, run)| run).collect())
    }

    pub(super) fn expire(&self, run: &RunId, before: Timestamp) -> Result<bool, StorageError> {
        let folder = self.folder(run);
        if !folder.is_dir() {
            return Ok(false);
        }
        let _lock = self.lock(run)?;
        let has_expired = match (self.read_manifest(run)?, self.buried_at(run)?) {
            (Some(manifest), None) => {
                let mark = self.root.join(UNSYNCED_FOLDER).join(run.as_str());
                manifest.has_ended()
                    && manifest.finished_at.is_some_and(|at| at < before)
                    && !manifest.is_unsynced()
                    && !mark.try_exists().map_err(at(&mark))?
            }
            (None, Some(deleted_at)) => deleted_at < before,
            // Half removed: the deletion has to end first.
            (Some(_), Some(_)) => false,
            // Left by a process that died on its way into, or out of, the folder.
            (None, None) => self.holds_nothing(run)?,
        };
        if !has_expired {
            return Ok(false);
        }
        self.clear(run)?;
        for path in [self.tombstone_path(run), folder.join(LOCK_FILE)] {
            remove_file(&path).map_err(at(&path))?;
        }
        match fs::remove_dir(&folder) {
            // The id is used again already.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(true),
            removed => removed.map(|()| true).map_err(at(&folder)),
        }
    }

    fn holds_nothing(&self, run: &RunId) -> Result<bool, StorageError> {
        let folder = self.folder(run);
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            if entry.map_err(at(&folder))?.file_name() != LOCK_FILE {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

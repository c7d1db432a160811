//! Empty files whose names are run ids: sets of runs that a start can read without looking at every run there is.

use std::{fs, io};

use pipeline::run::RunId;

use super::{
    super::{StorageError, atomic},
    disk::Disk,
    owners::remove_file,
    proof::at,
};

/// Names of accepted runs that have not ended: what a start has to look at, however many have.
pub(super) const OPEN_FOLDER: &str = ".open";
/// Names of ended runs of which the database lacks something.
pub(super) const UNSYNCED_FOLDER: &str = ".unsynced";

impl Disk {
    pub(super) fn mark(&self, folder: &str, run: &RunId) -> Result<(), StorageError> {
        let folder = self.root.join(folder);
        atomic::create_folder(&folder).map_err(at(&folder))?;
        let path = folder.join(run.as_str());
        atomic::touch(&path).map_err(at(&path))
    }

    pub(super) fn unmark(&self, folder: &str, run: &RunId) -> Result<(), StorageError> {
        let path = self.root.join(folder).join(run.as_str());
        // Not flushed: a mark that comes back after a crash is looked at once more.
        remove_file(&path).map_err(at(&path))
    }

    pub(super) fn marked(&self, folder: &str) -> Result<Vec<RunId>, StorageError> {
        let folder = self.root.join(folder);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(at(&folder)(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry.map_err(at(&folder))?.file_name();
            runs.extend(name.to_str().and_then(|name| RunId::parse(name).ok()));
        }
        Ok(runs)
    }
}

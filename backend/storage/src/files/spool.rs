//! Keeps documents for resumed runs on the local disk, also when the runs are in a bucket. A bucket would
//! carry 25 MiB per run to save one download. A replica without the document downloads it again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Once,
};

use pipeline::run::RunId;

use crate::files::layout::{SPOOL_FILE, SPOOL_FOLDER};
use crate::{
    atomic,
    error::{StorageError, StorageErrorKind},
    files::{backend::local_fs::FILE_BYTES_MAX, run_files::RunFiles, tombstones::deleted},
};
use foundation::safe_read;

/// The location of spooled documents.
#[derive(Debug)]
pub(super) enum Spool {
    /// In the folders of their runs.
    Beside(PathBuf),
    /// In a separate folder. The first write empties it, because this process cannot know which of the old
    /// runs have ended.
    Apart { folder: PathBuf, clearing: Once },
}

impl Spool {
    pub(super) fn apart(local: &Path) -> Self {
        Self::Apart { folder: local.join(SPOOL_FOLDER), clearing: Once::new() }
    }

    pub(super) fn path(&self, run: &RunId) -> PathBuf {
        match self {
            Self::Beside(root) => root.join(run.as_str()).join(SPOOL_FILE),
            Self::Apart { folder, .. } => folder.join(run.as_str()),
        }
    }

    fn keep(&self, run: &RunId, bytes: &[u8]) -> io::Result<()> {
        if let Self::Apart { folder, clearing } = self {
            clearing.call_once(|| {
                // A missing document is downloaded again. A remaining one only takes space.
                let _ = fs::remove_dir_all(folder);
            });
            atomic::create_folder(folder)?;
        }
        let path = self.path(run);
        atomic::replace(&path, bytes)?;
        atomic::flush_folder_of(&path)
    }

    /// Removes a run's document, if it is here.
    pub(super) fn forget(&self, run: &RunId) -> io::Result<()> {
        match fs::remove_file(self.path(run)) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

impl RunFiles {
    /// Stores the document durably for a resumed run.
    pub(super) fn spool(&self, run: &RunId, bytes: &[u8]) -> Result<(), StorageError> {
        if self.is_deleted(run)? {
            return Err(deleted(run));
        }
        self.spool.keep(run, bytes).map_err(|error| self.spool_fault(run, &error))
    }

    /// Reads the spooled document, if there is one.
    pub(super) fn spooled(&self, run: &RunId) -> Result<Option<Vec<u8>>, StorageError> {
        match safe_read::read(&self.spool.path(run), FILE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.spool_fault(run, &error)),
        }
    }

    pub(super) fn spool_fault(&self, run: &RunId, error: &io::Error) -> StorageError {
        let place = self.spool.path(run);
        StorageError::new(StorageErrorKind::Unavailable, format!("{}: {error}", place.display()))
    }
}

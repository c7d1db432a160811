//! Keeps documents for resumed runs on the local disk, also when the runs are in a bucket. A bucket would
//! carry 25 MiB per run to save one download. A replica without the document downloads it again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Once,
};

use pipeline::run::RunId;

use crate::{
    atomic,
    error::{StorageError, StorageErrorKind},
    files::layout::{SPOOL_FILE, SPOOL_FOLDER},
};

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

    pub(super) fn keep(&self, run: &RunId, bytes: &[u8]) -> io::Result<()> {
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

    /// The error of a document, with its place.
    pub(super) fn fault(&self, run: &RunId, error: &io::Error) -> StorageError {
        let place = self.path(run);
        StorageError::new(StorageErrorKind::Unavailable, format!("{}: {error}", place.display()))
    }
}

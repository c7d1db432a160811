//! Keeps documents for resumed runs on the local disk, also when the runs are in a bucket. A bucket would
//! carry 25 MiB per run to save one download. A replica without the document downloads it again.

use std::{io, path::Path, sync::Once};

use pipeline::run::RunId;

use crate::{
    error::{StorageError, StorageErrorKind},
    files::layout::{SPOOL_FILE, SPOOL_FOLDER, in_folder, in_run},
    private_tree::PrivateTree,
};

/// The location of spooled documents.
#[derive(Debug)]
pub(super) enum Spool {
    /// In the folders of their runs.
    Beside(PrivateTree),
    /// In a separate folder. The first write empties it, because this process cannot know which of the old
    /// runs have ended.
    Apart { tree: PrivateTree, clearing: Once },
}

impl Spool {
    pub(super) fn beside(root: &Path) -> Self {
        Self::Beside(PrivateTree::new(root.to_owned()))
    }

    pub(super) fn apart(local: &Path) -> Self {
        Self::Apart { tree: PrivateTree::new(local.to_owned()), clearing: Once::new() }
    }

    fn tree(&self) -> &PrivateTree {
        match self {
            Self::Beside(tree) | Self::Apart { tree, .. } => tree,
        }
    }

    fn name(&self, run: &RunId) -> String {
        match self {
            Self::Beside(_) => in_run(run, SPOOL_FILE),
            Self::Apart { .. } => in_folder(SPOOL_FOLDER, run),
        }
    }

    /// Whether each document lies in the folder of its run, where every process of this disk finds it.
    pub(super) fn is_in_run_folder(&self) -> bool {
        matches!(self, Self::Beside(_))
    }

    /// Whether a run's document is here.
    pub(super) fn has(&self, run: &RunId) -> bool {
        matches!(self.tree().look(&self.name(run)), Ok(Some(entry)) if entry.is_file)
    }

    /// Reads a run's document, and never more than `bytes_max`.
    pub(super) fn read(&self, run: &RunId, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.tree().read(&self.name(run), bytes_max)
    }

    pub(super) fn keep(&self, run: &RunId, bytes: &[u8]) -> io::Result<()> {
        let (tree, name) = (self.tree(), self.name(run));
        if let Self::Apart { clearing, .. } = self {
            clearing.call_once(|| {
                // A missing document is downloaded again. A remaining one only takes space.
                let _ = tree.remove_all(SPOOL_FOLDER);
            });
        }
        tree.replace(&name, bytes)?;
        tree.flush(name.rsplit_once('/').map_or("", |(folder, _)| folder))
    }

    /// Removes a run's document, if it is here.
    pub(super) fn forget(&self, run: &RunId) -> io::Result<()> {
        match self.tree().remove(&self.name(run)) {
            Err(error) if error.kind() != io::ErrorKind::NotADirectory => Err(error),
            _ => Ok(()),
        }
    }

    /// The error of a document, with its place.
    pub(super) fn fault(&self, run: &RunId, error: &io::Error) -> StorageError {
        let place = self.tree().path(&self.name(run));
        StorageError::new(StorageErrorKind::Unavailable, format!("{}: {error}", place.display()))
    }
}

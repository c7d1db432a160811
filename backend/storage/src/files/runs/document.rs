//! The document of a run that may be resumed.

use std::io;

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{backend::local_fs::FILE_BYTES_MAX, run_files::RunFiles, tombstones::deleted},
    ports::lifecycle::Fence,
};

impl RunFiles {
    /// Stores the document durably for a resumed run. The end of the run removes it. A worker that comes after the end,
    /// or after another claim, stores nothing, because nothing would remove it.
    pub(in crate::files) fn spool(&self, fence: &Fence, bytes: &[u8]) -> Result<(), StorageError> {
        let run = &fence.run;
        let _lock = self.io.lock(run)?;
        let (is_deleted, manifest) = self.manifests.read_run(run)?;
        if is_deleted {
            return Err(deleted(run));
        }
        if manifest.is_none_or(|manifest| manifest.has_ended() || manifest.term() > fence.term()) {
            return Ok(());
        }
        self.spool.keep(run, bytes).map_err(|error| self.spool.fault(run, &error))
    }

    /// Reads the spooled document, if there is one.
    pub(in crate::files) fn spooled(&self, run: &RunId) -> Result<Option<Vec<u8>>, StorageError> {
        match self.spool.read(run, FILE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.spool.fault(run, &error)),
        }
    }
}

//! The document of a run that may be resumed.

use std::io;

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{backend::local_fs::FILE_BYTES_MAX, run_files::RunFiles, tombstones::deleted},
};

impl RunFiles {
    /// Stores the document durably for a resumed run.
    pub(in crate::files) fn spool(&self, run: &RunId, bytes: &[u8]) -> Result<(), StorageError> {
        if self.is_deleted(run)? {
            return Err(deleted(run));
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

//! Single files and locks of the storage root, with errors that name the place.

use std::{
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};
use pipeline::{clock::Clock, run::RunId};
use serde::Serialize;

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        backend::file_backend::{ETag, FileBackend, Stored, folder_of},
        layout::{CORRUPT, PROBE_FILE},
    },
};

/// About as much as a stage has.
const STAGE_BYTES: usize = 64 * 1024;

/// The files of one storage root.
#[derive(Debug)]
pub(super) struct FileIo {
    pub(super) backend: Box<dyn FileBackend>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether damaged files stay in place.
    pub(super) read_only: AtomicBool,
}

impl FileIo {
    pub(super) fn new(backend: Box<dyn FileBackend>, clock: Arc<dyn Clock>) -> Self {
        Self { backend, clock, read_only: AtomicBool::new(false) }
    }

    /// Whether something may lie here of a run.
    pub(super) fn has_run(&self, run: &RunId) -> Result<bool, StorageError> {
        self.backend.has_run(run.as_str()).map_err(|error| self.fault(run.as_str(), &error))
    }

    /// Finds out whether the place refuses a second creation.
    pub(super) fn check_create_if_absent(&self) -> Result<bool, StorageError> {
        self.backend.check_create_if_absent().map_err(|error| self.fault("", &error))
    }

    /// Maps an I/O error to a storage error with its location. The text holds the errno or the server's
    /// message.
    pub(super) fn fault(&self, name: &str, error: &io::Error) -> StorageError {
        let kind = match error.kind() {
            io::ErrorKind::TimedOut => StorageErrorKind::Indeterminate,
            io::ErrorKind::ResourceBusy => StorageErrorKind::CasConflict,
            _ => StorageErrorKind::Unavailable,
        };
        StorageError::new(kind, format!("{}: {error}", self.backend.place(name)))
    }

    /// Takes the run's lock, if the backend has locks. Only its holder reads and writes the manifest.
    pub(super) fn lock(&self, run: &RunId) -> Result<Option<File>, StorageError> {
        match self.backend.lock(run.as_str(), false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unknown(run)),
            locked => locked.map_err(|error| self.fault(run.as_str(), &error)),
        }
    }

    /// Takes the run's lock without waiting for it. `CasConflict` if another task or process has it.
    pub(super) fn try_lock(&self, run: &RunId, may_be_new: bool) -> Result<Option<File>, StorageError> {
        match self.backend.try_lock(run.as_str(), may_be_new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !may_be_new => Err(unknown(run)),
            locked => locked.map_err(|error| self.fault(run.as_str(), &error)),
        }
    }

    /// Locks a run that may be new.
    pub(super) fn lock_new(&self, run: &RunId) -> Result<Option<File>, StorageError> {
        self.backend.lock(run.as_str(), true).map_err(|error| self.fault(run.as_str(), &error))
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<Stored>, StorageError> {
        self.backend.read(name).map_err(|error| self.fault(name, &error))
    }

    /// Renames a damaged file for later inspection, if it is unchanged since it was read.
    pub(super) fn quarantine(
        &self,
        name: &str,
        reason: &str,
        etag: Option<&ETag>,
    ) -> Result<(), StorageError> {
        if self.read_only.load(Ordering::Relaxed) {
            tracing::warn!(event = "file_damaged", path = self.backend.place(name), reason, "damaged file");
            return Ok(());
        }
        let quarantined = self.move_aside(name, CORRUPT, etag)?;
        let (path, kept_as) = (self.backend.place(name), self.backend.place(&quarantined));
        tracing::warn!(event = "file_quarantined", path, kept_as, reason, "damaged file quarantined");
        Ok(())
    }

    /// Renames a file so that no run reads it. The new name says why and when.
    pub(super) fn move_aside(
        &self,
        name: &str,
        why: &str,
        etag: Option<&ETag>,
    ) -> Result<String, StorageError> {
        let quarantined = format!("{name}.{why}-{}", self.stamp());
        self.backend.quarantine(name, &quarantined, etag).map_err(|error| self.fault(name, &error))?;
        Ok(quarantined)
    }

    /// The current time, for a file name.
    pub(super) fn stamp(&self) -> String {
        self.clock.now().format("%Y%m%dT%H%M%S%3fZ").to_string()
    }

    /// Writes a file durably.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let replaced = self.backend.replace(name, bytes).and_then(|()| self.flush(name));
        replaced.map_err(|error| self.fault(name, &error))
    }

    /// Makes a file's name durable.
    pub(super) fn flush(&self, name: &str) -> io::Result<()> {
        self.backend.flush(&[folder_of(name).to_owned()])
    }

    /// Whether the store accepts a durable write now.
    pub(super) fn probe(&self) -> Result<(), StorageError> {
        self.replace(PROBE_FILE, b"writable\n")
    }

    /// Whether the store does again all that the service needs. In a bucket, each of the three requests may be refused
    /// or unanswered on its own: a listing, a read, and a conditional write as large as a stage.
    pub(super) fn prove_recovery(&self, is_on_disk: bool) -> Result<(), StorageError> {
        let body = vec![b'\n'; STAGE_BYTES];
        if is_on_disk {
            return self.replace(PROBE_FILE, &body);
        }
        self.backend.newest_runs(1).map_err(|error| self.fault("", &error))?;
        let version = self.read(PROBE_FILE)?.map(|stored| stored.version);
        match self.backend.compare_and_swap(PROBE_FILE, &body, version.as_ref(), &[]) {
            // Another process probes too, and the bucket has compared.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(()),
            swapped => swapped.map(drop).map_err(|error| self.fault(PROBE_FILE, &error)),
        }
    }

    /// As [`json_bytes`], with the file's name in the error.
    pub(super) fn json_bytes(&self, value: &impl Serialize, name: &str) -> Result<Vec<u8>, StorageError> {
        json_bytes(value).map_err(|error| self.fault(name, &io::Error::other(error)))
    }
}

/// Formats a value as JSON with a final newline.
pub(super) fn json_bytes(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The error of a run that files do not hold.
pub(super) fn unknown(run: &RunId) -> StorageError {
    StorageError::new(StorageErrorKind::NotFound, format!("there is no run {run} in files"))
}

/// Locks what no panic leaves in the middle of a change.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

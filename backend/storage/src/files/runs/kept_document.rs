//! The document of an ended run, kept for people who check its report.
//!
//! In a folder, it is the spooled document, which the end of the run leaves in place. In a bucket, the worker stores a
//! copy beside the run's other files. A marker in `.documents/` says that a document may be kept, so that a sweep need
//! not read every run. Only the sweep removes a marker: a worker that was paused may still store its copy after a
//! deletion, and the next sweep finds it.

use std::io;

use chrono::TimeDelta;
use pipeline::{clock::Timestamp, document::Format, record::sha256_hex, run::RunId};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        layout::{DOCUMENTS_FOLDER, SPOOL_FILE, in_run},
        manifest::Manifest,
        run_files::RunFiles,
    },
    ports::lifecycle::Fence,
};

/// How long after a deletion the marker stays: many times the limit of a late copy.
const LATE_COPY_MAX: TimeDelta = TimeDelta::minutes(5);

/// The facts about a kept document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDocument {
    pub until: Timestamp,
    pub format: Format,
    /// SHA-256 (hex) of the bytes.
    pub sha256: String,
}

/// The result of a look at one marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentSweep {
    /// The document is gone, now or earlier.
    Removed,
    /// It stays until then, or until the run has ended.
    Kept(Option<Timestamp>),
}

impl RunFiles {
    /// Until when the document of an ended run is kept. None if it is not kept.
    ///
    /// A run without a stage has no quote that anybody would check.
    fn kept_until(&self, manifest: &Manifest) -> Option<Timestamp> {
        if manifest.stages.is_empty() {
            return None;
        }
        let keep = TimeDelta::from_std(self.document_retention?).ok()?;
        manifest.finished_at?.checked_add_signed(keep)
    }

    /// Marks the spooled document of a run that ends, so that it stays. A document that cannot be marked is not kept.
    pub(in crate::files) fn keep_spooled(&self, manifest: &Manifest) {
        let run = &manifest.run_id;
        if !self.spool.is_in_run_folder() || self.kept_until(manifest).is_none() || !self.spool.has(run) {
            return;
        }
        if let Err(error) = self.markers.mark(DOCUMENTS_FOLDER, run) {
            tracing::warn!(event = "document_not_kept", run_id = %run, %error, "[{run}] the document could not be kept for readers of the report");
        }
    }

    /// Whether the spooled document stays after the end of the run.
    pub(in crate::files) fn is_spool_kept(&self, run: &RunId) -> bool {
        self.document_retention.is_some()
            && self.spool.is_in_run_folder()
            && self.markers.is_marked(DOCUMENTS_FOLDER, run).unwrap_or(false)
    }

    /// Stores a copy of the document in the bucket. A worker that comes after a deletion or after another claim stores
    /// nothing. Returns whether the copy is there.
    pub(in crate::files) fn copy_document(&self, fence: &Fence, bytes: &[u8]) -> Result<bool, StorageError> {
        let run = &fence.run;
        if self.spool.is_in_run_folder() || self.document_retention.is_none() || !self.may_copy(fence)? {
            return Ok(false);
        }
        self.markers.mark(DOCUMENTS_FOLDER, run)?;
        let name = in_run(run, SPOOL_FILE);
        let copied = self.io.backend.replace_large(&name, bytes);
        // Nothing locks a bucket. A deletion may have come in between.
        if !self.may_copy(fence)? {
            self.remove_document(run)?;
            return Ok(false);
        }
        copied.map(|()| true).map_err(|error| self.io.fault(&name, &error))
    }

    fn may_copy(&self, fence: &Fence) -> Result<bool, StorageError> {
        let (is_deleted, manifest) = self.manifests.read_run(&fence.run)?;
        Ok(!is_deleted && manifest.is_some_and(|manifest| manifest.term() <= fence.term()))
    }

    /// The facts about the kept document of an ended run. None if it is not here.
    pub(in crate::files) fn kept_document(&self, run: &RunId) -> Result<Option<KeptDocument>, StorageError> {
        let Some(kept) = self.expected_document(run)? else { return Ok(None) };
        let name = in_run(run, SPOOL_FILE);
        let exists = self.io.backend.exists(&name).map_err(|error| self.io.fault(&name, &error))?;
        Ok(exists.then_some(kept))
    }

    /// The document that should be here, by the run's manifest.
    fn expected_document(&self, run: &RunId) -> Result<Option<KeptDocument>, StorageError> {
        let (is_deleted, manifest) = self.manifests.read_run(run)?;
        let Some(manifest) = manifest.filter(|_| !is_deleted) else { return Ok(None) };
        let until = self.kept_until(&manifest).filter(|until| *until > self.io.clock.now());
        let known = until.zip(manifest.document);
        Ok(known.map(|(until, known)| KeptDocument { until, format: known.format, sha256: known.sha256 }))
    }

    /// Reads the kept document of an ended run. It counts only if it is the document that the run has read.
    pub(in crate::files) fn read_document(&self, run: &RunId) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(known) = self.expected_document(run)? else { return Ok(None) };
        let name = in_run(run, SPOOL_FILE);
        let read = self.io.backend.read_large(&name).map_err(|error| self.io.fault(&name, &error))?;
        let Some(bytes) = read.map(|stored| stored.bytes) else { return Ok(None) };
        if sha256_hex(&bytes) != known.sha256 {
            let path = self.io.backend.place(&name);
            tracing::warn!(event = "kept_document_damaged", run_id = %run, path, "[{run}] the kept document is not the one that the run has read");
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    /// Removes the document of a marked run whose retention is over, and the marker.
    pub(in crate::files) fn sweep_document(&self, run: &RunId) -> Result<DocumentSweep, StorageError> {
        let _lock = match self.io.lock(run) {
            // The run's folder has gone, and the document with it.
            Err(error) if error.kind == StorageErrorKind::NotFound => {
                self.markers.unmark(DOCUMENTS_FOLDER, run)?;
                return Ok(DocumentSweep::Removed);
            }
            locked => locked?,
        };
        let now = self.io.clock.now();
        if let Some(tombstone) = self.tombstone(run)? {
            self.remove_document(run)?;
            if tombstone.deleted_at + LATE_COPY_MAX < now {
                self.markers.unmark(DOCUMENTS_FOLDER, run)?;
            }
            return Ok(DocumentSweep::Removed);
        }
        if let Some(manifest) = self.manifests.read(run)? {
            if !manifest.has_ended() {
                return Ok(DocumentSweep::Kept(None));
            }
            if let Some(until) = self.kept_until(&manifest).filter(|until| *until > now) {
                return Ok(DocumentSweep::Kept(Some(until)));
            }
        }
        self.remove_document(run)?;
        self.markers.unmark(DOCUMENTS_FOLDER, run)?;
        Ok(DocumentSweep::Removed)
    }

    fn remove_document(&self, run: &RunId) -> Result<(), StorageError> {
        let name = in_run(run, SPOOL_FILE);
        let removed = match self.io.backend.remove(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        removed.map_err(|error| self.io.fault(&name, &error))
    }
}

//! The manifests of runs. A write fails if another process changed the manifest since it was read.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use pipeline::{
    clock::Timestamp,
    run::{RunId, RunStatus},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        backend::file_backend::{Stored, Swap},
        io::{FileIo, lock, unknown},
        layout::{MANIFEST_FILE, OPEN_FOLDER, TOMBSTONE_FILE, in_folder, in_run},
        manifest::{DocumentSummary, MANIFEST_VERSION, Manifest},
    },
    ports::lifecycle::Fence,
    run::RunRequest,
};

/// The manifests of one storage root.
#[derive(Debug)]
pub(super) struct Manifests {
    io: Arc<FileIo>,
    /// Summaries of documents of running runs. The next write of each manifest stores them.
    documents: Mutex<HashMap<RunId, DocumentSummary>>,
}

impl Manifests {
    pub(super) fn new(io: Arc<FileIo>) -> Self {
        Self { io, documents: Mutex::default() }
    }

    pub(super) fn blank(&self, run: &RunId, request: RunRequest, accepted_at: Timestamp) -> Manifest {
        Manifest {
            version: MANIFEST_VERSION,
            run_id: run.clone(),
            status: RunStatus::Processing,
            request,
            generation: 1,
            epoch: 0,
            attempts: 0,
            waiting: None,
            owner: None,
            document: None,
            accepted_at,
            updated_at: self.io.clock.now(),
            finished_at: None,
            stages: BTreeMap::new(),
            report: None,
            error: None,
            lost_usd: 0.0,
            database: None,
            row_is_ahead: false,
            proof: None,
            audit_id: None,
            webhooks: Vec::new(),
            etag: None,
            // The run's own folder is new, so the root needs a flush.
            unflushed: vec![String::new()],
        }
    }

    /// Remembers a run's document summary for its manifest, or removes it.
    pub(super) fn note_document(&self, run: &RunId, document: Option<DocumentSummary>) {
        let mut documents = lock(&self.documents);
        match document {
            Some(document) => documents.insert(run.clone(), document),
            None => documents.remove(run),
        };
    }

    pub(super) fn note_run(&self, manifest: &Manifest) -> Result<(), StorageError> {
        let run = manifest.run_id.as_str();
        let noted = self.io.backend.note_run(run, manifest.accepted_at.timestamp_millis());
        noted.map_err(|error| self.io.fault(run, &error))
    }

    pub(super) fn read(&self, run: &RunId) -> Result<Option<Manifest>, StorageError> {
        match self.io.read(&in_run(run, MANIFEST_FILE))? {
            Some(stored) => self.parse(run, stored),
            None => Ok(None),
        }
    }

    /// Whether the run has a tombstone; otherwise also its manifest.
    pub(super) fn read_run(&self, run: &RunId) -> Result<(bool, Option<Manifest>), StorageError> {
        let names = [in_run(run, TOMBSTONE_FILE), in_run(run, MANIFEST_FILE)];
        let mut read = self.io.backend.read_all(&names).into_iter().zip(&names);
        let mut next = || match read.next() {
            Some((stored, name)) => stored.map_err(|error| self.io.fault(name, &error)),
            None => Ok(None),
        };
        if next()?.is_some() {
            return Ok((true, None));
        }
        let manifest = next()?.map(|stored| self.parse(run, stored)).transpose()?.flatten();
        Ok((false, manifest))
    }

    /// Reads the manifest if the fence still holds. Raises an older manifest to the fence's generation and
    /// epoch, and notes what only the row had.
    pub(super) fn read_fenced(&self, fence: &Fence) -> Result<Manifest, StorageError> {
        self.fenced(fence, self.read(&fence.run)?)
    }

    /// As [`Manifests::read_fenced`], with the manifest as it was read.
    pub(super) fn fenced(&self, fence: &Fence, manifest: Option<Manifest>) -> Result<Manifest, StorageError> {
        let run = &fence.run;
        let Some(mut manifest) = manifest else {
            return Err(unknown(run));
        };
        let newer = manifest.term() > fence.term();
        if newer || (manifest.has_ended() && manifest.generation == fence.generation) {
            let what = if newer { "has been taken by another worker" } else { "has ended" };
            return Err(StorageError::new(StorageErrorKind::Fenced, format!("run {run} {what}")));
        }
        // The files did not take the retry at the claim.
        if manifest.generation < fence.generation {
            self.reopen(&mut manifest)?;
        }
        manifest.generation = fence.generation;
        manifest.epoch = fence.epoch;
        manifest.owner = Some(fence.owner.clone());
        manifest.note_row_stages(&fence.row_stages);
        if let Some(document) = lock(&self.documents).get(run) {
            manifest.document = Some(document.clone());
        }
        Ok(manifest)
    }

    /// Undoes the end of a run without writing the manifest. Writes the marker first, by which a search finds an open
    /// run. A marker without an open run does no harm.
    fn reopen(&self, manifest: &mut Manifest) -> Result<(), StorageError> {
        if manifest.has_ended() {
            let marker = in_folder(OPEN_FOLDER, &manifest.run_id);
            manifest.flush_with(&marker);
            self.io.backend.touch(&marker).map_err(|error| self.io.fault(&marker, &error))?;
        }
        manifest.reopen();
        Ok(())
    }

    pub(super) fn parse(
        &self,
        run: &RunId,
        Stored { bytes, version }: Stored,
    ) -> Result<Option<Manifest>, StorageError> {
        let name = in_run(run, MANIFEST_FILE);
        match serde_json::from_slice::<Manifest>(&bytes) {
            Ok(manifest) if manifest.version > MANIFEST_VERSION => Err(StorageError::new(
                StorageErrorKind::Invalid,
                format!(
                    "{} was written by a newer version of this program (layout {}, known is {MANIFEST_VERSION}); use that version",
                    self.io.backend.place(&name),
                    manifest.version
                ),
            )),
            Ok(manifest) => Ok(Some(Manifest { etag: Some(version), ..manifest })),
            // The stage files carry their own digests, and the next submission repeats the request.
            Err(error) => {
                self.io.quarantine(&name, &error.to_string(), Some(&version))?;
                Ok(None)
            }
        }
    }

    /// Writes the manifest by compare-and-swap, and updates its etag.
    pub(super) fn write(&self, manifest: &mut Manifest) -> Result<(), StorageError> {
        let name = in_run(&manifest.run_id, MANIFEST_FILE);
        let bytes = self.bytes_now(manifest)?;
        let swapped =
            self.io.backend.compare_and_swap(&name, &bytes, manifest.etag.as_ref(), &manifest.unflushed);
        manifest.etag = Some(swapped.map_err(|error| self.io.fault(&name, &error))?);
        manifest.unflushed.clear();
        Ok(())
    }

    /// The manifest's bytes for a write now.
    fn bytes_now(&self, manifest: &mut Manifest) -> Result<Vec<u8>, StorageError> {
        manifest.updated_at = self.io.clock.now().max(manifest.accepted_at);
        self.io.json_bytes(manifest, &in_run(&manifest.run_id, MANIFEST_FILE))
    }

    /// As [`Manifests::write`], for several manifests together. The results are in the order of the manifests.
    pub(super) fn write_all(&self, manifests: &mut [&mut Manifest]) -> Vec<Result<(), StorageError>> {
        let mut written: Vec<Result<Vec<u8>, StorageError>> =
            manifests.iter_mut().map(|manifest| self.bytes_now(manifest)).collect();
        let names: Vec<String> =
            manifests.iter().map(|manifest| in_run(&manifest.run_id, MANIFEST_FILE)).collect();
        let parts = manifests.iter().zip(&names).zip(&written);
        let swaps: Vec<Swap<'_>> = parts
            .filter_map(|((manifest, name), bytes)| {
                let bytes = bytes.as_ref().ok()?;
                Some(Swap { name, bytes, etag: manifest.etag.as_ref(), unflushed: &manifest.unflushed })
            })
            .collect();
        let mut swapped = self.io.backend.compare_and_swap_all(&swaps).into_iter();
        let all = manifests.iter_mut().zip(&names).zip(written.drain(..));
        all.map(|((manifest, name), bytes)| {
            bytes?;
            let etag = swapped.next().unwrap_or_else(|| Err(std::io::ErrorKind::Other.into()));
            manifest.etag = Some(etag.map_err(|error| self.io.fault(name, &error))?);
            manifest.unflushed.clear();
            Ok(())
        })
        .collect()
    }

    /// The summary of a running run's document, for the next write of its manifest.
    pub(super) fn document(&self, run: &RunId) -> Option<DocumentSummary> {
        lock(&self.documents).get(run).cloned()
    }

    /// Writes a file that becomes durable with the manifest.
    pub(super) fn replace_beside(
        &self,
        manifest: &mut Manifest,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        manifest.flush_with(name);
        self.io.backend.replace(name, bytes).map_err(|error| self.io.fault(name, &error))
    }
}

//! Implements the rules of runs in files, over any file backend. Each operation is one blocking function
//! under the run's lock, where the backend has locks. The last write of each operation succeeds only if the
//! manifest is unchanged since it was read.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    fs::File,
    io,
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use pipeline::{
    clock::{Clock, Timestamp},
    record::sha256_hex,
    run::{RunId, RunStatus, Stage},
};
use serde::Serialize;

use crate::files::layout::{CORRUPT, MANIFEST_FILE, PROBE_FILE, REPORT_FILE};
use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        backend::file_backend::{ETag, FileBackend, OwnerLease, Stored, folder_of},
        integrity::{DigestCheck, check_digest},
        layout::{TOMBSTONE_FILE, UNSYNCED_FOLDER},
        manifest::{DocumentSummary, MANIFEST_VERSION, Manifest},
        outbox::WebhookQueue,
        spool::Spool,
    },
    ports::lifecycle::Fence,
    run::{RunRecord, RunRequest, StoredIn, StoredStage},
};

/// Runs in one folder or bucket.
#[derive(Debug)]
pub(super) struct RunFiles {
    pub(super) backend: Box<dyn FileBackend>,
    pub(super) spool: Spool,
    pub(super) clock: Arc<dyn Clock>,
    /// Caches the state of open runs, so that each search for work need not read a queue of thousands.
    pub(super) observed_runs: Mutex<HashMap<RunId, ObservedRun>>,
    /// Runs that this process may have claimed although the answer was lost. No worker holds them.
    indeterminate_claims: Mutex<HashSet<RunId>>,
    pub(super) webhook_queue: WebhookQueue,
    /// Summaries of documents of running runs. The next write of each manifest stores them.
    documents: Mutex<HashMap<RunId, DocumentSummary>>,
    /// The heartbeat count at which this process last confirmed that it owns a run.
    confirmed: Mutex<HashMap<RunId, u64>>,
    /// Whether damaged files stay in place.
    pub(super) read_only: bool,
}

/// The last observed state of an open run.
#[derive(Debug)]
pub(super) struct ObservedRun {
    /// None for a marker without a manifest: the process died before the run was accepted.
    pub(super) accepted_at: Option<Timestamp>,
    pub(super) owner: Option<String>,
    /// Whether the database holds the row and hands the run out.
    pub(super) has_row: bool,
    /// Monotonic time of the observation.
    pub(super) at: Duration,
}

impl RunFiles {
    pub(super) fn new(
        backend: Box<dyn FileBackend>,
        spool: Spool,
        webhook_queue: WebhookQueue,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            backend,
            spool,
            clock,
            observed_runs: Mutex::default(),
            indeterminate_claims: Mutex::default(),
            webhook_queue,
            documents: Mutex::default(),
            confirmed: Mutex::default(),
            read_only: false,
        }
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

    /// Builds the name of a run's file. A `RunId` has no separator and no dot, so it cannot name an internal
    /// folder.
    pub(super) fn name(run: &RunId, file: impl fmt::Display) -> String {
        format!("{run}/{file}")
    }

    /// Lets the next search read the run's manifest again.
    pub(super) fn forget_observation(&self, run: &RunId) {
        lock(&self.observed_runs).remove(run);
    }

    /// Marks a run that this process may have claimed but does not work on.
    pub(super) fn note_indeterminate(&self, run: &RunId) {
        lock(&self.indeterminate_claims).insert(run.clone());
    }

    pub(super) fn clear_indeterminate(&self, run: &RunId) {
        lock(&self.indeterminate_claims).remove(run);
    }

    /// Remembers a run's document summary for its manifest, or removes it.
    pub(super) fn note_document(&self, run: &RunId, document: Option<DocumentSummary>) {
        let mut documents = lock(&self.documents);
        match document {
            Some(document) => documents.insert(run.clone(), document),
            None => documents.remove(run),
        };
    }

    /// Takes the run's lock, if the backend has locks. Only its holder reads and writes the manifest.
    pub(super) fn lock(&self, run: &RunId) -> Result<Option<File>, StorageError> {
        match self.backend.lock(run.as_str(), false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unknown(run)),
            locked => locked.map_err(|error| self.fault(run.as_str(), &error)),
        }
    }

    /// Locks a run that may be new.
    pub(super) fn lock_new(&self, run: &RunId) -> Result<Option<File>, StorageError> {
        self.backend.lock(run.as_str(), true).map_err(|error| self.fault(run.as_str(), &error))
    }

    pub(super) fn note_run(&self, manifest: &Manifest) -> Result<(), StorageError> {
        let run = manifest.run_id.as_str();
        let noted = self.backend.note_run(run, manifest.accepted_at.timestamp_millis());
        noted.map_err(|error| self.fault(run, &error))
    }

    pub(super) fn new_manifest(&self, run: &RunId, request: RunRequest, accepted_at: Timestamp) -> Manifest {
        Manifest {
            version: MANIFEST_VERSION,
            run_id: run.clone(),
            status: RunStatus::Processing,
            request,
            generation: 1,
            epoch: 0,
            attempts: 0,
            owner: None,
            document: None,
            accepted_at,
            updated_at: self.clock.now(),
            finished_at: None,
            stages: BTreeMap::new(),
            report: None,
            error: None,
            lost_usd: 0.0,
            database: None,
            proof: None,
            webhooks: Vec::new(),
            etag: None,
            // The run's own folder is new, so the root needs a flush.
            unflushed: vec![String::new()],
        }
    }

    /// Sets the owner in the manifest, without writing it, and returns the fence.
    pub(super) fn own(&self, manifest: &mut Manifest, owner: &str) -> Result<Fence, StorageError> {
        self.hold(owner)?;
        manifest.owner = Some(owner.to_owned());
        manifest.epoch += 1;
        manifest.attempts += 1;
        if let OwnerLease::Lasting(owner_lease) = self.backend.owner_lease(owner) {
            lock(&self.confirmed).insert(manifest.run_id.clone(), owner_lease);
        }
        Ok(fence_of(manifest, owner))
    }

    pub(super) fn hold(&self, owner: &str) -> Result<(), StorageError> {
        self.backend.hold(owner).map_err(|error| self.fault("", &error))
    }

    /// Whether a living owner holds the run. Without `now`, the answer may come from the last listing of
    /// owners.
    pub(super) fn is_held(&self, manifest: &Manifest, now: bool) -> Result<bool, StorageError> {
        match &manifest.owner {
            Some(owner) => self.backend.is_alive(owner, now).map_err(|error| self.fault("", &error)),
            None => Ok(false),
        }
    }

    /// Whether this owner may take the run, because no living worker holds it.
    pub(super) fn is_free(&self, manifest: &Manifest, owner: &str, now: bool) -> Result<bool, StorageError> {
        let is_lost_answer = manifest.owner.as_deref() == Some(owner)
            && lock(&self.indeterminate_claims).contains(&manifest.run_id);
        Ok(is_lost_answer || !self.is_held(manifest, now)?)
    }

    /// Whether this process surely still owns the run, so that it may pay for work. After a missed heartbeat,
    /// another process may be about to take the run. Then this function changes the manifest by
    /// compare-and-swap. The other process fails, reads the manifest again, and sees that the owner lives.
    pub(super) fn confirm(&self, fence: &Fence) -> Result<bool, StorageError> {
        let owner_lease = match self.backend.owner_lease(&fence.owner) {
            OwnerLease::Endless => return Ok(true),
            OwnerLease::Ended => return Ok(false),
            OwnerLease::Lasting(owner_lease) => owner_lease,
        };
        if lock(&self.confirmed).get(&fence.run) == Some(&owner_lease) {
            return Ok(true);
        }
        self.update(fence, |_| {})?;
        lock(&self.confirmed).insert(fence.run.clone(), owner_lease);
        Ok(self.backend.owner_lease(&fence.owner) == OwnerLease::Lasting(owner_lease))
    }

    /// Loads the manifest with the stages and the report whose digests match. Changes nothing.
    pub(super) fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        let files = Stage::ALL.map(Stage::file);
        let wanted = [TOMBSTONE_FILE, MANIFEST_FILE].into_iter().chain(files).chain([REPORT_FILE]);
        let names: Vec<String> = wanted.map(|file| Self::name(run, file)).collect();
        let mut read = self.backend.read_all(&names).into_iter().zip(&names);
        let mut next = || match read.next() {
            Some((stored, name)) => stored.map_err(|error| self.fault(name, &error)),
            None => Ok(None),
        };
        if next()?.is_some() {
            return Ok(None);
        }
        let Some(manifest) = next()?.map(|stored| self.parse_manifest(run, stored)).transpose()?.flatten()
        else {
            return Ok(None);
        };
        let mut stages = BTreeMap::new();
        for stage in Stage::ALL {
            match check_digest(next()?, stage, manifest.stages.get(&stage))? {
                DigestCheck::Record(record, sha256, _) => {
                    stages.insert(stage, StoredStage { record: *record, sha256, stored_in: StoredIn::FILES });
                }
                DigestCheck::Nothing => {}
                DigestCheck::Damaged(reason, _) => {
                    let path = self.backend.place(&Self::name(run, stage.file()));
                    tracing::warn!(event = "stage_file_damaged", path, reason, "damaged stage file");
                }
            }
        }
        let report = match &manifest.report {
            Some(known) => next()?
                .map(|stored| stored.bytes)
                .filter(|bytes| sha256_hex(bytes) == known.sha256)
                .and_then(|bytes| String::from_utf8(bytes).ok()),
            None => None,
        };
        let is_leased = self.is_held(&manifest, false)?;
        Ok(Some(RunRecord {
            id: manifest.run_id,
            request: Some(manifest.request),
            status: manifest.status,
            generation: manifest.generation,
            epoch: manifest.epoch,
            accepted_at: Some(manifest.accepted_at),
            finished_at: manifest.finished_at,
            stages,
            report,
            failure: manifest.error,
            lost_usd: manifest.lost_usd,
            is_leased,
            stored_in: StoredIn::FILES,
        }))
    }

    /// Changes the manifest if the fence still holds.
    pub(super) fn update(
        &self,
        fence: &Fence,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), StorageError> {
        let _lock = self.lock(&fence.run)?;
        let mut manifest = self.fenced_manifest(fence)?;
        change(&mut manifest);
        self.write_manifest(&mut manifest)
    }

    /// Reads the manifest if the fence still holds. Raises an older manifest to the fence's generation and
    /// epoch.
    pub(super) fn fenced_manifest(&self, fence: &Fence) -> Result<Manifest, StorageError> {
        let run = &fence.run;
        let Some(mut manifest) = self.read_manifest(run)? else {
            return Err(unknown(run));
        };
        let newer = manifest.term() > fence.term();
        if newer || (manifest.has_ended() && manifest.generation == fence.generation) {
            let what = if newer { "has been taken by another worker" } else { "has ended" };
            return Err(StorageError::new(StorageErrorKind::Fenced, format!("run {run} {what}")));
        }
        manifest.generation = fence.generation;
        manifest.epoch = fence.epoch;
        manifest.owner = Some(fence.owner.clone());
        if let Some(document) = lock(&self.documents).get(run) {
            manifest.document = Some(document.clone());
        }
        Ok(manifest)
    }

    /// Whether the run has a tombstone; otherwise also its manifest.
    pub(super) fn read_run(&self, run: &RunId) -> Result<(bool, Option<Manifest>), StorageError> {
        let names = [Self::name(run, TOMBSTONE_FILE), Self::name(run, MANIFEST_FILE)];
        let mut read = self.backend.read_all(&names).into_iter().zip(&names);
        let mut next = || match read.next() {
            Some((stored, name)) => stored.map_err(|error| self.fault(name, &error)),
            None => Ok(None),
        };
        if next()?.is_some() {
            return Ok((true, None));
        }
        let manifest = next()?.map(|stored| self.parse_manifest(run, stored)).transpose()?.flatten();
        Ok((false, manifest))
    }

    pub(super) fn read_manifest(&self, run: &RunId) -> Result<Option<Manifest>, StorageError> {
        match self.read(&Self::name(run, MANIFEST_FILE))? {
            Some(stored) => self.parse_manifest(run, stored),
            None => Ok(None),
        }
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<Stored>, StorageError> {
        self.backend.read(name).map_err(|error| self.fault(name, &error))
    }

    pub(super) fn parse_manifest(
        &self,
        run: &RunId,
        Stored { bytes, version }: Stored,
    ) -> Result<Option<Manifest>, StorageError> {
        let name = Self::name(run, MANIFEST_FILE);
        match serde_json::from_slice::<Manifest>(&bytes) {
            Ok(manifest) if manifest.version > MANIFEST_VERSION => Err(StorageError::new(
                StorageErrorKind::Invalid,
                format!(
                    "{} was written by a newer version of this program (layout {}, known is {MANIFEST_VERSION}); use that version",
                    self.backend.place(&name),
                    manifest.version
                ),
            )),
            Ok(manifest) => Ok(Some(Manifest { etag: Some(version), ..manifest })),
            // The stage files carry their own digests, and the next submission repeats the request.
            Err(error) => {
                self.quarantine(&name, &error.to_string(), Some(&version))?;
                Ok(None)
            }
        }
    }

    /// Writes the manifest by compare-and-swap, and updates its etag.
    pub(super) fn write_manifest(&self, manifest: &mut Manifest) -> Result<(), StorageError> {
        let name = Self::name(&manifest.run_id, MANIFEST_FILE);
        manifest.updated_at = self.clock.now().max(manifest.accepted_at);
        let bytes = self.json_bytes(manifest, &name)?;
        let swapped =
            self.backend.compare_and_swap(&name, &bytes, manifest.etag.as_ref(), &manifest.unflushed);
        manifest.etag = Some(swapped.map_err(|error| self.fault(&name, &error))?);
        manifest.unflushed.clear();
        Ok(())
    }

    /// Changes the manifest's view of the database, for a run in any state.
    pub(super) fn mark_synced(
        &self,
        run: &RunId,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), StorageError> {
        let _lock = self.lock(run)?;
        let Some(mut manifest) = self.read_manifest(run)? else { return Ok(()) };
        change(&mut manifest);
        self.write_manifest(&mut manifest)?;
        if manifest.is_unsynced() {
            return Ok(());
        }
        self.clear_leftovers(run)?;
        self.unmark(UNSYNCED_FOLDER, run)
    }

    /// Renames a damaged file for later inspection, if it is unchanged since it was read.
    pub(super) fn quarantine(
        &self,
        name: &str,
        reason: &str,
        etag: Option<&ETag>,
    ) -> Result<(), StorageError> {
        if self.read_only {
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

    /// Writes a file that becomes durable with the manifest.
    pub(super) fn replace_beside(
        &self,
        manifest: &mut Manifest,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        manifest.flush_with(name);
        self.backend.replace(name, bytes).map_err(|error| self.fault(name, &error))
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

    /// Formats a value as JSON with a final newline.
    pub(super) fn json_bytes(&self, value: &impl Serialize, name: &str) -> Result<Vec<u8>, StorageError> {
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(|error| self.fault(name, &io::Error::other(error)))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

pub(super) fn unknown(run: &RunId) -> StorageError {
    StorageError::new(StorageErrorKind::NotFound, format!("there is no run {run} in files"))
}

pub(super) fn fence_of(manifest: &Manifest, owner: &str) -> Fence {
    Fence {
        run: manifest.run_id.clone(),
        owner: owner.to_owned(),
        epoch: manifest.epoch,
        generation: manifest.generation,
        attempt: manifest.attempts,
        owns_row: false,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

//! The parts that every operation on runs in files works with. The operations lie beside it, by aggregate: one blocking
//! function each, under the run's lock where there is one. The last write of each fails if somebody else has changed the
//! manifest since it was read.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use pipeline::{
    clock::{Clock, Timestamp},
    record::sha256_hex,
    run::{RunId, Stage},
};
use tokio::sync::Notify;

use crate::{
    error::StorageError,
    files::{
        backend::file_backend::{FileBackend, OwnerLease},
        integrity::{DigestCheck, check_digest},
        io::{FileIo, lock},
        layout::{MANIFEST_FILE, REPORT_FILE, TOMBSTONE_FILE, UNSYNCED_FOLDER, in_run},
        manifest::Manifest,
        manifests::Manifests,
        markers::Markers,
        owners::Owners,
        spool::Spool,
        webhook_queue::WebhookQueue,
    },
    ports::lifecycle::Fence,
    run::{RunRecord, StoredIn, StoredStage},
    waiting::Waiting,
};

/// Runs in one folder or bucket.
#[derive(Debug)]
pub(super) struct RunFiles {
    pub(super) io: Arc<FileIo>,
    pub(super) markers: Markers,
    pub(super) manifests: Manifests,
    pub(super) owners: Owners,
    pub(super) spool: Spool,
    pub(super) webhook_queue: WebhookQueue,
    /// Wakes the import of audit records.
    pub(super) audit_added: Notify,
    /// How long documents of ended runs are kept. None keeps none.
    pub(super) document_retention: Option<Duration>,
    /// Caches the state of open runs, so that each search for work need not read a queue of thousands.
    pub(super) observed_runs: Mutex<HashMap<RunId, ObservedRun>>,
}

/// The last observed state of an open run.
#[derive(Debug)]
pub(super) struct ObservedRun {
    /// None for a marker without a manifest: the process died before the run was accepted.
    pub(super) accepted_at: Option<Timestamp>,
    pub(super) owner: Option<String>,
    /// Whether the database holds the row and hands the run out.
    pub(super) has_row: bool,
    /// Until then, no worker may claim it.
    pub(super) waiting: Option<Waiting>,
    /// Monotonic time of the observation.
    pub(super) at: Duration,
    /// Monotonic time of the first of the observations without a manifest that no other has interrupted.
    pub(super) unaccepted_since: Option<Duration>,
}

impl RunFiles {
    pub(super) fn new(
        backend: Box<dyn FileBackend>,
        spool: Spool,
        webhook_queue: WebhookQueue,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let io = Arc::new(FileIo::new(backend, clock));
        Self {
            markers: Markers::new(io.clone()),
            manifests: Manifests::new(io.clone()),
            owners: Owners::new(io.clone()),
            io,
            spool,
            webhook_queue,
            audit_added: Notify::new(),
            document_retention: None,
            observed_runs: Mutex::default(),
        }
    }

    /// Lets the next search read the run's manifest again.
    pub(super) fn forget_observation(&self, run: &RunId) {
        lock(&self.observed_runs).remove(run);
    }

    /// Whether this process has missed a lease since it last made sure that the run is its own, and lives again.
    pub(super) fn needs_confirmation(&self, fence: &Fence) -> bool {
        match self.io.backend.owner_lease(&fence.owner) {
            OwnerLease::Endless | OwnerLease::Ended => false,
            OwnerLease::Lasting(owner_lease) => !self.owners.is_confirmed(&fence.run, owner_lease),
        }
    }

    /// Whether this process surely still owns the run, so that it may pay for work. After a missed heartbeat,
    /// another process may be about to take the run. Then this function changes the manifest by
    /// compare-and-swap. The other process fails, reads the manifest again, and sees that the owner lives.
    pub(super) fn confirm(&self, fence: &Fence) -> Result<bool, StorageError> {
        let owner_lease = match self.io.backend.owner_lease(&fence.owner) {
            OwnerLease::Endless => return Ok(true),
            OwnerLease::Ended => return Ok(false),
            OwnerLease::Lasting(owner_lease) => owner_lease,
        };
        if self.owners.is_confirmed(&fence.run, owner_lease) {
            return Ok(true);
        }
        self.update(fence, |_| {})?;
        self.owners.note_confirmed(&fence.run, owner_lease);
        Ok(self.io.backend.owner_lease(&fence.owner) == OwnerLease::Lasting(owner_lease))
    }

    /// Loads the manifest with the stages and the report whose digests match. Changes nothing.
    pub(super) fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        let files = Stage::ALL.map(Stage::file);
        let wanted = [TOMBSTONE_FILE, MANIFEST_FILE].into_iter().chain(files).chain([REPORT_FILE]);
        let names: Vec<String> = wanted.map(|file| in_run(run, file)).collect();
        let mut read = self.io.backend.read_all(&names).into_iter().zip(&names);
        let mut next = || match read.next() {
            Some((stored, name)) => stored.map_err(|error| self.io.fault(name, &error)),
            None => Ok(None),
        };
        if next()?.is_some() {
            return Ok(None);
        }
        let Some(manifest) = next()?.map(|stored| self.manifests.parse(run, stored)).transpose()?.flatten()
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
                    let path = self.io.backend.place(&in_run(run, stage.file()));
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
        self.record_of(manifest, stages, report).map(Some)
    }

    /// The manifest's state of a run, with these parts.
    pub(super) fn record_of(
        &self,
        manifest: Manifest,
        stages: BTreeMap<Stage, StoredStage>,
        report: Option<String>,
    ) -> Result<RunRecord, StorageError> {
        let is_leased = self.owners.is_held(&manifest, false)?;
        Ok(RunRecord {
            id: manifest.run_id,
            principal: manifest.request.principal.clone(),
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
            waiting: manifest.waiting,
            stored_in: StoredIn::FILES,
        })
    }

    /// Changes the manifest if the fence still holds.
    pub(super) fn update(
        &self,
        fence: &Fence,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), StorageError> {
        let _lock = self.io.lock(&fence.run)?;
        let mut manifest = self.manifests.read_fenced(fence)?;
        change(&mut manifest);
        self.manifests.write(&mut manifest)
    }

    /// Changes the manifest's view of the database, for a run in any state.
    pub(super) fn mark_synced(
        &self,
        run: &RunId,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), StorageError> {
        let _lock = self.io.lock(run)?;
        let Some(mut manifest) = self.manifests.read(run)? else { return Ok(()) };
        change(&mut manifest);
        self.manifests.write(&mut manifest)?;
        if manifest.is_unsynced() {
            return Ok(());
        }
        self.clear_leftovers(run)?;
        self.markers.unmark(UNSYNCED_FOLDER, run)
    }
}

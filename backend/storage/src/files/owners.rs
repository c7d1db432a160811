//! The owners of runs: their identities, and whether they live.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{
        backend::file_backend::OwnerLease,
        io::{FileIo, lock},
        manifest::Manifest,
    },
    ports::lifecycle::Fence,
    waiting::SHARED_ATTEMPTS_MAX,
};

/// The owners of the runs of one storage root.
#[derive(Debug)]
pub(super) struct Owners {
    io: Arc<FileIo>,
    /// Runs that this process may have claimed although the answer was lost. No worker holds them.
    indeterminate_claims: Mutex<HashSet<RunId>>,
    /// The heartbeat count at which this process last confirmed that it owns a run.
    confirmed: Mutex<HashMap<RunId, u64>>,
}

impl Owners {
    pub(super) fn new(io: Arc<FileIo>) -> Self {
        Self { io, indeterminate_claims: Mutex::default(), confirmed: Mutex::default() }
    }

    /// Sets the owner in the manifest, without writing it, and returns the fence.
    pub(super) fn own(&self, manifest: &mut Manifest, owner: &str) -> Result<Fence, StorageError> {
        self.hold(owner)?;
        manifest.owner = Some(owner.to_owned());
        manifest.epoch += 1;
        let attempt = manifest.attempts + 1;
        manifest.attempts = manifest.attempts.max(attempt.min(SHARED_ATTEMPTS_MAX));
        if let Some(waiting) = &mut manifest.waiting {
            waiting.until = None;
        }
        if let OwnerLease::Lasting(owner_lease) = self.io.backend.owner_lease(owner) {
            lock(&self.confirmed).insert(manifest.run_id.clone(), owner_lease);
        }
        Ok(Fence { attempt, ..fence_of(manifest, owner) })
    }

    pub(super) fn hold(&self, owner: &str) -> Result<(), StorageError> {
        self.io.backend.hold(owner).map_err(|error| self.io.fault("", &error))
    }

    /// Whether a living owner holds the run. Without `now`, the answer may come from the last listing of
    /// owners.
    pub(super) fn is_held(&self, manifest: &Manifest, now: bool) -> Result<bool, StorageError> {
        match &manifest.owner {
            Some(owner) => self.io.backend.is_alive(owner, now).map_err(|error| self.io.fault("", &error)),
            None => Ok(false),
        }
    }

    /// Whether this owner may take the run, because no living worker holds it.
    pub(super) fn is_free(&self, manifest: &Manifest, owner: &str, now: bool) -> Result<bool, StorageError> {
        let is_lost_answer = manifest.owner.as_deref() == Some(owner)
            && lock(&self.indeterminate_claims).contains(&manifest.run_id);
        Ok(is_lost_answer || !self.is_held(manifest, now)?)
    }

    /// Marks a run that this process may have claimed but does not work on.
    pub(super) fn note_indeterminate(&self, run: &RunId) {
        lock(&self.indeterminate_claims).insert(run.clone());
    }

    pub(super) fn clear_indeterminate(&self, run: &RunId) {
        lock(&self.indeterminate_claims).remove(run);
    }

    /// Whether this process has made sure of the run in this lease.
    pub(super) fn is_confirmed(&self, run: &RunId, owner_lease: u64) -> bool {
        lock(&self.confirmed).get(run) == Some(&owner_lease)
    }

    /// Notes that this process has made sure of the run in this lease.
    pub(super) fn note_confirmed(&self, run: &RunId, owner_lease: u64) {
        lock(&self.confirmed).insert(run.clone(), owner_lease);
    }
}

pub(super) fn fence_of(manifest: &Manifest, owner: &str) -> Fence {
    Fence {
        run: manifest.run_id.clone(),
        owner: owner.to_owned(),
        epoch: manifest.epoch,
        generation: manifest.generation,
        attempt: manifest.attempts,
        owns_row: false,
        row_stages: BTreeSet::new(),
    }
}

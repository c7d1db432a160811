//! Starts runs in files: accepts them, adopts them from the database, or opens them by id.

use pipeline::run::RunId;

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        db_sync::DbSync, layout::OPEN_FOLDER, manifest::Manifest, owners::fence_of, run_files::RunFiles,
        tombstones::deleted,
    },
    ports::lifecycle::{Acceptance, Fence},
    run::RunSubmission,
};

/// Why a run could not be opened by its id.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("run {0} is being worked on by another process; wait for it or choose another --run-id")]
    Busy(RunId),
    #[error("run {run} already exists for another {what}; choose another --run-id")]
    RequestMismatch { run: RunId, what: &'static str },
    #[error("run {0} has been deleted; choose another --run-id")]
    Deleted(RunId),
    #[error(transparent)]
    Store(#[from] StorageError),
}

impl RunFiles {
    /// Accepts a run. With `again`, an earlier attempt of the same call may have stored it.
    pub(in crate::files) fn accept(
        &self,
        new: &RunSubmission,
        owner: Option<&str>,
        db_sync: DbSync,
        again: bool,
    ) -> Result<Acceptance, StorageError> {
        let _lock = self.io.lock_new(&new.id)?;
        let (is_deleted, manifest) = self.manifests.read_run(&new.id)?;
        if is_deleted {
            let is_ours = self.deleted_owner(&new.id)?.is_none_or(|owner| owner == new.request.principal);
            return Ok(if is_ours { Acceptance::Deleted } else { Acceptance::RequestMismatch });
        }
        if let Some(manifest) = manifest {
            if again
                && manifest.epoch == 1
                && manifest.owner.as_deref() == owner
                // The manifest has milliseconds.
                && manifest.accepted_at.timestamp_millis() == new.accepted_at.timestamp_millis()
            {
                return Ok(Acceptance::New(owner.map(|owner| fence_of(&manifest, owner))));
            }
            return Ok(if manifest.request.is_same(&new.request) {
                Acceptance::Existing(manifest.status)
            } else {
                Acceptance::RequestMismatch
            });
        }
        let mut manifest = self.announce(new)?;
        manifest.database = db_sync.side();
        let fence = owner.map(|owner| self.owners.own(&mut manifest, owner)).transpose()?;
        if fence.is_some() {
            self.enqueue_step(&mut manifest, db_sync)?;
        }
        self.manifests.write(&mut manifest)?;
        Ok(Acceptance::New(fence))
    }

    pub(in crate::files) fn holds_nothing(&self, run: &RunId) -> Result<bool, StorageError> {
        self.io.backend.holds_nothing(run.as_str()).map_err(|error| self.io.fault(run.as_str(), &error))
    }

    /// Creates a new run's manifest without writing it. Writes the markers by which a search finds the run.
    fn announce(&self, new: &RunSubmission) -> Result<Manifest, StorageError> {
        let mut manifest = self.manifests.blank(&new.id, new.request.clone(), new.accepted_at);
        self.markers.mark_with_manifest(&mut manifest, OPEN_FOLDER)?;
        self.manifests.note_run(&manifest)?;
        Ok(manifest)
    }

    /// Opens a run by its id: a new one, or one with the same request. An ended run continues as a new
    /// generation.
    pub(in crate::files) fn open(
        &self,
        new: &RunSubmission,
        owner: &str,
    ) -> Result<(Fence, Manifest), OpenError> {
        let _lock = self.io.lock_new(&new.id)?;
        let (is_deleted, manifest) = self.manifests.read_run(&new.id)?;
        if is_deleted {
            return Err(OpenError::Deleted(new.id.clone()));
        }
        let mut manifest = match manifest {
            None => {
                let manifest = self.manifests.blank(&new.id, new.request.clone(), new.accepted_at);
                self.manifests.note_run(&manifest)?;
                manifest
            }
            Some(manifest) if !manifest.request.is_same(&new.request) => {
                let same_brand = manifest.request.brand_id == new.request.brand_id;
                let what = match manifest.request.principal == new.request.principal {
                    false => "principal",
                    true if same_brand => "document",
                    true => "brand",
                };
                return Err(OpenError::RequestMismatch { run: new.id.clone(), what });
            }
            Some(manifest) if !self.owners.is_free(&manifest, owner, true)? => {
                return Err(OpenError::Busy(new.id.clone()));
            }
            Some(manifest) => manifest,
        };
        if manifest.has_ended() {
            manifest.generation += 1;
            manifest.attempts = 0;
            manifest.reopen();
        }
        let fence = self.take(&mut manifest, owner)?;
        Ok((fence, manifest))
    }

    /// Stores a run that the database handed out, with this process as living owner.
    pub(in crate::files) fn adopt(&self, new: &RunSubmission, fence: &Fence) -> Result<(), StorageError> {
        self.owners.hold(&fence.owner)?;
        let _lock = self.io.lock_new(&new.id)?;
        self.adopt_locked(new, fence)
    }

    /// As [`RunFiles::adopt`]. The caller holds the lock.
    pub(in crate::files) fn adopt_locked(
        &self,
        new: &RunSubmission,
        fence: &Fence,
    ) -> Result<(), StorageError> {
        let (is_deleted, manifest) = self.manifests.read_run(&new.id)?;
        if is_deleted {
            return Err(deleted(&new.id));
        }
        let is_new = manifest.is_none() && self.holds_nothing(&new.id)?;
        let mut manifest = match manifest {
            Some(manifest) => manifest,
            None => self.announce(new)?,
        };
        let side = manifest.database.get_or_insert_default();
        side.has_row |= fence.owns_row;
        if manifest.generation < fence.generation {
            manifest.generation = fence.generation;
            manifest.reopen();
            self.markers.mark_with_manifest(&mut manifest, OPEN_FOLDER)?;
        }
        if manifest.has_ended() || manifest.epoch > fence.epoch {
            return self.manifests.write(&mut manifest);
        }
        // Two claims did not know of each other. The one in the manifest came first.
        if manifest.epoch == fence.epoch && manifest.owner.as_ref().is_some_and(|owner| *owner != fence.owner)
        {
            return Err(StorageError::new(
                StorageErrorKind::Fenced,
                format!("run {} has been taken by another worker", new.id),
            ));
        }
        manifest.note_row_stages(&fence.row_stages);
        // `take` raises both, as the database already has.
        manifest.epoch = fence.epoch - 1;
        manifest.attempts = fence.attempt - 1;
        if is_new {
            self.owners.own(&mut manifest, &fence.owner)?;
            return self.manifests.write(&mut manifest);
        }
        self.take(&mut manifest, &fence.owner).map(drop)
    }
}

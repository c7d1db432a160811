//! Accepts runs in modes with files, and decides which store guards against a second execution.

use std::time::Duration;

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{DbSync, manifest::Manifest},
    mode::Mode,
    ports::{
        lifecycle::{Acceptance, Fence, Lease},
        prelude::*,
    },
    router::{core::Router, presence::FileAcceptance},
    run::RunSubmission,
};

/// Why files alone may not accept a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRefusal {
    pub reason: FileAcceptance,
    /// How long the previous deployment may still run.
    pub overlap_left: Duration,
}

impl Router {
    pub(super) async fn accept_as_mode_says(
        &self,
        run: &RunSubmission,
        lease: Option<&Lease>,
    ) -> Result<Acceptance, StorageError> {
        match self.accept_in_mode(run, lease).await? {
            Acceptance::Deleted => self.as_deleted(run).await,
            accepted => Ok(accepted),
        }
    }

    /// Only the owner of a deleted run hears that it was deleted. To others, its id is taken.
    async fn as_deleted(&self, run: &RunSubmission) -> Result<Acceptance, StorageError> {
        let owner = self.tombstone_owner(&run.id).await?;
        let is_ours = owner.is_none_or(|owner| owner == run.request.principal);
        Ok(if is_ours { Acceptance::Deleted } else { Acceptance::RequestMismatch })
    }

    async fn accept_in_mode(
        &self,
        run: &RunSubmission,
        lease: Option<&Lease>,
    ) -> Result<Acceptance, StorageError> {
        match self.mode() {
            Mode::Invalid => Err(StorageError::new(
                StorageErrorKind::Invalid,
                "both storage flags are off; set ENABLE_DATABASE_WRITES or ENABLE_FILE_FALLBACK",
            )),
            Mode::FileOnly => self.accept_by_file(run, lease, None).await,
            Mode::DatabaseOnly => match &self.database {
                Some(database) => database.call(|store| async move { store.accept(run, lease).await }).await,
                None => Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set")),
            },
            Mode::DualWrite => self.accept_in_both(run, lease).await,
        }
    }

    /// Whether a file alone may accept a run, and why: either no other replica runs, or all replicas use the
    /// same files.
    #[must_use]
    pub fn file_acceptance(&self) -> FileAcceptance {
        if self.config.presence.is_stopping() {
            FileAcceptance::Stopping
        } else if self.files.has_shared_create_if_absent() {
            FileAcceptance::SharedStore
        } else {
            self.config.presence.standing()
        }
    }

    /// Whether a file alone may accept a run.
    #[must_use]
    pub fn may_accept_by_file(&self) -> bool {
        self.file_acceptance().is_allowed()
    }

    /// Why the files of this mode may not accept a run. None if they may, or if the mode has no files.
    #[must_use]
    pub fn file_refusal(&self) -> Option<FileRefusal> {
        let reason = self.file_acceptance();
        (self.mode().has_files() && !reason.is_allowed())
            .then(|| FileRefusal { reason, overlap_left: self.config.presence.overlap_left() })
    }

    /// Why an unknown run may still exist on another replica's disk, where this replica cannot look for it.
    /// None if this replica sees every run: in the database, in shared files, or because it is alone.
    #[must_use]
    pub fn unseen_runs(&self) -> Option<FileRefusal> {
        let reason = self.config.presence.standing();
        let is_blind = !self.mode().has_database() && self.files.is_on_disk() && !reason.is_allowed();
        is_blind.then(|| FileRefusal { reason, overlap_left: self.config.presence.overlap_left() })
    }

    /// Whether a file alone may accept now, after the database failed for this cause.
    pub(super) fn check_file_may_accept(&self, cause: Option<StorageError>) -> Result<(), StorageError> {
        // If the insert timed out, it may have committed. Only if no other replica runs can nobody else claim
        // that row.
        let is_ambiguous = cause.as_ref().is_some_and(|error| error.kind == StorageErrorKind::Indeterminate);
        let guard = self.file_acceptance();
        if guard.is_allowed() && (!is_ambiguous || self.config.presence.is_alone()) {
            return Ok(());
        }
        Err(cause.unwrap_or_else(|| StorageError::new(StorageErrorKind::Unavailable, guard.sentence())))
    }

    /// Accepts a run by file alone, if a file guards against a second execution.
    pub(super) async fn accept_by_file(
        &self,
        run: &RunSubmission,
        lease: Option<&Lease>,
        cause: Option<StorageError>,
    ) -> Result<Acceptance, StorageError> {
        self.check_file_may_accept(cause)?;
        let db_sync = if self.database.is_some() { DbSync::Pending } else { DbSync::NotTracked };
        let accepted = self.files.accept_with_sync_state(run, lease, db_sync).await;
        self.note_file(&accepted);
        accepted
    }

    /// Another replica that cannot reach the database has accepted the run by file at the same moment. It
    /// owns the run. The row is released for a later claim.
    async fn leave_to_files(&self, run: &RunSubmission, fence: &Fence) -> Result<Acceptance, StorageError> {
        if let Some(database) = &self.database
            && let Err(error) = database.call(|store| async move { store.release(fence).await }).await
        {
            tracing::warn!(event = "run_release_failed", run_id = %run.id, %error, "the run's row could not be released; its lease will expire");
        }
        Ok(match self.files.manifest(&run.id).await? {
            Some(manifest) if manifest.request.is_same(&run.request) => Acceptance::Existing(manifest.status),
            Some(_) => Acceptance::RequestMismatch,
            None => Acceptance::Deleted,
        })
    }

    /// Accepts a run that the files know and whose row is gone. None if the database has the row, or is away.
    async fn accept_missing_row(
        &self,
        run: &RunSubmission,
        manifest: &Manifest,
    ) -> Result<Option<Acceptance>, StorageError> {
        let Some(database) = &self.database else { return Ok(None) };
        let id = &run.id;
        match database.call(|store| async move { store.load(id).await }).await {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(None),
            // The next call to the database finds out what that means.
            Err(_) => return Ok(None),
        }
        if self.purge_if_deleted(id).await? {
            return Ok(Some(Acceptance::Deleted));
        }
        if !manifest.request.is_same(&run.request) {
            return Ok(Some(Acceptance::RequestMismatch));
        }
        // It stays accepted. Reconciliation restores the row of an ended run; a claim restores the row of an open one.
        self.files.lose_row(id).await?;
        tracing::warn!(event = "row_restored", run_id = %id, "[{id}] was accepted before, and its row is gone; it comes back with what the files have");
        Ok(Some(Acceptance::Existing(manifest.status)))
    }

    pub(super) async fn accept_in_both(
        &self,
        run: &RunSubmission,
        lease: Option<&Lease>,
    ) -> Result<Acceptance, StorageError> {
        // The database may accept a run even if the files cannot be read.
        let (is_deleted, manifest) = match self.files.standing(&run.id).await {
            Err(error) if !error.is_outage() => return Err(error),
            standing => standing.unwrap_or_default(),
        };
        // The database may still lack the tombstone.
        if is_deleted {
            return Ok(Acceptance::Deleted);
        }
        if let Some(manifest) = manifest {
            // The run was accepted by file while the database was down.
            if !manifest.has_row() {
                return Ok(if manifest.request.is_same(&run.request) {
                    Acceptance::Existing(manifest.status)
                } else {
                    Acceptance::RequestMismatch
                });
            }
            // The database has lost the run's row.
            if let Some(accepted) = self.accept_missing_row(run, &manifest).await? {
                return Ok(accepted);
            }
        }
        let accepted = match &self.database {
            Some(database) => database.call(|store| async move { store.accept(run, lease).await }).await,
            None => Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set")),
        };
        match accepted {
            Ok(Acceptance::New(fence)) => {
                // A waiting run gets its files from the worker that claims it, which may use another disk.
                if let Some(fence) = &fence
                    && !self.is_beginning_mirrored(run, fence)
                {
                    let filed = self.files.adopt(run, fence).await;
                    self.note_file(&filed);
                    if matches!(&filed, Err(error) if error.kind == StorageErrorKind::Fenced) {
                        return self.leave_to_files(run, fence).await;
                    }
                    if let Err(error) = filed {
                        tracing::error!(event = "manifest_write_failed", run_id = %run.id, %error, "the run's manifest could not be written; the database has the run");
                    }
                }
                Ok(Acceptance::New(fence))
            }
            Ok(other) => Ok(other),
            Err(error) if error.is_outage() => {
                if self.may_accept_by_file() {
                    tracing::warn!(event = "run_accepted_by_file", run_id = %run.id, %error, "the database did not take the run; accepting by file");
                }
                self.accept_by_file(run, lease, Some(error)).await
            }
            Err(error) => Err(error),
        }
    }
}

//! Acceptance where there may be files: who guards against running twice.

use crate::mode::Mode;
use crate::{
    error::{StorageError, StorageErrorKind},
    files::DbSync,
    ports::{
        lifecycle::{Acceptance, Fence, Lease},
        store::Store as _,
    },
    router::Router,
    run::RunSubmission,
};

impl Router {
    pub(super) async fn accept_as_mode_says(
        &self,
        run: &RunSubmission,
        lease: Option<&Lease>,
    ) -> Result<Acceptance, StorageError> {
        match self.mode() {
            Mode::Invalid => Err(StorageError::new(
                StorageErrorKind::Invalid,
                "both storage flags are off: set ENABLE_DATABASE_WRITES or ENABLE_FILE_FALLBACK",
            )),
            Mode::FileOnly => self.accept_by_file(run, lease, None).await,
            Mode::DatabaseOnly => match &self.database {
                Some(database) => database.call(|store| async move { store.accept(run, lease).await }).await,
                None => Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set")),
            },
            Mode::DualWrite => self.accept_in_both(run, lease).await,
        }
    }

    /// Whether a file alone may accept a run: only where no other process may be asked for the same, or all ask the same
    /// files.
    #[must_use]
    pub fn may_accept_by_file(&self) -> bool {
        self.has_global_claim()
    }

    /// Acceptance by file alone: only where a file is a guard against running twice.
    pub(super) async fn accept_by_file(
        &self,
        run: &RunSubmission,
        lease: Option<&Lease>,
        cause: Option<StorageError>,
    ) -> Result<Acceptance, StorageError> {
        // A row that may have come to be is kept from a second execution by who else is there to see it: nobody.
        let is_ambiguous = cause.as_ref().is_some_and(|error| error.kind == StorageErrorKind::Indeterminate);
        if !(self.config.presence.is_alone() || self.files.has_shared_create_if_absent() && !is_ambiguous) {
            return Err(cause.unwrap_or_else(|| {
                StorageError::new(
                    StorageErrorKind::Unavailable,
                    "files alone do not keep several replicas from running it twice (SINGLE_REPLICA)",
                )
            }));
        }
        let db_sync = if self.database.is_some() { DbSync::Pending } else { DbSync::NotTracked };
        let accepted = self.files.accept_with_sync_state(run, lease, db_sync).await;
        self.note_file(&accepted);
        accepted
    }

    /// Another replica, which cannot reach the database, has accepted the run by file at the same moment: it is theirs. The
    /// row waits for whoever claims it.
    async fn leave_to_files(&self, run: &RunSubmission, fence: &Fence) -> Result<Acceptance, StorageError> {
        if let Some(database) = &self.database
            && let Err(error) = database.call(|store| async move { store.release(fence).await }).await
        {
            tracing::warn!(event = "run_release_failed", run_id = %run.id, %error, "the run's row could not be released; its lease will end");
        }
        Ok(match self.files.manifest(&run.id).await? {
            Some(manifest) if manifest.request.digest == run.request.digest => {
                Acceptance::Existing(manifest.status)
            }
            Some(_) => Acceptance::RequestMismatch,
            None => Acceptance::Deleted,
        })
    }

    pub(super) async fn accept_in_both(
        &self,
        run: &RunSubmission,
        lease: Option<&Lease>,
    ) -> Result<Acceptance, StorageError> {
        // Files that cannot be looked at keep the database from nothing.
        let (is_deleted, manifest) = match self.files.standing(&run.id).await {
            Err(error) if !error.is_outage() => return Err(error),
            standing => standing.unwrap_or_default(),
        };
        // The other's tombstone may not have come to be.
        if is_deleted {
            return Ok(Acceptance::Deleted);
        }
        if let Some(manifest) = manifest {
            // What was accepted by file while the database was away is not new to us.
            if !manifest.has_row() {
                return Ok(if manifest.request.digest == run.request.digest {
                    Acceptance::Existing(manifest.status)
                } else {
                    Acceptance::RequestMismatch
                });
            }
            // Nor is what the database has forgotten.
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
                // A run that waits gets its files from whoever takes it up, which may be on another disk.
                if let Some(fence) = &fence {
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

//! The work on a run: opening, accepting, claiming, storing, ending.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipeline::{clock::Timestamp, record::StageRecord, run::RunId};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        db_sync::DbSync,
        leases::claim::Search,
        limits::ATTEMPT_TIMEOUT,
        manifest::Manifest,
        mirror::batch::MirrorPart,
        run_files::RunFiles,
        runs::{accept::OpenError, finish::OwnedEnd},
        store::FileStore,
    },
    ports::lifecycle::{Acceptance, Claim, Fence, Lease},
    run::{End, RunSubmission},
};

/// How often [`FileStore::open`] checks whether the run's current owner is still alive.
const BUSY_INTERVAL: Duration = Duration::from_secs(1);

impl FileStore {
    /// Opens a run by its id for immediate work. The run is new, or has the same request and no worker. In a
    /// bucket, it takes up to one lease to see whether the owner lives.
    ///
    /// # Errors
    ///
    /// [`OpenError::Busy`] if another process works on the run, [`OpenError::RequestMismatch`] if it has
    /// another request, and [`OpenError::Deleted`] if it was deleted. [`OpenError::Store`] if the files fail.
    pub async fn open(&self, new: &RunSubmission, owner: &str) -> Result<(Fence, Manifest), OpenError> {
        let detection_delay = self.files.io.backend.detection_delay();
        let began = self.files.io.clock.monotonic();
        loop {
            let (files, new, owner) = (self.files.clone(), new.clone(), owner.to_owned());
            let opening = tokio::task::spawn_blocking(move || files.open(&new, &owner));
            let opened = opening.await.map_err(|error| self.files.io.fault("", &io::Error::other(error)))?;
            let has_time =
                self.files.io.clock.monotonic().saturating_sub(began) < detection_delay + BUSY_INTERVAL;
            match opened {
                Err(OpenError::Busy(_)) if !detection_delay.is_zero() && has_time => {}
                Err(OpenError::Store(error)) if error.kind == StorageErrorKind::CasConflict && has_time => {}
                opened => return opened,
            }
            tokio::time::sleep(BUSY_INTERVAL.min(detection_delay / 4)).await;
        }
    }

    /// As `Lifecycle::accept`; also records whether the database holds the run.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn accept_with_sync_state(
        &self,
        new: &RunSubmission,
        lease: Option<&Lease>,
        db_sync: DbSync,
    ) -> Result<Acceptance, StorageError> {
        let (new, owner) = (Arc::new(new.clone()), lease.map(|lease| lease.owner.clone()));
        let (run, tried) = (new.id.clone(), Arc::new(AtomicBool::new(false)));
        let accepted = self
            .write(&run, move |files| {
                files.accept(&new, owner.as_deref(), db_sync, tried.swap(true, Ordering::Relaxed))
            })
            .await;
        match &accepted {
            // The run may be stored with this process as owner, although the caller saw an error.
            Err(error) if error.is_outage() => self.files.owners.note_indeterminate(&run),
            Ok(Acceptance::New(_)) => self.files.owners.clear_indeterminate(&run),
            _ => {}
        }
        self.wake_dispatcher(accepted)
    }

    /// As `Lifecycle::claim`. With `without_row_only`, it claims only runs without a row, because the database
    /// hands out the others.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn claim_where(
        &self,
        claim: Claim<'_>,
        without_row_only: bool,
    ) -> Result<Vec<Fence>, StorageError> {
        let Claim { lease, limit, held, waiting, .. } = claim;
        let search =
            Search { owner: lease.owner.clone(), limit, held: held.clone(), without_row_only, waiting };
        if let Some(breaker) = &self.breaker {
            // A search over many runs may be slow, so its end tells the breaker nothing.
            breaker.admit()?;
        }
        let Some(turn) = self.claims.turn(ATTEMPT_TIMEOUT).await else {
            return Err(self.no_answer("", ATTEMPT_TIMEOUT));
        };
        let files = self.files.clone();
        let mut claiming = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            files.claim(&search)
        });
        match tokio::time::timeout(ATTEMPT_TIMEOUT, &mut claiming).await {
            Ok(Ok(claimed)) => self.wake_dispatcher(claimed),
            Ok(Err(error)) => Err(self.files.io.fault("", &io::Error::other(error))),
            Err(_) => {
                let files = self.files.clone();
                // If the search succeeds late, no worker takes its runs. A later claim takes them again.
                tokio::spawn(async move {
                    for fence in claiming.await.into_iter().flatten().flatten() {
                        files.owners.note_indeterminate(&fence.run);
                    }
                });
                Err(self.no_answer("", ATTEMPT_TIMEOUT))
            }
        }
    }

    /// Whether this process has missed a lease since it last made sure that the run is its own, and lives again. Asks nobody.
    #[must_use]
    pub fn needs_confirmation(&self, fence: &Fence) -> bool {
        self.files.needs_confirmation(fence)
    }

    /// Whether this process surely still owns the run, so that it may pay for work.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker took the run. `Unavailable` if the files cannot be written. `Indeterminate`
    /// if a write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn confirm(&self, fence: &Fence) -> Result<bool, StorageError> {
        self.write_with(&fence.run, fence, RunFiles::confirm).await
    }

    /// As `Stages::store_stage`; also records whether the database holds the stage.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker took the run, or if the run ended or was deleted. `Conflict` if a different
    /// record is stored. `Unavailable` if the files cannot be written. `Indeterminate` if a write may have
    /// happened. `CasConflict` if other processes kept changing the run.
    pub async fn store_stage_with_sync_state(
        &self,
        fence: &Fence,
        record: &StageRecord,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        if self.writes_together(db_sync)
            && let Some(stored) = self.write_together(fence, MirrorPart::stage(record)?, db_sync).await
        {
            return self.wake_dispatcher(stored);
        }
        let (fence, record) = (Arc::new(fence.clone()), Arc::new(record.clone()));
        let stored = self
            .write_as("store_stage", &fence.run.clone(), move |files| {
                files.store_stage(&fence, &record, db_sync)
            })
            .await;
        self.wake_dispatcher(stored)
    }

    /// As `Lifecycle::finish`; also records whether the database holds the end.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker took the run, or if the run ended or was deleted. `Unavailable` if the
    /// files cannot be written. `Indeterminate` if a write may have happened. `CasConflict` if other
    /// processes kept changing the run.
    pub async fn finish_with_sync_state(
        &self,
        fence: &Fence,
        end: End<'_>,
        at: Timestamp,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        if self.writes_together(db_sync)
            && let Some(ended) = self.write_together(fence, MirrorPart::end(end, at), db_sync).await
        {
            return self.wake_dispatcher(ended);
        }
        let fence = Arc::new(fence.clone());
        let run = fence.run.clone();
        let end: Arc<OwnedEnd> = Arc::new(end.into());
        self.wake_dispatcher(
            self.write_as("finish", &run, move |files| files.finish(&fence, end.borrowed(), at, db_sync))
                .await,
        )
    }

    /// Remembers a run that could not be released: its owner is this process, which lives and does not work on it. Only this
    /// process may claim it, and its next search does.
    pub(in crate::files) fn note_release(&self, fence: &Fence, released: &Result<(), StorageError>) {
        if released.as_ref().is_err_and(StorageError::is_outage) {
            self.files.owners.note_indeterminate(&fence.run);
        }
    }

    /// Announces that this process no longer works on any run.
    pub async fn leave(&self) {
        let left = self.whole(|files| {
            files.io.backend.leave();
            Ok(())
        });
        // On failure, other replicas wait one lease before they take over.
        let _ = left.await;
    }

    /// Drops the remembered document summary once this process stops working on the run.
    pub fn forget(&self, run: &RunId) {
        self.files.manifests.note_document(run, None);
    }

    /// Notes whether the row has stages that the files lack, because the operator has switched the files off.
    ///
    /// # Errors
    ///
    /// `NotFound` if the files do not know the run. `Fenced` if another process owns it. `Unavailable` if the files cannot
    /// be written. `Indeterminate` if a write may have happened. `CasConflict` if other processes kept changing the run.
    pub async fn set_row_is_ahead(&self, fence: &Fence, is_ahead: bool) -> Result<(), StorageError> {
        let held = fence.clone();
        self.write_one(&fence.run, move |files, _| {
            files.update(&held, |manifest| manifest.row_is_ahead = is_ahead)
        })
        .await
    }
}

//! Implements the ports of the store by operations on files.

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    record::StageRecord,
    run::{RunId, Stage},
};

use crate::{
    control_plane::{AuditRecord, Principal},
    error::StorageError,
    files::{
        db_sync::DbSync, limits::ATTEMPT_TIMEOUT, run_files::RunFiles, runs::list::LIST_TIMEOUT,
        store::FileStore,
    },
    ports::{
        control::Control,
        lifecycle::{Acceptance, Claim, Fence, Lease, Lifecycle},
        listing::{Listing, RunPage, RunQueries},
        stages::Stages,
        tombstones::{TombstoneOutcome, Tombstones},
    },
    run::{End, RunRecord, RunSubmission},
    waiting::Postponement,
};

impl FileStore {
    /// Runs one probe at a time.
    async fn probe_by(
        &self,
        probe: impl FnOnce(&RunFiles) -> Result<(), StorageError> + Send + 'static,
    ) -> Result<(), StorageError> {
        let Some(turn) = self.probes.turn(ATTEMPT_TIMEOUT).await else {
            return Err(self.no_answer("", ATTEMPT_TIMEOUT));
        };
        let probe = move |files: &RunFiles| {
            let _turn = turn;
            probe(files)
        };
        self.blocking("probe", "", ATTEMPT_TIMEOUT, probe).await
    }
}

#[async_trait]
impl Lifecycle for FileStore {
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError> {
        self.accept_with_sync_state(run, lease, DbSync::NotTracked).await
    }

    async fn adopt(&self, new: &RunSubmission, fence: &Fence) -> Result<(), StorageError> {
        let fence = fence.clone();
        self.write_with(&new.id, new, move |files, new| files.adopt(new, &fence)).await
    }

    /// An owner is dead as soon as its lock file is free. A local disk needs no lease.
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        self.claim_where(claim, false).await
    }

    async fn renew(&self, _: &Lease, _: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        // The locked owner file keeps the lease for as long as the process lives.
        Ok(Vec::new())
    }

    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let fences = fences.to_vec();
        self.whole(move |files| files.lost_leases(&fences)).await
    }

    async fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        let released = self.write_with(&fence.run, fence, RunFiles::release).await;
        self.note_release(fence, &released);
        released
    }

    async fn put_back(&self, fence: &Fence, postponement: &Postponement) -> Result<(), StorageError> {
        let postponement = *postponement;
        let work = move |files: &RunFiles, fence: &Fence| files.postpone(fence, &postponement);
        let released = self.write_with(&fence.run, fence, work).await;
        self.note_release(fence, &released);
        released
    }

    async fn count_attempt(&self, fence: &Fence) -> Result<(), StorageError> {
        self.write_with(&fence.run, fence, RunFiles::count_attempt).await
    }

    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError> {
        self.finish_with_sync_state(fence, end, at, DbSync::NotTracked).await
    }

    async fn probe(&self) -> Result<(), StorageError> {
        // An open breaker is probed by its own task.
        if let Some(breaker) = &self.breaker {
            breaker.admit()?;
        }
        self.probe_by(|files| files.io.probe()).await
    }

    async fn prove_recovery(&self) -> Result<(), StorageError> {
        // Past the breaker, which the answer may close.
        let is_on_disk = self.is_on_disk();
        let probed = self.probe_by(move |files| files.io.prove_recovery(is_on_disk)).await;
        if let Some(breaker) = &self.breaker {
            breaker.probed(&probed);
        }
        probed
    }
}

#[async_trait]
impl Stages for FileStore {
    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        self.store_stage_with_sync_state(fence, record, DbSync::NotTracked).await
    }

    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        let stages = stages.to_vec();
        self.write_with(&fence.run, fence, move |files, fence| files.mark_unsynced(fence, &stages)).await
    }
}

#[async_trait]
impl RunQueries for FileStore {
    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        self.read_one(run, RunFiles::load).await
    }

    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        let listing = listing.clone();
        self.guarded("list", "", LIST_TIMEOUT, move |files| files.list(&listing)).await
    }
}

#[async_trait]
impl Control for FileStore {
    async fn retry(
        &self,
        run: &RunId,
        seen: i32,
        audit: Option<&AuditRecord>,
    ) -> Result<Option<i32>, StorageError> {
        self.retry_with_sync_state(run, seen, DbSync::NotTracked, audit).await
    }

    async fn cancel(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at: Timestamp,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        self.cancel_with_sync_state(run, failure, at, DbSync::NotTracked, audit).await
    }
}

#[async_trait]
impl Tombstones for FileStore {
    async fn create_tombstone(
        &self,
        run: &RunId,
        owner: &Principal,
        audit: Option<&AuditRecord>,
    ) -> Result<TombstoneOutcome, StorageError> {
        self.create_tombstone_for(run, false, owner, audit).await
    }

    async fn deleted_owner(&self, run: &RunId) -> Result<Option<Principal>, StorageError> {
        self.read_one(run, RunFiles::deleted_owner).await
    }

    async fn is_deleted(&self, run: &RunId) -> Result<bool, StorageError> {
        self.read_one(run, RunFiles::is_deleted).await
    }

    async fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        self.write_one(run, RunFiles::remove).await
    }

    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(RunFiles::pending_purges).await
    }
}

//! The router as one store: each call goes to the stores of the current mode.

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunId, Stage},
};

use crate::{
    error::StorageError,
    ports::{
        lifecycle::{Acceptance, Claim, Fence, Lease},
        store::Store,
    },
    router::{
        both_sides::{BothSides, ReadPurpose},
        core::Router,
        retry::Retries,
        write::Write,
    },
    run::{End, RunRecord, RunSubmission},
};

#[async_trait]
impl Store for Router {
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError> {
        let began = self.clock.monotonic();
        let accepted = self.accept_as_mode_says(run, lease).await;
        if let (Ok(Acceptance::New(Some(fence))), Some(lease)) = (&accepted, lease) {
            self.leases.grant([&fence.run], began + lease.duration);
        }
        if let Ok(Acceptance::New(_)) = &accepted {
            self.changes.publish(&run.id);
        }
        accepted
    }

    async fn adopt(&self, run: &RunSubmission, fence: &Fence) -> Result<(), StorageError> {
        let mode = self.mode();
        if let Some(database) = self.open_database(mode) {
            database.call(|store| async move { store.adopt(run, fence).await }).await?;
        }
        if mode.has_files() { self.files.adopt(run, fence).await } else { Ok(()) }
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        self.claim_by_mode(claim).await
    }

    async fn renew(&self, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        self.renew_rows(lease, fences).await
    }

    async fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        let mode = self.mode();
        let mut released = Ok(());
        if self.owns_row(fence)
            && let Some(database) = self.open_database(mode)
        {
            released = database.call_queued(|store| async move { store.release(fence).await }).await;
        }
        if mode.has_files() {
            released = self.files.release(fence).await.and(released);
        }
        released
    }

    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        self.read_both(run, ReadPurpose::Display).await.map(BothSides::merged)
    }

    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        self.write_stage(fence, record.clone()).await.map(drop)
    }

    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        self.files.mark_unsynced(fence, stages).await
    }

    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError> {
        let mut retries = Retries::new(self);
        loop {
            match self.attempt(fence, Write::End(end, at)).await {
                Ok(()) => {
                    self.changes.publish(&fence.run);
                    return Ok(());
                }
                Err(error) => retries.next(error).await?,
            }
        }
    }

    async fn probe(&self) -> Result<(), StorageError> {
        let mode = self.mode();
        if mode.has_files() && self.files.probe().await.is_ok() {
            return Ok(());
        }
        match &self.database {
            Some(database) if mode.has_database() => database.store.probe().await,
            _ => self.files.probe().await,
        }
    }
}

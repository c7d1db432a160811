//! A run from its acceptance to its end: each call goes to the stores of the current mode.

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunId, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    ports::{
        lifecycle::{Acceptance, Claim, Fence, Lease, Lifecycle},
        stages::Stages,
    },
    router::{core::Router, retry::Retries, write::Write},
    run::{End, RunSubmission},
    waiting::Postponement,
};

#[async_trait]
impl Lifecycle for Router {
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError> {
        let began = self.clock.monotonic();
        let accepted = self.accept_as_mode_says(run, lease).await;
        if let (Ok(Acceptance::New(Some(fence))), Some(lease)) = (&accepted, lease) {
            self.leases.grant([&fence.run], began, lease.duration);
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

    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        // The worker calls this twice a second, so the time of a change of mode is known.
        self.database_disabled_since();
        let with_row: Vec<Fence> =
            fences.iter().filter(|fence| self.active.owns_row(fence)).cloned().collect();
        match self.open_database(self.mode()) {
            // Bypass the breaker: such frequent reads must not decide about an outage.
            Some(database) if !with_row.is_empty() => database.store.lost_leases(&with_row).await,
            // Other replicas may have ended the runs in shared files.
            _ if !fences.is_empty()
                && self.mode().has_files()
                && self.files.has_shared_create_if_absent() =>
            {
                let [_, for_ended] = &self.poll_limiters;
                if for_ended.is_due(self.clock.monotonic()) {
                    self.files.ended_elsewhere(fences).await
                } else {
                    Ok(Vec::new())
                }
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        let mode = self.mode();
        let mut released = Ok(());
        if self.active.owns_row(fence)
            && let Some(database) = self.open_database(mode)
        {
            released = database.call_queued(|store| async move { store.release(fence).await }).await;
        }
        if mode.has_files() {
            released = self.files.release(fence).await.and(released);
        }
        released
    }

    async fn put_back(&self, fence: &Fence, postponement: &Postponement) -> Result<(), StorageError> {
        let mode = self.mode();
        let mut postponed = Ok(());
        let has_row = self.active.owns_row(fence) && self.open_database(mode).is_some();
        if has_row && let Some(database) = self.open_database(mode) {
            postponed =
                database.call_queued(|store| async move { store.put_back(fence, postponement).await }).await;
        }
        if mode.has_files() {
            let in_files = self.files.put_back(fence, postponement).await;
            // A worker that has not begun with the run has not brought the claim to the files. The row decides.
            if !(has_row && postponed.is_ok()) {
                postponed = in_files.and(postponed);
            }
        }
        self.changes.publish(&fence.run);
        postponed
    }

    async fn count_attempt(&self, fence: &Fence) -> Result<(), StorageError> {
        let mode = self.mode();
        // One of both suffices: after a crash, a claim takes the higher count.
        let mut counted = None;
        if self.active.owns_row(fence)
            && let Some(database) = self.open_database(mode)
        {
            counted = Some(database.call(|store| async move { store.count_attempt(fence).await }).await);
        }
        match counted {
            Some(Ok(())) => {
                if mode.has_files() {
                    // The row has it.
                    let _ = self.files.count_attempt(fence).await;
                }
                Ok(())
            }
            Some(Err(error)) if error.kind == StorageErrorKind::Fenced || !mode.has_files() => Err(error),
            _ => self.files.count_attempt(fence).await,
        }
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

#[async_trait]
impl Stages for Router {
    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        self.write_stage(fence, record.clone()).await.map(drop)
    }

    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        self.files.mark_unsynced(fence, stages).await
    }
}

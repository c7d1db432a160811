//! Retry, cancel and deletion in memory.

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus},
};

use crate::{
    control_plane::{AuditFilter, AuditLog, AuditRecord, Principal},
    error::{StorageError, StorageErrorKind},
    memory::MemoryStore,
    ports::{
        control::Control,
        tombstones::{TombstoneOutcome, Tombstones},
    },
};

impl MemoryStore {
    fn audited(&self, record: Option<AuditRecord>) {
        self.audit.lock().extend(record);
    }
}

/// In the order of the changes.
#[async_trait]
impl AuditLog for MemoryStore {
    async fn add(&self, records: &[AuditRecord]) -> Result<(), StorageError> {
        drop(self.up()?);
        self.audit.lock().extend_from_slice(records);
        Ok(())
    }

    async fn newest(
        &self,
        filter: &AuditFilter,
        before: Option<(Timestamp, String)>,
        limit: usize,
    ) -> Result<Vec<AuditRecord>, StorageError> {
        drop(self.up()?);
        let is_before = |record: &&AuditRecord| {
            let is_before = before.as_ref().is_none_or(|(at, id)| (record.at, &record.id) < (*at, id));
            is_before && filter.admits(record)
        };
        Ok(self.audit.lock().iter().rev().filter(is_before).take(limit).cloned().collect())
    }

    async fn expire(&self, before: Timestamp, _: usize) -> Result<usize, StorageError> {
        drop(self.up()?);
        let mut audit = self.audit.lock();
        let all = audit.len();
        audit.retain(|record| record.at >= before);
        Ok(all - audit.len())
    }
}

#[async_trait]
impl Control for MemoryStore {
    async fn retry(
        &self,
        run: &RunId,
        seen: i32,
        audit: Option<&AuditRecord>,
    ) -> Result<Option<i32>, StorageError> {
        let mut runs = self.up()?;
        let is_deleted = self.lock_buried().contains_key(run);
        let entry = runs.get_mut(run).filter(|entry| {
            let has_failed = matches!(entry.status, RunStatus::Failed | RunStatus::Cancelled);
            !is_deleted && has_failed && entry.generation == seen
        });
        let Some(entry) = entry else { return Ok(None) };
        let old = entry.status;
        entry.reopen();
        entry.generation += 1;
        self.audited(audit.map(|audit| audit.of_retry(old, entry.generation)));
        entry.epoch += 1;
        entry.attempts = 0;
        entry.owner = None;
        Ok(Some(entry.generation))
    }

    async fn cancel(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at: Timestamp,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        let mut runs = self.up()?;
        let entry = runs.get_mut(run).filter(|entry| entry.status == RunStatus::Processing);
        let Some(entry) = entry else { return Ok(false) };
        self.audited(audit.map(|audit| audit.of_cancel(entry.status)));
        entry.status = RunStatus::Cancelled;
        entry.epoch += 1;
        entry.owner = None;
        entry.failure = Some(failure.clone());
        entry.finished_at = Some(at.max(entry.new.accepted_at));
        Ok(true)
    }
}

#[async_trait]
impl Tombstones for MemoryStore {
    async fn create_tombstone(
        &self,
        run: &RunId,
        owner: &Principal,
        audit: Option<&AuditRecord>,
    ) -> Result<TombstoneOutcome, StorageError> {
        let runs = self.up()?;
        if runs.get(run).is_some_and(|entry| entry.status == RunStatus::Processing) {
            return Ok(TombstoneOutcome::Running);
        }
        let owner = runs.get(run).map_or(owner, |entry| &entry.new.request.principal);
        self.lock_buried().entry(run.clone()).or_insert_with(|| {
            let old = runs.get(run).map(|entry| entry.status);
            self.audited(audit.map(|audit| audit.of_delete(old)));
            owner.clone()
        });
        Ok(TombstoneOutcome::Done { had_run: runs.contains_key(run) })
    }

    async fn deleted_owner(&self, run: &RunId) -> Result<Option<Principal>, StorageError> {
        drop(self.up()?);
        Ok(self.lock_buried().get(run).cloned())
    }

    async fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        let mut runs = self.up()?;
        if !self.lock_buried().contains_key(run) {
            return Err(StorageError::new(StorageErrorKind::Invalid, "the run has no tombstone"));
        }
        runs.remove(run);
        Ok(())
    }

    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        let runs = self.up()?;
        Ok(self.lock_buried().keys().filter(|run| runs.contains_key(*run)).cloned().collect())
    }
}

//! Keeps runs in memory, for tests: the shortest implementation of the storage rules.

mod commands;
mod queries;

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use foundation::clock::{SystemClock, timer_now};
use parking_lot::{Mutex, MutexGuard};
use pipeline::{
    clock::{Clock as _, Timestamp},
    failure::RunFailure,
    record::StageRecord,
    run::{RunId, RunStatus, Stage},
};
use tokio::time::Instant;

use crate::{
    control_plane::{AuditRecord, Principal},
    error::{StorageError, StorageErrorKind},
    ports::{
        lifecycle::{Acceptance, Claim, Fence, Lease, Lifecycle, WaitingRuns},
        stages::Stages,
    },
    run::{End, RunSubmission},
    term::Term,
    waiting::{Postponement, SHARED_ATTEMPTS_MAX, WAITING_OWNER, Waiting},
};

/// The lease until the first renewal.
const ADOPTED_LEASE: std::time::Duration = std::time::Duration::from_secs(15);

/// The runs of one process. It takes the place of a database in tests.
#[derive(Debug, Default)]
pub struct MemoryStore {
    runs: Mutex<HashMap<RunId, Entry>>,
    buried: Mutex<HashMap<RunId, Principal>>,
    audit: Mutex<Vec<AuditRecord>>,
    outage: Mutex<Option<StorageError>>,
}

#[derive(Debug)]
struct Entry {
    new: RunSubmission,
    status: RunStatus,
    generation: i32,
    epoch: i32,
    attempts: i32,
    owner: Option<(String, Instant)>,
    waiting: Option<Waiting>,
    stages: BTreeMap<Stage, (StageRecord, String)>,
    unsynced: HashSet<Option<Stage>>,
    report: Option<String>,
    failure: Option<RunFailure>,
    lost_usd: f64,
    finished_at: Option<Timestamp>,
}

impl MemoryStore {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes every call fail with this error, until it is cleared.
    pub fn set_outage(&self, outage: Option<StorageError>) {
        *self.outage.lock() = outage;
    }

    /// The stages that the other store lacks (none: the run's end).
    #[must_use]
    pub fn unsynced(&self, run: &RunId) -> HashSet<Option<Stage>> {
        self.lock().get(run).map(|entry| entry.unsynced.clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Entry>> {
        self.runs.lock()
    }

    fn lock_buried(&self) -> MutexGuard<'_, HashMap<RunId, Principal>> {
        self.buried.lock()
    }

    fn up(&self) -> Result<MutexGuard<'_, HashMap<RunId, Entry>>, StorageError> {
        match &*self.outage.lock() {
            Some(error) => Err(error.clone()),
            None => Ok(self.lock()),
        }
    }
}

impl Entry {
    fn is_free(&self) -> bool {
        self.owner.as_ref().is_none_or(|(_, until)| *until <= timer_now())
    }

    fn is_claimable(&self, claim: &Claim<'_>) -> bool {
        self.status == RunStatus::Processing
            && !claim.held.contains(&self.new.id)
            && match (claim.waiting, self.waiting.filter(|waiting| waiting.until.is_some())) {
                (WaitingRuns::None | WaitingRuns::Due, None) => {
                    self.owner.is_none() || (claim.expired && self.is_free())
                }
                (WaitingRuns::None, Some(_)) | (WaitingRuns::Overdue(_), None) => false,
                (WaitingRuns::Due, Some(_)) => self.is_free(),
                (WaitingRuns::Overdue(limit), Some(waiting)) => {
                    waiting.reason.code().is_some() && waiting.has_lasted(limit, SystemClock::default().now())
                }
            }
    }

    fn term(&self) -> Term {
        Term { generation: self.generation, epoch: self.epoch }
    }

    fn is_held_by(&self, fence: &Fence) -> bool {
        self.status == RunStatus::Processing
            && self.term() == fence.term()
            && self.owner.as_ref().is_some_and(|(owner, _)| *owner == fence.owner)
    }

    /// Undoes the end of a run.
    fn reopen(&mut self) {
        self.status = RunStatus::Processing;
        self.finished_at = None;
        self.failure = None;
        self.waiting = None;
    }

    fn take(&mut self, lease: &Lease) -> Fence {
        self.epoch += 1;
        // A worker that finds its own run again has not crashed.
        let is_new = self.owner.as_ref().is_none_or(|(owner, _)| *owner != lease.owner);
        let attempt = self.attempts + i32::from(is_new);
        self.attempts = self.attempts.max(attempt.min(SHARED_ATTEMPTS_MAX));
        if let Some(waiting) = &mut self.waiting {
            waiting.until = None;
        }
        self.owner = Some((lease.owner.clone(), timer_now() + lease.duration));
        Fence {
            run: self.new.id.clone(),
            owner: lease.owner.clone(),
            epoch: self.epoch,
            generation: self.generation,
            attempt,
            owns_row: true,
            row_stages: self.stages.keys().copied().collect(),
        }
    }
}

fn fenced(fence: &Fence) -> StorageError {
    StorageError::new(StorageErrorKind::Fenced, format!("run {} belongs to another worker", fence.run))
}

#[async_trait]
impl Lifecycle for MemoryStore {
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError> {
        let mut runs = self.up()?;
        if let Some(owner) = self.lock_buried().get(&run.id) {
            let is_ours = *owner == run.request.principal;
            return Ok(if is_ours { Acceptance::Deleted } else { Acceptance::RequestMismatch });
        }
        if let Some(entry) = runs.get(&run.id) {
            let is_same = entry.new.request.is_same(&run.request);
            return Ok(if is_same {
                Acceptance::Existing(entry.status)
            } else {
                Acceptance::RequestMismatch
            });
        }
        let entry = runs.entry(run.id.clone()).or_insert_with(|| Entry {
            new: run.clone(),
            status: RunStatus::Processing,
            generation: 1,
            epoch: 0,
            attempts: 0,
            owner: None,
            waiting: None,
            stages: BTreeMap::new(),
            unsynced: HashSet::new(),
            report: None,
            failure: None,
            lost_usd: 0.0,
            finished_at: None,
        });
        Ok(Acceptance::New(lease.map(|lease| entry.take(lease))))
    }

    async fn adopt(&self, run: &RunSubmission, fence: &Fence) -> Result<(), StorageError> {
        match self.accept(run, None).await? {
            Acceptance::RequestMismatch => {
                let what = "the run has another request";
                return Err(StorageError::new(StorageErrorKind::Conflict, what));
            }
            Acceptance::Deleted => return Err(fenced(fence)),
            Acceptance::New(_) | Acceptance::Existing(_) => {}
        }
        let mut runs = self.up()?;
        let entry = runs.get_mut(&run.id).filter(|entry| {
            let is_ours = entry.owner.as_ref().is_some_and(|(owner, _)| *owner == fence.owner);
            let is_open = entry.status == RunStatus::Processing && (entry.is_free() || is_ours);
            let is_retried = matches!(entry.status, RunStatus::Failed | RunStatus::Cancelled)
                && entry.generation < fence.generation;
            (is_open || is_retried) && entry.generation <= fence.generation && entry.epoch <= fence.epoch
        });
        let entry = entry.ok_or_else(|| fenced(fence))?;
        if entry.generation < fence.generation {
            entry.reopen();
        }
        entry.generation = fence.generation;
        entry.epoch = fence.epoch;
        entry.attempts = fence.counted_attempts();
        entry.owner = Some((fence.owner.clone(), timer_now() + ADOPTED_LEASE));
        Ok(())
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        let mut runs = self.up()?;
        let mut waiting: Vec<&mut Entry> =
            runs.values_mut().filter(|entry| entry.is_claimable(&claim)).collect();
        waiting.sort_by(|left, right| {
            (left.new.accepted_at, &left.new.id).cmp(&(right.new.accepted_at, &right.new.id))
        });
        Ok(waiting.into_iter().take(claim.limit).map(|entry| entry.take(claim.lease)).collect())
    }

    async fn renew(&self, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let mut runs = self.up()?;
        let mut lost = Vec::new();
        for fence in fences {
            match runs.get_mut(&fence.run).filter(|entry| entry.is_held_by(fence)) {
                Some(entry) => entry.owner = Some((lease.owner.clone(), timer_now() + lease.duration)),
                None => lost.push(fence.run.clone()),
            }
        }
        Ok(lost)
    }

    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let runs = self.up()?;
        let is_held = |fence: &&Fence| runs.get(&fence.run).is_some_and(|entry| entry.is_held_by(fence));
        Ok(fences.iter().filter(|fence| !is_held(fence)).map(|fence| fence.run.clone()).collect())
    }

    async fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        let mut runs = self.up()?;
        let entry = runs.get_mut(&fence.run).filter(|entry| entry.status == RunStatus::Processing);
        let entry = entry.ok_or_else(|| fenced(fence))?;
        if !entry.is_held_by(fence) {
            let is_anothers = entry.owner.as_ref().is_some_and(|(owner, _)| *owner != fence.owner);
            if is_anothers && entry.epoch > fence.epoch {
                entry.attempts = (entry.attempts - 1).max(0);
            }
            return Err(fenced(fence));
        }
        entry.owner = None;
        entry.attempts = fence.undone(entry.attempts);
        Ok(())
    }

    async fn put_back(&self, fence: &Fence, postponement: &Postponement) -> Result<(), StorageError> {
        let mut runs = self.up()?;
        let entry = runs.get_mut(&fence.run).ok_or_else(|| fenced(fence))?;
        let is_waiting = entry.owner.as_ref().is_some_and(|(owner, _)| owner == WAITING_OWNER);
        if is_waiting && entry.term() == fence.term() {
            return Ok(());
        }
        if !entry.is_held_by(fence) {
            return Err(fenced(fence));
        }
        entry.owner = Some((WAITING_OWNER.to_owned(), timer_now() + postponement.wait));
        entry.attempts = fence.undone(entry.attempts);
        entry.lost_usd += postponement.lost_usd;
        entry.waiting = Some(Waiting::after(entry.waiting, postponement, SystemClock::default().now()));
        Ok(())
    }

    async fn count_attempt(&self, fence: &Fence) -> Result<(), StorageError> {
        let mut runs = self.up()?;
        let entry = runs.get_mut(&fence.run).filter(|entry| entry.is_held_by(fence));
        let entry = entry.ok_or_else(|| fenced(fence))?;
        entry.attempts = entry.attempts.max(fence.attempt);
        Ok(())
    }

    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError> {
        let mut runs = self.up()?;
        let entry = runs.get_mut(&fence.run).ok_or_else(|| fenced(fence))?;
        if entry.term() == fence.term() && entry.status == end.status() {
            return Ok(());
        }
        if !entry.is_held_by(fence) {
            return Err(fenced(fence));
        }
        match end {
            End::Completed { report, .. } => entry.report = Some(report.to_owned()),
            End::Failed(failure) => {
                entry.lost_usd += failure.usage.cost_usd;
                entry.failure = Some(failure.clone());
            }
        }
        entry.status = end.status();
        entry.finished_at = Some(at.max(entry.new.accepted_at));
        entry.owner = None;
        Ok(())
    }

    async fn probe(&self) -> Result<(), StorageError> {
        self.up().map(drop)
    }
}

#[async_trait]
impl Stages for MemoryStore {
    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        let sha256 = record
            .sha256()
            .map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))?;
        let mut runs = self.up()?;
        let entry = runs.get_mut(&fence.run).filter(|entry| entry.is_held_by(fence));
        let entry = entry.ok_or_else(|| fenced(fence))?;
        let (_, existing) =
            entry.stages.entry(record.meta.stage).or_insert_with(|| (record.clone(), sha256.clone()));
        if *existing == sha256 {
            entry.attempts = 0;
            entry.waiting = None;
            return Ok(());
        }
        Err(StorageError::new(StorageErrorKind::Conflict, "another record is there already"))
    }

    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        let mut runs = self.up()?;
        let entry = runs.get_mut(&fence.run).filter(|entry| entry.epoch == fence.epoch);
        let entry = entry.ok_or_else(|| fenced(fence))?;
        if stages.is_empty() {
            entry.unsynced.insert(None);
        }
        entry.unsynced.extend(stages.iter().copied().map(Some));
        Ok(())
    }
}

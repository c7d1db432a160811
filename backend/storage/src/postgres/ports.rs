//! Implements the ports of the store by their statements.

use std::collections::BTreeMap;

use async_trait::async_trait;
use foundation::clock::timer_now;
use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    record::StageRecord,
    run::{RunId, Stage},
};
use tokio::time::Instant;

use crate::{
    control_plane::{AuditRecord, Principal},
    error::StorageError,
    ports::{
        clock_skew::ClockSkew,
        combined::{Alone, Combined, Leave},
        control::Control,
        lifecycle::{Acceptance, Claim, Fence, Lease, Lifecycle},
        listing::{FrontendRun, Listing, RunPage, RunQueries},
        queue_stats::QueueStats,
        replicas::{Replica, ReplicaRegistry},
        stages::Stages,
        tombstones::{TombstoneOutcome, Tombstones},
    },
    postgres::{
        control_plane::json::text_of,
        leases::{claim, lost, postpone, renew},
        pool::{
            connections::bounded,
            db_error::Access,
            probe::{self, Weight},
        },
        queue_stats, replicas,
        runs::{accept, adopt, fail, finish, list, load, retry_cancel, tombstones},
        stages::write,
        store::PostgresStore,
        values::frontend_rows,
    },
    run::{End, RunRecord, RunSubmission},
    waiting::{Postponement, WaitReason},
};

impl PostgresStore {
    async fn probed(&self, weight: Weight) -> Result<(), StorageError> {
        let clock = self.clock.as_deref();
        let skew = bounded!(self.pool, Access::Read, |conn| probe::probe(conn, weight, clock))?;
        self.note_skew(skew);
        Ok(())
    }

    /// Reports a write that may share its statement with others, in the task of its run. The statement itself is reported by
    /// the task that sends it. A write that is sent alone afterwards reports itself.
    fn observe_combined(&self, operation: &'static str, began: Instant, ended: &Combined) {
        match ended {
            Combined::Stored => self.pool.observe(operation, began.elapsed(), None),
            Combined::Failed(error) => self.pool.observe(operation, began.elapsed(), Some(error.kind)),
            Combined::Alone(_) | Combined::Left => {}
        }
    }
}

#[async_trait]
impl Lifecycle for PostgresStore {
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError> {
        bounded!(self.pool, Access::Write, |conn| accept::accept(conn, run, lease))
    }

    async fn adopt(&self, run: &RunSubmission, fence: &Fence) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| adopt::adopt(conn, run, fence))
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        let last_user = self.last_user.lock().clone();
        let claimed = bounded!(self.pool, Access::Write, |conn| claim::claim(conn, claim, last_user))?;
        *self.last_user.lock() = claimed.last_user;
        Ok(claimed.fences)
    }

    async fn renew(&self, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        if fences.is_empty() {
            return Ok(Vec::new());
        }
        bounded!(self.pool, Access::Write, |conn| renew::renew(conn, lease, fences))
    }

    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| lost::lost_leases(conn, fences))
    }

    async fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| renew::release(conn, fence))
    }

    async fn put_back(&self, fence: &Fence, postponement: &Postponement) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| postpone::postpone(conn, fence, postponement))
    }

    async fn count_attempt(&self, fence: &Fence) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| postpone::count_attempt(conn, fence))
    }

    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError> {
        let rows = frontend_rows(end, at)?;
        let tells = self.telling.is_some();
        let finished = bounded!(self.pool, Access::Write, |conn| finish::finish(
            conn,
            fence,
            end,
            rows.as_ref(),
            at,
            tells
        ));
        self.wake_dispatcher(finished)
    }

    async fn finish_combined(
        &self,
        fence: &Fence,
        end: End<'_>,
        at: Timestamp,
        leave: Leave<'_>,
    ) -> Result<Combined, StorageError> {
        let rows = frontend_rows(end, at)?;
        let began = timer_now();
        let ended = match (end, rows) {
            (End::Completed { records, report }, Some(rows)) => {
                let row = finish::EndRow::new(fence, (records, report), rows, at);
                self.shared.end(&self.pool, row, self.telling.is_some(), leave).await
            }
            (End::Completed { .. }, None) => Combined::Alone(Alone::default()),
            (End::Failed(failure), _) => {
                let row = fail::FailRow::new(fence, failure, (end.status(), at));
                self.shared.failure(&self.pool, row, leave).await
            }
        };
        self.observe_combined("finish", began, &ended);
        if let (Combined::Stored, Some(wake)) = (&ended, &self.telling) {
            wake.notify_one();
        }
        Ok(ended)
    }

    async fn probe(&self) -> Result<(), StorageError> {
        self.probed(Weight::Light).await
    }

    async fn prove_recovery(&self) -> Result<(), StorageError> {
        self.probed(Weight::Stage).await
    }

    fn clock_skew(&self) -> Option<ClockSkew> {
        *self.skew.lock()
    }
}

#[async_trait]
impl Stages for PostgresStore {
    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        let new = write::Stored::new(record)?;
        bounded!(self.pool, Access::Write, |conn| write::store(conn, fence, &new))
    }

    async fn store_stage_combined(
        &self,
        fence: &Fence,
        record: &StageRecord,
        leave: Leave<'_>,
    ) -> Result<Combined, StorageError> {
        let row = write::StageRow { fence: fence.clone(), new: write::Stored::new(record)? };
        let began = timer_now();
        let stored = self.shared.stage(&self.pool, row, leave).await;
        self.observe_combined("store_stage", began, &stored);
        Ok(stored)
    }

    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| write::mark_unsynced(conn, fence, stages))
    }
}

#[async_trait]
impl RunQueries for PostgresStore {
    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| load::load(conn, run))
    }

    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        bounded!(self.pool, Access::Read, |conn| list::list(conn, listing))
    }

    async fn frontend_run(&self, run: &RunId) -> Result<Option<FrontendRun>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| load::frontend_run(conn, run))
    }
}

#[async_trait]
impl Control for PostgresStore {
    async fn retry(
        &self,
        run: &RunId,
        seen: i32,
        audit: Option<&AuditRecord>,
    ) -> Result<Option<i32>, StorageError> {
        let audit = audit.map(text_of).transpose()?;
        let audit = audit.as_deref();
        bounded!(self.pool, Access::Write, |conn| retry_cancel::retry(conn, run, seen, audit))
    }

    async fn cancel(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at: Timestamp,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        let audit = audit.map(text_of).transpose()?;
        let audit = audit.as_deref();
        bounded!(self.pool, Access::Write, |conn| retry_cancel::cancel(conn, run, failure, at, audit))
    }

    async fn end_step(&self, run: &RunId, failure: &RunFailure) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| retry_cancel::end_step(conn, run, failure))
    }
}

#[async_trait]
impl Tombstones for PostgresStore {
    async fn create_tombstone(
        &self,
        run: &RunId,
        owner: &Principal,
        audit: Option<&AuditRecord>,
    ) -> Result<TombstoneOutcome, StorageError> {
        let audit = audit.map(text_of).transpose()?;
        let audit = audit.as_deref();
        bounded!(self.pool, Access::Write, |conn| tombstones::create_tombstone(conn, run, owner, audit))
    }

    async fn deleted_owner(&self, run: &RunId) -> Result<Option<Principal>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| tombstones::deleted_owner(conn, run))
    }

    async fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| tombstones::remove(conn, run))
    }

    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| tombstones::pending_purges(conn))
    }
}

#[async_trait]
impl ReplicaRegistry for PostgresStore {
    async fn replicas(&self) -> Result<Vec<Replica>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| replicas::replicas(conn))
    }

    async fn heartbeat(&self, replica: &Replica) -> Result<Vec<String>, StorageError> {
        bounded!(self.pool, Access::Write, |conn| replicas::heartbeat(conn, replica))
    }

    async fn leave(&self, replica_id: &str) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| replicas::leave(conn, replica_id))
    }
}

#[async_trait]
impl QueueStats for PostgresStore {
    async fn queue_depth(&self, at_most: usize) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Read, |conn| queue_stats::queue_depth(conn, at_most))
    }

    async fn waiting(&self, at_most: usize) -> Result<BTreeMap<WaitReason, usize>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| queue_stats::waiting(conn, at_most))
    }

    async fn conflicts(&self, at_most: usize) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Read, |conn| queue_stats::conflicts(conn, at_most))
    }
}

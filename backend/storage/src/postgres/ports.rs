//! Implements the ports of the store by their statements.

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
        replicas::{Replica, ReplicaRegistry},
        store::Store,
    },
    postgres::{
        leases::{claim, renew},
        pool::{connections::bounded, db_error::Access, probe},
        replicas,
        runs::{accept, adopt, finish, load},
        stages::write,
        store::PostgresStore,
        values::frontend_rows,
    },
    run::{End, RunRecord, RunSubmission},
};

#[async_trait]
impl Store for PostgresStore {
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

    async fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| renew::release(conn, fence))
    }

    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| load::load(conn, run))
    }

    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        let new = write::Stored::new(record)?;
        bounded!(self.pool, Access::Write, |conn| write::store(conn, fence, &new))
    }

    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| write::mark_unsynced(conn, fence, stages))
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

    async fn probe(&self) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Read, |conn| probe::probe(conn))
    }
}

#[async_trait]
impl ReplicaRegistry for PostgresStore {
    async fn queue_depth(&self, at_most: usize) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Read, |conn| replicas::queue_depth(conn, at_most))
    }

    async fn conflicts(&self, at_most: usize) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Read, |conn| replicas::conflicts(conn, at_most))
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| replicas::replicas(conn))
    }

    async fn heartbeat(&self, replica: &Replica) -> Result<bool, StorageError> {
        bounded!(self.pool, Access::Write, |conn| replicas::heartbeat(conn, replica))
    }

    async fn leave(&self, replica_id: &str) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| replicas::leave(conn, replica_id))
    }
}

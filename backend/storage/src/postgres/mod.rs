//! Runs in the database that the frontend shares: the request, the lease, the checkpoints and the result are one row
//! of `PipelineRun`.
//!
//! # Invariants
//!
//! * Every write of a worker is one statement that names its fence: owner, epoch, generation, and a status that is
//!   still `PROCESSING`. No row changed means that somebody else has the run.
//! * Every call is bounded in time from end to end, the wait for a connection included.
//! * Times cross the border to SQL as milliseconds since 1970, JSON as text.

mod accept;
pub mod address;
mod adopt;
mod claim;
pub mod config;
mod control;
mod db_error;
mod finish;
mod lease;
mod list;
mod listen;
mod load;
mod missing_row;
mod notifier;
mod outbox;
mod pool;
mod probe;
mod replicas;
mod stage;
mod steps;
mod sync;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunId, Stage},
};
use tokio::sync::Notify;

pub use self::listen::Listener;
use self::{address::Malformed, config::DatabaseConfig};
use self::{
    db_error::{Access, DbError},
    pool::{Pool, PooledConn, bounded},
};
use crate::{
    error::{StorageError, StorageErrorKind},
    frontend_rows::FrontendRows,
    ports::{
        lifecycle::{Acceptance, Claim, Fence, Lease},
        replicas::{Replica, ReplicaRegistry},
        store::Store,
        sync::{Proof, Row, SyncTarget},
    },
    run::{End, RunRecord, RunSubmission},
};

/// Runs in a PostgreSQL database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: Pool,
    /// The user whose run was claimed last: the next claim begins after them.
    last_user: Arc<Mutex<String>>,
    /// Where the frontend is told of runs: wakes who tells it.
    telling: Option<Arc<Notify>>,
}

/// Connections of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub open: u32,
    pub in_use: u32,
}

impl PostgresStore {
    /// A store at the configured address; none without one. Connects to nothing before it is used. Must be called
    /// within a runtime.
    pub fn new(config: &DatabaseConfig) -> Result<Option<Self>, Malformed> {
        let Some(address) = &config.url else { return Ok(None) };
        Ok(Some(Self { pool: Pool::new(address, config)?, last_user: Arc::default(), telling: None }))
    }

    /// Writes down, with each state change, what the frontend is to be told, and wakes who tells it.
    #[must_use]
    pub fn with_webhooks(self, wake: Option<Arc<Notify>>) -> Self {
        Self { telling: wake, ..self }
    }

    /// Wakes who tells the frontend, if something was written down.
    fn wake_dispatcher<T>(&self, written: Result<T, StorageError>) -> Result<T, StorageError> {
        if let (Ok(_), Some(wake)) = (&written, &self.telling) {
            wake.notify_one();
        }
        written
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let (open, in_use) = self.pool.counts();
        Connections { open, in_use }
    }

    /// Says goodbye to the server; later calls are refused.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError> {
        bounded!(self.pool, Access::Write, |conn| accept::accept(conn, run, lease))
    }

    async fn adopt(&self, run: &RunSubmission, fence: &Fence) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| adopt::adopt(conn, run, fence))
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        let last_user = self.last_user.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let claimed = bounded!(self.pool, Access::Write, |conn| claim::claim(conn, claim, last_user))?;
        *self.last_user.lock().unwrap_or_else(PoisonError::into_inner) = claimed.last_user;
        Ok(claimed.fences)
    }

    async fn renew(&self, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        if fences.is_empty() {
            return Ok(Vec::new());
        }
        bounded!(self.pool, Access::Write, |conn| lease::renew(conn, lease, fences))
    }

    async fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| lease::release(conn, fence))
    }

    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| load::load(conn, run))
    }

    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        let new = stage::Stored::new(record)?;
        bounded!(self.pool, Access::Write, |conn| stage::store(conn, fence, &new))
    }

    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| stage::mark_unsynced(conn, fence, stages))
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

#[async_trait]
impl SyncTarget for PostgresStore {
    async fn read_row(&self, run: &RunId) -> Result<Option<Row>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| load::read_row(conn, run))
    }

    async fn ended_among(&self, runs: &[RunId]) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| sync::ended_among(conn, runs))
    }

    async fn absent_among(&self, runs: &[RunId]) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| missing_row::absent_among(conn, runs))
    }

    async fn tombstones(
        &self,
        after: Option<(Timestamp, Option<&RunId>)>,
        limit: usize,
    ) -> Result<Vec<(RunId, Timestamp)>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| missing_row::tombstones(conn, after, limit))
    }

    async fn fill_stage(
        &self,
        run: &RunId,
        generation: i32,
        record: &StageRecord,
    ) -> Result<(), StorageError> {
        let new = stage::Stored::new(record)?;
        bounded!(self.pool, Access::Write, |conn| sync::fill(conn, run, generation, &new))
    }

    async fn fill_rows(
        &self,
        run: &RunId,
        generation: i32,
        end: End<'_>,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let Some(rows) = frontend_rows(end, at)? else { return Ok(()) };
        bounded!(self.pool, Access::Write, |conn| finish::fill_rows(conn, run, generation, &rows))
    }

    async fn fill_report(&self, run: &RunId, generation: i32, report: &str) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| sync::fill_report(conn, run, generation, report))
    }

    async fn replay(
        &self,
        fence: &Fence,
        new: Option<&RunSubmission>,
        stages: &[&StageRecord],
        end: End<'_>,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let stages = stages.iter().map(|record| stage::Stored::new(record)).collect::<Result<Vec<_>, _>>()?;
        let rows = frontend_rows(end, at)?;
        let replay = sync::Replay {
            new,
            stages: &stages,
            end,
            rows: rows.as_ref(),
            at,
            tells: self.telling.is_some(),
        };
        let replayed = bounded!(self.pool, Access::Write, |conn| sync::replay(conn, fence, &replay));
        self.wake_dispatcher(replayed)
    }

    async fn keep_proof(&self, proof: &Proof) -> Result<bool, StorageError> {
        let json = serde_json::to_string(proof).map_err(|error| {
            StorageError::new(StorageErrorKind::Invalid, format!("a proof is no JSON: {error}"))
        })?;
        bounded!(self.pool, Access::Write, |conn| sync::keep_proof(conn, proof, &json))
    }

    async fn reopen(
        &self,
        fence: &Fence,
        without: &[Stage],
        row_version: &str,
    ) -> Result<bool, StorageError> {
        bounded!(self.pool, Access::Write, |conn| sync::reopen(conn, fence, without, row_version))
    }

    async fn accept_digests(
        &self,
        run: &RunId,
        digests: &BTreeMap<i32, String>,
        row_version: &str,
    ) -> Result<bool, StorageError> {
        bounded!(self.pool, Access::Write, |conn| sync::accept_digests(conn, run, digests, row_version))
    }

    async fn note_conflicts(&self, run: &RunId, numbers: &[i32]) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| sync::note_conflicts(conn, run, numbers))
    }

    async fn ended_since(
        &self,
        since: Option<Timestamp>,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| sync::ended_since(conn, since, after, limit))
    }

    async fn files_incomplete_since(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| sync::files_incomplete_since(conn, after, limit))
    }

    async fn open_since(&self, since: Option<Timestamp>) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Read, |conn| sync::open_since(conn, since))
    }

    async fn expire(&self, before: Timestamp, limit: usize) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Write, |conn| sync::expire(conn, before, limit))
    }
}

/// What the frontend reads of a completed run.
fn frontend_rows(end: End<'_>, at: Timestamp) -> Result<Option<FrontendRows>, StorageError> {
    match end {
        End::Completed { records, report } => {
            FrontendRows::new(records, report, at).map(Some).map_err(|error| refused(&error))
        }
        End::Failed(_) => Ok(None),
    }
}

fn refused(error: &pipeline::record::RecordError) -> StorageError {
    StorageError::new(StorageErrorKind::Invalid, format!("a stage's record {error}"))
}

/// The run is somebody else's now, or has ended.
fn fenced(run: &RunId) -> DbError {
    let what = format!("run {run} has been taken by somebody else, or has ended");
    DbError::Store(StorageError::new(StorageErrorKind::Fenced, what))
}

/// A text without NUL, which no text of Postgres can hold.
fn text(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "").into() } else { text.into() }
}

fn time(millis: Option<i64>) -> Option<Timestamp> {
    millis.and_then(Timestamp::from_timestamp_millis)
}

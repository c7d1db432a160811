//! The statements by which the reconciler reads and repairs rows.

use std::collections::BTreeMap;

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunId, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    part::Part,
    ports::{
        lifecycle::Fence,
        sync::{Expiry, OutlinePage, Proof, Row, RowKey, Standing, SyncTarget},
    },
    postgres::{
        comparison, missing_row,
        pool::{connections::bounded, db_error::Access},
        runs::{finish, load},
        stages::write,
        store::PostgresStore,
        sync,
        values::frontend_rows,
    },
    run::{End, RunSubmission},
};

#[async_trait]
impl SyncTarget for PostgresStore {
    async fn read_row(&self, run: &RunId) -> Result<Option<Row>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| load::read_row(conn, run))
    }

    async fn conflicted(&self, limit: usize) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| sync::conflicted(conn, limit))
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
        let new = write::Stored::new(record)?;
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
        let stages = stages.iter().map(|record| write::Stored::new(record)).collect::<Result<Vec<_>, _>>()?;
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
        digests: &BTreeMap<Part, String>,
        row_version: &str,
    ) -> Result<bool, StorageError> {
        bounded!(self.pool, Access::Write, |conn| sync::accept_digests(conn, run, digests, row_version))
    }

    async fn note_conflicts(&self, run: &RunId, parts: &[Part]) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| sync::note_conflicts(conn, run, parts))
    }

    async fn ended_since(
        &self,
        since: Option<Timestamp>,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| sync::ended_since(conn, since, after, limit))
    }

    async fn outlines(&self, after: Option<&RowKey>, limit: usize) -> Result<OutlinePage, StorageError> {
        bounded!(self.pool, Access::Read, |conn| comparison::outlines(conn, after, limit))
    }

    async fn standings(&self, runs: &[RunId]) -> Result<Vec<(RunId, Standing)>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| comparison::standings(conn, runs))
    }

    async fn identity(&self) -> Result<String, StorageError> {
        bounded!(self.pool, Access::Read, |conn| comparison::identity(conn))
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

    async fn expire(&self, expiry: Expiry, limit: usize) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Write, |conn| sync::expire(conn, expiry, limit))
    }
}

//! Cancels, retries, deletes and lists runs in the database. Each change is one conditional statement, so
//! that of many concurrent callers one succeeds.

use async_trait::async_trait;
use pipeline::{clock::Timestamp, failure::RunFailure, run::RunId};
use sqlx::Row as _;

use crate::{
    error::{StorageError, StorageErrorKind},
    frontend_rows::error_output,
    ports::{
        control::{Control, TombstoneOutcome},
        lifecycle::Fence,
        listing::{FrontendRun, Listing, RunPage},
    },
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        runs::list,
        stages::frontend_steps::{end_at_step, seconds_until, step_of_row},
        store::PostgresStore,
        values::{run_id, text},
    },
};

/// $1 owner, $2 runs, $3 their epochs, $4 their generations
const LOST: &str = r#"
SELECT mine."id" FROM unnest($2::text[], $3::int4[], $4::int4[]) AS mine("id", "epoch", "generation")
WHERE NOT EXISTS (
  SELECT FROM "PipelineRun" r WHERE r."id" = mine."id" AND r."leaseOwner" = $1 AND r."leaseEpoch" = mine."epoch"
    AND r."generation" = mine."generation" AND r."status" = 'PROCESSING'
)"#;

async fn lost_leases(conn: &mut PooledConn<'_>, fences: &[Fence]) -> Result<Vec<RunId>, DbError> {
    let Some(first) = fences.first() else { return Ok(Vec::new()) };
    let rows = conn
        .query(LOST)
        .bind(&first.owner)
        .bind(fences.iter().map(|fence| fence.run.as_str()).collect::<Vec<_>>())
        .bind(fences.iter().map(|fence| fence.epoch).collect::<Vec<_>>())
        .bind(fences.iter().map(|fence| fence.generation).collect::<Vec<_>>())
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter().map(|row| run_id(row.try_get("id")?)).collect()
}

/// Reads the epoch in a separate statement. A deletion raises the epoch, so this statement or the next one
/// detects a deletion in between. $1 run, $2 the generation that was seen
const RETRYABLE: &str = r#"
SELECT "leaseEpoch" FROM "PipelineRun"
WHERE "id" = $1 AND "generation" = $2 AND "status" IN ('FAILED', 'CANCELLED') AND "acceptedAt" IS NOT NULL
  AND NOT EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1)"#;

/// $1 run, $2 the generation that was seen, $3 the epoch
const RETRY: &str = r#"
WITH again AS (
  UPDATE "PipelineRun" SET "status" = 'PROCESSING', "generation" = "generation" + 1, "leaseEpoch" = "leaseEpoch" + 1,
    "attempts" = 0, "leaseOwner" = NULL, "leaseUntil" = NULL, "completedAt" = NULL, "duration" = NULL,
    "errorCode" = NULL, "errorStage" = NULL, "errorMessage" = NULL, "errorCanRetry" = NULL,
    "stageStartedAt" = NULL, "conflictedStages" = '{}', "updatedAt" = now()
  WHERE "id" = $1 AND "generation" = $2 AND "leaseEpoch" = $3 AND "status" IN ('FAILED', 'CANCELLED')
  RETURNING "id", "generation"
)
SELECT "generation", pg_notify('innovation_runs', "id")::text FROM again"#;

async fn retry(conn: &mut PooledConn<'_>, run: &RunId, seen: i32) -> Result<Option<i32>, DbError> {
    let row = conn.query(RETRYABLE).bind(run.as_str()).bind(seen).fetch_optional(conn.connection()?).await?;
    let Some(row) = row else { return Ok(None) };
    let epoch: i32 = row.try_get("leaseEpoch")?;
    let row = conn
        .query(RETRY)
        .bind(run.as_str())
        .bind(seen)
        .bind(epoch)
        .fetch_optional(conn.connection()?)
        .await?;
    row.map(|row| Ok(row.try_get("generation")?)).transpose()
}

/// $1 run, $2 when (ms), $3 to $6 the failure, $7 the output of the step that it stopped at
const CANCEL: &str = concat!(
    r#"
WITH stopped AS (
  UPDATE "PipelineRun" SET "status" = 'CANCELLED', "leaseEpoch" = "leaseEpoch" + 1, "leaseOwner" = NULL,
    "leaseUntil" = NULL,
    "completedAt" = GREATEST(to_timestamp($2::float8 / 1000) AT TIME ZONE 'UTC', "createdAt"),
    "duration" = "#,
    seconds_until!("$2"),
    r#",
    "errorCode" = $3, "errorStage" = $4, "errorMessage" = $5, "errorCanRetry" = $6, "updatedAt" = now()
  WHERE "id" = $1 AND "status" = 'PROCESSING'
  RETURNING "id", "status", "completedAt", "#,
    step_of_row!(),
    r#" AS "step"
),
"#,
    end_at_step!("stopped", "$7"),
    r#"
SELECT pg_notify('innovation_cancelled', "id")::text FROM stopped"#
);

async fn cancel(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    failure: &RunFailure,
    at: Timestamp,
) -> Result<bool, DbError> {
    let row = conn
        .query(CANCEL)
        .bind(run.as_str())
        .bind(at.timestamp_millis())
        .bind(failure.code.as_str())
        .bind(failure.stage.map(|stage| i32::from(stage.number())))
        .bind(text(&failure.message))
        .bind(failure.can_retry)
        .bind(text(&error_output(Some(failure))))
        .fetch_optional(conn.connection()?)
        .await?;
    Ok(row.is_some())
}

/// Creates a tombstone and raises the epoch, so that a concurrent retry fails. A run without a row gets a
/// tombstone too, because the files may hold it. $1 run
const CREATE_TOMBSTONE: &str = r#"
WITH found AS (SELECT "status"::text FROM "PipelineRun" WHERE "id" = $1),
ended AS (
  UPDATE "PipelineRun" SET "leaseEpoch" = "leaseEpoch" + 1, "updatedAt" = now()
  WHERE "id" = $1 AND "status" <> 'PROCESSING' RETURNING "generation"
),
buried AS (
  INSERT INTO "RunTombstone" AS t ("runId", "generation")
  SELECT $1, known."generation"
  FROM (SELECT "generation" FROM ended UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT FROM found)) AS known
  ON CONFLICT ("runId") DO UPDATE SET "generation" = GREATEST(t."generation", EXCLUDED."generation")
  RETURNING "runId"
)
SELECT EXISTS (SELECT FROM buried) AS "isDeleted", EXISTS (SELECT FROM found) AS "hadRun""#;

async fn create_tombstone(conn: &mut PooledConn<'_>, run: &RunId) -> Result<TombstoneOutcome, DbError> {
    let row = conn.query(CREATE_TOMBSTONE).bind(run.as_str()).fetch_one(conn.connection()?).await?;
    let (is_deleted, had_run) = (row.try_get("isDeleted")?, row.try_get("hadRun")?);
    Ok(if is_deleted { TombstoneOutcome::Done { had_run } } else { TombstoneOutcome::Running })
}

const IS_DELETED: &str = r#"SELECT EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1) AS "isDeleted""#;

async fn is_deleted(conn: &mut PooledConn<'_>, run: &RunId) -> Result<bool, DbError> {
    let row = conn.query(IS_DELETED).bind(run.as_str()).fetch_one(conn.connection()?).await?;
    Ok(row.try_get("isDeleted")?)
}

/// Deletes the row and its dependent rows. $1 run
const REMOVE: &str = r#"
WITH untold AS (
  DELETE FROM "WebhookDelivery"
  WHERE "runId" = $1 AND EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1)
)
DELETE FROM "PipelineRun" WHERE "id" = $1 AND EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1)"#;

async fn remove(conn: &mut PooledConn<'_>, run: &RunId) -> Result<(), DbError> {
    conn.query(REMOVE).bind(run.as_str()).execute(conn.connection()?).await?;
    if is_deleted(conn, run).await? {
        return Ok(());
    }
    let what = format!("run {run} has no tombstone in the database");
    Err(DbError::Store(StorageError::new(StorageErrorKind::Invalid, what)))
}

/// Lists a limited number. The caller removes them and asks again.
const PENDING_PURGES: &str = r#"
SELECT r."id" FROM "RunTombstone" t JOIN "PipelineRun" r ON r."id" = t."runId" ORDER BY t."deletedAt" LIMIT 500"#;

async fn pending_purges(conn: &mut PooledConn<'_>) -> Result<Vec<RunId>, DbError> {
    let rows = conn.query(PENDING_PURGES).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| run_id(row.try_get("id")?)).collect()
}

/// $1 run, $2 output
const END_STEP: &str = r#"
UPDATE "StageOutput" AS o SET "status" = r."status", "output" = $2,
  "completedAt" = COALESCE(r."completedAt", now() AT TIME ZONE 'UTC')
FROM "PipelineRun" r
WHERE r."id" = $1 AND r."status" IN ('FAILED', 'CANCELLED') AND o."runId" = r."id" AND o."status" = 'PROCESSING'"#;

async fn end_step(conn: &mut PooledConn<'_>, run: &RunId, failure: &RunFailure) -> Result<(), DbError> {
    let output = error_output(Some(failure));
    conn.query(END_STEP).bind(run.as_str()).bind(text(&output)).execute(conn.connection()?).await?;
    Ok(())
}

const FRONTEND_RUN: &str = r#"
SELECT "companyName", "documentUrl", "acceptedAt" IS NOT NULL AS "isAccepted" FROM "PipelineRun"
WHERE "id" = $1 AND NOT EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1)"#;

async fn frontend_run(conn: &mut PooledConn<'_>, run: &RunId) -> Result<Option<FrontendRun>, DbError> {
    let row = conn.query(FRONTEND_RUN).bind(run.as_str()).fetch_optional(conn.connection()?).await?;
    row.map(|row| {
        Ok(FrontendRun {
            company_name: row.try_get("companyName")?,
            document_url: row.try_get("documentUrl")?,
            is_accepted: row.try_get("isAccepted")?,
        })
    })
    .transpose()
}

#[async_trait]
impl Control for PostgresStore {
    async fn frontend_run(&self, run: &RunId) -> Result<Option<FrontendRun>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| frontend_run(conn, run))
    }

    async fn end_step(&self, run: &RunId, failure: &RunFailure) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| end_step(conn, run, failure))
    }

    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        bounded!(self.pool, Access::Read, |conn| list::list(conn, listing))
    }

    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| lost_leases(conn, fences))
    }

    async fn retry(&self, run: &RunId, seen: i32) -> Result<Option<i32>, StorageError> {
        bounded!(self.pool, Access::Write, |conn| retry(conn, run, seen))
    }

    async fn cancel(&self, run: &RunId, failure: &RunFailure, at: Timestamp) -> Result<bool, StorageError> {
        bounded!(self.pool, Access::Write, |conn| cancel(conn, run, failure, at))
    }

    async fn create_tombstone(&self, run: &RunId) -> Result<TombstoneOutcome, StorageError> {
        bounded!(self.pool, Access::Write, |conn| create_tombstone(conn, run))
    }

    async fn is_deleted(&self, run: &RunId) -> Result<bool, StorageError> {
        bounded!(self.pool, Access::Read, |conn| is_deleted(conn, run))
    }

    async fn remove(&self, run: &RunId) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| remove(conn, run))
    }

    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| pending_purges(conn))
    }
}

//! Retry and cancel, each one conditional statement, so that of many at once one does it.

use pipeline::{clock::Timestamp, failure::RunFailure, run::RunId};
use sqlx::Row as _;

use crate::{
    frontend_rows::error_output,
    postgres::{
        control_plane::audit::audited,
        pool::{connections::PooledConn, db_error::DbError},
        stages::frontend_steps::{end_at_step, seconds_until, step_of_row},
        values::text,
    },
};

/// Reads the epoch in a separate statement. A deletion raises the epoch, so this statement or the next one
/// detects a deletion in between. $1 run, $2 the generation that was seen
const RETRYABLE: &str = r#"
SELECT "leaseEpoch" FROM "PipelineRun"
WHERE "id" = $1 AND "generation" = $2 AND "status" IN ('FAILED', 'CANCELLED') AND "acceptedAt" IS NOT NULL
  AND NOT EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1)"#;

/// $1 run, $2 the generation that was seen, $3 the epoch. The epoch also keeps the status that the snapshot shows.
macro_rules! retry {
    ($audited:expr) => {
        concat!(
            r#"
WITH again AS (
  UPDATE "PipelineRun" SET "status" = 'PROCESSING', "generation" = "generation" + 1, "leaseEpoch" = "leaseEpoch" + 1,
    "attempts" = 0, "leaseOwner" = NULL, "leaseUntil" = NULL, "waitingReason" = NULL, "waitingSince" = NULL, "completedAt" = NULL, "duration" = NULL,
    "errorCode" = NULL, "errorStage" = NULL, "errorMessage" = NULL, "errorCanRetry" = NULL,
    "stageStartedAt" = NULL, "conflictedStages" = '{}', "updatedAt" = now()
  WHERE "id" = $1 AND "generation" = $2 AND "leaseEpoch" = $3 AND "status" IN ('FAILED', 'CANCELLED')
  RETURNING "id", "generation"
)"#,
            $audited,
            r#"
SELECT "generation", pg_notify('innovation_runs', "id")::text FROM again"#
        )
    };
}

const RETRY: &str = retry!("");

/// $4 the audit record as JSON
const RETRY_AUDITED: &str = retry!(audited!(
    "$4",
    "again",
    r#"jsonb_build_object('status', (SELECT "status"::text FROM "PipelineRun" WHERE "id" = f."id"))"#,
    r#"jsonb_build_object('status', 'PROCESSING', 'generation', f."generation")"#
));

pub(in crate::postgres) async fn retry(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    seen: i32,
    audit: Option<&str>,
) -> Result<Option<i32>, DbError> {
    let row = conn.query(RETRYABLE).bind(run.as_str()).bind(seen).fetch_optional(conn.connection()?).await?;
    let Some(row) = row else { return Ok(None) };
    let epoch: i32 = row.try_get("leaseEpoch")?;
    let sql = if audit.is_some() { RETRY_AUDITED } else { RETRY };
    let query = conn.query(sql).bind(run.as_str()).bind(seen).bind(epoch);
    let query = if audit.is_some() { query.bind(audit) } else { query };
    let row = query.fetch_optional(conn.connection()?).await?;
    row.map(|row| Ok(row.try_get("generation")?)).transpose()
}

/// $1 run, $2 when (ms), $3 to $6 the failure, $7 the output of the step that it stopped at
macro_rules! cancel {
    ($audited:expr) => {
        concat!(
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
            $audited,
            r#"
SELECT pg_notify('innovation_cancelled', "id")::text FROM stopped"#
        )
    };
}

const CANCEL: &str = cancel!("");

/// $8 the audit record as JSON
const CANCEL_AUDITED: &str = cancel!(audited!(
    "$8",
    "stopped",
    "jsonb_build_object('status', 'PROCESSING')",
    r#"jsonb_build_object('status', f."status"::text)"#
));

pub(in crate::postgres) async fn cancel(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    failure: &RunFailure,
    at: Timestamp,
    audit: Option<&str>,
) -> Result<bool, DbError> {
    let output = error_output(Some(failure));
    let query = conn
        .query(if audit.is_some() { CANCEL_AUDITED } else { CANCEL })
        .bind(run.as_str())
        .bind(at.timestamp_millis())
        .bind(failure.code.as_str())
        .bind(failure.stage.map(|stage| i32::from(stage.number())))
        .bind(text(&failure.message))
        .bind(failure.can_retry)
        .bind(text(&output));
    let query = if audit.is_some() { query.bind(audit) } else { query };
    Ok(query.fetch_optional(conn.connection()?).await?.is_some())
}

/// $1 run, $2 output
const END_STEP: &str = r#"
UPDATE "StageOutput" AS o SET "status" = r."status", "output" = $2,
  "completedAt" = COALESCE(r."completedAt", now() AT TIME ZONE 'UTC')
FROM "PipelineRun" r
WHERE r."id" = $1 AND r."status" IN ('FAILED', 'CANCELLED') AND o."runId" = r."id" AND o."status" = 'PROCESSING'"#;

pub(in crate::postgres) async fn end_step(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    failure: &RunFailure,
) -> Result<(), DbError> {
    let output = error_output(Some(failure));
    conn.query(END_STEP).bind(run.as_str()).bind(text(&output)).execute(conn.connection()?).await?;
    Ok(())
}

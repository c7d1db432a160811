//! Reads and repairs rows, for sync.

use std::collections::BTreeMap;

use pipeline::{
    clock::Timestamp,
    record::sha256_hex,
    run::{RunId, Stage},
};
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    error::{StorageError, StorageErrorKind},
    frontend_rows::FrontendRows,
    part::Part,
    ports::{
        lifecycle::Fence,
        sync::{Expiry, Proof},
    },
    postgres::{
        pool::{connections::PooledConn, db_error::DbError},
        runs::{adopt, finish, load},
        stages::write::{self, Stored, conflict},
        values::{run_id, text},
    },
    run::{End, RunSubmission},
};
use foundation::failpoints;

/// The parts of a run that the files have and the row lacks.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    /// The submission, if the row has to be inserted or taken.
    pub(super) new: Option<&'a RunSubmission>,
    pub(super) stages: &'a [Stored],
    pub(super) end: End<'a>,
    pub(super) rows: Option<&'a FrontendRows>,
    pub(super) at: Timestamp,
    /// Whether the statement enqueues webhooks.
    pub(super) tells: bool,
}

/// Runs all steps on one connection, because round trips dominate a backlog of thousands.
pub(super) async fn replay(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    replay: &Replay<'_>,
) -> Result<(), DbError> {
    if let Some(new) = replay.new {
        adopt::adopt(conn, new, fence).await?;
    }
    failpoints::hit("reconcile-adopted");
    write::store_all(conn, fence, replay.stages).await?;
    failpoints::hit("reconcile-stages-stored");
    finish::finish(conn, fence, replay.end, replay.rows, replay.at, replay.tells).await?;
    failpoints::hit("reconcile-ended");
    Ok(())
}

/// $1 run, $2 generation, $3 record, $4 digest
macro_rules! fill_sql {
    ($output:literal, $digest:literal) => {
        concat!(
            r#"UPDATE "PipelineRun" SET "#,
            $output,
            " = COALESCE(",
            $output,
            ", $3::jsonb), ",
            $digest,
            " = CASE WHEN ",
            $output,
            " IS NULL THEN $4 ELSE ",
            $digest,
            r#" END, "updatedAt" = now()
            WHERE "id" = $1 AND "generation" = $2 AND "status" <> 'PROCESSING' RETURNING "#,
            $output,
            "::text, ",
            $digest
        )
    };
}

const fn fill_statement(stage: Stage) -> &'static str {
    match stage {
        Stage::InputProcessing => fill_sql!(r#""stage1Output""#, r#""stage1Digest""#),
        Stage::SignalAmplification => fill_sql!(r#""stage2Output""#, r#""stage2Digest""#),
        Stage::GeneralTranslation => fill_sql!(r#""stage3Output""#, r#""stage3Digest""#),
        Stage::BrandContextualization => fill_sql!(r#""stage4Output""#, r#""stage4Digest""#),
    }
}

pub(super) async fn fill(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    generation: i32,
    new: &Stored,
) -> Result<(), DbError> {
    let row = conn
        .query(fill_statement(new.stage))
        .bind(run.as_str())
        .bind(generation)
        .bind(&new.sealed.json)
        .bind(&new.sealed.sha256)
        .fetch_optional(conn.connection()?)
        .await?
        .ok_or_else(|| {
            let what = format!("run {run} has not ended in the database in generation {generation}");
            DbError::Store(StorageError::new(StorageErrorKind::Fenced, what))
        })?;
    match load::verified(new.stage, row.try_get(0)?, row.try_get(1)?) {
        Ok((_, sha256)) if sha256 == new.sealed.sha256 => Ok(()),
        _ => Err(conflict(run, new.stage, "already holds a different record; both are kept")),
    }
}

/// $1 run, $2 generation, $3 report, $4 its digest
const FILL_REPORT: &str = r#"
UPDATE "PipelineRun" SET "fullReportMarkdown" = $3, "reportDigest" = $4, "updatedAt" = now()
WHERE "id" = $1 AND "generation" = $2 AND "status" = 'COMPLETED' AND "fullReportMarkdown" IS NULL"#;

pub(super) async fn fill_report(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    generation: i32,
    report: &str,
) -> Result<(), DbError> {
    let report = text(report);
    conn.query(FILL_REPORT)
        .bind(run.as_str())
        .bind(generation)
        .bind(&*report)
        .bind(sha256_hex(report.as_bytes()))
        .execute(conn.connection()?)
        .await?;
    Ok(())
}

/// $1 run, $2 proof, $3 when (ms), $4 the version that was read
const KEEP_PROOF: &str = r#"
UPDATE "PipelineRun" SET "syncProof" = $2::jsonb, "syncProvedAt" = to_timestamp($3::float8 / 1000),
  "filesMissingStages" = '{}', "unsyncedStages" = '{}', "conflictedStages" = '{}'
WHERE "id" = $1 AND xmin::text = $4 RETURNING "id""#;

pub(super) async fn keep_proof(
    conn: &mut PooledConn<'_>,
    proof: &Proof,
    json: &str,
) -> Result<bool, DbError> {
    let kept = conn
        .query(KEEP_PROOF)
        .bind(proof.run_id.as_str())
        .bind(json)
        .bind(proof.proved_at.timestamp_millis())
        .bind(&proof.row_version)
        .fetch_optional(conn.connection()?)
        .await?;
    Ok(kept.is_some())
}

/// Leaves the frontend's cards, report page and progress rows: the next end overwrites them. $1 run, $2 owner, $3 epoch,
/// $4 generation, $5 the version that was read, $6 the stages that go
const REOPEN: &str = r#"
WITH reopened AS (
  UPDATE "PipelineRun" SET "status" = 'PROCESSING', "leaseOwner" = $2, "leaseEpoch" = $3,
    "leaseUntil" = now() + interval '15 seconds', "completedAt" = NULL,
    "stage1Output" = CASE WHEN 1 = ANY($6) THEN NULL ELSE "stage1Output" END,
    "stage1Digest" = CASE WHEN 1 = ANY($6) THEN NULL ELSE "stage1Digest" END,
    "stage2Output" = CASE WHEN 2 = ANY($6) THEN NULL ELSE "stage2Output" END,
    "stage2Digest" = CASE WHEN 2 = ANY($6) THEN NULL ELSE "stage2Digest" END,
    "stage3Output" = CASE WHEN 3 = ANY($6) THEN NULL ELSE "stage3Output" END,
    "stage3Digest" = CASE WHEN 3 = ANY($6) THEN NULL ELSE "stage3Digest" END,
    "stage4Output" = CASE WHEN 4 = ANY($6) THEN NULL ELSE "stage4Output" END,
    "stage4Digest" = CASE WHEN 4 = ANY($6) THEN NULL ELSE "stage4Digest" END,
    "fullReportMarkdown" = NULL, "reportDigest" = NULL, "updatedAt" = now()
  WHERE "id" = $1 AND "generation" = $4 AND "status" <> 'PROCESSING' AND "leaseEpoch" < $3 AND xmin::text = $5
  RETURNING "id"
)
SELECT "id" FROM reopened"#;

pub(super) async fn reopen(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    without: &[Stage],
    row_version: &str,
) -> Result<bool, DbError> {
    let numbers: Vec<i32> = without.iter().map(|stage| stage.number().into()).collect();
    let reopened = conn
        .query(REOPEN)
        .bind(fence.run.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(row_version)
        .bind(numbers)
        .fetch_optional(conn.connection()?)
        .await?;
    Ok(reopened.is_some())
}

/// $1 run, $2 the numbers, $3 their digests, $4 the version that was read
const ACCEPT_DIGESTS: &str = r#"
WITH given AS (SELECT number, digest FROM unnest($2::int4[], $3::text[]) AS g(number, digest))
UPDATE "PipelineRun" SET
  "stage1Digest" = COALESCE((SELECT digest FROM given WHERE number = 1), "stage1Digest"),
  "stage2Digest" = COALESCE((SELECT digest FROM given WHERE number = 2), "stage2Digest"),
  "stage3Digest" = COALESCE((SELECT digest FROM given WHERE number = 3), "stage3Digest"),
  "stage4Digest" = COALESCE((SELECT digest FROM given WHERE number = 4), "stage4Digest"),
  "reportDigest" = COALESCE((SELECT digest FROM given WHERE number = 5), "reportDigest"), "updatedAt" = now()
WHERE "id" = $1 AND "status" <> 'PROCESSING' AND xmin::text = $4 RETURNING "id""#;

pub(super) async fn accept_digests(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    digests: &BTreeMap<Part, String>,
    row_version: &str,
) -> Result<bool, DbError> {
    let trusted = conn
        .query(ACCEPT_DIGESTS)
        .bind(run.as_str())
        .bind(digests.keys().copied().map(i32::from).collect::<Vec<_>>())
        .bind(digests.values().map(String::as_str).collect::<Vec<_>>())
        .bind(row_version)
        .fetch_optional(conn.connection()?)
        .await?;
    Ok(trusted.is_some())
}

const NOTE_CONFLICTS: &str = r#"
UPDATE "PipelineRun" SET "conflictedStages" = $2 WHERE "id" = $1 AND "conflictedStages" <> $2"#;

/// Uses the partial index of rows with conflicts. $1 limit
const CONFLICTED: &str =
    r#"SELECT "id" FROM "PipelineRun" WHERE cardinality("conflictedStages") > 0 ORDER BY "id" LIMIT $1"#;

pub(super) async fn conflicted(conn: &mut PooledConn<'_>, limit: usize) -> Result<Vec<RunId>, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = conn.query(CONFLICTED).bind(limit).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| run_id(row.try_get("id")?)).collect()
}

pub(super) async fn note_conflicts(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    parts: &[Part],
) -> Result<(), DbError> {
    conn.query(NOTE_CONFLICTS)
        .bind(run.as_str())
        .bind(Part::numbers(parts))
        .execute(conn.connection()?)
        .await?;
    Ok(())
}

const ENDED_AMONG: &str =
    r#"SELECT "id" FROM "PipelineRun" WHERE "id" = ANY($1) AND "status" <> 'PROCESSING'"#;

pub(super) async fn ended_among(conn: &mut PooledConn<'_>, runs: &[RunId]) -> Result<Vec<RunId>, DbError> {
    let names: Vec<&str> = runs.iter().map(RunId::as_str).collect();
    let rows = conn.query(ENDED_AMONG).bind(names).fetch_all(conn.connection()?).await?;
    run_ids(&rows)
}

/// By the index on (createdAt, id). $1 since (ms), $2 the id to go on after, $3 limit
const ENDED_SINCE: &str = r#"
SELECT "id" FROM "PipelineRun"
WHERE "status" <> 'PROCESSING' AND "acceptedAt" IS NOT NULL
  AND ($1::int8 IS NULL OR "createdAt" >= to_timestamp($1::float8 / 1000) AT TIME ZONE 'UTC')
  AND ($2::text IS NULL OR ("createdAt", "id") > (SELECT "createdAt", "id" FROM "PipelineRun" WHERE "id" = $2))
ORDER BY "createdAt", "id" LIMIT $3"#;

pub(super) async fn ended_since(
    conn: &mut PooledConn<'_>,
    since: Option<Timestamp>,
    after: Option<&RunId>,
    limit: usize,
) -> Result<Vec<RunId>, DbError> {
    let rows = conn
        .query(ENDED_SINCE)
        .bind(since.map(|since| since.timestamp_millis()))
        .bind(after.map(RunId::as_str))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(conn.connection()?)
        .await?;
    run_ids(&rows)
}

/// Reads the old column, which replicas of both releases write, by its partial index. $1 the id to go on after, $2 limit
const FILES_INCOMPLETE_SINCE: &str = r#"
SELECT "id" FROM "PipelineRun"
WHERE cardinality("unsyncedStages") > 0 AND "status" <> 'PROCESSING'
  AND ($1::text IS NULL OR ("createdAt", "id") > (SELECT "createdAt", "id" FROM "PipelineRun" WHERE "id" = $1))
ORDER BY "createdAt", "id" LIMIT $2"#;

pub(super) async fn files_incomplete_since(
    conn: &mut PooledConn<'_>,
    after: Option<&RunId>,
    limit: usize,
) -> Result<Vec<RunId>, DbError> {
    let rows = conn
        .query(FILES_INCOMPLETE_SINCE)
        .bind(after.map(RunId::as_str))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(conn.connection()?)
        .await?;
    run_ids(&rows)
}

/// By the partial index for claims. $1 since (ms)
const OPEN_SINCE: &str = r#"
SELECT count(*)::int8 FROM "PipelineRun"
WHERE "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL
  AND ($1::int8 IS NULL OR "createdAt" >= to_timestamp($1::float8 / 1000) AT TIME ZONE 'UTC')"#;

pub(super) async fn open_since(
    conn: &mut PooledConn<'_>,
    since: Option<Timestamp>,
) -> Result<usize, DbError> {
    let since = since.map(|since| since.timestamp_millis());
    let row = conn.query(OPEN_SINCE).bind(since).fetch_one(conn.connection()?).await?;
    let open: i64 = row.try_get(0)?;
    Ok(usize::try_from(open).unwrap_or(0))
}

/// $1 deliveries before (ms), $2 limit, $3 tombstones before (ms)
const EXPIRE: &str = r#"
WITH stones AS (
  DELETE FROM "RunTombstone" WHERE "runId" IN (
    SELECT t."runId" FROM "RunTombstone" t
    WHERE t."deletedAt" < to_timestamp($3::float8 / 1000)
      AND NOT EXISTS (SELECT FROM "PipelineRun" r WHERE r."id" = t."runId") LIMIT $2)
  RETURNING 1
),
deliveries AS (
  DELETE FROM "WebhookDelivery" WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM "WebhookDelivery" WHERE "settledAt" < to_timestamp($1::float8 / 1000) LIMIT $2))
  RETURNING 1
)
SELECT (SELECT count(*) FROM stones) + (SELECT count(*) FROM deliveries)"#;

pub(super) async fn expire(
    conn: &mut PooledConn<'_>,
    expiry: Expiry,
    limit: usize,
) -> Result<usize, DbError> {
    let row = conn
        .query(EXPIRE)
        .bind(expiry.ended_before.timestamp_millis())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(expiry.deleted_before.timestamp_millis())
        .fetch_one(conn.connection()?)
        .await?;
    let expired: i64 = row.try_get(0)?;
    Ok(usize::try_from(expired).unwrap_or(0))
}

pub(super) fn run_ids(rows: &[PgRow]) -> Result<Vec<RunId>, DbError> {
    rows.iter()
        .map(|row| {
            RunId::parse(row.try_get(0)?).map_err(|error| {
                DbError::Store(StorageError::new(StorageErrorKind::Invalid, error.to_string()))
            })
        })
        .collect()
}

//! Checks whether the database takes writes: all tables and columns exist, the user has the privileges, and rows of
//! the probe's own can be inserted and changed. The rows are never committed, so nobody else sees them, no webhook
//! is sent, and no notification leaves the server.
//!
//! The registry of replicas is not a part of it: without rights on it, the service only proves less about other replicas.

use pipeline::{clock::Clock, run::RunId};
use sqlx::Row as _;
use uuid::Uuid;

use crate::{
    error::{StorageError, StorageErrorKind},
    ports::clock_skew::ClockSkew,
    postgres::{
        pool::{connections::PooledConn, db_error::DbError, session::read_only},
        runs::load,
    },
};

/// How much a probe writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Weight {
    /// Small rows, for the questions of a healthy service.
    Light,
    /// As much as a stage, so that a disk that is almost full is not taken for a working one.
    Stage,
}

impl Weight {
    /// Pieces of 32 random characters, which the server cannot compress much. A stage has some 60 KB.
    const fn pieces(self) -> i32 {
        match self {
            Self::Light => 1,
            Self::Stage => 2048,
        }
    }
}

/// The statement reads no rows. A missing column is found when the server parses it.
const READ: &str = r#"
SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
  (extract(epoch FROM clock_timestamp()) * 1000)::int8,
  ARRAY(
    SELECT needed.privilege || ' on ' || needed.relation
    FROM (VALUES
      ('"User"', 'SELECT'), ('"User"', 'INSERT'),
      ('"PipelineRun"', 'SELECT'), ('"PipelineRun"', 'INSERT'), ('"PipelineRun"', 'UPDATE'),
      ('"PipelineRun"', 'DELETE'),
      ('"RunTombstone"', 'SELECT'), ('"RunTombstone"', 'INSERT'), ('"RunTombstone"', 'UPDATE'),
      ('"RunTombstone"', 'DELETE'),
      ('"WebhookDelivery"', 'SELECT'), ('"WebhookDelivery"', 'INSERT'), ('"WebhookDelivery"', 'UPDATE'),
      ('"WebhookDelivery"', 'DELETE'),
      ('"StageOutput"', 'SELECT'), ('"StageOutput"', 'INSERT'), ('"StageOutput"', 'UPDATE'),
      ('"OpportunityCard"', 'SELECT'), ('"OpportunityCard"', 'INSERT'),
      ('"OpportunityCard"', 'UPDATE'),
      ('"InspirationReport"', 'SELECT'), ('"InspirationReport"', 'INSERT'), ('"InspirationReport"', 'UPDATE')
    ) AS needed(relation, privilege)
    WHERE NOT has_table_privilege(needed.relation, needed.privilege)
      -- A careful owner grants UPDATE on columns alone, which keeps others from a user's stars.
      AND NOT (needed.privilege = 'UPDATE' AND has_any_column_privilege(needed.relation, needed.privilege))
  )
FROM (SELECT 1) AS always
LEFT JOIN (
  SELECT "id", "userId", "documentName", "documentUrl", "companyName", "status", "pipelineVersion", "createdAt",
    "completedAt", "duration", "stage1Output", "stage2Output", "stage3Output", "stage4Output", "fullReportMarkdown",
    "updatedAt", "acceptedAt", "requestDigest", "brandId", "principal", "priority", "generation", "attempts", "leaseOwner",
    "leaseEpoch", "leaseUntil", "waitingReason", "waitingSince", "startedAt", "currentStage", "stageStartedAt", "stage1Digest", "stage2Digest",
    "stage3Digest", "stage4Digest", "reportDigest", "grounding", "lostUsd", "filesMissingStages",
    "unsyncedStages", "conflictedStages", "syncProof", "syncProvedAt",
    "errorCode", "errorStage", "errorMessage", "errorCanRetry"
  FROM "PipelineRun" LIMIT 0
) AS run ON true
LEFT JOIN (SELECT "runId", "generation", "deletedAt", "principal" FROM "RunTombstone" LIMIT 0) AS tombstone ON true
LEFT JOIN (
  SELECT "runId", "generation", "event", "attempts", "nextAttemptAt", "settledAt", "outcome", "lastError", "createdAt"
  FROM "WebhookDelivery" LIMIT 0
) AS delivery ON true
LEFT JOIN (SELECT "id", "clerkId", "email", "updatedAt" FROM "User" LIMIT 0) AS person ON true
LEFT JOIN (
  SELECT "id", "runId", "stageNumber", "stageName", "status", "output", "completedAt", "createdAt"
  FROM "StageOutput" LIMIT 0
) AS output ON true
LEFT JOIN (
  SELECT "id", "runId", "number", "title", "content", "createdAt", "updatedAt" FROM "OpportunityCard" LIMIT 0
) AS card ON true
LEFT JOIN (
  SELECT "id", "runId", "selectedTrack", "nonSelectedTrack", "stage1Output", "stage2Output", "stage3Output",
    "stage4Output", "stage5Output", "createdAt", "updatedAt"
  FROM "InspirationReport" LIMIT 0
) AS page ON true"#;

/// Inserts a row of each table that a run needs, with the columns that the service sets. $1 id
const INSERT: &str = r#"
WITH person AS (
  INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ($1, $1, $1, now())
),
run AS (
  INSERT INTO "PipelineRun" ("id", "userId", "documentName", "documentUrl", "companyName", "status",
    "pipelineVersion", "createdAt", "updatedAt", "acceptedAt", "requestDigest", "brandId", "principal", "leaseOwner",
    "leaseEpoch", "leaseUntil", "attempts", "startedAt")
  VALUES ($1, $1, 'probe', 'https://probe', 'probe', 'CANCELLED', '1.0', now(), now(), now(), 'probe', 'probe', 'probe',
    'probe', 1, now(), 1, now())
),
output AS (
  INSERT INTO "StageOutput" ("id", "runId", "stageNumber", "stageName", "status", "output", "completedAt", "createdAt")
  VALUES ($1, $1, 1, '', 'PROCESSING', '', now(), now())
),
card AS (
  INSERT INTO "OpportunityCard" ("id", "runId", "number", "title", "content", "createdAt", "updatedAt")
  VALUES ($1, $1, 1, '', '', now(), now())
),
page AS (
  INSERT INTO "InspirationReport" ("id", "runId", "selectedTrack", "nonSelectedTrack", "stage1Output", "stage2Output",
    "stage3Output", "stage4Output", "stage5Output", "createdAt", "updatedAt")
  VALUES ($1, $1, '', '', '', '', '', '', '', now(), now())
),
delivery AS (
  INSERT INTO "WebhookDelivery" ("runId", "generation", "event", "attempts", "nextAttemptAt", "settledAt", "outcome")
  VALUES ($1, 1, 1, 0, now(), now(), 'superseded')
),
-- Of another run: a run with a tombstone is hidden.
stone AS (INSERT INTO "RunTombstone" ("runId", "generation", "principal") VALUES ($1 || '-gone', 1, 'probe'))
SELECT 1"#;

/// Changes each of those rows as a stage, an end and a deletion do. Returns the number of changed rows. $1 id, $2 pieces
const UPDATE: &str = r#"
WITH text AS (SELECT string_agg(md5(random()::text), '') AS "body" FROM generate_series(1, $2)),
run AS (
  UPDATE "PipelineRun" SET "status" = 'FAILED', "stage1Output" = jsonb_build_object('probe', text."body"),
    "stage2Output" = '{}', "stage3Output" = '{}', "stage4Output" = '{}', "fullReportMarkdown" = '',
    "stage1Digest" = '', "stage2Digest" = '', "stage3Digest" = '', "stage4Digest" = '', "reportDigest" = '',
    "currentStage" = 1, "stageStartedAt" = now(), "startedAt" = now(), "attempts" = 0, "generation" = 2,
    "leaseOwner" = NULL, "leaseEpoch" = 2, "leaseUntil" = NULL, "completedAt" = now(), "duration" = 1,
    "grounding" = 1, "lostUsd" = 0, "errorCode" = '', "errorStage" = 1, "errorMessage" = '', "errorCanRetry" = true,
    "filesMissingStages" = '{}', "unsyncedStages" = '{}', "conflictedStages" = '{}', "syncProof" = '{}',
    "syncProvedAt" = now(), "updatedAt" = now()
  FROM text WHERE "id" = $1 RETURNING 1
),
output AS (
  UPDATE "StageOutput" SET "status" = 'COMPLETED', "output" = '', "completedAt" = now() WHERE "runId" = $1 RETURNING 1
),
card AS (
  UPDATE "OpportunityCard" SET "title" = '', "content" = '', "updatedAt" = now() WHERE "runId" = $1 RETURNING 1
),
page AS (
  UPDATE "InspirationReport" SET "selectedTrack" = '', "nonSelectedTrack" = '', "stage1Output" = '',
    "stage2Output" = '', "stage3Output" = '', "stage4Output" = '', "stage5Output" = '', "updatedAt" = now()
  WHERE "runId" = $1 RETURNING 1
),
delivery AS (
  UPDATE "WebhookDelivery" SET "attempts" = 1, "nextAttemptAt" = now(), "settledAt" = now(), "outcome" = '',
    "lastError" = '' WHERE "runId" = $1 RETURNING 1
),
stone AS (UPDATE "RunTombstone" SET "generation" = 2 WHERE "runId" = $1 || '-gone' RETURNING 1)
SELECT (SELECT count(*) FROM run) + (SELECT count(*) FROM output) + (SELECT count(*) FROM card)
  + (SELECT count(*) FROM page) + (SELECT count(*) FROM delivery) + (SELECT count(*) FROM stone)"#;

/// Deletes the rows that the service deletes. The database deletes those that belong to the run. Returns the number.
/// $1 id
const DELETE: &str = r#"
WITH delivery AS (DELETE FROM "WebhookDelivery" WHERE "runId" = $1 RETURNING 1),
stone AS (DELETE FROM "RunTombstone" WHERE "runId" = $1 || '-gone' RETURNING 1),
run AS (DELETE FROM "PipelineRun" WHERE "id" = $1 RETURNING 1)
SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM stone) + (SELECT count(*) FROM run)"#;

/// The numbers of rows that [`UPDATE`] changes and [`DELETE`] deletes.
const CHANGED: [i64; 2] = [6, 3];

/// Probes the database in four round trips, because health waits for them. Returns how far its clock is from ours, if the caller has one.
pub(in crate::postgres) async fn probe(
    conn: &mut PooledConn<'_>,
    weight: Weight,
    clock: Option<&dyn Clock>,
) -> Result<Option<ClockSkew>, DbError> {
    let skew = read(conn, clock).await?;
    write(conn, weight).await.map_err(of_the_schema)?;
    Ok(skew)
}

async fn read(conn: &mut PooledConn<'_>, clock: Option<&dyn Clock>) -> Result<Option<ClockSkew>, DbError> {
    // Parsed anew each time, because an earlier plan proves nothing.
    let asked_at = clock.map(|clock| (clock.now(), clock.monotonic()));
    let row = sqlx::raw_sql(READ).fetch_one(conn.connection()?).await?;
    let round_trip = clock.zip(asked_at).map(|(clock, (_, since))| clock.monotonic().saturating_sub(since));
    let (in_recovery, read_only): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if in_recovery || read_only {
        return Err(self::read_only());
    }
    let missing: Vec<String> = row.try_get(3)?;
    if !missing.is_empty() {
        let what = format!("the database user lacks {} (SQLSTATE 42501)", missing.join(", "));
        let lacks = StorageError::new(StorageErrorKind::Schema, what).with_sqlstate("42501");
        return Err(DbError::Store(lacks));
    }
    let theirs: i64 = row.try_get(2)?;
    Ok(asked_at.zip(round_trip).map(|((ours, _), round_trip)| ClockSkew::new(ours, theirs, round_trip)))
}

async fn write(conn: &mut PooledConn<'_>, weight: Weight) -> Result<(), DbError> {
    let id = format!("probe-{}", Uuid::new_v4());
    let own = |sql: &str| sql.replace("$1", &format!("'{id}'")).replace("$2", &weight.pieces().to_string());
    conn.begin_trial(&own(INSERT)).await?;
    // The real statement finds a column of another type, and a row that is hidden.
    let run = RunId::parse(&id).map_err(|_| sqlx::Error::RowNotFound)?;
    if load::load(conn, &run).await?.is_none() {
        return Err(hidden());
    }
    let rows = conn.end_trial(&format!("{}; {}", own(UPDATE), own(DELETE))).await?;
    let changed: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>()?;
    if changed == CHANGED {
        return Ok(());
    }
    Err(hidden())
}

fn hidden() -> DbError {
    let what = "the database does not let this user see or change rows of its own";
    DbError::Store(StorageError::new(StorageErrorKind::Schema, what))
}

/// A row of the probe violates no constraint and fits each type of our schema. A violated one is not ours.
fn of_the_schema(fault: DbError) -> DbError {
    match fault {
        DbError::Driver(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")) =>
        {
            let mut error = DbError::Driver(sqlx::Error::Database(error)).before_it_was_sent();
            error.kind = StorageErrorKind::Schema;
            DbError::Store(error)
        }
        other => other,
    }
}

//! Checks whether the database would accept a write: all tables and columns exist, and the user has the
//! privileges.

use sqlx::Row as _;

use crate::{
    error::{StorageError, StorageErrorKind},
    postgres::pool::{connections::PooledConn, db_error::DbError},
};

/// The statement reads no rows. A missing column is found when the server parses it.
const PROBE: &str = r#"
SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
  ARRAY(
    SELECT needed.privilege || ' on ' || needed.relation
    FROM (VALUES
      ('"User"', 'SELECT'), ('"User"', 'INSERT'),
      ('"PipelineRun"', 'SELECT'), ('"PipelineRun"', 'INSERT'), ('"PipelineRun"', 'UPDATE'),
      ('"RunTombstone"', 'SELECT'),
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
    "updatedAt", "acceptedAt", "requestDigest", "brandId", "priority", "generation", "attempts", "leaseOwner",
    "leaseEpoch", "leaseUntil", "startedAt", "currentStage", "stageStartedAt", "stage1Digest", "stage2Digest",
    "stage3Digest", "stage4Digest", "reportDigest", "grounding", "lostUsd", "filesMissingStages",
    "unsyncedStages", "errorCode", "errorStage", "errorMessage", "errorCanRetry"
  FROM "PipelineRun" LIMIT 0
) AS run ON true
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

pub(in crate::postgres) async fn probe(conn: &mut PooledConn<'_>) -> Result<(), DbError> {
    // Parse it anew each time, because an earlier plan proves nothing.
    let row = conn.query(PROBE).persistent(false).fetch_one(conn.connection()?).await?;
    let (in_recovery, read_only): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if in_recovery || read_only {
        let what = "the database is read-only: a standby, or being switched over";
        return Err(DbError::Store(StorageError::new(StorageErrorKind::Unavailable, what)));
    }
    let missing: Vec<String> = row.try_get(2)?;
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("the database user lacks {}", missing.join(", "));
    Err(DbError::Store(StorageError::new(StorageErrorKind::Schema, what)))
}

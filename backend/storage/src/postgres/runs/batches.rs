//! Accepts batches: all runs of one, or none, in one statement.

use async_trait::async_trait;
use pipeline::batch::BatchId;
use sqlx::Row as _;
use uuid::Uuid;

use crate::{
    control_plane::Principal,
    error::{StorageError, StorageErrorKind},
    ports::batches::{Batch, BatchAcceptance, BatchRun, BatchSubmission, Batches},
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        runs::accept::{PIPELINE_VERSION, ROUNDS_MAX},
        store::PostgresStore,
        values::{SYSTEM_USER, principal, run_id, text, time},
    },
};

/// Accepts a batch in one round trip, and notifies workers.
///
/// It enters nothing if one of the runs was deleted, or belongs to another request. A run that the same request had entered
/// before stays as it is. If a run appears after this statement began, the whole statement fails with 23505.
///
/// $1 run ids, $2 brands, $3 companies, $4 digests, $5 when (ms), $6 Clerk id, $7 a new user's id, $8 their email, $9 document
/// name, $10 address, $11 pipeline version, $12 principal, $13 batch, $14 its digest, $15 when (ms), $16 its runs
const ACCEPT: &str = r#"
WITH asked AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int8[])
    AS a("id", "brandId", "company", "digest", "at")
),
buried AS (SELECT t."runId", t."principal" FROM "RunTombstone" t JOIN asked ON asked."id" = t."runId"),
known AS (
  SELECT r."id", r."acceptedAt" IS NOT NULL AND r."requestDigest" IS NOT DISTINCT FROM asked."digest"
    AND r."principal" IS NOT DISTINCT FROM $12 AS "isSame"
  FROM "PipelineRun" r JOIN asked ON asked."id" = r."id"
),
earlier AS (SELECT "digest", "principal" FROM "innovation"."Batch" WHERE "id" = $13),
allowed AS (
  SELECT 1 WHERE NOT EXISTS (SELECT FROM buried) AND NOT EXISTS (SELECT FROM known WHERE NOT "isSame")
    AND NOT EXISTS (SELECT FROM earlier)
),
person AS (SELECT "id" FROM "User" WHERE "clerkId" = $6),
new_person AS (
  INSERT INTO "User" ("id", "clerkId", "email", "updatedAt")
  SELECT $7, $6, $8, now() AT TIME ZONE 'UTC' FROM allowed WHERE NOT EXISTS (SELECT FROM person)
  ON CONFLICT DO NOTHING
  RETURNING "id"
),
whose AS (SELECT "id" FROM person UNION ALL SELECT "id" FROM new_person LIMIT 1),
batch AS (
  INSERT INTO "innovation"."Batch" ("id", "principal", "digest", "acceptedAt", "runs")
  SELECT $13, $12, $14, to_timestamp($15::float8 / 1000), $16::jsonb FROM allowed, whose
  ON CONFLICT DO NOTHING
  RETURNING "id"
),
entered AS (
  INSERT INTO "PipelineRun" (
    "id", "userId", "documentName", "documentUrl", "companyName", "status", "pipelineVersion", "createdAt",
    "updatedAt", "acceptedAt", "requestDigest", "brandId", "principal", "leaseEpoch", "attempts")
  SELECT asked."id", whose."id", $9, $10, asked."company", 'PROCESSING', $11,
    to_timestamp(asked."at"::float8 / 1000) AT TIME ZONE 'UTC', now(), to_timestamp(asked."at"::float8 / 1000),
    asked."digest", asked."brandId", $12, 0, 0
  FROM batch, whose, asked WHERE NOT EXISTS (SELECT FROM known WHERE known."id" = asked."id")
  RETURNING "id"
)
SELECT EXISTS (SELECT FROM batch) AS "isNew",
  (SELECT "digest" FROM earlier) AS "digest", (SELECT "principal" FROM earlier) AS "principal",
  (SELECT min("runId") FROM buried WHERE "principal" IS NOT DISTINCT FROM $12) AS "deleted",
  EXISTS (SELECT FROM buried WHERE "principal" IS DISTINCT FROM $12)
    OR EXISTS (SELECT FROM known WHERE NOT "isSame") AS "isTaken",
  CASE WHEN EXISTS (SELECT FROM entered) THEN pg_notify('innovation_runs', '')::text END AS "told""#;

/// $1 batch, $2 principal, $3 digest, $4 when (ms), $5 its runs
const IMPORT: &str = r#"
INSERT INTO "innovation"."Batch" ("id", "principal", "digest", "acceptedAt", "runs")
VALUES ($1, $2, $3, to_timestamp($4::float8 / 1000), $5::jsonb) ON CONFLICT DO NOTHING"#;

/// $1 batch
const LOAD: &str = r#"
SELECT "principal", "digest", (extract(epoch FROM "acceptedAt") * 1000)::int8 AS "at", "runs"::text AS "runs"
FROM "innovation"."Batch" WHERE "id" = $1"#;

#[async_trait]
impl Batches for PostgresStore {
    async fn accept_batch(&self, new: &BatchSubmission) -> Result<BatchAcceptance, StorageError> {
        let runs = runs_json(&new.batch)?;
        for _ in 0..ROUNDS_MAX {
            match bounded!(self.pool, Access::Write, |conn| accept(conn, new, &runs)) {
                Ok(Some(accepted)) => return Ok(accepted),
                // The batch, its user or one of its runs appeared after the statement began.
                Ok(None) => {}
                Err(error) if error.kind == StorageErrorKind::CasConflict => {}
                Err(error) => return Err(error),
            }
        }
        let what = format!("batch {}: other processes kept changing its rows", new.batch.id);
        Err(StorageError::new(StorageErrorKind::Unavailable, what))
    }

    async fn import_batch(&self, batch: &Batch) -> Result<(), StorageError> {
        let runs = runs_json(batch)?;
        bounded!(self.pool, Access::Write, |conn| import(conn, batch, &runs))
    }

    async fn batch(&self, id: &BatchId) -> Result<Option<Batch>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| load(conn, id))
    }
}

fn runs_json(batch: &Batch) -> Result<String, StorageError> {
    serde_json::to_string(&batch.runs)
        .map_err(|error| StorageError::new(StorageErrorKind::Invalid, format!("batch {}: {error}", batch.id)))
}

/// None if the rows changed meanwhile.
async fn accept(
    conn: &mut PooledConn<'_>,
    new: &BatchSubmission,
    runs: &str,
) -> Result<Option<BatchAcceptance>, DbError> {
    let BatchSubmission { batch, runs: asked } = new;
    let Some(first) = asked.first().map(|run| &run.request) else {
        return Ok(Some(BatchAcceptance::Mismatch));
    };
    let clerk_id = text(first.user_id.as_deref().unwrap_or(SYSTEM_USER));
    let entered = conn
        .query(ACCEPT)
        .bind(asked.iter().map(|run| run.id.as_str()).collect::<Vec<_>>())
        .bind(asked.iter().map(|run| run.request.brand_id.as_str()).collect::<Vec<_>>())
        .bind(asked.iter().map(|run| text(run.request.company()).into_owned()).collect::<Vec<_>>())
        .bind(asked.iter().map(|run| run.request.digest.as_str()).collect::<Vec<_>>())
        .bind(asked.iter().map(|run| run.accepted_at.timestamp_millis()).collect::<Vec<_>>())
        .bind(&*clerk_id)
        .bind(Uuid::new_v4().to_string())
        .bind(format!("user-{clerk_id}@temp.com"))
        .bind(text(&first.source))
        .bind(first.document_url.as_deref().map(text))
        .bind(PIPELINE_VERSION)
        .bind(batch.principal.stored())
        .bind(batch.id.as_str())
        .bind(&batch.digest)
        .bind(batch.accepted_at.timestamp_millis())
        .bind(runs)
        .fetch_one(conn.connection()?)
        .await;
    let row = match entered {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            let what = format!("batch {}: a run appeared at the same time", batch.id);
            return Err(DbError::Store(StorageError::new(StorageErrorKind::CasConflict, what)));
        }
        entered => entered?,
    };
    if row.try_get("isNew")? {
        return Ok(Some(BatchAcceptance::New));
    }
    let earlier: Option<String> = row.try_get("digest")?;
    let is_same = earlier.as_ref() == Some(&batch.digest) && principal(&row)? == batch.principal;
    let deleted: Option<String> = row.try_get("deleted")?;
    let is_taken: bool = row.try_get("isTaken")?;
    Ok(match (earlier, deleted) {
        (Some(_), _) if !is_same => Some(BatchAcceptance::Mismatch),
        (_, Some(run)) => Some(BatchAcceptance::Deleted(run_id(&run)?)),
        (Some(_), None) => Some(BatchAcceptance::Existing),
        (None, None) => is_taken.then_some(BatchAcceptance::Mismatch),
    })
}

async fn import(conn: &mut PooledConn<'_>, batch: &Batch, runs: &str) -> Result<(), DbError> {
    conn.query(IMPORT)
        .bind(batch.id.as_str())
        .bind(batch.principal.stored())
        .bind(&batch.digest)
        .bind(batch.accepted_at.timestamp_millis())
        .bind(runs)
        .execute(conn.connection()?)
        .await?;
    Ok(())
}

async fn load(conn: &mut PooledConn<'_>, id: &BatchId) -> Result<Option<Batch>, DbError> {
    let row = conn.query(LOAD).bind(id.as_str()).fetch_optional(conn.connection()?).await?;
    let Some(row) = row else { return Ok(None) };
    let unreadable = |what: String| {
        DbError::Store(StorageError::new(StorageErrorKind::Unreadable, format!("batch {id}: {what}")))
    };
    let runs: String = row.try_get("runs")?;
    let runs: Vec<BatchRun> = serde_json::from_str(&runs).map_err(|error| unreadable(error.to_string()))?;
    let accepted_at =
        time(row.try_get("at")?).ok_or_else(|| unreadable("its time is out of range".to_owned()))?;
    let principal: Principal = principal(&row)?;
    Ok(Some(Batch { id: id.clone(), principal, digest: row.try_get("digest")?, accepted_at, runs }))
}

//! Accepts a run: inserts a new row, or adopts the one that the frontend inserted before.

use std::collections::BTreeSet;

use pipeline::run::RunStatus;
use sqlx::Row as _;
use uuid::Uuid;

use crate::{
    control_plane::Principal,
    error::{StorageError, StorageErrorKind},
    ports::lifecycle::{Acceptance, Fence, Lease},
    postgres::{
        pool::{connections::PooledConn, db_error::DbError},
        runs::load,
        stages::frontend_steps::begin_step,
        values::{SYSTEM_USER, principal, text},
    },
    run::RunSubmission,
};

/// The pipeline version, the same that the frontend writes.
pub(super) const PIPELINE_VERSION: &str = "1.0";

/// How often acceptance is retried if another process changes the row in between.
pub(super) const ROUNDS_MAX: usize = 3;

/// Accepts a run in one round trip, and notifies workers of a run without an owner.
///
/// It adopts an existing row that nobody has accepted, ended or worked on. For any other existing row it
/// returns the row's state. It returns nothing if the row appeared after this statement began.
///
/// $1 run, $2 Clerk id, $3 a new user's id, $4 their email, $5 document name, $6 address, $7 brand, $8 when (ms),
/// $9 digest, $10 owner, $11 lease (s), $12 pipeline version, $13 company,
/// $14 principal
const ACCEPT: &str = concat!(
    r#"
WITH buried AS (SELECT "principal" FROM "RunTombstone" WHERE "runId" = $1),
taken AS (SELECT "userId" AS "id" FROM "PipelineRun" WHERE "id" = $1),
person AS (SELECT "id" FROM "User" WHERE "clerkId" = $2),
new_person AS (
  INSERT INTO "User" ("id", "clerkId", "email", "updatedAt")
  SELECT $3, $2, $4, now() AT TIME ZONE 'UTC'
  WHERE NOT EXISTS (SELECT FROM taken) AND NOT EXISTS (SELECT FROM person) AND NOT EXISTS (SELECT FROM buried)
  ON CONFLICT DO NOTHING
  RETURNING "id"
),
whose AS (SELECT "id" FROM taken UNION ALL SELECT "id" FROM person UNION ALL SELECT "id" FROM new_person LIMIT 1),
entered AS (
  INSERT INTO "PipelineRun" AS r (
    "id", "userId", "documentName", "documentUrl", "companyName", "status", "pipelineVersion", "createdAt",
    "updatedAt", "acceptedAt", "requestDigest", "brandId", "principal",
    "leaseOwner", "leaseEpoch", "leaseUntil", "attempts", "startedAt")
  SELECT $1, whose."id", $5, $6, $13, 'PROCESSING', $12, to_timestamp($8::float8 / 1000) AT TIME ZONE 'UTC',
    now(), to_timestamp($8::float8 / 1000), $9, $7, $14,
    $10, ($10::text IS NOT NULL)::int, now() + make_interval(secs => $11), ($10::text IS NOT NULL)::int,
    CASE WHEN $10::text IS NOT NULL THEN now() END
  FROM whose WHERE NOT EXISTS (SELECT FROM buried)
  ON CONFLICT ("id") DO UPDATE SET
    "documentUrl" = COALESCE(r."documentUrl", EXCLUDED."documentUrl"),
    "updatedAt" = now(), "acceptedAt" = EXCLUDED."acceptedAt", "requestDigest" = EXCLUDED."requestDigest",
    "brandId" = EXCLUDED."brandId", "leaseOwner" = EXCLUDED."leaseOwner",
    "leaseEpoch" = r."leaseEpoch" + EXCLUDED."leaseEpoch", "leaseUntil" = EXCLUDED."leaseUntil",
    "attempts" = r."attempts" + EXCLUDED."attempts", "startedAt" = EXCLUDED."startedAt"
  WHERE r."status" = 'PROCESSING' AND r."acceptedAt" IS NULL AND r."principal" IS NOT DISTINCT FROM EXCLUDED."principal"
    AND (r."documentUrl" IS NULL OR r."documentUrl" IS NOT DISTINCT FROM EXCLUDED."documentUrl")
    AND r."stage1Output" IS NULL AND r."stage2Output" IS NULL AND r."stage3Output" IS NULL
    AND r."stage4Output" IS NULL
  RETURNING r."id", r."leaseEpoch", r."generation", r."attempts", 1 AS "step"
),
"#,
    begin_step!(r#"(SELECT "id", "step" FROM entered WHERE $10::text IS NOT NULL)"#),
    r#"
SELECT true AS "isNew", "leaseEpoch", "generation", "attempts", NULL AS "status", NULL AS "documentUrl",
       NULL AS "requestDigest", NULL AS "principal", true AS "isAccepted", false AS "hasOutput",
       CASE WHEN $10::text IS NULL THEN pg_notify('innovation_runs', '')::text END AS "told", false AS "isDeleted"
FROM entered
UNION ALL
SELECT false, "leaseEpoch", "generation", "attempts", "status"::text, "documentUrl", "requestDigest", "principal",
       "acceptedAt" IS NOT NULL,
       num_nonnulls("stage1Output", "stage2Output", "stage3Output", "stage4Output") > 0,
       NULL, false
FROM "PipelineRun" WHERE "id" = $1 AND NOT EXISTS (SELECT FROM entered) AND NOT EXISTS (SELECT FROM buried)
UNION ALL
SELECT false, 0, 0, 0, NULL, NULL, NULL, "principal", false, false, NULL, true FROM buried"#
);

pub(in crate::postgres) async fn accept(
    conn: &mut PooledConn<'_>,
    run: &RunSubmission,
    lease: Option<&Lease>,
) -> Result<Acceptance, DbError> {
    for _ in 0..ROUNDS_MAX {
        let request = &run.request;
        let clerk_id = text(request.user_id.as_deref().unwrap_or(SYSTEM_USER));
        let row = conn
            .query(ACCEPT)
            .bind(run.id.as_str())
            .bind(&*clerk_id)
            .bind(Uuid::new_v4().to_string())
            .bind(format!("user-{clerk_id}@temp.com"))
            .bind(text(&request.source))
            .bind(request.document_url.as_deref().map(text))
            .bind(request.brand_id.as_str())
            .bind(run.accepted_at.timestamp_millis())
            .bind(&request.digest)
            .bind(lease.map(|lease| lease.owner.as_str()))
            .bind(lease.map(|lease| lease.duration.as_secs_f64()))
            .bind(PIPELINE_VERSION)
            .bind(text(request.company()))
            .bind(request.principal.stored())
            .fetch_optional(conn.connection()?)
            .await?;
        let Some(row) = row else { continue };
        if row.try_get("isDeleted")? {
            let is_ours = principal(&row)? == request.principal;
            return Ok(if is_ours { Acceptance::Deleted } else { Acceptance::RequestMismatch });
        }
        if row.try_get("isNew")? {
            let (epoch, generation) = (row.try_get("leaseEpoch")?, row.try_get("generation")?);
            let attempt = row.try_get("attempts")?;
            let fence = lease.map(|lease| Fence {
                run: run.id.clone(),
                owner: lease.owner.clone(),
                epoch,
                generation,
                attempt,
                owns_row: true,
                row_stages: BTreeSet::new(),
            });
            return Ok(Acceptance::New(fence));
        }
        let found = Found {
            status: load::status(row.try_get("status")?)?,
            document_url: row.try_get("documentUrl")?,
            digest: row.try_get("requestDigest")?,
            principal: principal(&row)?,
            is_accepted: row.try_get("isAccepted")?,
            has_output: row.try_get("hasOutput")?,
        };
        if let Some(acceptance) = found.compare(run) {
            return Ok(acceptance);
        }
    }
    let what = format!("run {}: other processes kept changing its row", run.id);
    Err(DbError::Store(StorageError::new(StorageErrorKind::Unavailable, what)))
}

/// An existing row that was not adopted.
#[derive(Debug)]
struct Found {
    status: RunStatus,
    document_url: Option<String>,
    digest: Option<String>,
    principal: Principal,
    is_accepted: bool,
    has_output: bool,
}

impl Found {
    /// Compares the row with a request. None if the row must have changed since it was read.
    fn compare(self, run: &RunSubmission) -> Option<Acceptance> {
        let request = &run.request;
        if self.principal != request.principal {
            return Some(Acceptance::RequestMismatch);
        }
        let same_url = self.document_url == request.document_url;
        let is_same = match &self.digest {
            Some(digest) if self.is_accepted => *digest == request.digest,
            // An ended run without an acceptance answers with its status, and no worker takes it.
            _ => same_url && self.status != RunStatus::Processing,
        };
        if is_same {
            return Some(Acceptance::Existing(self.status));
        }
        let is_adoptable = !self.is_accepted
            && self.status == RunStatus::Processing
            && !self.has_output
            && (same_url || self.document_url.is_none());
        (!is_adoptable).then_some(Acceptance::RequestMismatch)
    }
}

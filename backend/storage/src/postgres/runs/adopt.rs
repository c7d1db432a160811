//! Moves a run into the database that was accepted in files while the database was down. The fence stays the
//! same.

use std::time::Duration;

use crate::{
    error::{StorageError, StorageErrorKind},
    ports::lifecycle::{Acceptance, Fence, Lease},
    postgres::{
        pool::{
            connections::PooledConn,
            db_error::{DbError, fenced},
        },
        runs::accept,
        stages::frontend_steps::{begin_step, step_of_row},
        values::text,
    },
    run::RunSubmission,
};

/// The default lease.
const ADOPTED_LEASE: Duration = Duration::from_secs(15);

/// Takes the row of a run. It never takes the row of another worker, and never returns to an older fence.
///
/// It takes an ended row only in three cases:
/// * A retry in files came later.
/// * The frontend ended the row after our webhook, without an error code.
/// * Nobody has accepted the row here.
///
/// The row gets the default lease. The next renewal comes within a fifth of it and sets the configured lease.
///
/// $1 run, $2 owner, $3 epoch, $4 generation, $5 request digest, $6 attempts, $7 address, $8 brand, $9 when (ms),
/// $10 principal. An older release may have removed it from the files, but never from a row.
const TAKE: &str = concat!(
    r#"
WITH taken AS (
UPDATE "PipelineRun" SET "status" = 'PROCESSING', "completedAt" = NULL, "duration" = NULL,
  "errorCode" = NULL, "errorStage" = NULL, "errorMessage" = NULL, "errorCanRetry" = NULL,
  "leaseOwner" = $2, "leaseEpoch" = $3, "generation" = $4, "attempts" = $6,
  "waitingReason" = CASE WHEN "generation" < $4 THEN NULL ELSE "waitingReason" END,
  "waitingSince" = CASE WHEN "generation" < $4 THEN NULL ELSE "waitingSince" END,
  "requestDigest" = $5, "documentUrl" = COALESCE("documentUrl", $7), "brandId" = COALESCE("brandId", $8),
  "acceptedAt" = COALESCE("acceptedAt", to_timestamp($9::float8 / 1000)),
  "leaseUntil" = now() + interval '15 seconds', "startedAt" = COALESCE("startedAt", now()), "updatedAt" = now()
WHERE "id" = $1 AND "leaseEpoch" <= $3 AND "generation" <= $4
  AND ("principal" IS NOT DISTINCT FROM $10 OR ($10::text IS NULL AND "requestDigest" = $5))
  AND (("acceptedAt" IS NOT NULL AND "requestDigest" = $5
        AND ("status" = 'PROCESSING' OR "generation" < $4 OR ("status" = 'FAILED' AND "errorCode" IS NULL)))
       OR ("acceptedAt" IS NULL AND ("documentUrl" IS NULL OR "documentUrl" IS NOT DISTINCT FROM $7)))
  AND ("leaseOwner" IS NULL OR "leaseOwner" IN ($2, 'waiting') OR "leaseUntil" < now())
RETURNING "id", "#,
    step_of_row!(),
    r#" AS "step"
), "#,
    begin_step!("taken"),
    r#" SELECT "id" FROM taken"#
);

pub(in crate::postgres) async fn adopt(
    conn: &mut PooledConn<'_>,
    run: &RunSubmission,
    fence: &Fence,
) -> Result<(), DbError> {
    // Lease a new row from the start. Otherwise, another worker could claim it in between.
    let lease = Lease { owner: fence.owner.clone(), duration: ADOPTED_LEASE };
    let accepted = accept::accept(conn, run, Some(&lease)).await?;
    if accepted == Acceptance::Deleted {
        return Err(fenced(&run.id));
    }
    let taken = conn
        .query(TAKE)
        .bind(run.id.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(&run.request.digest)
        .bind(fence.counted_attempts())
        .bind(run.request.document_url.as_deref().map(text))
        .bind(run.request.brand_id.as_str())
        .bind(run.accepted_at.timestamp_millis())
        .bind(run.request.principal.stored())
        .fetch_optional(conn.connection()?)
        .await?;
    match (taken, accepted) {
        (Some(_), _) => Ok(()),
        (None, Acceptance::RequestMismatch) => {
            let what = format!("run {} has another request in the database; both are kept", run.id);
            Err(DbError::Store(StorageError::new(StorageErrorKind::Conflict, what)))
        }
        (None, _) => Err(fenced(&run.id)),
    }
}

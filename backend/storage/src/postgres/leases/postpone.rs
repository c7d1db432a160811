//! Puts a run back into the queue, to be claimed later, and counts the attempt of a run that is alone.

use crate::{
    ports::lifecycle::Fence,
    postgres::{
        leases::renew::change_attempt,
        pool::{
            connections::PooledConn,
            db_error::{DbError, fenced},
        },
    },
    waiting::{Postponement, WAITING_OWNER},
};

/// Undoes the attempt. A wait for the same kind of reason goes on; its beginning stays. $1 run, $2 owner, $3
/// epoch, $4 generation, $5 attempt, $6 the owner that means waiting, $7 wait (s), $8 reason, $9 lost (USD)
const POSTPONE: &str = r#"
WITH postponed AS (
  UPDATE "PipelineRun" SET "leaseOwner" = $6, "leaseUntil" = now() + make_interval(secs => $7),
    "attempts" = GREATEST("attempts" - ($5 <= 2 OR "attempts" >= $5)::int, 0), "waitingReason" = $8,
    "waitingSince" = CASE WHEN ("waitingReason" = 'CRASH_SUSPECTED') = ($8 = 'CRASH_SUSPECTED')
      THEN COALESCE("waitingSince", now()) ELSE now() END,
    "lostUsd" = "lostUsd" + $9, "updatedAt" = now()
  WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'
  RETURNING "id"
)
SELECT "id" FROM postponed
UNION ALL
SELECT "id" FROM "PipelineRun"
WHERE "id" = $1 AND "leaseOwner" = $6 AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'"#;

pub(in crate::postgres) async fn postpone(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    postponement: &Postponement,
) -> Result<(), DbError> {
    let postponed = conn
        .query(POSTPONE)
        .bind(fence.run.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(fence.attempt)
        .bind(WAITING_OWNER)
        .bind(postponement.wait.as_secs_f64())
        .bind(postponement.reason.as_str())
        .bind(postponement.lost_usd)
        .fetch_optional(conn.connection()?)
        .await?;
    postponed.map(drop).ok_or_else(|| fenced(&fence.run))
}

/// $1 run, $2 owner, $3 epoch, $4 generation, $5 attempt
const COUNT_ATTEMPT: &str = r#"
UPDATE "PipelineRun" SET "attempts" = GREATEST("attempts", $5), "updatedAt" = now()
WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'
RETURNING "id" "#;

pub(in crate::postgres) async fn count_attempt(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
) -> Result<(), DbError> {
    change_attempt(conn, COUNT_ATTEMPT, fence).await
}
